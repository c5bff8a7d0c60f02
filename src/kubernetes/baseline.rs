//! What psk keeps inside every cluster: its own objects, Karpenter, and what teams add.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Value as Jinja;
use serde_json::{Value, json};

use super::Error;
use super::applied_set::{self, Applied, AppliedSet, Prune, Record};
use super::connection::Connection;
use super::helm::{Chart, Helm};
use super::karpenter::{CRDS, ChartRelease, KARPENTER, NAMESPACE, Releases, Values};
use super::late::Late;
use super::manifest::{self, Manifest, built_in, jinja};
use super::object::{Body, Object, UNKNOWN};
use crate::aws::Session;
use crate::control_plane::cluster::Facts;
use crate::inventory::{EksVersion, Settings};
use crate::reconcile::{Graph, Handle, Polling};

/// What the inside of a cluster needs of its AWS side.
#[derive(Debug)]
pub struct Needs<'a> {
    /// The account and region that the cluster is in.
    pub session: &'a Session,
    /// The cluster's settings.
    pub settings: &'a Settings,
    /// The Kubernetes version that is climbed to.
    pub version: EksVersion,
    /// The cluster.
    pub cluster: &'a Handle<Facts>,
    /// Id of the file system that pods share.
    pub file_system: Late,
    /// Name of the role of the nodes that Karpenter makes.
    pub node_role: Late,
    /// Name of the queue by which Karpenter hears of interruptions.
    pub queue: Late,
    /// Tags of the instances that Karpenter makes.
    pub tags: &'a BTreeMap<String, String>,
    /// Places in the graph of what must be right before anything runs in the cluster.
    pub ready: &'a [usize],
    /// What teams add.
    pub manifests: &'a [Manifest],
    /// How often services are asked whether they are done.
    pub polling: Polling,
    /// Whether the changes are to be made in this run.
    pub applies: bool,
}

/// psk's own templates: name and text.
const NAMESPACES: (&str, &str) = ("namespaces.yaml", include_str!("manifests/namespaces.yaml"));
const ADMIN_BINDING: (&str, &str) = (
    "admin-binding.yaml",
    include_str!("manifests/admin-binding.yaml"),
);
const STORAGE_CLASSES: (&str, &str) = (
    "storage-classes.yaml",
    include_str!("manifests/storage-classes.yaml"),
);
const NODE_CLASS: (&str, &str) = ("node-class.yaml", include_str!("manifests/node-class.yaml"));
const NODE_POOLS: (&str, &str) = ("node-pools.yaml", include_str!("manifests/node-pools.yaml"));
const KARPENTER_VALUES: (&str, &str) = (
    "karpenter-values.yaml",
    include_str!("manifests/karpenter-values.yaml"),
);

type Scope = BTreeMap<&'static str, Jinja>;

/// What the templates may use, other resources' values aside.
fn scope(settings: &Settings, tags: &BTreeMap<String, String>) -> Scope {
    let nodes = settings.management_node_group_desired_size.get();
    // Tags hold what they like; as JSON they are YAML whatever it is.
    let quoted = tags
        .iter()
        .map(|(k, v)| [json!(k), json!(v)].map(|text| text.to_string()));
    Scope::from([
        ("cluster", Jinja::from(settings.cluster_name.to_string())),
        ("admin_group", Jinja::from(settings.admin_group.as_str())),
        ("ebs", jinja(&json!(settings.storage_classes.ebs))),
        ("efs", jinja(&json!(settings.storage_classes.efs))),
        ("tags", jinja(&json!(quoted.collect::<Vec<_>>()))),
        ("replicas", Jinja::from(nodes.min(2))),
        (
            "node_role_label",
            Jinja::from(settings.management_node_group_role.as_str()),
        ),
    ])
}

