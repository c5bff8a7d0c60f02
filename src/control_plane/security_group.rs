//! The security group of the file system's mount targets: lets in NFS from the cluster's nodes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{
    Filter, IpPermission, ResourceType, SecurityGroup as Described, TagSpecification,
    UserIdGroupPair,
};

use super::network::Subnets;
use super::tags::{self, Tags};
use super::{Shared, cluster};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::calls;
use crate::reconcile::plan::Action;
use crate::reconcile::{
    Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource, State,
};

/// Names of the groups of clusters' file systems, of those that Terraform made, and of those that EKS
/// makes.
const ALL: [&str; 3] = [
    "*-efs-csi-storage",
    "*-efs-csi-storage-*",
    "eks-cluster-sg-*",
];

/// The port of NFS, over TCP.
const NFS: i32 = 2049;

/// How long EC2 may take to know everywhere of a new group, or to let go of one whose network
/// interfaces are gone.
pub(super) const DEADLINE: Duration = Duration::from_secs(300);

/// The security group of the cluster's file system.
#[derive(Debug)]
pub struct SecurityGroup {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// Its VPC.
    pub network: Handle<Subnets>,
    /// The cluster whose own security group it lets in.
    pub cluster: Handle<cluster::Facts>,
    /// What it should be.
    pub wanted: Wanted,
    /// How often EC2 is asked whether it is done.
    pub polling: Polling,
}

/// What the security group should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name. An adopted one may have this as a prefix, as Terraform's modules make it.
    pub name: String,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// What the security group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// Its full name.
    pub name: String,
    /// Security groups that it lets in to the port of NFS. Rules for address ranges are others'.
    pub lets_in: BTreeSet<String>,
    /// All its tags.
    pub tags: Tags,
}

