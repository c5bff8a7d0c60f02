//! Versions of launch templates.

use serde::Serialize;
use serde_json::Value;

use super::error::{invalid_value, missing, refusal};
use super::filter::{Filterable, filters, fits};
use super::launch_template_data as data;
use super::launch_templates::{find, is_repeated, time, token};
use super::page::page;
use super::state::{LaunchTemplate, LaunchTemplateVersion};
use super::tags::Tags;
use crate::call::{Answer, Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

/// How many versions can be deleted at once.
const MOST_DELETED: usize = 200;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreateLaunchTemplateVersionResult {
    launch_template_version: VersionItem,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeLaunchTemplateVersionsResult {
    launch_template_version_set: Items<VersionItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionItem {
    launch_template_id: String,
    launch_template_name: String,
    version_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_description: Option<String>,
    create_time: String,
    created_by: String,
    default_version: bool,
    launch_template_data: Value,
    /// What pages go by: newest first.
    #[serde(skip)]
    place: String,
    #[serde(skip)]
    tags: Tags,
}

impl VersionItem {
    fn new(template: &LaunchTemplate, number: u64, version: &LaunchTemplateVersion) -> Self {
        Self {
            launch_template_id: template.id.clone(),
            launch_template_name: template.name.clone(),
            version_number: number,
            version_description: version.description.clone(),
            create_time: time(version.created),
            created_by: version.created_by.clone(),
            default_version: number == template.default_version,
            launch_template_data: version.data.clone(),
            place: format!("{} {:020}", template.id, u64::MAX - number),
            tags: Tags::new(),
        }
    }
}

/// `CreateLaunchTemplateVersion`, which a client token makes idempotent.
pub(super) fn create(world: &mut World, call: &Call, form: &Form) -> Answer {
    let own = data::read(form)?;
    let token = token(form);
    let template = find(world.ec2(&call.account, &call.region), form)?;
    for (number, version) in &template.versions {
        if is_repeated(version.token.as_ref(), token.as_ref())? {
            let launch_template_version = VersionItem::new(template, *number, version);
            return answer(call, launch_template_version);
        }
    }
    let data = match form.get("SourceVersion") {
        Some(source) => {
            let source = template.versions.get(&template.number(source)?);
            data::based_on(source.map_or(&Value::Null, |version| &version.data), own)
        }
        None => own,
    };
    if data.as_object().is_none_or(|members| members.is_empty()) {
        return Err(missing("LaunchTemplateData"));
    }
    let version = LaunchTemplateVersion {
        description: form.get("VersionDescription").map(str::to_owned),
        created: call.now,
        created_by: call.principal.clone(),
        data,
        token,
    };
    template.latest_version += 1;
    let number = template.latest_version;
    let launch_template_version = VersionItem::new(template, number, &version);
    template.versions.insert(number, version);
    answer(call, launch_template_version)
}

fn answer(call: &Call, launch_template_version: VersionItem) -> Answer {
    xml::ec2(
        call,
        CreateLaunchTemplateVersionResult {
            launch_template_version,
        },
    )
}

/// `DescribeLaunchTemplateVersions`: of one template, or the newest or default ones of all.
pub(super) fn describe(world: &mut World, call: &Call, form: &Form) -> Answer {
    let region = world.ec2(&call.account, &call.region);
    let versions = form.list("LaunchTemplateVersion");
    let of_one = form.get("LaunchTemplateId").is_some() || form.get("LaunchTemplateName").is_some();
    let mut items = Vec::new();
    if of_one {
        let template = find(region, form)?;
        items.extend(named(template, &versions, form)?);
    } else {
        if versions.is_empty() || versions.iter().any(|v| !v.starts_with('$')) {
            return Err(missing("LaunchTemplateId or LaunchTemplateName"));
        }
        for template in region.launch_templates.values() {
            items.extend(named(template, &versions, form)?);
        }
    }
    let filters = filters(form)?;
    let mut fitting = Vec::new();
    for item in items {
        if fits(&item, &filters, &call.account, &call.region)? {
            fitting.push(item);
        }
    }
    fitting.sort_by(|one, other| one.place.cmp(&other.place));
    fitting.dedup_by(|one, other| one.place == other.place);
    let (found, next_token) = page(form, fitting, 1..=200, |item| &item.place)?;
    xml::ec2(
        call,
        DescribeLaunchTemplateVersionsResult {
            launch_template_version_set: found.into_iter().collect(),
            next_token,
        },
    )
}

/// The versions of a template that a request asks for.
fn named(
    template: &LaunchTemplate,
    wanted: &[&str],
    form: &Form,
) -> Result<Vec<VersionItem>, ServiceError> {
    let bound = |name: &str| -> Result<Option<u64>, ServiceError> {
        form.get(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| invalid_value(format!("{name} is not a number: {text}")))
            })
            .transpose()
    };
    let (min, max) = (bound("MinVersion")?, bound("MaxVersion")?);
    let mut numbers = Vec::new();
    for version in wanted {
        numbers.push(template.number(version)?);
    }
    if wanted.is_empty() {
        numbers.extend(template.versions.keys());
    }
    Ok(numbers
        .into_iter()
        .filter(|number| min.is_none_or(|min| *number >= min))
        .filter(|number| max.is_none_or(|max| *number <= max))
        .filter_map(|number| {
            let version = template.versions.get(&number)?;
            Some(VersionItem::new(template, number, version))
        })
        .collect())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeleteLaunchTemplateVersionsResult {
    successfully_deleted_launch_template_version_set: Items<DeletedItem>,
    unsuccessfully_deleted_launch_template_version_set: Items<NotDeletedItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedItem {
    launch_template_id: String,
    launch_template_name: String,
    version_number: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NotDeletedItem {
    #[serde(flatten)]
    version: DeletedItem,
    response_error: ResponseError,
}

#[derive(Serialize)]
struct ResponseError {
    code: &'static str,
    message: &'static str,
}

/// `DeleteLaunchTemplateVersions`. Each version goes or stays by itself; a default one stays.
pub(super) fn delete(world: &mut World, call: &Call, form: &Form) -> Answer {
    let template = find(world.ec2(&call.account, &call.region), form)?;
    let versions = form.list("LaunchTemplateVersion");
    if versions.is_empty() || versions.len() > MOST_DELETED {
        return Err(refusal(
            "InvalidParameterValue",
            format!("Between 1 and {MOST_DELETED} versions can be deleted at once"),
        ));
    }
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for version in versions {
        let number: u64 = version
            .parse()
            .map_err(|_| invalid_value(format!("Value ({version}) is not a version's number")))?;
        let item = DeletedItem {
            launch_template_id: template.id.clone(),
            launch_template_name: template.name.clone(),
            version_number: number,
        };
        let error = if number == template.default_version {
            Some(("unexpectedError", "The default version can't be deleted"))
        } else if template.versions.remove(&number).is_none() {
            Some((
                "launchTemplateVersionDoesNotExist",
                "The version does not exist",
            ))
        } else {
            None
        };
        match error {
            None => deleted.push(item),
            Some((code, message)) => kept.push(NotDeletedItem {
                version: item,
                response_error: ResponseError { code, message },
            }),
        }
    }
    xml::ec2(
        call,
        DeleteLaunchTemplateVersionsResult {
            successfully_deleted_launch_template_version_set: deleted.into_iter().collect(),
            unsuccessfully_deleted_launch_template_version_set: kept.into_iter().collect(),
        },
    )
}

impl Filterable for VersionItem {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str, _account: &str, _region: &str) -> Option<Vec<String>> {
        let data = |path: &str| {
            let value = self.launch_template_data.pointer(path);
            value
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                })
                .into_iter()
                .collect()
        };
        Some(match filter {
            "create-time" => vec![self.create_time.clone()],
            "is-default-version" => vec![self.default_version.to_string()],
            "ebs-optimized" => data("/ebsOptimized"),
            "http-endpoint" => data("/metadataOptions/httpEndpoint"),
            "http-tokens" => data("/metadataOptions/httpTokens"),
            "image-id" => data("/imageId"),
            "instance-type" => data("/instanceType"),
            _ => return None,
        })
    }
}
