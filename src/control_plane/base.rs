//! The list: every resource of a cluster's base, each once, in the order in which they are made.

use std::sync::Arc;

use aws_sdk_eks::types::AmiTypes;

use super::access_entries::{self, Access, AccessEntry, Principal};
use super::addon::Addon;
use super::addon_versions::{Catalog, CompatibleVersions};
use super::adoption::{AdoptedRole, User};
use super::ami::NewestRelease;
use super::cluster::{self, Cluster};
use super::discovery::Discovery;
use super::event_rules::{self, ClusterRules, EventRule, Interruption};
use super::file_system::{self, FileSystem};
use super::iam_role::{self, IamRole, Role};
use super::identity_provider_config::{self, IdentityProviderConfig};
use super::kms_key::{self, KmsKey};
use super::launch_template::{self, LaunchTemplate};
use super::log_group::{self, LogGroup};
use super::mount_targets::MountTargets;
use super::network::{Network, Subnets};
use super::node_group::{self, NodeGroup};
use super::oidc_provider::{self, OidcProvider};
use super::pod_identity::{self, PodIdentityAssociation};
use super::queue::{self, Queue};
use super::security_group::{self, SecurityGroup};
use super::wanted::{addon_wanted, cluster_wanted, node_group_wanted, tags};
use super::{Place, Shared, Tags, roles};
use crate::aws::Session;
use crate::inventory::{self, EksVersion, Settings, WorkloadIdentity};
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

/// The resources of one cluster, and what those that build on the base need to know of it.
#[derive(Debug)]
pub struct Base {
    /// All of them.
    pub graph: Graph,
    /// The EKS cluster.
    pub cluster: Handle<cluster::Facts>,
    /// The managed node group.
    pub node_group: Handle<node_group::Facts>,
    /// Id of the file system.
    pub file_system: Handle<String>,
    /// The queue by which Karpenter hears of interruptions.
    pub queue: Handle<queue::Facts>,
    /// The role of the nodes that Karpenter makes.
    pub karpenter_nodes: Handle<Role>,
    /// The tags that everything gets.
    pub tags: Tags,
    /// Places in the graph of what must be right before anything runs in the cluster: nodes, add-ons,
    /// access, and what Karpenter needs of AWS.
    pub ready: Vec<usize>,
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
        Builder {
            settings: &cluster.settings,
            version,
            intent,
            session,
            shared,
            place: Place {
                target: session.target().clone(),
                cluster: cluster.settings.cluster_name.to_string(),
            },
            tags: tags(cluster, &intent.pipeline),
            graph: Graph::new(),
        }
        .build()
    }
}

/// Puts the resources of one cluster into a graph.
struct Builder<'a> {
    settings: &'a Settings,
    version: EksVersion,
    intent: &'a Intent,
    session: &'a Session,
    shared: &'a Arc<Shared>,
    place: Place,
    tags: Tags,
    graph: Graph,
}

/// Karpenter's side of the base.
struct Karpenter {
    queue: Handle<queue::Facts>,
    nodes: Handle<Role>,
    after: Vec<usize>,
}

