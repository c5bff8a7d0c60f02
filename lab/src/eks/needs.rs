//! What a caller of EKS must be allowed, which includes what EKS does in its name.
//!
//! Sources: the Service Authorization Reference for EKS, for the resource of each action; for
//! CreateCluster, which has none there, the EKS User Guide's "identity-based policy examples", where
//! it is the cluster to be. What EKS asks for besides is documented in part only (User Guide,
//! "Using service-linked roles", "Encrypt Kubernetes secrets with KMS"; Step Functions' "IAM
//! policies for Amazon EKS" lists what CreateNodegroup takes). The messages are those that users
//! of EKS report: aws/containers-roadmap, terraform-aws-eks #823 and #2678,
//! scylla-cluster-tests #12172.

use serde_json::Value;

use super::error::invalid_request;
use super::node_spec::LaunchTemplate;
use super::routes;
use super::state::Region;
use crate::authorization::{Need, encoded};
use crate::call::Call;
use crate::ec2;
use crate::iam::LinkedService;
use crate::world::World;

const TO_EKS: &str = "eks.amazonaws.com";
const TO_PODS: &str = "pods.eks.amazonaws.com";

/// What a call needs.
pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    Asked::new(world, call).map_or_else(Vec::new, |asked| asked.needs())
}

struct Asked<'a> {
    world: &'a World,
    call: &'a Call,
    labels: Vec<(&'static str, String)>,
    body: Value,
}

impl<'a> Asked<'a> {
    fn new(world: &'a World, call: &'a Call) -> Option<Self> {
        let (_, labels) = routes::find(&call.method, &call.path)?;
        Some(Self {
            world,
            call,
            labels,
            // What isn't JSON is refused by the operation itself.
            body: serde_json::from_slice(&call.body).unwrap_or_default(),
        })
    }

    fn needs(&self) -> Vec<Need> {
        let action = format!("eks:{}", self.call.operation);
        let own = |resource: String| Need::on(action.clone(), resource).tagging(self.tags());
        match self.call.operation.as_str() {
            "ListClusters"
            | "DescribeClusterVersions"
            | "DescribeAddonVersions"
            | "DescribeAddonConfiguration"
            | "ListAccessPolicies" => vec![Need::anywhere(action)],

            "CreateCluster" => self.cluster_creation(own(self.cluster())),
            "AssociateEncryptionConfig" => {
                let key = self.encryption_key("/encryptionConfig");
                let mut needs = vec![own(self.cluster())];
                needs.extend(key.into_iter().flat_map(use_of_key));
                needs
            }
            "CreateNodegroup" => self.nodegroup_creation(own(self.cluster())),
            "UpdateNodegroupVersion" => {
                let mut needs = vec![own(self.nodegroup())];
                needs.extend(self.launch());
                needs
            }
            "DescribeNodegroup" | "DeleteNodegroup" | "UpdateNodegroupConfig" => {
                vec![own(self.nodegroup())]
            }

            "CreateAddon" => {
                let mut needs = vec![own(self.cluster())];
                needs.extend(self.tagging(self.to_be("addon", "addonName")));
                needs.extend(self.addon_roles());
                needs
            }
            "UpdateAddon" => {
                let mut needs = vec![own(self.addon())];
                needs.extend(self.addon_roles());
                needs
            }
            "DescribeAddon" | "DeleteAddon" => vec![own(self.addon())],

            "CreateAccessEntry" => {
                let entry = self.arn("access-entry", "*");
                let mut needs = vec![
                    own(self.cluster())
                        .with("eks:principalArn", self.text("/principalArn"))
                        .with("eks:accessEntryType", self.text("/type")),
                ];
                needs.extend(self.tagging(entry));
                needs
            }
            "AssociateAccessPolicy" | "DisassociateAccessPolicy" => vec![
                own(self.access_entry())
                    .with("eks:policyArn", self.text("/policyArn"))
                    .with("eks:accessScope", self.text("/accessScope/type")),
            ],
            "DescribeAccessEntry"
            | "UpdateAccessEntry"
            | "DeleteAccessEntry"
            | "ListAssociatedAccessPolicies" => vec![own(self.access_entry())],

            "CreatePodIdentityAssociation" => {
                let mut needs = vec![own(self.cluster())];
                needs.extend(self.tagging(self.arn("podidentityassociation", "*")));
                needs.extend(self.pod_role(&self.text("/roleArn")));
                needs
            }
            "UpdatePodIdentityAssociation" => {
                let mut needs = vec![own(self.association())];
                needs.extend(self.pod_role(&self.text("/roleArn")));
                needs
            }
            "DescribePodIdentityAssociation" | "DeletePodIdentityAssociation" => {
                vec![own(self.association())]
            }

            "AssociateIdentityProviderConfig" => {
                let named = self.text("/oidc/identityProviderConfigName");
                let mut needs = vec![own(self.cluster())];
                needs.extend(
                    self.tagging(self.arn("identityproviderconfig", &format!("oidc/{named}/*"))),
                );
                needs
            }
            "DescribeIdentityProviderConfig" | "DisassociateIdentityProviderConfig" => {
                vec![own(self.identity_provider())]
            }

            "DescribeUpdate" | "ListUpdates" => {
                let mut of = vec![self.cluster()];
                of.extend(
                    self.call
                        .query("nodegroupName")
                        .map(|n| self.nodegroup_named(n)),
                );
                of.extend(self.call.query("addonName").map(|n| self.addon_named(n)));
                vec![Need::on_all(action, of)]
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                vec![own(self.label("resourceArn").to_owned())]
            }
            _ => vec![own(self.cluster())],
        }
    }

