//! What the inside of a cluster is told: by whom it is used, and what EKS and the services around
//! it say of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::addons::AddonStatus;
use super::agenda;
use super::clusters::ClusterStatus;
use super::node_spec::{LaunchTemplate, TaintEffect};
use super::nodegroups::{Nodegroup, NodegroupSpec};
use super::state::{Cluster, Region};
use super::{storage, updates};
use crate::iam;
use crate::kubernetes::facts::{Addon, Facts, Group, Image, Subnet};
use crate::kubernetes::{Authority, Principal, User};
use crate::world::World;

/// Where a cluster's API is served.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    /// Who signs the server's certificate.
    pub(crate) authority: Authority,
}

impl Region {
    /// The id of a cluster that has an API. It has none before it is made.
    pub(crate) fn api_of(&mut self, cluster: &str, now: Timestamp) -> Option<String> {
        agenda::settle(self, now);
        let cluster = self.clusters.get(cluster)?;
        cluster.has_api().then(|| cluster.id.clone())
    }

    /// Where a cluster's API was last served.
    pub(crate) fn endpoint(&self, cluster: &str) -> Option<&Endpoint> {
        self.clusters.get(cluster)?.endpoint.as_ref()
    }

    /// Notes where a cluster's API is served from now on.
    pub(crate) fn serve_at(&mut self, cluster: &str, port: u16, authority: Authority) {
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            cluster.endpoint = Some(Endpoint { port, authority });
        }
    }

    /// Notes which pods keep nodes of a cluster's node groups from being drained.
    pub(crate) fn keep_pods(&mut self, cluster: &str, kept: BTreeMap<String, Vec<String>>) {
        if let Some(cluster) = self.clusters.get_mut(cluster) {
            cluster.kept_pods = kept;
        }
    }

    /// Names of the clusters whose API was served before.
    pub(crate) fn served(&self) -> Vec<String> {
        let all = self.clusters.values().filter(|c| c.endpoint.is_some());
        all.map(|cluster| cluster.name.clone()).collect()
    }

    /// Who a principal is in a cluster; none if no access entry lets it in.
    pub(crate) fn user(&self, cluster: &str, principal: &Principal) -> Option<User> {
        let entry = self
            .clusters
            .get(cluster)?
            .access_entries
            .get(&principal.arn)?;
        let session = principal.caller.rsplit('/').next().unwrap_or_default();
        let mut groups = entry.groups.clone();
        groups.push("system:authenticated".to_owned());
        Some(User {
            name: entry
                .username
                .replace("{{SessionName}}", session)
                .replace("{{EC2PrivateDNSName}}", session)
                .replace("{{AccountID}}", &principal.account),
            uid: format!(
                "aws-iam-authenticator:{}:{}",
                principal.account, principal.user_id
            ),
            groups,
            policies: entry.policies(),
            extra: [
                ("arn", principal.caller.as_str()),
                ("canonicalArn", &principal.arn),
                ("sessionName", session),
                ("accessKeyId", &principal.access_key),
                ("principalId", &principal.user_id),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        })
    }
}

impl Cluster {
    pub(super) fn has_api(&self) -> bool {
        !matches!(self.status, ClusterStatus::Creating | ClusterStatus::Failed)
    }

    fn groups(&self) -> Vec<Group> {
        let with_nodes = self.nodegroups.values().filter(|group| group.has_nodes());
        with_nodes.map(|group| self.group(group)).collect()
    }

