//! The list: every resource of a cluster's base, each once, in the order in which they are made.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_eks::types::AmiTypes;

use super::addon::{self, Addon};
use super::addon_defaults::addon_configuration;
use super::addon_versions::CompatibleVersions;
use super::ami::NewestRelease;
use super::cluster::{self, Cluster};
use super::foretold::Foretold;
use super::iam_role::Role;
use super::network::Network;
use super::node_group::{self, NodeGroup, Scaling, Taint};
use super::{Place, Shared, Tags, roles};
use crate::aws::Session;
use crate::inventory::{self, EksVersion, Settings};
use crate::reconcile::{Graph, Handle, Polling};

/// What holds for every cluster of a run.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The pipeline's name, which everything is tagged with.
    pub pipeline: String,
    /// How often AWS is asked whether it is done.
    pub polling: Polling,
    /// Why clusters are upgraded although EKS's insights speak against it, if they are.
    pub force_upgrade: Option<String>,
}

/// The resources of one cluster.
#[derive(Debug)]
pub struct Base {
    /// All of them.
    pub graph: Graph,
    /// The EKS cluster among them.
    pub cluster: Handle<cluster::Facts>,
}

impl Base {
    /// The resources of `cluster`, wanted as its settings say, at this Kubernetes version.
    pub fn new(
        cluster: &inventory::Cluster,
        version: EksVersion,
        intent: &Intent,
        session: &Session,
        shared: &Arc<Shared>,
    ) -> Self {
        let settings = &cluster.settings;
        let place = Place {
            target: session.target().clone(),
            cluster: settings.cluster_name.to_string(),
        };
        let tags = tags(cluster, &intent.pipeline);
        let polling = intent.polling;
        let mut graph = Graph::new();

        let network = graph.look_up(Network {
            session: session.clone(),
            shared: shared.clone(),
            cluster: place.cluster.clone(),
            node_tier: settings.node_subnet_identifier.clone(),
            intra_tier: settings.intra_subnet_identifier.clone(),
        });
        let ami_type = AmiTypes::from(settings.management_node_group_ami_type.as_str());
        let newest_release = graph.look_up(NewestRelease {
            session: session.clone(),
            shared: shared.clone(),
            ami_type: ami_type.clone(),
            version: version.to_string(),
        });
        let versions = graph.look_up(CompatibleVersions {
            session: session.clone(),
            shared: shared.clone(),
            version: version.to_string(),
            addons: settings.addons.iter().map(|a| a.name.clone()).collect(),
        });
        // psk looks at neither of the two yet, but what they are called is known.
        let role = graph.look_up(Foretold(Role {
            name: roles::cluster_role_name(&place),
            arn: place.iam(&format!("role/{}", roles::cluster_role_name(&place))),
        }));
        let node_role = graph.look_up(Foretold(Role {
            name: roles::node_role_name(&place),
            arn: place.iam(&format!("role/{}", roles::node_role_name(&place))),
        }));

        let control_plane = graph.add(Cluster {
            session: session.clone(),
            shared: shared.clone(),
            network: network.clone(),
            role,
            key: None,
            after: Vec::new(),
            polling,
            wanted: cluster_wanted(settings, version, intent, &tags),
        });
        let nodes = graph.add(NodeGroup {
            session: session.clone(),
            cluster: control_plane.clone(),
            network,
            newest_release,
            role: node_role,
            launch_template: None,
            after: Vec::new(),
            polling,
            wanted: node_group_wanted(settings, version, ami_type, &tags),
        });

        // kube-proxy may not be newer than the API server nor, by much, older than the kubelets, so
        // it follows the nodes at once and the other add-ons follow it.
        let addon = |wanted: &inventory::Addon, after| Addon {
            session: session.clone(),
            shared: shared.clone(),
            cluster: control_plane.clone(),
            versions: versions.clone(),
            role: None,
            after,
            polling,
            wanted: addon_wanted(settings, version, wanted, &tags),
        };
        let (first, others): (Vec<_>, Vec<_>) =
            settings.addons.iter().partition(|a| a.name == "kube-proxy");
        let mut after = vec![nodes.index()];
        for wanted in first {
            let kube_proxy = graph.add(addon(wanted, after.clone()));
            after.push(kube_proxy.index());
        }
        for wanted in others {
            graph.add(addon(wanted, after.clone()));
        }
        Self {
            graph,
            cluster: control_plane,
        }
    }
}

/// The tags that everything gets. A key that the settings set too is the settings'.
fn tags(cluster: &inventory::Cluster, pipeline: &str) -> Tags {
    let name = cluster.settings.cluster_name.to_string();
    let mut tags = Tags::from([
        ("pipeline".to_owned(), pipeline.to_owned()),
        ("role".to_owned(), cluster.role.clone()),
        (format!("kubernetes.io/cluster/{name}"), "owned".to_owned()),
        ("cluster".to_owned(), name),
    ]);
    tags.extend(cluster.settings.tags.clone());
    tags
}

fn cluster_wanted(
    settings: &Settings,
    version: EksVersion,
    intent: &Intent,
    tags: &Tags,
) -> cluster::Wanted {
    let name = settings.cluster_name.to_string();
    let mut tags = tags.clone();
    tags.insert("karpenter.sh/discovery".to_owned(), name.clone());
    let logs = settings.enable_log_types.iter();
    cluster::Wanted {
        name,
        version,
        log_types: logs.map(|log| log.as_str().to_owned()).collect(),
        endpoint_public_access: settings.endpoint_public_access,
        support_type: settings.upgrade_policy.as_str().to_owned(),
        deletion_protection: settings.deletion_protection,
        tags,
        force_upgrade: intent.force_upgrade.clone(),
    }
}

fn node_group_wanted(
    settings: &Settings,
    version: EksVersion,
    ami_type: AmiTypes,
    tags: &Tags,
) -> node_group::Wanted {
    let name = settings.management_node_group_name.to_string();
    let role = settings.management_node_group_role.clone();
    let types = settings.management_node_group_instance_types.iter();
    node_group::Wanted {
        cluster: settings.cluster_name.to_string(),
        version,
        refresh: settings.auto_refresh_management_node_group,
        ami_type,
        capacity_type: settings
            .management_node_group_capacity_type
            .as_str()
            .to_owned(),
        instance_types: types.map(ToString::to_string).collect(),
        disk_size: settings.management_node_group_disk_size.gib(),
        scaling: Scaling {
            min: settings.management_node_group_min_size.get(),
            max: settings.management_node_group_max_size.get(),
            desired: settings.management_node_group_desired_size.get(),
        },
        labels: [
            ("nodegroup", name.as_str()),
            ("node.kubernetes.io/role", role.as_str()),
            ("karpenter.sh/controller", "true"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into(),
        taints: BTreeSet::from([Taint {
            key: "dedicated".to_owned(),
            value: role.clone(),
            effect: "NO_SCHEDULE".to_owned(),
        }]),
        max_unavailable: settings.node_max_unavailable.to_string(),
        tags: tags.clone(),
        name,
    }
}

fn addon_wanted(
    settings: &Settings,
    version: EksVersion,
    addon: &inventory::Addon,
    tags: &Tags,
) -> addon::Wanted {
    addon::Wanted {
        cluster: settings.cluster_name.to_string(),
        kubernetes: version,
        name: addon.name.clone(),
        version: addon.version.clone(),
        configuration: addon_configuration(settings, addon),
        resolve_conflicts: addon.resolve_conflicts,
        tags: tags.clone(),
    }
}
