//! What of a cluster's base moto has: psk's own resources, in a graph of their own, because moto's EKS makes clusters
//! without the life that the rest of the base waits for. What they need of the cluster is given.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use aws_sdk_eks::types::VpcConfigRequest;
use psk::aws::Session;
use psk::control_plane::cluster::{Access, Facts};
use psk::control_plane::event_rules::{self, ClusterRules, EventRule, Interruption};
use psk::control_plane::file_system::{self, FileSystem};
use psk::control_plane::iam_role::{self, IamRole, Role};
use psk::control_plane::kms_key::{self, KmsKey};
use psk::control_plane::launch_template::{self, LaunchTemplate};
use psk::control_plane::log_group::{self, LogGroup};
use psk::control_plane::mount_targets::MountTargets;
use psk::control_plane::network::Network;
use psk::control_plane::oidc_provider::{self, OidcProvider};
use psk::control_plane::queue::{self, Queue};
use psk::control_plane::security_group::{self, SecurityGroup};
use psk::control_plane::{Place, Shared, Tags, roles};
use psk::reconcile::{Error, Grant, Graph, Handle, Lookup, Polling};

/// The tag that the second variant has besides.
const LATER: &str = "more";

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// One of two things that the same resources may be wanted to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    First,
    Second,
}

/// The kinds of resources that are made.
pub(super) fn kinds() -> BTreeSet<&'static str> {
    let mut kinds = changing();
    kinds.extend([
        "events_rule",
        "kms_key",
        "sqs_queue",
        "efs_mount_targets",
        "ec2_launch_template",
    ]);
    kinds
}

/// The kinds of resources that the second variant changes.
pub(super) fn changing() -> BTreeSet<&'static str> {
    [
        "cloudwatch_log_group",
        "ec2_security_group",
        "efs_file_system",
        "iam_oidc_provider",
        "iam_role",
    ]
    .into()
}

/// What moto gets wrong, for which psk's resources can't be run against it.
pub(super) fn faults() -> Vec<String> {
    [
        "EKS has clusters and node groups without a life, and no updates, add-ons, access entries, pod identity \
         associations, identity providers or insights: what builds on the cluster is given the cluster's facts",
        "EC2's CreateLaunchTemplateVersion leaves out what the SourceVersion has: the launch template is made, and not changed",
        "EFS answers PutBackupPolicy with 500: backups are asked for when the file system is made, and not later",
        "Parameter Store has none of the public parameters that name AMI releases",
    ]
    .map(str::to_owned)
    .into()
}

/// Something that a resource needs to know, and that isn't looked up.
#[derive(Debug)]
struct Given<T>(T);

impl<T: Clone + Send + Sync + 'static> Lookup for Given<T> {
    type Output = T;
    const GRANTS: &'static [Grant] = &[];

    async fn look_up(&self) -> Result<T, Error> {
        Ok(self.0.clone())
    }
}

/// What is there before the resources come: a VPC with its subnets, and a cluster as far as moto's EKS has one. Gives
/// what others know of the cluster.
pub(super) async fn surroundings(session: &Session) -> Facts {
    let (vpc, subnets) = network(session.ec2()).await;
    let group = session
        .ec2()
        .create_security_group()
        .group_name(format!("eks-cluster-sg-{CLUSTER}"))
        .description("as EKS makes it")
        .vpc_id(&vpc)
        .send()
        .await
        .unwrap();
    let subnets = VpcConfigRequest::builder().set_subnet_ids(Some(subnets));
    let role = session.target().account.clone();
    let made = session
        .eks()
        .create_cluster()
        .name(CLUSTER)
        .role_arn(format!("arn:aws:iam::{role}:role/{CLUSTER}-cluster"))
        .resources_vpc_config(subnets.build())
        .send()
        .await
        .unwrap();
    let cluster = made.cluster().unwrap();
    let identity = cluster.identity().and_then(|identity| identity.oidc());
    Facts {
        arn: cluster.arn().unwrap().to_owned(),
        version: "1.35".parse().unwrap(),
        access: Access {
            endpoint: cluster.endpoint().unwrap().to_owned(),
            certificate_authority: String::new(),
            oidc_issuer: identity.unwrap().issuer().unwrap().to_owned(),
            security_group_id: group.group_id().unwrap().to_owned(),
        },
        applied: None,
        made_by_psk: true,
        is_going: false,
    }
}

/// Makes a VPC with subnets for nodes and for the control plane. Gives its id and theirs.
async fn network(ec2: &aws_sdk_ec2::Client) -> (String, Vec<String>) {
    let tagged = |kind: ResourceType, tags: &[(&str, &str)]| {
        let tags = tags.iter();
        let tags = tags.map(|(key, value)| Tag::builder().key(*key).value(*value).build());
        let tags = tags.collect();
        TagSpecification::builder()
            .resource_type(kind)
            .set_tags(Some(tags))
            .build()
    };
    let name = format!("{CLUSTER}-vpc");
    let vpc = ec2
        .create_vpc()
        .cidr_block("10.0.0.0/16")
        .tag_specifications(tagged(ResourceType::Vpc, &[("Name", &name)]))
        .send()
        .await
        .unwrap();
    let vpc = vpc.vpc().unwrap().vpc_id().unwrap().to_owned();
    let mut subnets = Vec::new();
    for (tier, zone, block) in [
        ("node", "us-east-1a", "10.0.1.0/24"),
        ("node", "us-east-1b", "10.0.2.0/24"),
        ("intra", "us-east-1a", "10.0.3.0/24"),
        ("intra", "us-east-1b", "10.0.4.0/24"),
    ] {
        let made = ec2
            .create_subnet()
            .vpc_id(&vpc)
            .cidr_block(block)
            .availability_zone(zone)
            .tag_specifications(tagged(ResourceType::Subnet, &[("Tier", tier)]))
            .send()
            .await
            .unwrap();
        subnets.push(made.subnet().unwrap().subnet_id().unwrap().to_owned());
    }
    (vpc, subnets)
}