    fn cluster_creation(&self, own: Need) -> Vec<Need> {
        let mut needs = vec![own.with(
            "eks:authenticationMode",
            self.text("/accessConfig/authenticationMode"),
        )];
        needs.extend(self.tagging(self.cluster()));
        needs.push(Need::pass_role(&self.text("/roleArn"), TO_EKS));
        needs.extend(self.linked_role(LinkedService::EKS));
        let key = self.encryption_key("/encryptionConfig");
        needs.extend(key.into_iter().flat_map(use_of_key));
        needs
    }

    fn nodegroup_creation(&self, own: Need) -> Vec<Need> {
        let role = self.text("/nodeRole");
        let linked = LinkedService::EKS_NODEGROUP;
        let mut needs = vec![own];
        needs.extend(self.tagging(self.to_be("nodegroup", "nodegroupName")));
        needs.push(
            Need::on("iam:GetRole", linked.role_arn(&self.call.account)).or(invalid_request(
                format!(
                    "Failed to validate if SLR: {} already exists due to missing permissions for \
                     'iam:GetRole'",
                    linked.role
                ),
            )),
        );
        needs.extend(self.linked_role(linked));
        needs.push(Need::anywhere("ec2:DescribeSubnets"));
        needs.push(Need::on("iam:GetRole", role.clone()));
        needs.push(Need::on("iam:ListAttachedRolePolicies", role.clone()));
        needs.push(Need::pass_role(&role, TO_EKS));
        needs.extend(self.launch());
        needs
    }

    /// Leave to make a service's own role, which is needed until the account has it.
    fn linked_role(&self, service: LinkedService) -> Option<Need> {
        let account = self.world.accounts.get(&self.call.account);
        let exists = account.is_some_and(|a| a.iam.roles.contains_key(service.role));
        (!exists).then(|| {
            Need::on(
                "iam:CreateServiceLinkedRole",
                service.role_arn(&self.call.account),
            )
            .with("iam:AWSServiceName", service.principal)
            .or(invalid_request(format!(
                "Failed to create service linked role: {} due to missing permissions for \
                 'iam:CreateServiceLinkedRole'",
                service.role
            )))
        })
    }