/// Adds what belongs inside the cluster to its graph. Gives the way into it.
///
/// # Errors
/// A template of psk's own can't be rendered, which is a defect.
pub fn add(graph: &mut Graph, needs: &Needs<'_>) -> Result<Arc<Connection>, Error> {
    let name = needs.settings.cluster_name.to_string();
    let connection = Arc::new(Connection::new(
        needs.session.clone(),
        name,
        needs.cluster.clone(),
    ));
    let bodies = bodies(needs)?;
    let mut wanted = BTreeSet::new();
    let mut group_kinds = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for (body, _) in &bodies {
        let manifest = body
            .manifest()
            .map_err(|e| Error::new(e.doing, e.cause, e.next))?;
        let (api_version, kind) = (manifest.api_version(), manifest.kind());
        let group_kind = match api_version.split_once('/') {
            Some((group, _)) => format!("{kind}.{group}"),
            None => kind.to_owned(),
        };
        wanted.insert((api_version.to_owned(), kind.to_owned()));
        group_kinds.insert(group_kind.clone());
        let key = match manifest.namespace() {
            Some(namespace) => format!("{namespace}/{}", manifest.name()),
            None => manifest.name().to_owned(),
        };
        keys.insert((group_kind, key));
    }
    let applied = graph.look_up(AppliedSet {
        connection: connection.clone(),
        wanted,
    });
    let found = graph.look_up(Releases {
        connection: connection.clone(),
    });

    let mut adding = Adding {
        graph,
        needs,
        connection: connection.clone(),
        applied: applied.clone(),
    };
    // Namespaces, psk's own among them, come before what is in them.
    let (namespaces, rest): (Vec<_>, Vec<_>) = bodies
        .into_iter()
        .partition(|(_, place)| *place == Place::Namespace);
    let mut first = Vec::new();
    for (body, _) in namespaces {
        first.push(adding.object(body, needs.ready.to_vec())?);
    }
    let record = adding.graph.add(Record {
        connection: connection.clone(),
        applied: applied.clone(),
        wanted: group_kinds,
        after: first.clone(),
    });
    first.push(record.index());

    let crds = adding.release(
        &found,
        Chart {
            release: CRDS,
            namespace: NAMESPACE,
            chart: chart(needs.settings, CRDS),
            version: needs.settings.karpenter_chart_version.to_string(),
            values: Value::Null,
        },
        Values::None,
        needs.ready.to_vec(),
    );
    let mut scope = scope(needs.settings, needs.tags);
    scope.insert("queue", Jinja::from(UNKNOWN));
    let values = manifest::values(KARPENTER_VALUES.0, KARPENTER_VALUES.1, &scope)
        .map_err(|cause| broken(KARPENTER_VALUES.0, cause))?;
    let mut after = needs.ready.to_vec();
    after.push(crds);
    let karpenter = adding.release(
        &found,
        Chart {
            release: KARPENTER,
            namespace: NAMESPACE,
            chart: chart(needs.settings, KARPENTER),
            version: needs.settings.karpenter_chart_version.to_string(),
            values: Value::Null,
        },
        Values::WithQueue(values, needs.queue.clone()),
        after,
    );

    let mut all = first.clone();
    all.extend([crds, karpenter]);
    let mut own = first.clone();
    for (body, place) in rest {
        let after = match place {
            Place::Namespace | Place::Own => first.clone(),
            // Karpenter's objects need their kinds.
            Place::Karpenter => first.iter().copied().chain([crds]).collect(),
            // Teams may build on everything of psk's.
            Place::Team => own.iter().copied().chain([crds, karpenter]).collect(),
        };
        let index = adding.object(body, after)?;
        if place != Place::Team {
            own.push(index);
        }
        all.push(index);
    }
    adding.graph.add(Prune {
        connection: connection.clone(),
        applied,
        wanted: keys,
        after: all,
    });
    Ok(connection)
}

/// Where an object stands in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Namespace,
    Own,
    Karpenter,
    Team,
}

struct Adding<'a> {
    graph: &'a mut Graph,
    needs: &'a Needs<'a>,
    connection: Arc<Connection>,
    applied: Handle<Arc<Applied>>,
}

impl Adding<'_> {
    fn object(&mut self, body: Body, after: Vec<usize>) -> Result<usize, Error> {
        let manifest = body
            .manifest()
            .map_err(|e| Error::new(e.doing, e.cause, e.next))?;
        let title = match manifest.namespace() {
            Some(namespace) => format!("{} {namespace}/{}", manifest.kind(), manifest.name()),
            None => format!("{} {}", manifest.kind(), manifest.name()),
        };
        let handle = self.graph.add(Object {
            connection: self.connection.clone(),
            applied: self.applied.clone(),
            body,
            title,
            after,
            polling: self.needs.polling,
        });
        Ok(handle.index())
    }

    fn release(
        &mut self,
        found: &Handle<super::karpenter::Found>,
        chart: Chart,
        values: Values,
        after: Vec<usize>,
    ) -> usize {
        let handle = self.graph.add(ChartRelease {
            connection: self.connection.clone(),
            cluster: self.needs.cluster.clone(),
            found: found.clone(),
            helm: Helm::of(self.needs.session.env()),
            applies: self.needs.applies,
            chart,
            values,
            kubernetes: self.needs.version,
            after,
        });
        handle.index()
    }
}

