//! What psk keeps inside every cluster: its own objects, Karpenter, and what teams add.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::Value as Jinja;
use serde_json::{Value, json};

use super::Error;
use super::applied_set::{self, Applied, AppliedSet, Prune, Record};
use super::connection::{Connection, Shared};
use super::helm::Chart;
use super::karpenter::{CRDS, ChartRelease, KARPENTER, NAMESPACE, Releases, Values};
use super::late::Late;
use super::manifest::{self, Manifest, Templates, jinja};
use super::object::{Body, Object, UNKNOWN};
use crate::control_plane::cluster::Facts;
use crate::control_plane::{self, queue, roles};
use crate::inventory::{self, EksVersion, Settings};
use crate::reconcile::{Graph, Handle, Polling};

/// What the inside of a cluster needs of its AWS side.
#[derive(Debug)]
pub struct Needs<'a> {
    /// What the run has read of psk's own templates.
    pub templates: &'a Templates,
    /// What walks over the cluster's inside share.
    pub shared: &'a Arc<Shared>,
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

/// A template of psk's own objects.
#[derive(Debug, Clone, Copy)]
struct Template {
    name: &'static str,
    text: &'static str,
    place: Place,
    /// What another resource of the plan tells it.
    late: Option<LateName>,
}

/// What other resources tell templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LateName {
    FileSystem,
    NodeRole,
}

impl LateName {
    /// The name that templates have for it.
    fn as_str(self) -> &'static str {
        match self {
            Self::FileSystem => "file_system",
            Self::NodeRole => "node_role",
        }
    }
}

/// All of them.
const TEMPLATES: [Template; 5] = [
    Template {
        name: "namespaces.yaml",
        text: include_str!("manifests/namespaces.yaml"),
        place: Place::Namespace,
        late: None,
    },
    Template {
        name: "admin-binding.yaml",
        text: include_str!("manifests/admin-binding.yaml"),
        place: Place::Own,
        late: None,
    },
    Template {
        name: "storage-classes.yaml",
        text: include_str!("manifests/storage-classes.yaml"),
        place: Place::Own,
        late: Some(LateName::FileSystem),
    },
    Template {
        name: "node-class.yaml",
        text: include_str!("manifests/node-class.yaml"),
        place: Place::Karpenter,
        late: Some(LateName::NodeRole),
    },
    Template {
        name: "node-pools.yaml",
        text: include_str!("manifests/node-pools.yaml"),
        place: Place::Karpenter,
        late: None,
    },
];

const KARPENTER_VALUES: (&str, &str) = (
    "karpenter-values.yaml",
    include_str!("manifests/karpenter-values.yaml"),
);

impl Needs<'_> {
    fn late(&self, name: LateName) -> Late {
        match name {
            LateName::FileSystem => self.file_system.clone(),
            LateName::NodeRole => self.node_role.clone(),
        }
    }
}

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
    let connection = Connection::new(needs.shared.clone(), needs.cluster.clone());
    let connection = Arc::new(connection);
    let bodies = bodies(needs)?;
    let mut wanted = BTreeSet::new();
    let mut group_kinds = BTreeSet::new();
    let mut identities = BTreeSet::new();
    for (body, _) in &bodies {
        let manifest = body.manifest();
        let (api_version, kind) = (manifest.api_version(), manifest.kind());
        wanted.insert((api_version.to_owned(), kind.to_owned()));
        let identity = manifest.identity();
        group_kinds.insert(identity.group_kind.clone());
        identities.insert(identity);
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
        first.push(adding.object(body, needs.ready.to_vec()));
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
        first.clone(),
    );
    let mut scope = scope(needs.settings, needs.tags);
    scope.insert("queue", Jinja::from(UNKNOWN));
    let values = manifest::values(KARPENTER_VALUES.0, KARPENTER_VALUES.1, &scope)
        .map_err(|cause| broken(KARPENTER_VALUES.0, cause))?;
    let mut after = first.clone();
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
        let index = adding.object(body, after);
        if place != Place::Team {
            own.push(index);
        }
        all.push(index);
    }
    adding.graph.add(Prune {
        connection: connection.clone(),
        applied,
        wanted: identities,
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
    fn object(&mut self, body: Body, after: Vec<usize>) -> usize {
        let manifest = body.manifest();
        let title = format!("{} {}", manifest.kind(), manifest.key());
        let handle = self.graph.add(Object {
            connection: self.connection.clone(),
            applied: self.applied.clone(),
            body,
            title,
            after,
            polling: self.needs.polling,
        });
        handle.index()
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
    for Template {
        name,
        text,
        place,
        late,
    } in TEMPLATES
    {
        let mut known = scope.clone();
        if let Some(late) = late {
            known.insert(late.as_str(), Jinja::from(UNKNOWN));
        }
        let objects = needs.templates.objects(name, text, &known);
        let objects = objects.map_err(|cause| broken(name, cause))?;
        bodies.extend(objects.iter().cloned().map(|manifest| {
            let body = match late {
                None => Body::Ready(manifest),
                Some(late) => Body::Late {
                    manifest,
                    late: needs.late(late),
                },
            };
            (body, place)
        }));
    }
    for manifest in needs.manifests {
        let place = match (manifest.api_version(), manifest.kind()) {
            ("v1", "Namespace") => Place::Namespace,
            _ => Place::Team,
        };
        let manifest = Manifest {
            object: applied_set::marked(manifest.object.clone()),
            at: manifest.at.clone(),
        };
        bodies.push((Body::Ready(Arc::new(manifest)), place));
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

/// What psk keeps inside a cluster, as it is once all is known: for whoever builds such a cluster by
/// other means.
#[derive(Debug, Clone, PartialEq)]
pub struct Inside {
    /// Every object that psk itself applies, with its labels.
    pub objects: Vec<Value>,
    /// The values of Karpenter's chart.
    pub karpenter: Value,
}

impl Inside {
    /// The inside of a cluster of psk's own making. `file_system` is the id of the one that its pods
    /// share.
    ///
    /// # Errors
    /// A template can't be rendered, which is a defect.
    pub fn of(
        cluster: &inventory::Cluster,
        pipeline: &str,
        file_system: &str,
    ) -> Result<Self, Error> {
        let settings = &cluster.settings;
        let place = control_plane::Place::of(settings);
        let node_role = roles::karpenter_node_role_name(&place);
        let mut scope = scope(settings, &control_plane::tags(cluster, pipeline));
        scope.insert(LateName::FileSystem.as_str(), Jinja::from(file_system));
        scope.insert(LateName::NodeRole.as_str(), Jinja::from(node_role));
        scope.insert("queue", Jinja::from(queue::name(&place.cluster)));
        let mut objects = Vec::new();
        let mut group_kinds = BTreeSet::new();
        let templates = Templates::default();
        for Template { name, text, .. } in TEMPLATES {
            let found = templates.objects(name, text, &scope);
            for manifest in found.map_err(|cause| broken(name, cause))?.iter() {
                group_kinds.insert(manifest.identity().group_kind);
                objects.push(manifest.object.clone());
            }
        }
        objects.push(applied_set::parent(&group_kinds));
        let (name, template) = KARPENTER_VALUES;
        let karpenter =
            manifest::values(name, template, &scope).map_err(|cause| broken(name, cause))?;
        Ok(Self { objects, karpenter })
    }
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
