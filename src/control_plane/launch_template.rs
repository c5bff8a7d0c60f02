//! The launch template of the management nodes: metadata by session only, monitoring, disk, tags.
//!
//! Of a template's content psk keeps what it sets and leaves the rest alone. The tags of the
//! template itself cost a call of their own to read, so they are set when it is made and not
//! compared later.
//!
//! A node group can't change to another template (Source: EKS API reference,
//! UpdateNodegroupVersion), so that of an adopted group gets the content in a new version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{
    LaunchTemplateBlockDeviceMapping, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDevice, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateTagSpecificationRequest,
    LaunchTemplateVersion, LaunchTemplatesMonitoringRequest, RequestLaunchTemplateData,
    ResourceType, ResponseLaunchTemplateData, TagSpecification, VolumeType,
};
use aws_sdk_eks::types::{AmiTypes, Nodegroup};
use serde_json::json;

use super::tags::{self, Tags};
use super::token::token;
use super::{Shared, cluster, node_group};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::reconcile::plan::Action;
use crate::reconcile::{
    Condition, Diff, DiffBuilder, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource,
    State,
};

/// How long EC2 may take to know everywhere of a new template or version.
const DEADLINE: Duration = Duration::from_secs(120);

/// How many network hops an answer of the metadata service may take: one, so that it reaches the
/// node and no pod.
const HOP_LIMIT: i32 = 1;

/// What an instance brings along that gets tags of its own.
const TAGGED: [ResourceType; 3] = [
    ResourceType::Instance,
    ResourceType::Volume,
    ResourceType::NetworkInterface,
];

/// The launch template of a node group.
#[derive(Debug)]
pub struct LaunchTemplate {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// The cluster of the node group.
    pub cluster: Handle<cluster::Facts>,
    /// What it should be.
    pub wanted: Wanted,
    /// How often EC2 is asked whether it is done.
    pub polling: Polling,
}

/// What the launch template should be, as far as node groups differ in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// The node group's name, or what it begins with.
    pub node_group: String,
    /// The device of the disk that containers live on ([`data_device`]).
    pub device: String,
    /// Size of that disk in GiB.
    pub disk_gib: i32,
    /// Tags that instances, their volumes and their network interfaces must have; others are left
    /// alone.
    pub tags: Tags,
}

impl Wanted {
    /// The name of the template that psk makes. An adopted one has another.
    fn name(&self) -> String {
        format!("{}-{}", self.cluster, self.node_group)
    }
}

/// What the newest version of the launch template is.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Id of the template.
    pub id: String,
    /// Name of the template.
    pub name: String,
    /// Number of the version.
    pub version: i64,
    /// Content of the version.
    pub data: ResponseLaunchTemplateData,
}

/// What was found where a launch template is looked for.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each cluster, and it is a template nearly always"
)]
pub enum Found {
    /// psk's own, or the one that an adopted node group was made from.
    Template(Observed),
    /// A node group that was made without a template. EKS can't give it one, so none is made.
    GroupWithout,
}

/// What a node group is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateFacts {
    /// Id of the launch template.
    pub id: String,
    /// Number of the version that has the wanted content. Versions are numbered in order, so it is
    /// known before the version is made.
    pub version: String,
}

/// The device of the disk that containers live on, by AMI type.
/// Source: Bottlerocket's README, "Default Volumes"; EC2 User Guide, "Device names for volumes on
/// Amazon EC2 instances"; EKS User Guide on Amazon Linux and Windows AMIs.
pub fn data_device(ami_type: &AmiTypes) -> &'static str {
    let name = ami_type.as_str();
    if name.starts_with("BOTTLEROCKET") {
        "/dev/xvdb"
    } else if name.starts_with("WINDOWS") {
        "/dev/sda1"
    } else {
        "/dev/xvda"
    }
}