/// Every object that is wanted, and where it stands in the order.
fn bodies(needs: &Needs<'_>) -> Result<Vec<(Body, Place)>, Error> {
    let scope = scope(needs.settings, needs.tags);
    let mut bodies = Vec::new();
    let mut ready = |(name, template): (&'static str, &'static str), place| {
        let manifests = built_in(name, template, &scope).map_err(|cause| broken(name, cause))?;
        bodies.extend(manifests.into_iter().map(|m| (Body::Ready(m), place)));
        Ok::<_, Error>(())
    };
    ready(NAMESPACES, Place::Namespace)?;
    ready(ADMIN_BINDING, Place::Own)?;
    ready(NODE_POOLS, Place::Karpenter)?;
    let late = |(name, template): (&'static str, &'static str), index, late: Vec<_>| Body::Late {
        name,
        template,
        index,
        scope: scope.clone(),
        late: late.into_iter().collect(),
    };
    let file_system = || vec![("file_system", needs.file_system.clone())];
    bodies.push((late(STORAGE_CLASSES, 0, file_system()), Place::Own));
    bodies.push((late(STORAGE_CLASSES, 1, file_system()), Place::Own));
    let node_role = vec![("node_role", needs.node_role.clone())];
    bodies.push((late(NODE_CLASS, 0, node_role), Place::Karpenter));
    for manifest in needs.manifests {
        let place = match (manifest.api_version(), manifest.kind()) {
            ("v1", "Namespace") => Place::Namespace,
            _ => Place::Team,
        };
        bodies.push((Body::Ready(manifest.clone()), place));
    }
    Ok(bodies)
}

/// Where a chart of Karpenter's is.
fn chart(settings: &Settings, name: &str) -> String {
    format!("{}/{name}", settings.karpenter.repository)
}

fn broken(name: &str, cause: String) -> Error {
    Error::new(
        format!("rendering psk's own manifest {name}"),
        cause,
        "report this as a bug",
    )
}

/// Everything that psk itself applies to a cluster with these settings, as it is once all is known;
/// for whoever builds such a cluster by other means.
///
/// # Errors
/// A template can't be rendered, which is a defect.
pub fn objects(
    settings: &Settings,
    tags: &BTreeMap<String, String>,
    file_system: &str,
    node_role: &str,
) -> Result<Vec<Value>, Error> {
    let mut scope = scope(settings, tags);
    scope.insert("file_system", Jinja::from(file_system));
    scope.insert("node_role", Jinja::from(node_role));
    let mut objects = Vec::new();
    let mut group_kinds = BTreeSet::new();
    for (name, template) in [
        NAMESPACES,
        ADMIN_BINDING,
        STORAGE_CLASSES,
        NODE_CLASS,
        NODE_POOLS,
    ] {
        let manifests = built_in(name, template, &scope).map_err(|cause| broken(name, cause))?;
        for manifest in manifests {
            let kind = manifest.kind();
            group_kinds.insert(match manifest.api_version().split_once('/') {
                Some((group, _)) => format!("{kind}.{group}"),
                None => kind.to_owned(),
            });
            objects.push(applied_set::marked(manifest.object));
        }
    }
    objects.push(applied_set::parent(&group_kinds));
    Ok(objects)
}

/// The values of Karpenter's chart for a cluster with these settings.
///
/// # Errors
/// The template can't be rendered, which is a defect.
pub fn karpenter_values(settings: &Settings, queue: &str) -> Result<Value, Error> {
    let mut scope = scope(settings, &BTreeMap::new());
    scope.insert("queue", Jinja::from(queue));
    manifest::values(KARPENTER_VALUES.0, KARPENTER_VALUES.1, &scope)
        .map_err(|cause| broken(KARPENTER_VALUES.0, cause))
}

/// Names of what the base keeps in a cluster, for those who check that it is there.
pub mod names {
    /// The namespaces.
    pub const NAMESPACES: [&str; 2] = ["psk-system", "karpenter"];
    /// The binding of the admin group.
    pub const ADMIN_BINDING: &str = "psk-admin-clusterrolebinding";
    /// Karpenter's description of nodes.
    pub const NODE_CLASS: &str = "default-node-class";
    /// Karpenter's pools, by architecture.
    pub const NODE_POOLS: [(&str, &str); 2] = [
        ("amd64", "default-amd-node-pool"),
        ("arm64", "default-arm-node-pool"),
    ];

    /// The storage class of EBS volumes.
    pub fn ebs_class(cluster: &str) -> String {
        format!("{cluster}-ebs-csi-storage-class")
    }

    /// The storage class of EFS access points.
    pub fn efs_class(cluster: &str) -> String {
        format!("{cluster}-efs-csi-storage-class")
    }
}