impl Builder<'_> {
    fn build(mut self) -> Base {
        let network = self.network();
        let versions = self.compatible_versions();
        let cluster = self.control_plane(&network);
        let provider = self.oidc_provider(&cluster);
        let admin = self.admin(&cluster);
        let node_group = self.node_group(&network, &cluster);
        let addons = self.addons(&cluster, &versions, provider.as_ref(), &node_group);
        self.identity_provider_config(&cluster, &addons);
        let file_system = self.storage(&network, &cluster);
        let karpenter = self.karpenter(&cluster);

        let mut ready = vec![cluster.index(), node_group.index(), admin];
        ready.extend(addons);
        ready.extend(karpenter.after);
        Base {
            graph: self.graph,
            cluster,
            node_group,
            file_system,
            queue: karpenter.queue,
            karpenter_nodes: karpenter.nodes,
            tags: self.tags,
            ready,
        }
    }

    fn name(&self) -> String {
        self.place.cluster.clone()
    }

    fn network(&mut self) -> Handle<Subnets> {
        self.graph.look_up(Network {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: self.place.cluster.clone(),
            node_tier: self.settings.node_subnet_identifier.clone(),
            intra_tier: self.settings.intra_subnet_identifier.clone(),
        })
    }

    fn compatible_versions(&mut self) -> Handle<Catalog> {
        let addons = self.settings.addons.iter();
        self.graph.look_up(CompatibleVersions {
            session: self.session.clone(),
            shared: self.shared.clone(),
            version: self.version.to_string(),
            addons: addons.map(|a| a.name.clone()).collect(),
        })
    }

    /// The cluster with what it is made of: a key, a log group and a role.
    fn control_plane(&mut self, network: &Handle<Subnets>) -> Handle<cluster::Facts> {
        let key = self.graph.add(KmsKey {
            session: self.session.clone(),
            shared: self.shared.clone(),
            polling: self.intent.polling,
            wanted: kms_key::Wanted {
                cluster: self.name(),
                tags: self.tags.clone(),
            },
        });
        let logs = self.graph.add(LogGroup {
            session: self.session.clone(),
            shared: self.shared.clone(),
            polling: self.intent.polling,
            wanted: log_group::Wanted {
                cluster: self.name(),
                retention_days: self.settings.log_retention_days.days(),
                tags: self.tags.clone(),
            },
        });
        let wanted = roles::cluster(&self.place, &key, &self.tags);
        let role = self.role(wanted, Some(User::Cluster));
        self.graph.add(Cluster {
            session: self.session.clone(),
            shared: self.shared.clone(),
            network: network.clone(),
            role,
            key: Some(key),
            after: vec![logs.index()],
            polling: self.intent.polling,
            wanted: cluster_wanted(self.settings, self.version, self.intent, &self.tags),
        })
    }

    /// A role, or the one that serves in its stead where psk didn't make the cluster.
    fn role(&mut self, wanted: iam_role::Wanted, user: Option<User>) -> Handle<Role> {
        let adopted = user.map(|user| {
            self.graph.look_up(AdoptedRole {
                session: self.session.clone(),
                shared: self.shared.clone(),
                cluster: self.place.cluster.clone(),
                own: wanted.name.clone(),
                user,
            })
        });
        self.graph.add(IamRole {
            session: self.session.clone(),
            shared: self.shared.clone(),
            adopted,
            polling: self.intent.polling,
            wanted,
        })
    }

    /// What IAM trusts the pods' tokens by, where pods get their roles so.
    fn oidc_provider(&mut self, cluster: &Handle<cluster::Facts>) -> Option<Handle<String>> {
        (self.settings.workload_identity == WorkloadIdentity::Irsa).then(|| {
            self.graph.add(OidcProvider {
                session: self.session.clone(),
                cluster: cluster.clone(),
                polling: self.intent.polling,
                wanted: oidc_provider::Wanted {
                    place: self.place.clone(),
                    tags: self.tags.clone(),
                },
            })
        })
    }

    /// The pipeline's own access to the cluster. Gives its place in the graph.
    fn admin(&mut self, cluster: &Handle<cluster::Facts>) -> usize {
        let role = self.settings.aws_assume_role.to_string();
        let role = role.trim_start_matches('/');
        let name = role.rsplit('/').next().unwrap_or(role);
        let entry = self.graph.add(AccessEntry {
            session: self.session.clone(),
            cluster: cluster.clone(),
            principal: Principal::Arn(self.place.iam(&format!("role/{role}"))),
            polling: self.intent.polling,
            wanted: access_entries::Wanted {
                cluster: self.place.cluster.clone(),
                name: name.to_owned(),
                access: Access::Admin {
                    policy: self.place.access_policy("AmazonEKSClusterAdminPolicy"),
                },
                tags: self.tags.clone(),
            },
        });
        entry.index()
    }

    fn node_group(
        &mut self,
        network: &Handle<Subnets>,
        cluster: &Handle<cluster::Facts>,
    ) -> Handle<node_group::Facts> {
        let settings = self.settings;
        let name = settings.management_node_group_name.to_string();
        let ami_type = AmiTypes::from(settings.management_node_group_ami_type.as_str());
        let newest_release = self.graph.look_up(NewestRelease {
            session: self.session.clone(),
            shared: self.shared.clone(),
            ami_type: ami_type.clone(),
            version: self.version.to_string(),
        });
        let wanted = roles::nodes(&self.place, &self.tags);
        let role = self.role(wanted, Some(User::NodeGroup(name.clone())));
        let launch_template = self.graph.add(LaunchTemplate {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: cluster.clone(),
            polling: self.intent.polling,
            wanted: launch_template::Wanted {
                cluster: self.place.cluster.clone(),
                node_group: name,
                device: launch_template::data_device(&ami_type).to_owned(),
                disk_gib: settings.management_node_group_disk_size.gib(),
                tags: self.tags.clone(),
            },
        });
        self.graph.add(NodeGroup {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: cluster.clone(),
            network: network.clone(),
            newest_release,
            role,
            launch_template: Some(launch_template),
            after: Vec::new(),
            polling: self.intent.polling,
            wanted: node_group_wanted(settings, self.version, ami_type, &self.tags),
        })
    }

    /// The add-ons, after the nodes. kube-proxy may not be newer than the API server nor, by much,
    /// older than the kubelets, so it follows the nodes at once and the other add-ons follow it.
    fn addons(
        &mut self,
        cluster: &Handle<cluster::Facts>,
        versions: &Handle<Catalog>,
        provider: Option<&Handle<String>>,
        nodes: &Handle<node_group::Facts>,
    ) -> Vec<usize> {
        let (first, others): (Vec<_>, Vec<_>) = self
            .settings
            .addons
            .iter()
            .partition(|addon| addon.name == "kube-proxy");
        let mut after = vec![nodes.index()];
        let mut all = Vec::new();
        for wanted in first {
            let addon = self.addon(wanted, cluster, versions, provider, after.clone());
            after.push(addon);
            all.push(addon);
        }
        for wanted in others {
            all.push(self.addon(wanted, cluster, versions, provider, after.clone()));
        }
        all
    }

    fn addon(
        &mut self,
        wanted: &inventory::Addon,
        cluster: &Handle<cluster::Facts>,
        versions: &Handle<Catalog>,
        provider: Option<&Handle<String>>,
        mut after: Vec<usize>,
    ) -> usize {
        let mut accounts = roles::SERVICE_ACCOUNTS.iter();
        let account = accounts.find(|account| account.addon == wanted.name);
        let role = account.map(|account| {
            let role = roles::service_account(&self.place, account, provider, &self.tags);
            (account, self.role(role, None))
        });
        // A role comes to the pods by the add-on itself or by an association that is there first.
        let role = match role {
            Some((account, role)) if provider.is_none() => {
                after.push(self.association(cluster, role, account.name));
                None
            }
            role => role.map(|(_, role)| role),
        };
        let addon = self.graph.add(Addon {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: cluster.clone(),
            versions: versions.clone(),
            role,
            after,
            polling: self.intent.polling,
            wanted: addon_wanted(self.settings, self.version, wanted, &self.tags),
        });
        addon.index()
    }

    /// Gives the pods of a service account of kube-system a role. Gives its place in the graph.
    fn association(
        &mut self,
        cluster: &Handle<cluster::Facts>,
        role: Handle<Role>,
        service_account: &str,
    ) -> usize {
        let association = self.graph.add(PodIdentityAssociation {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: cluster.clone(),
            role,
            polling: self.intent.polling,
            wanted: pod_identity::Wanted {
                cluster: self.place.cluster.clone(),
                namespace: "kube-system".to_owned(),
                service_account: service_account.to_owned(),
                tags: self.tags.clone(),
            },
        });
        association.index()
    }

    /// Comes last: EKS changes nothing else of the cluster for the many minutes that it takes.
    fn identity_provider_config(&mut self, cluster: &Handle<cluster::Facts>, addons: &[usize]) {
        let settings = self.settings;
        self.graph.add(IdentityProviderConfig {
            session: self.session.clone(),
            cluster: cluster.clone(),
            after: addons.to_vec(),
            polling: self.intent.polling,
            wanted: identity_provider_config::Wanted {
                cluster: self.place.cluster.clone(),
                name: settings.oidc_identity_provider_config_name.to_string(),
                issuer_url: settings.oidc_issuer_url.to_string(),
                client_id: settings.oidc_client_id.clone(),
                groups_claim: settings.oidc_groups_claim.clone(),
                tags: self.tags.clone(),
            },
        });
    }

    /// The file system that pods share, and the nodes' way to it.
    fn storage(
        &mut self,
        network: &Handle<Subnets>,
        cluster: &Handle<cluster::Facts>,
    ) -> Handle<String> {
        let name = format!("{}-efs-csi-storage", self.place.cluster);
        let file_system = self.graph.add(FileSystem {
            session: self.session.clone(),
            shared: self.shared.clone(),
            polling: self.intent.polling,
            wanted: file_system::Wanted {
                name: name.clone(),
                tags: self.tags.clone(),
            },
        });
        let security_group = self.graph.add(SecurityGroup {
            session: self.session.clone(),
            shared: self.shared.clone(),
            network: network.clone(),
            cluster: cluster.clone(),
            polling: self.intent.polling,
            wanted: security_group::Wanted {
                name: name.clone(),
                tags: self.tags.clone(),
            },
        });
        self.graph.add(MountTargets {
            session: self.session.clone(),
            network: network.clone(),
            file_system: file_system.clone(),
            security_group,
            name,
            polling: self.intent.polling,
        });
        file_system
    }

    /// What Karpenter needs of AWS before it can run in the cluster.
    fn karpenter(&mut self, cluster: &Handle<cluster::Facts>) -> Karpenter {
        let wanted = roles::karpenter_nodes(&self.place, &self.tags);
        let nodes = self.role(wanted, Some(User::AccessEntry));
        let wanted = roles::karpenter_controller(&self.place, &nodes, &self.tags);
        let user = User::ServiceAccount {
            namespace: "kube-system".to_owned(),
            name: "karpenter".to_owned(),
        };
        let controller = self.role(wanted, Some(user));
        let entry = self.graph.add(AccessEntry {
            session: self.session.clone(),
            cluster: cluster.clone(),
            principal: Principal::Role(nodes.clone()),
            polling: self.intent.polling,
            wanted: access_entries::Wanted {
                cluster: self.place.cluster.clone(),
                name: roles::karpenter_node_role_name(&self.place),
                access: Access::Nodes,
                tags: self.tags.clone(),
            },
        });
        let association = self.association(cluster, controller, "karpenter");
        let mut wanted = self.tags.clone();
        wanted.insert("karpenter.sh/discovery".to_owned(), self.name());
        let discovery = self.graph.add(Discovery {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: cluster.clone(),
            name: self.name(),
            wanted,
            polling: self.intent.polling,
        });
        let queue = self.graph.add(Queue {
            session: self.session.clone(),
            polling: self.intent.polling,
            wanted: queue::Wanted {
                cluster: self.name(),
                tags: self.tags.clone(),
            },
        });
        let rules = self.graph.look_up(ClusterRules {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: self.place.cluster.clone(),
        });
        let mut after = vec![entry.index(), association, discovery.index(), queue.index()];
        for interruption in Interruption::ALL {
            let rule = self.graph.add(EventRule {
                session: self.session.clone(),
                rules: rules.clone(),
                queue: queue.clone(),
                wanted: event_rules::Wanted {
                    cluster: self.place.cluster.clone(),
                    interruption,
                    tags: self.tags.clone(),
                },
            });
            after.push(rule.index());
        }
        Karpenter {
            queue,
            nodes,
            after,
        }
    }
}