impl Resource for LaunchTemplate {
    type Observed = Found;
    type Output = TemplateFacts;
    const KIND: &'static str = "ec2_launch_template";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &[
                "ec2:DescribeLaunchTemplates",
                "ec2:DescribeLaunchTemplateVersions",
            ],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &[
                "ec2:CreateLaunchTemplate",
                "ec2:CreateLaunchTemplateVersion",
                "ec2:CreateTags",
                "ec2:DeleteLaunchTemplate",
            ],
            on: &["arn:{partition}:ec2:*:{account}:launch-template/*"],
            condition: None,
        },
        // EKS refuses a template to whom may not launch instances with it. Source: EC2 Auto Scaling
        // User Guide, "Control Amazon EC2 launch template usage in Auto Scaling groups".
        Grant {
            actions: &["ec2:RunInstances"],
            on: &["*"],
            condition: Some(Condition {
                operator: "ArnLike",
                key: "ec2:LaunchTemplate",
                values: &["arn:*:ec2:*:*:launch-template/*"],
            }),
        },
        Grant {
            actions: &["ec2:CreateTags"],
            on: &[
                "arn:{partition}:ec2:*:{account}:instance/*",
                "arn:{partition}:ec2:*:{account}:network-interface/*",
                "arn:{partition}:ec2:*:{account}:volume/*",
            ],
            condition: Some(Condition {
                operator: "StringEquals",
                key: "ec2:CreateAction",
                values: &["RunInstances"],
            }),
        },
    ];

    fn name(&self) -> String {
        self.wanted.name()
    }

    /// Looks for psk's own, and only where there is none for what an adopted group was made from.
    async fn observe(&self) -> Result<Option<Found>, Error> {
        let key = self.session.target().clone();
        let ask = || async { Ok(Arc::new(self.newest_of_all().await?)) };
        let all = self.shared.launch_templates.get(key, ask).await?;
        let find = |is: &dyn Fn(&LaunchTemplateVersion) -> bool| {
            let found = all.iter().find(|version| is(version));
            found.cloned().and_then(observed)
        };
        let name = self.wanted.name();
        let own = find(&|version| version.launch_template_name() == Some(&name));
        if own.is_some() {
            return Ok(own.map(Found::Template));
        }
        let Some(group) = self.group().await? else {
            return Ok(None);
        };
        let in_use = |id: &str| find(&|version| version.launch_template_id() == Some(id));
        Ok(match group.launch_template().and_then(|t| t.id()) {
            Some(id) => in_use(id).map(Found::Template),
            None => Some(Found::GroupWithout),
        })
    }

    fn needs(&self) -> Vec<usize> {
        vec![self.cluster.index()]
    }

    fn output(&self, found: &Found) -> TemplateFacts {
        let Found::Template(is) = found else {
            return TemplateFacts::default();
        };
        let is_right = diff(&self.wanted, Some(is)).action == Action::Keep;
        let version = is.version + i64::from(!is_right);
        TemplateFacts {
            id: is.id.clone(),
            version: version.to_string(),
        }
    }

    /// Without a template there is nothing to tell of one.
    fn is_complete(&self, found: &Found) -> bool {
        matches!(found, Found::Template(_))
    }

    fn diff(&self, found: Option<&Found>) -> Result<Diff, Error> {
        Ok(match found {
            None => diff(&self.wanted, None),
            Some(Found::Template(is)) => diff(&self.wanted, Some(is)),
            Some(Found::GroupWithout) => Diff::update().build(),
        })
    }

    async fn apply(
        &self,
        diff: &Diff,
        found: Option<&Found>,
        _progress: &Progress,
    ) -> Result<(), Error> {
        match found {
            Some(Found::Template(is)) => self.create_version(diff, is).await,
            Some(Found::GroupWithout) => Ok(()),
            None => self.create(diff).await,
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Found, Error> {
        let what = format!("launch template {}", self.wanted.name());
        self.polling
            .until(&what, DEADLINE, progress, || async {
                let is_right = |is: &Observed| diff(&self.wanted, Some(is)).action == Action::Keep;
                Ok(match self.reread().await?.filter(is_right) {
                    Some(is) => State::Done(Found::Template(is)),
                    None => State::UnderWay("old or unknown to parts of EC2".to_owned()),
                })
            })
            .await
    }

    async fn fate(&self, found: &Found) -> Result<Fate, Error> {
        let Found::Template(Observed { id, name, .. }) = found else {
            return Ok(Fate::Nothing);
        };
        let answer = self
            .session
            .ec2()
            .describe_launch_templates()
            .launch_template_ids(id)
            .send()
            .await
            .doing(|| format!("reading the tags of launch template {name}"))?;
        let tags = answer.launch_templates().iter().flat_map(|t| t.tags());
        Ok(tags::fate(&tags::from_ec2(
            &tags.cloned().collect::<Vec<_>>(),
        )))
    }

    async fn remove(&self, found: &Found, _progress: &Progress) -> Result<(), Error> {
        let Found::Template(Observed { id, name, .. }) = found else {
            return Ok(());
        };
        self.session
            .ec2()
            .delete_launch_template()
            .launch_template_id(id)
            .send()
            .await
            .doing(|| format!("deleting launch template {name}"))
            .or_absent()?;
        Ok(())
    }
}

impl LaunchTemplate {
    /// The node group, where there is one.
    async fn group(&self) -> Result<Option<Arc<Nodegroup>>, Error> {
        if self.cluster.observed().await? == Fact::AfterApply {
            return Ok(None);
        }
        let Wanted {
            cluster,
            node_group,
            ..
        } = &self.wanted;
        let (session, shared) = (&self.session, &self.shared);
        node_group::first_seen(session, shared, cluster, node_group).await
    }

    /// The newest version of every template of the region: psk's own and an adopted one's are both
    /// among them, and those of other clusters.
    async fn newest_of_all(&self) -> Result<Vec<LaunchTemplateVersion>, CallError> {
        self.session
            .ec2()
            .describe_launch_template_versions()
            .versions("$Latest")
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| "listing the launch templates".to_owned())
    }

    /// Reads the template again, after a change.
    async fn reread(&self) -> Result<Option<Observed>, Error> {
        if let Some(own) = self.read(Called::Name(&self.wanted.name())).await? {
            return Ok(Some(own));
        }
        let group = self.group().await?;
        match group.as_ref().and_then(|g| g.launch_template()?.id()) {
            Some(id) => Ok(self.read(Called::Id(id)).await?),
            None => Ok(None),
        }
    }

    async fn read(&self, called: Called<'_>) -> Result<Option<Observed>, CallError> {
        let request = self
            .session
            .ec2()
            .describe_launch_template_versions()
            .versions("$Latest");
        let (request, called) = match called {
            Called::Name(name) => (request.launch_template_name(name), name),
            Called::Id(id) => (request.launch_template_id(id), id),
        };
        let answer = request
            .send()
            .await
            .doing(|| format!("reading launch template {called}"))
            .or_absent()?;
        let versions = answer.and_then(|answer| answer.launch_template_versions);
        Ok(versions.into_iter().flatten().next().and_then(observed))
    }

    /// Creates the template. Its name makes it one, and one of that name that an earlier attempt
    /// made is as good.
    async fn create(&self, diff: &Diff) -> Result<(), Error> {
        let name = self.wanted.name();
        let created = self
            .session
            .ec2()
            .create_launch_template()
            .launch_template_name(&name)
            .launch_template_data(content(&self.wanted, diff, None))
            .tag_specifications(
                TagSpecification::builder()
                    .resource_type(ResourceType::LaunchTemplate)
                    .set_tags(Some(tags::for_ec2(&tags::made(&self.wanted.tags))))
                    .build(),
            )
            .send()
            .await
            .doing(|| format!("creating launch template {name}"));
        match created {
            Err(error) if error.has_code(&["InvalidLaunchTemplateName.AlreadyExistsException"]) => {
                Ok(())
            }
            created => Ok(created.map(|_| ())?),
        }
    }

    async fn create_version(&self, diff: &Diff, is: &Observed) -> Result<(), Error> {
        let source = is.version.to_string();
        let change = json!(diff.attributes).to_string();
        self.session
            .ec2()
            .create_launch_template_version()
            .launch_template_id(&is.id)
            .source_version(&source)
            .client_token(token(&["launch template", &is.id, &source, &change]))
            .launch_template_data(content(&self.wanted, diff, Some(&is.data)))
            .send()
            .await
            .doing(|| format!("creating a version of launch template {}", is.name))?;
        Ok(())
    }
}

