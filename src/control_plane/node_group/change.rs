//! Making, changing, rolling and removing a node group.

use std::time::Duration;

use aws_sdk_eks::types::{
    CapacityTypes, LaunchTemplateSpecification, NodegroupScalingConfig, NodegroupStatus,
    NodegroupUpdateConfig, Taint as EksTaint, TaintEffect, Update, UpdateLabelsPayload,
    UpdateTaintsPayload,
};

use tokio::time::Instant;

use super::{CREATE_DEADLINE, NodeGroup, Observed, Taint};
use crate::aws::{CallError, Doing, OrAbsent};
use crate::control_plane::eventual::{PATIENCE, role_is_unseen};
use crate::control_plane::launch_template::TemplateFacts;
use crate::control_plane::tags;
use crate::control_plane::token::token;
use crate::control_plane::updates::{Of, Updates, is_busy};
use crate::reconcile::{Diff, Error, Fact, Progress, State};

/// Nodes are replaced a few at a time, each drained for up to fifteen minutes.
const ROLL_DEADLINE: Duration = Duration::from_secs(4 * 60 * 60);

impl NodeGroup {
    /// Asks for the group, again while EKS doesn't see its new role yet or does something else to
    /// the cluster.
    pub(super) async fn create(&self, progress: &Progress) -> Result<(), Error> {
        let what = format!("node group {}", self.wanted.name);
        let began = Instant::now();
        self.polling
            .until(&what, CREATE_DEADLINE, progress, || async {
                match self.request().await {
                    Ok(()) => Ok(State::Done(())),
                    Err(error) if role_is_unseen(&error) && began.elapsed() < PATIENCE => {
                        Ok(State::UnderWay("waits for its role".to_owned()))
                    }
                    Err(error) if is_busy(&error) => {
                        match self.describe(&self.wanted.name).await? {
                            // Made by a request whose answer was lost, or by another run.
                            Some(is) if is.status != NodegroupStatus::Deleting => {
                                Ok(State::Done(()))
                            }
                            _ => Ok(State::UnderWay("waits for another update".to_owned())),
                        }
                    }
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    async fn request(&self) -> Result<(), CallError> {
        let wanted = &self.wanted;
        let doing = format!("creating node group {}", wanted.name);
        let (Fact::Known(network), Fact::Known(role)) = (self.network.get(), self.role.get())
        else {
            let cause = "its subnets or role aren't known";
            return Err(CallError::new(doing, cause, "run again"));
        };
        let template = self.template();
        // EKS takes one or the other. Source: EKS API reference, CreateNodegroup, diskSize.
        let disk_size = template.is_none().then_some(wanted.disk_size);
        let version = wanted.version.to_string();
        let release = self.newest_release.get().known().flatten();
        self.session
            .eks()
            .create_nodegroup()
            .cluster_name(&wanted.cluster)
            .nodegroup_name(&wanted.name)
            .set_subnets(Some(network.node.iter().map(|s| s.id.clone()).collect()))
            .node_role(&role.arn)
            .ami_type(wanted.ami_type.clone())
            .capacity_type(CapacityTypes::from(wanted.capacity_type.as_str()))
            .set_instance_types(Some(wanted.instance_types.clone()))
            .scaling_config(self.scaling(wanted.scaling.desired))
            .set_launch_template(template.as_ref().map(specification))
            .set_disk_size(disk_size)
            .set_labels(Some(wanted.labels.clone().into_iter().collect()))
            .set_taints(Some(wanted.taints.iter().map(taint).collect()))
            .update_config(self.update_config())
            .version(&version)
            .set_release_version(release)
            .set_tags(Some(tags::made(&wanted.tags).into_iter().collect()))
            .client_request_token(token(&[
                "nodegroup",
                &wanted.cluster,
                &wanted.name,
                &version,
                &role.arn,
                wanted.ami_type.as_str(),
                &wanted.capacity_type,
                &wanted.instance_types.join(","),
            ]))
            .send()
            .await
            .doing(|| doing)?;
        Ok(())
    }

    /// Changes what `diff` tells: tags, then configuration, then the nodes themselves.
    pub(super) async fn update(
        &self,
        diff: &Diff,
        is: &Observed,
        progress: &Progress,
    ) -> Result<(), Error> {
        if diff.touches("tags") {
            self.session
                .eks()
                .tag_resource()
                .resource_arn(&is.arn)
                .set_tags(Some(self.wanted.tags.clone().into_iter().collect()))
                .send()
                .await
                .doing(|| format!("tagging node group {}", is.name))?;
        }
        if ["scaling", "labels", "taints", "max_unavailable"]
            .iter()
            .any(|path| diff.touches(path))
        {
            self.configure(diff, is, progress).await?;
        }
        if ["version", "release_version", "launch_template"]
            .iter()
            .any(|path| diff.touches(path))
        {
            self.roll(is, progress).await?;
        }
        Ok(())
    }

    /// Replaces the nodes, one update for version, release and launch template together.
    async fn roll(&self, is: &Observed, progress: &Progress) -> Result<(), Error> {
        let version = self.wanted.version.to_string();
        let release = self.newest_release.get().known().flatten();
        let template = self.template();
        let what = format!("rolling node group {} to Kubernetes {version}", is.name);
        let updates = self.updates(&is.name, ROLL_DEADLINE);
        let token = updates
            .next_token(&["roll", &version, release.as_deref().unwrap_or_default()])
            .await?;
        updates
            .run(&what, progress, || async {
                let answer = self
                    .session
                    .eks()
                    .update_nodegroup_version()
                    .cluster_name(&self.wanted.cluster)
                    .nodegroup_name(&is.name)
                    .version(&version)
                    .set_release_version(release.clone())
                    .set_launch_template(
                        // A group that was made without psk's template can't be given it.
                        template
                            .as_ref()
                            .filter(|template| is.launched_from(&template.id))
                            .map(specification),
                    )
                    .force(true)
                    .client_request_token(&token)
                    .send()
                    .await
                    .doing(|| what.clone())?;
                Ok::<Option<Update>, CallError>(answer.update)
            })
            .await
    }

    async fn configure(
        &self,
        diff: &Diff,
        is: &Observed,
        progress: &Progress,
    ) -> Result<(), Error> {
        let wanted = &self.wanted;
        let what = format!("changing the configuration of node group {}", is.name);
        let labels = diff.touches("labels").then(|| {
            let gone = is
                .labels
                .keys()
                .filter(|key| !wanted.labels.contains_key(*key));
            UpdateLabelsPayload::builder()
                .set_add_or_update_labels(Some(wanted.labels.clone().into_iter().collect()))
                .set_remove_labels(Some(gone.cloned().collect()))
                .build()
        });
        let taints = diff.touches("taints").then(|| {
            let gone = is.taints.difference(&wanted.taints).map(taint);
            UpdateTaintsPayload::builder()
                .set_add_or_update_taints(Some(wanted.taints.iter().map(taint).collect()))
                .set_remove_taints(Some(gone.collect()))
                .build()
        });
        let scaling = diff.touches("scaling").then(|| {
            // The number of nodes stays what it is, as far as the new limits let it.
            self.scaling(
                is.desired_size
                    .clamp(wanted.scaling.min, wanted.scaling.max),
            )
        });
        let update_config = diff
            .touches("max_unavailable")
            .then(|| self.update_config());
        let updates = self.updates(&is.name, CREATE_DEADLINE);
        let token = updates.next_token(&["configure"]).await?;
        updates
            .run(&what, progress, || async {
                let answer = self
                    .session
                    .eks()
                    .update_nodegroup_config()
                    .cluster_name(&wanted.cluster)
                    .nodegroup_name(&is.name)
                    .set_labels(labels.clone())
                    .set_taints(taints.clone())
                    .set_scaling_config(scaling.clone())
                    .set_update_config(update_config.clone())
                    .client_request_token(&token)
                    .send()
                    .await
                    .doing(|| what.clone())?;
                Ok::<Option<Update>, CallError>(answer.update)
            })
            .await
    }

    /// Deletes the group of that name and waits until it is gone.
    pub(super) async fn delete(&self, name: &str, progress: &Progress) -> Result<(), Error> {
        self.session
            .eks()
            .delete_nodegroup()
            .cluster_name(&self.wanted.cluster)
            .nodegroup_name(name)
            .send()
            .await
            .doing(|| format!("deleting node group {name}"))
            .or_absent()?;
        self.until_gone(name, progress).await
    }

    pub(super) async fn until_gone(&self, name: &str, progress: &Progress) -> Result<(), Error> {
        let what = format!("deletion of node group {name}");
        self.polling
            .until(&what, CREATE_DEADLINE, progress, || async {
                Ok(match self.describe(name).await? {
                    None => State::Done(()),
                    Some(is) => State::UnderWay(is.status.as_str().to_owned()),
                })
            })
            .await
    }

    fn updates<'a>(&'a self, name: &'a str, deadline: Duration) -> Updates<'a> {
        Updates {
            session: &self.session,
            cluster: &self.wanted.cluster,
            of: Of::NodeGroup(name),
            polling: self.polling,
            deadline,
        }
    }

    fn scaling(&self, desired: i32) -> NodegroupScalingConfig {
        let scaling = self.wanted.scaling;
        NodegroupScalingConfig::builder()
            .min_size(scaling.min)
            .max_size(scaling.max)
            .desired_size(desired)
            .build()
    }

    fn update_config(&self) -> NodegroupUpdateConfig {
        let (count, percentage) = match self.wanted.max_unavailable.strip_suffix('%') {
            Some(percentage) => (None, percentage.parse().ok()),
            None => (self.wanted.max_unavailable.parse().ok(), None),
        };
        NodegroupUpdateConfig::builder()
            .set_max_unavailable(count)
            .set_max_unavailable_percentage(percentage)
            .build()
    }
}

fn specification(template: &TemplateFacts) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder()
        .id(&template.id)
        .version(&template.version)
        .build()
}

fn taint(taint: &Taint) -> EksTaint {
    EksTaint::builder()
        .key(&taint.key)
        .value(&taint.value)
        .effect(TaintEffect::from(taint.effect.as_str()))
        .build()
}