    /// Leave to launch instances with the launch template that a request names, which EKS checks
    /// before Auto Scaling does it in its own name. Source: EC2 Auto Scaling User Guide, "Control
    /// Amazon EC2 launch template usage in Auto Scaling groups".
    fn launch(&self) -> Vec<Need> {
        let template = self.body.get("launchTemplate").cloned();
        let template: Option<LaunchTemplate> =
            template.and_then(|template| serde_json::from_value(template).ok());
        let ec2 = self.ec2();
        let found = template.zip(ec2).and_then(|(template, ec2)| {
            let found = template.find(ec2)?;
            Some((found, template.data(found)?, ec2))
        });
        let Some((template, data, ec2)) = found else {
            return Vec::new();
        };
        let refusal = || {
            invalid_request(format!(
                "You are not authorized to launch instances with this launch template. Encoded \
                 authorization failure message: {}",
                encoded(self.call)
            ))
        };
        let template = self.ec2_arn("launch-template", &template.id);
        let mut on = vec![
            format!("arn:aws:ec2:{}::image/*", self.call.region),
            template.clone(),
        ];
        on.extend(["instance", "network-interface", "volume"].map(|kind| self.ec2_arn(kind, "*")));
        let subnets = self.body.get("subnets").and_then(Value::as_array);
        on.extend(
            subnets
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|id| self.ec2_arn("subnet", id)),
        );
        let groups = data.pointer("/securityGroupIdSet/item");
        on.extend(
            groups
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .filter(|id| ec2.security_groups.contains_key(*id))
                .map(|id| self.ec2_arn("security-group", id)),
        );
        let mut needs = vec![
            Need::on_all("ec2:RunInstances", on)
                .with("ec2:LaunchTemplate", template)
                .with("ec2:IsLaunchTemplateResource", "true")
                .or(refusal()),
        ];
        let tagged = data.pointer("/tagSpecificationSet/item");
        for specification in tagged.and_then(Value::as_array).into_iter().flatten() {
            let kind = specification.get("resourceType").and_then(Value::as_str);
            let tags = specification.pointer("/tagSet/item");
            let tags = tags.and_then(Value::as_array).into_iter().flatten();
            let tags = tags.filter_map(|tag| {
                let key = tag.get("key")?.as_str()?;
                Some((key, tag.get("value").and_then(Value::as_str).unwrap_or("")))
            });
            needs.push(
                Need::on(
                    "ec2:CreateTags",
                    self.ec2_arn(kind.unwrap_or_default(), "*"),
                )
                .with("ec2:CreateAction", "RunInstances")
                .tagging(tags)
                .or(refusal()),
            );
        }
        needs
    }

    /// Leave to give an add-on its roles, by the OIDC provider or by pod identity.
    fn addon_roles(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        if let Some(role) = self.optional("/serviceAccountRoleArn") {
            needs.push(Need::pass_role(role, TO_EKS));
        }
        let identities = self.body.get("podIdentityAssociations");
        for identity in identities.and_then(Value::as_array).into_iter().flatten() {
            if let Some(role) = identity.get("roleArn").and_then(Value::as_str) {
                needs.extend(self.pod_role(role));
            }
        }
        needs
    }

    /// Leave to give pods a role, whose trust policy EKS reads in the caller's name.
    fn pod_role(&self, role: &str) -> Vec<Need> {
        if role.is_empty() {
            return Vec::new();
        }
        vec![
            Need::on("iam:GetRole", role),
            Need::pass_role(role, TO_PODS),
        ]
    }

    /// Leave to tag what is being made, if the request says how.
    fn tagging(&self, resource: String) -> Option<Need> {
        let tags = self.tags();
        (!tags.is_empty()).then(|| Need::on("eks:TagResource", resource).tagging(tags))
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        let tags = self.body.get("tags").and_then(Value::as_object);
        tags.into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
            .collect()
    }

    fn label(&self, name: &str) -> &str {
        self.labels
            .iter()
            .find(|(label, _)| *label == name)
            .map_or("", |(_, value)| value)
    }

    fn optional(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }

    fn text(&self, pointer: &str) -> String {
        self.optional(pointer).unwrap_or_default().to_owned()
    }

    fn cluster_name(&self) -> &str {
        match self.label("name") {
            "" => self.optional("/name").unwrap_or_default(),
            name => name,
        }
    }

    fn here(&self) -> Option<&'a crate::world::Region> {
        let account = self.world.accounts.get(&self.call.account)?;
        account.regions.get(&self.call.region)
    }

    fn ec2(&self) -> Option<&'a ec2::Region> {
        self.here().map(|here| &here.ec2)
    }

    fn found(&self) -> Option<&'a super::state::Cluster> {
        let region: &'a Region = &self.here()?.eks;
        region.clusters.get(self.cluster_name())
    }

    fn cluster(&self) -> String {
        let Call {
            region, account, ..
        } = self.call;
        format!(
            "arn:aws:eks:{region}:{account}:cluster/{}",
            self.cluster_name()
        )
    }

    /// An ARN of something in the cluster.
    fn arn(&self, kind: &str, rest: &str) -> String {
        let Call {
            region, account, ..
        } = self.call;
        let cluster = self.cluster_name();
        format!("arn:aws:eks:{region}:{account}:{kind}/{cluster}/{rest}")
    }

    fn ec2_arn(&self, kind: &str, id: &str) -> String {
        let Call {
            region, account, ..
        } = self.call;
        format!("arn:aws:ec2:{region}:{account}:{kind}/{id}")
    }

    /// The ARN of what is being made. Its last part isn't known yet.
    fn to_be(&self, kind: &str, name: &str) -> String {
        self.arn(kind, &format!("{}/*", self.text(&format!("/{name}"))))
    }

    fn nodegroup(&self) -> String {
        self.nodegroup_named(self.label("nodegroupName"))
    }

    fn nodegroup_named(&self, name: &str) -> String {
        let found = self
            .found()
            .and_then(|cluster| cluster.nodegroups.get(name));
        found.map_or_else(
            || self.arn("nodegroup", &format!("{name}/*")),
            |group| group.arn.clone(),
        )
    }

    fn addon(&self) -> String {
        self.addon_named(self.label("addonName"))
    }

    fn addon_named(&self, name: &str) -> String {
        let found = self.found().and_then(|cluster| cluster.addons.get(name));
        found.map_or_else(
            || self.arn("addon", &format!("{name}/*")),
            |addon| addon.arn.clone(),
        )
    }

    fn access_entry(&self) -> String {
        let principal = self.label("principalArn");
        let found = self
            .found()
            .and_then(|cluster| cluster.access_entries.get(principal));
        found.map_or_else(|| self.arn("access-entry", "*"), |entry| entry.arn.clone())
    }

    fn association(&self) -> String {
        self.arn("podidentityassociation", self.label("associationId"))
    }

    fn identity_provider(&self) -> String {
        let found = self
            .found()
            .and_then(|cluster| cluster.identity_provider.as_ref());
        let named = self.text("/identityProviderConfig/name");
        found.map_or_else(
            || self.arn("identityproviderconfig", &format!("oidc/{named}/*")),
            |provider| provider.arn.clone(),
        )
    }

    fn encryption_key(&self, list: &str) -> Option<String> {
        let configs = self.body.pointer(list)?.as_array()?;
        let key = configs.first()?.pointer("/provider/keyArn")?.as_str()?;
        Some(key.to_owned())
    }
}

/// What EKS does with a key in the caller's name.
fn use_of_key(key: String) -> [Need; 2] {
    ["kms:DescribeKey", "kms:CreateGrant"].map(|action| {
        Need::on(action, key.clone()).or(invalid_request(format!(
            "User not authorized to perform {action} operation"
        )))
    })
}