    fn group(&self, group: &Nodegroup) -> Group {
        let spec = &group.spec;
        let roll = updates::rolling(self, &group.name).map(|(new, begun)| {
            let takes = agenda::takes::NODEGROUP_VERSION_UPDATE;
            let until = begun.checked_add(takes).unwrap_or(begun);
            (image(new), begun, until)
        });
        Group {
            name: group.name.clone(),
            since: group.created_at,
            desired: usize::try_from(spec.scaling.desired_size).unwrap_or_default(),
            labels: spec.labels.clone(),
            taints: spec
                .taints
                .iter()
                .filter_map(|taint| {
                    let effect = match taint.effect? {
                        TaintEffect::NoSchedule => "NoSchedule",
                        TaintEffect::NoExecute => "NoExecute",
                        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                    };
                    let value = taint.value.clone().unwrap_or_default();
                    Some((taint.key.clone()?, value, effect.to_owned()))
                })
                .collect(),
            instance_type: group
                .instance_types
                .first()
                .cloned()
                .unwrap_or_else(|| group.ami_type.default_instance_type().to_owned()),
            arm: super::catalog::is_arm(group.ami_type.as_str()),
            ami_type: group.ami_type.as_str().to_owned(),
            capacity_type: serde_json::to_value(group.capacity_type)
                .ok()
                .and_then(|v| v.as_str().map(str::to_owned))
                .unwrap_or_default(),
            image: image(spec),
            roll: roll.filter(|(new, ..)| *new != image(spec)),
            subnets: group.subnets.clone(),
        }
    }

    fn installed(&self, iam: &iam::Account) -> Vec<Addon> {
        let gone = |status: AddonStatus| {
            matches!(status, AddonStatus::Creating | AddonStatus::CreateFailed)
        };
        self.addons
            .values()
            .filter(|addon| !gone(addon.status))
            .map(|addon| Addon {
                name: addon.name.clone(),
                version: addon.spec.version.clone(),
                configuration: addon.spec.configuration.clone(),
                since: addon.created_at,
                credentials: storage::credentials(iam, self, addon),
            })
            .collect()
    }
}

fn image(spec: &NodegroupSpec) -> Image {
    let template = spec.launch_template.as_ref();
    let template = template.and_then(|t: &LaunchTemplate| t.version.clone());
    Image {
        version: spec.version.to_string(),
        release: spec.release_version.clone(),
        template: template.unwrap_or_default(),
    }
}

impl World {
    /// What AWS says of a cluster and around it; none if it has no API.
    pub(crate) fn facts(
        &mut self,
        account: &str,
        region: &str,
        cluster: &str,
        now: Timestamp,
    ) -> Option<Facts> {
        let number = self.accounts.get_mut(account)?;
        let here = number.regions.get_mut(region)?;
        agenda::settle(&mut here.eks, now);
        let next = here.eks.agenda.next(cluster);
        let cluster = here.eks.clusters.get(cluster).filter(|c| c.has_api())?;
        let subnets: Vec<Subnet> = here
            .ec2
            .subnets
            .values()
            .filter(|subnet| subnet.vpc_id == cluster.vpc_id)
            .map(|subnet| Subnet {
                id: subnet.id.clone(),
                zone: subnet.zone.clone(),
                tags: subnet.tags.clone(),
            })
            .collect();
        let mut security_groups: Vec<_> = here
            .ec2
            .security_groups
            .values()
            .filter(|group| group.vpc_id == cluster.vpc_id)
            .map(|group| (group.id.clone(), group.name.clone(), group.tags.clone()))
            .collect();
        // EC2 here doesn't hold the group that EKS makes for a cluster, which has the cluster's tags.
        let own = cluster.security_group();
        if security_groups.iter().all(|(id, ..)| *id != own) {
            let name = format!("eks-cluster-sg-{}", cluster.name);
            security_groups.push((own, name, cluster.tags.clone()));
        }
        let file_systems = storage::file_systems(&here.efs, &here.ec2, cluster, now);
        Some(Facts {
            cluster: cluster.name.clone(),
            id: cluster.id.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            version: cluster.spec.version.to_string(),
            made: cluster
                .created_at
                .checked_add(agenda::takes::CLUSTER_CREATION)
                .unwrap_or(cluster.created_at)
                .min(now),
            groups: cluster.groups(),
            addons: cluster.installed(&number.iam),
            subnets,
            security_groups,
            file_systems,
            node_roles: cluster
                .access_entries
                .values()
                .filter(|entry| entry.is_for_nodes())
                .map(|entry| entry.role_name().to_owned())
                .collect(),
            roles: number.iam.role_names(),
            next,
        })
    }
}