/// The resources, wanted as one of the variants has them.
pub(super) fn graph(session: &Session, cluster: &Facts, variant: Variant) -> Graph {
    let mut graph = Graph::new();
    let cluster = graph.look_up(Given(cluster.clone()));
    let mut tags = Tags::from([
        ("pipeline".to_owned(), "psk-test".to_owned()),
        ("cluster".to_owned(), CLUSTER.to_owned()),
        (
            format!("kubernetes.io/cluster/{CLUSTER}"),
            "owned".to_owned(),
        ),
    ]);
    if variant == Variant::Second {
        tags.insert(LATER.to_owned(), "yes".to_owned());
    }
    let mut builder = Builder {
        session,
        shared: Arc::default(),
        polling: Polling {
            interval: Duration::from_millis(100),
        },
        place: Place {
            target: session.target().clone(),
            cluster: CLUSTER.to_owned(),
        },
        tags,
        graph,
    };
    builder.foundation(variant);
    builder.roles(&cluster);
    builder.nodes(&cluster);
    builder.storage(&cluster);
    builder.interruptions();
    builder.graph
}

struct Builder<'a> {
    session: &'a Session,
    shared: Arc<Shared>,
    polling: Polling,
    place: Place,
    tags: Tags,
    graph: Graph,
}

impl Builder<'_> {
    fn foundation(&mut self, variant: Variant) {
        let key = self.graph.add(KmsKey {
            session: self.session.clone(),
            shared: self.shared.clone(),
            polling: self.polling,
            wanted: kms_key::Wanted {
                cluster: CLUSTER.to_owned(),
                tags: self.tags.clone(),
            },
        });
        self.graph.add(LogGroup {
            session: self.session.clone(),
            shared: self.shared.clone(),
            polling: self.polling,
            wanted: log_group::Wanted {
                cluster: CLUSTER.to_owned(),
                retention_days: if variant == Variant::First { 90 } else { 30 },
                tags: self.tags.clone(),
            },
        });
        self.role(roles::cluster(&self.place, &key, &self.tags));
    }

    fn role(&mut self, wanted: iam_role::Wanted) -> Handle<Role> {
        self.graph.add(IamRole {
            session: self.session.clone(),
            shared: self.shared.clone(),
            adopted: None,
            polling: self.polling,
            wanted,
        })
    }

    fn roles(&mut self, cluster: &Handle<Facts>) {
        self.role(roles::nodes(&self.place, &self.tags));
        let provider = self.graph.add(OidcProvider {
            session: self.session.clone(),
            cluster: cluster.clone(),
            polling: self.polling,
            wanted: oidc_provider::Wanted {
                place: self.place.clone(),
                tags: self.tags.clone(),
            },
        });
        for account in roles::SERVICE_ACCOUNTS {
            let wanted = roles::service_account(&self.place, account, Some(&provider), &self.tags);
            self.role(wanted);
        }
        let nodes = self.role(roles::karpenter_nodes(&self.place, &self.tags));
        self.role(roles::karpenter_controller(&self.place, &nodes, &self.tags));
    }

    fn nodes(&mut self, cluster: &Handle<Facts>) {
        // The same in both variants: moto loses the rest of a template that changes.
        let mut tags = self.tags.clone();
        tags.remove(LATER);
        self.graph.add(LaunchTemplate {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: cluster.clone(),
            wanted: launch_template::Wanted {
                cluster: CLUSTER.to_owned(),
                node_group: "management".to_owned(),
                device: "/dev/xvdb".to_owned(),
                disk_gib: 50,
                tags,
            },
            polling: self.polling,
        });
    }

    fn storage(&mut self, cluster: &Handle<Facts>) {
        let network = self.graph.look_up(Network {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: CLUSTER.to_owned(),
            node_tier: "node".to_owned(),
            intra_tier: "intra".to_owned(),
        });
        let name = format!("{CLUSTER}-efs-csi-storage");
        let file_system = self.graph.add(FileSystem {
            session: self.session.clone(),
            shared: self.shared.clone(),
            polling: self.polling,
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
            polling: self.polling,
            wanted: security_group::Wanted {
                name: name.clone(),
                tags: self.tags.clone(),
            },
        });
        self.graph.add(MountTargets {
            session: self.session.clone(),
            network,
            file_system,
            security_group,
            name,
            polling: self.polling,
        });
    }

    fn interruptions(&mut self) {
        let queue = self.graph.add(Queue {
            session: self.session.clone(),
            polling: self.polling,
            wanted: queue::Wanted {
                cluster: CLUSTER.to_owned(),
                tags: self.tags.clone(),
            },
        });
        let rules = self.graph.look_up(ClusterRules {
            session: self.session.clone(),
            shared: self.shared.clone(),
            cluster: CLUSTER.to_owned(),
        });
        for interruption in Interruption::ALL {
            self.graph.add(EventRule {
                session: self.session.clone(),
                rules: rules.clone(),
                queue: queue.clone(),
                wanted: event_rules::Wanted {
                    cluster: CLUSTER.to_owned(),
                    interruption,
                    tags: self.tags.clone(),
                },
            });
        }
    }
}