/// How a template is asked for.
#[derive(Debug, Clone, Copy)]
enum Called<'a> {
    Name(&'a str),
    Id(&'a str),
}

fn observed(version: LaunchTemplateVersion) -> Option<Observed> {
    Some(Observed {
        id: version.launch_template_id?,
        name: version.launch_template_name?,
        version: version.version_number?,
        data: version.launch_template_data?,
    })
}

/// What a template or version is made with: each part that differs, whole. A new version has all
/// other parts from the version before.
fn content(
    wanted: &Wanted,
    diff: &Diff,
    is: Option<&ResponseLaunchTemplateData>,
) -> RequestLaunchTemplateData {
    let mut content = RequestLaunchTemplateData::builder();
    if diff.touches("metadata_options") {
        let tags_told = is
            .and_then(|data| data.metadata_options())
            .and_then(|options| options.instance_metadata_tags());
        content = content.metadata_options(
            LaunchTemplateInstanceMetadataOptionsRequest::builder()
                .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
                .http_tokens(LaunchTemplateHttpTokensState::Required)
                .http_put_response_hop_limit(HOP_LIMIT)
                .set_instance_metadata_tags(tags_told.map(|told| told.as_str().into()))
                .build(),
        );
    }
    if diff.touches("monitoring") {
        let monitoring = LaunchTemplatesMonitoringRequest::builder().enabled(true);
        content = content.monitoring(monitoring.build());
    }
    if diff.touches("disk") {
        content = content.set_block_device_mappings(Some(block_devices(wanted, is)));
    }
    if diff.touches("tags") {
        content = content.set_tag_specifications(Some(tag_specifications(wanted, is)));
    }
    content.build()
}

fn block_devices(
    wanted: &Wanted,
    is: Option<&ResponseLaunchTemplateData>,
) -> Vec<LaunchTemplateBlockDeviceMappingRequest> {
    let there = is.map_or(&[][..], |data| data.block_device_mappings());
    let (ours, others): (Vec<_>, Vec<_>) = there
        .iter()
        .partition(|mapping| mapping.device_name() == Some(wanted.device.as_str()));
    let ebs = ours.first().and_then(|mapping| mapping.ebs());
    let ebs = ebs_request(ebs)
        .volume_size(wanted.disk_gib)
        .volume_type(VolumeType::Gp3)
        .encrypted(true)
        .delete_on_termination(true);
    let disk = LaunchTemplateBlockDeviceMappingRequest::builder()
        .device_name(&wanted.device)
        .ebs(ebs.build())
        .build();
    others
        .into_iter()
        .map(mapping_request)
        .chain([disk])
        .collect()
}

fn mapping_request(
    mapping: &LaunchTemplateBlockDeviceMapping,
) -> LaunchTemplateBlockDeviceMappingRequest {
    LaunchTemplateBlockDeviceMappingRequest::builder()
        .set_device_name(mapping.device_name.clone())
        .set_virtual_name(mapping.virtual_name.clone())
        .set_no_device(mapping.no_device.clone())
        .set_ebs(mapping.ebs().map(|ebs| ebs_request(Some(ebs)).build()))
        .build()
}

fn ebs_request(
    ebs: Option<&LaunchTemplateEbsBlockDevice>,
) -> aws_sdk_ec2::types::builders::LaunchTemplateEbsBlockDeviceRequestBuilder {
    let request = LaunchTemplateEbsBlockDeviceRequest::builder();
    let Some(ebs) = ebs else { return request };
    request
        .set_encrypted(ebs.encrypted)
        .set_delete_on_termination(ebs.delete_on_termination)
        .set_iops(ebs.iops)
        .set_kms_key_id(ebs.kms_key_id.clone())
        .set_snapshot_id(ebs.snapshot_id.clone())
        .set_volume_size(ebs.volume_size)
        .set_volume_type(ebs.volume_type.clone())
        .set_throughput(ebs.throughput)
        .set_volume_initialization_rate(ebs.volume_initialization_rate)
}

/// Tags by what is tagged.
fn tags_of(data: &ResponseLaunchTemplateData) -> BTreeMap<String, Tags> {
    data.tag_specifications()
        .iter()
        .filter_map(|spec| {
            let tagged = spec.resource_type()?.as_str().to_owned();
            Some((tagged, tags::from_ec2(spec.tags())))
        })
        .collect()
}

/// The tags that everything of [`TAGGED`] gets.
fn common_tags(data: &ResponseLaunchTemplateData) -> Tags {
    let tags = tags_of(data);
    let [first, others @ ..] = TAGGED.map(|tagged| tags.get(tagged.as_str()));
    first
        .into_iter()
        .flatten()
        .filter(|(key, value)| {
            others
                .iter()
                .all(|tags| tags.and_then(|tags| tags.get(*key)) == Some(*value))
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn tag_specifications(
    wanted: &Wanted,
    is: Option<&ResponseLaunchTemplateData>,
) -> Vec<LaunchTemplateTagSpecificationRequest> {
    let mut all = is.map(tags_of).unwrap_or_default();
    for tagged in TAGGED {
        let tags = all.entry(tagged.as_str().to_owned()).or_default();
        tags.extend(wanted.tags.clone());
    }
    all.iter()
        .map(|(tagged, tags)| {
            LaunchTemplateTagSpecificationRequest::builder()
                .resource_type(tagged.as_str().into())
                .set_tags(Some(tags::for_ec2(tags)))
                .build()
        })
        .collect()
}

fn diff(wanted: &Wanted, observed: Option<&Observed>) -> Diff {
    let data = observed.map(|is| &is.data);
    let options = data.and_then(|data| data.metadata_options());
    let monitoring = data.and_then(|data| data.monitoring());
    let builder = match observed {
        Some(_) => Diff::update(),
        None => Diff::create()
            .known_after_apply("id")
            .known_after_apply("version"),
    };
    builder
        .attribute(
            "metadata_options.http_tokens",
            options
                .and_then(|o| o.http_tokens())
                .map(|tokens| tokens.as_str()),
            LaunchTemplateHttpTokensState::Required.as_str(),
        )
        .attribute(
            "metadata_options.http_put_response_hop_limit",
            options.and_then(|o| o.http_put_response_hop_limit()),
            HOP_LIMIT,
        )
        .attribute("monitoring", monitoring.and_then(|m| m.enabled()), true)
        .with(|diff| disk(diff, wanted, data))
        .with(|diff| tags::diff(diff, data.map(common_tags).as_ref(), &wanted.tags))
        .build()
}

fn disk(
    diff: DiffBuilder,
    wanted: &Wanted,
    data: Option<&ResponseLaunchTemplateData>,
) -> DiffBuilder {
    let mappings = data.map_or(&[][..], |data| data.block_device_mappings());
    let is = mappings
        .iter()
        .find(|mapping| mapping.device_name() == Some(wanted.device.as_str()))
        .and_then(|mapping| mapping.ebs());
    let volume_type = is.and_then(|ebs| ebs.volume_type());
    diff.attribute("disk.device", is.map(|_| &wanted.device), &wanted.device)
        .attribute(
            "disk.size_gib",
            is.and_then(|ebs| ebs.volume_size()),
            wanted.disk_gib,
        )
        .attribute(
            "disk.type",
            volume_type.map(|t| t.as_str()),
            VolumeType::Gp3.as_str(),
        )
        .attribute("disk.encrypted", is.and_then(|ebs| ebs.encrypted()), true)
        .attribute(
            "disk.delete_on_termination",
            is.and_then(|ebs| ebs.delete_on_termination()),
            true,
        )
}

#[cfg(test)]
mod tests;