impl Resource for SecurityGroup {
    type Observed = Observed;
    /// Its id.
    type Output = String;
    const KIND: &'static str = "ec2_security_group";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["ec2:DescribeSecurityGroups"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &["ec2:CreateSecurityGroup"],
            on: &[
                "arn:{partition}:ec2:*:{account}:security-group/*",
                "arn:{partition}:ec2:*:{account}:vpc/*",
            ],
            condition: None,
        },
        Grant {
            actions: &[
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:CreateTags",
                "ec2:DeleteSecurityGroup",
            ],
            on: &["arn:{partition}:ec2:*:{account}:security-group/*"],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        vec![self.network.index(), self.cluster.index()]
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let groups = first_seen(&self.session, &self.shared);
        let (network, groups) = calls::join(self.network.observed(), groups).await;
        network?;
        self.choose(&groups?)
    }

    fn output(&self, observed: &Observed) -> String {
        observed.id.clone()
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        let vpc = self.network.get().map(|network| network.vpc_id);
        Ok(diff(&self.wanted, vpc, self.source(), observed))
    }

    async fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        let id = match observed {
            Some(is) => is.id.clone(),
            None => self.create().await?,
        };
        if diff.touches("ingress") {
            self.let_in(&id, progress).await?;
        }
        if diff.action == Action::Update && diff.touches("tags") {
            self.tag(&id).await?;
        }
        Ok(())
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let what = format!("security group {}", self.wanted.name);
        let source = self.source().known();
        self.polling
            .until(&what, DEADLINE, progress, || async {
                let is = self.reread().await?;
                let done = |is: &Observed| source.as_ref().is_none_or(|s| is.lets_in.contains(s));
                Ok(match is.filter(done) {
                    Some(is) => State::Done(is),
                    None => State::UnderWay("unknown to parts of EC2".to_owned()),
                })
            })
            .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, observed: &Observed, progress: &Progress) -> Result<(), Error> {
        let Observed { id, name, .. } = observed;
        let what = format!("security group {name}");
        self.polling
            .until(&what, DEADLINE, progress, || async {
                let deleted = self
                    .session
                    .ec2()
                    .delete_security_group()
                    .group_id(id)
                    .send()
                    .await
                    .doing(|| format!("deleting security group {name}"));
                match deleted.or_absent() {
                    Ok(_) => Ok(State::Done(())),
                    Err(error) if error.has_code(&["DependencyViolation"]) => {
                        Ok(State::UnderWay("in use".to_owned()))
                    }
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }
}

impl SecurityGroup {
    /// The cluster's own security group, which EKS makes and gives to every node.
    fn source(&self) -> Fact<String> {
        self.cluster
            .get()
            .map(|facts| facts.access.security_group_id)
    }

    async fn reread(&self) -> Result<Option<Observed>, Error> {
        let name = &self.wanted.name;
        let with_suffix = format!("{name}-*");
        self.choose(&groups(&self.session, &[name, &with_suffix]).await?)
    }

    fn choose(&self, groups: &[Described]) -> Result<Option<Observed>, Error> {
        match self.network.get() {
            Fact::Known(network) => choose(&self.wanted.name, &network.vpc_id, groups),
            Fact::AfterApply => Ok(None),
        }
    }

    async fn create(&self) -> Result<String, Error> {
        let Wanted { name, tags } = &self.wanted;
        let doing = || format!("creating security group {name}");
        let network = self.network.get().required(doing)?;
        let created = self
            .session
            .ec2()
            .create_security_group()
            .group_name(name)
            .description("NFS from the nodes of the cluster to its file system")
            .vpc_id(network.vpc_id)
            .tag_specifications(
                TagSpecification::builder()
                    .resource_type(ResourceType::SecurityGroup)
                    .set_tags(Some(tags::for_ec2(&tags::made(tags))))
                    .build(),
            )
            .send()
            .await
            .doing(doing);
        match created {
            Ok(answer) => Ok(answer.group_id.unwrap_or_default()),
            // An attempt whose answer was lost has made it.
            Err(error) if error.has_code(&["InvalidGroup.Duplicate"]) => {
                match self.reread().await? {
                    Some(is) => Ok(is.id),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn let_in(&self, id: &str, progress: &Progress) -> Result<(), Error> {
        let what = format!("security group {}", self.wanted.name);
        let doing = || format!("letting the cluster's nodes in to {what}");
        let source = self.source().required(doing)?;
        let rule = IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(NFS)
            .to_port(NFS)
            .user_id_group_pairs(
                UserIdGroupPair::builder()
                    .group_id(source)
                    .description("NFS from the nodes of the cluster")
                    .build(),
            )
            .build();
        self.polling
            .until(&what, DEADLINE, progress, || async {
                let added = self
                    .session
                    .ec2()
                    .authorize_security_group_ingress()
                    .group_id(id)
                    .ip_permissions(rule.clone())
                    .send()
                    .await
                    .doing(doing);
                match added {
                    Ok(_) => Ok(State::Done(())),
                    Err(error) if error.has_code(&["InvalidPermission.Duplicate"]) => {
                        Ok(State::Done(()))
                    }
                    Err(error) if error.has_code(&["InvalidGroup.NotFound"]) => {
                        Ok(State::UnderWay("unknown to parts of EC2".to_owned()))
                    }
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    async fn tag(&self, id: &str) -> Result<(), Error> {
        self.session
            .ec2()
            .create_tags()
            .resources(id)
            .set_tags(Some(tags::for_ec2(&self.wanted.tags)))
            .send()
            .await
            .doing(|| format!("tagging security group {}", self.wanted.name))?;
        Ok(())
    }
}

/// The security groups of all clusters of the region, as they were when the run first asked.
pub(super) async fn first_seen(
    session: &Session,
    shared: &Shared,
) -> Result<Arc<Vec<Described>>, CallError> {
    let ask = || async { Ok(Arc::new(groups(session, &ALL).await?)) };
    let key = session.target().clone();
    shared.security_groups.get(key, ask).await
}

/// Groups that are named like one of these, in every VPC.
async fn groups(session: &Session, named: &[&str]) -> Result<Vec<Described>, CallError> {
    let names = named.iter().map(|name| (*name).to_owned()).collect();
    let names = Filter::builder().name("group-name").set_values(Some(names));
    session
        .ec2()
        .describe_security_groups()
        .filters(names.build())
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .doing(|| format!("looking for security groups {}", named.join(" and ")))
}

/// The VPC's group of that exact name, else the only one that has it as a prefix.
fn choose(wanted: &str, vpc_id: &str, groups: &[Described]) -> Result<Option<Observed>, Error> {
    let prefix = format!("{wanted}-");
    let mut groups: Vec<_> = groups
        .iter()
        .filter(|group| group.vpc_id() == Some(vpc_id))
        .map(read)
        .filter(|group| group.name == wanted || group.name.starts_with(&prefix))
        .collect();
    if let Some(exact) = groups.iter().position(|group| group.name == wanted) {
        return Ok(Some(groups.swap_remove(exact)));
    }
    if groups.len() > 1 {
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
        return Err(Error::new(
            format!("looking for security group {wanted}"),
            format!("several could be meant: {}", names.join(", ")),
            "delete those that no mount target uses",
        ));
    }
    Ok(groups.pop())
}

fn read(group: &Described) -> Observed {
    let lets_in = |rule: &&IpPermission| match rule.ip_protocol() {
        Some("tcp") => {
            rule.from_port().is_some_and(|from| from <= NFS)
                && rule.to_port().is_some_and(|to| NFS <= to)
        }
        Some(protocol) => protocol == "-1",
        None => false,
    };
    Observed {
        id: group.group_id().unwrap_or_default().to_owned(),
        name: group.group_name().unwrap_or_default().to_owned(),
        lets_in: group
            .ip_permissions()
            .iter()
            .filter(lets_in)
            .flat_map(|rule| rule.user_id_group_pairs())
            .filter_map(|pair| pair.group_id().map(str::to_owned))
            .collect(),
        tags: tags::from_ec2(group.tags()),
    }
}

fn diff(
    wanted: &Wanted,
    vpc: Fact<String>,
    source: Fact<String>,
    observed: Option<&Observed>,
) -> Diff {
    const NFS_RULE: &str = "ingress.tcp_2049";
    let Some(is) = observed else {
        return Diff::create()
            .known_after_apply("id")
            .fact("vpc_id", None::<()>, vpc)
            .fact(NFS_RULE, None::<()>, source.map(|source| [source]))
            .with(|diff| tags::diff(diff, None, &wanted.tags))
            .build();
    };
    let with_source = source.map(|source| {
        let mut lets_in = is.lets_in.clone();
        lets_in.insert(source);
        lets_in
    });
    let lets_in = Some(&is.lets_in).filter(|lets_in| !lets_in.is_empty());
    Diff::update()
        .fact(NFS_RULE, lets_in, with_source)
        .with(|diff| tags::diff(diff, Some(&is.tags), &wanted.tags))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "qa-i01-aws-us-east-2-efs-csi-storage";

    fn wanted() -> Wanted {
        Wanted {
            name: NAME.into(),
            tags: [("role".to_owned(), "qa".to_owned())].into(),
        }
    }

    fn right() -> Observed {
        Observed {
            id: "sg-1".into(),
            name: NAME.into(),
            lets_in: ["sg-cluster", "sg-theirs"].map(str::to_owned).into(),
            tags: wanted().tags,
        }
    }

    fn diffed(source: Fact<&str>, is: Option<&Observed>) -> Diff {
        let vpc = Fact::Known("vpc-1".to_owned());
        diff(&wanted(), vpc, source.map(str::to_owned), is)
    }

    fn group(name: &str, vpc: &str) -> Described {
        Described::builder().group_name(name).vpc_id(vpc).build()
    }

    #[test]
    fn a_group_that_also_lets_others_in_is_kept() {
        let diff = diffed(Fact::Known("sg-cluster"), Some(&right()));
        assert_eq!(diff.action, Action::Keep);
    }

    #[test]
    fn a_missing_rule_is_added_to_those_of_others() {
        let is = Observed {
            lets_in: ["sg-theirs".to_owned()].into(),
            ..right()
        };
        let diff = diffed(Fact::Known("sg-cluster"), Some(&is));
        assert_eq!(diff.attributes.len(), 1);
        assert!(diff.touches("ingress") && diff.action == Action::Update);
        assert_eq!(
            diff.attributes[0].new,
            crate::reconcile::plan::Target::Value(serde_json::json!(["sg-cluster", "sg-theirs"]))
        );
    }

    #[test]
    fn a_group_is_made_with_a_rule_also_while_its_source_is_not_known() {
        for source in [Fact::Known("sg-cluster"), Fact::AfterApply] {
            let diff = diffed(source, None);
            assert!(diff.action == Action::Create && diff.touches("ingress"));
        }
    }

    #[test]
    fn a_group_is_found_by_name_or_as_the_only_one_with_it_as_prefix_in_its_vpc() {
        let found = |groups: &[(&str, &str)]| {
            let groups: Vec<_> = groups.iter().map(|(name, vpc)| group(name, vpc)).collect();
            choose("g", "vpc-1", &groups).map(|found| found.map(|g| g.name))
        };
        assert_eq!(
            found(&[("g-1", "vpc-1"), ("g", "vpc-1")]),
            Ok(Some("g".into()))
        );
        assert_eq!(
            found(&[("g", "vpc-2"), ("g-1", "vpc-1")]),
            Ok(Some("g-1".into()))
        );
        assert_eq!(found(&[("g", "vpc-2")]), Ok(None));
        assert_eq!(
            found(&[("g-2", "vpc-1"), ("g-1", "vpc-1")])
                .unwrap_err()
                .to_string(),
            "looking for security group g: several could be meant: g-1, g-2"
        );
    }

    #[test]
    fn rules_count_whose_ports_include_that_of_nfs() {
        let rule = |protocol: &str, ports: Option<(i32, i32)>, from: &str| {
            IpPermission::builder()
                .ip_protocol(protocol)
                .set_from_port(ports.map(|p| p.0))
                .set_to_port(ports.map(|p| p.1))
                .user_id_group_pairs(UserIdGroupPair::builder().group_id(from).build())
                .build()
        };
        let group = Described::builder()
            .ip_permissions(rule("tcp", Some((2049, 2049)), "sg-exact"))
            .ip_permissions(rule("tcp", Some((2000, 3000)), "sg-wide"))
            .ip_permissions(rule("-1", None, "sg-all"))
            .ip_permissions(rule("tcp", Some((2050, 2060)), "sg-other-port"))
            .ip_permissions(rule("udp", Some((2049, 2049)), "sg-udp"))
            .build();
        assert_eq!(
            read(&group).lets_in,
            ["sg-all", "sg-exact", "sg-wide"].map(str::to_owned).into()
        );
    }
}
