//! A cluster's resources with its inside among them, and what keeps its nodes from being drained.

use std::sync::Arc;

use super::cluster::ClusterWork;
use super::mode::Mode;
use crate::aws::Session;
use crate::control_plane::node_group::NodeGroup;
use crate::control_plane::{Base, Shared};
use crate::inventory::{Cluster, EksVersion};
use crate::kubernetes::{self, Connection, Late, baseline, drains};
use crate::reconcile::plan::{Action, ResourceChange};
use crate::reconcile::{Error, Resource};

impl ClusterWork {
    /// The resources of a cluster as they are wanted at a version, and the way into it.
    pub(super) fn whole(
        &self,
        cluster: &Cluster,
        session: &Session,
        shared: &Arc<Shared>,
        inside: &Arc<kubernetes::Shared>,
        version: EksVersion,
    ) -> Result<(Base, Arc<Connection>), Error> {
        let mut base = Base::new(cluster, version, &self.intent, session, shared);
        let manifests = self.manifests.get(cluster.name.as_str());
        let needs = baseline::Needs {
            templates: &self.templates,
            shared: inside,
            settings: &cluster.settings,
            version,
            cluster: &base.cluster,
            file_system: Late::new(&base.file_system, |id| id),
            node_role: Late::new(&base.karpenter_nodes, |role| role.name),
            queue: Late::new(&base.queue, |queue| queue.name),
            tags: &base.tags,
            ready: &base.ready,
            manifests: manifests.map(Vec::as_slice).unwrap_or_default(),
            polling: self.intent.polling,
            applies: self.mode == Mode::Apply,
        };
        let connection = baseline::add(&mut base.graph, &needs)?;
        Ok((base, connection))
    }
}

/// Which pods keep nodes from being drained, where these changes roll nodes.
pub(super) async fn blocked_drains(
    connection: &Connection,
    changes: &[ResourceChange],
) -> Result<Vec<String>, Error> {
    if !changes.iter().any(rolls_nodes) {
        return Ok(Vec::new());
    }
    let Some(access) = connection.observed().await? else {
        return Ok(Vec::new());
    };
    match drains::blocked(&access).await {
        // Whoever psk is to the cluster so far may not look; that its access is missing, the plan
        // tells.
        Err(error) if error.is_denied() => Ok(Vec::new()),
        blocked => Ok(blocked?),
    }
}

/// Whether a change replaces the nodes of a managed node group, one after the other or all at once.
fn rolls_nodes(change: &ResourceChange) -> bool {
    let rolling = ["version", "release_version", "launch_template.version"];
    let touched = |path: &str| rolling.contains(&path);
    change.kind == NodeGroup::KIND
        && match change.action {
            Action::Replace | Action::Delete => true,
            Action::Update => change.attributes.iter().any(|a| touched(&a.path)),
            Action::Keep | Action::Create => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::Diff;

    fn change(kind: &str, diff: Diff) -> ResourceChange {
        ResourceChange {
            kind: kind.into(),
            name: "management".into(),
            action: diff.action,
            attributes: diff.attributes,
            reason: diff.reason,
        }
    }

    #[test]
    fn nodes_are_rolled_by_what_is_on_them_and_not_by_how_many_they_are() {
        let update = |path: &str| Diff::update().attribute(path, Some("a"), "b").build();
        for path in ["version", "release_version", "launch_template.version"] {
            assert!(
                rolls_nodes(&change(NodeGroup::KIND, update(path))),
                "{path}"
            );
        }
        assert!(!rolls_nodes(&change(
            NodeGroup::KIND,
            update("scaling.max_size")
        )));
        assert!(!rolls_nodes(&change("eks_cluster", update("version"))));
        let made = Diff::create().attribute("version", None::<()>, "1.35");
        assert!(!rolls_nodes(&change(NodeGroup::KIND, made.build())));
        let replaced = Diff::update().attribute("ami_type", Some("a"), "b");
        let replaced = replaced.replacing(&["ami_type"]).build();
        assert!(rolls_nodes(&change(NodeGroup::KIND, replaced)));
    }
}
