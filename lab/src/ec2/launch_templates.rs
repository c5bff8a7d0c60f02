//! Launch templates: made, described, given another default version, deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::describe::{Selection, select};
use super::error::{missing, no_template, refusal};
use super::filter::Filterable;
use super::launch_template_data as data;
use super::state::{ClientToken, LaunchTemplate, LaunchTemplateVersion, Region};
use super::tags::{self, TagItem, Tags};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

const TEMPLATES: Selection<LaunchTemplate> = Selection {
    ids: "LaunchTemplateId",
    id: |template| &template.id,
    not_found: no_template,
    pages: 1..=200,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneTemplate {
    launch_template: TemplateItem,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeLaunchTemplatesResult {
    launch_templates: Items<TemplateItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TemplateItem {
    launch_template_id: String,
    launch_template_name: String,
    create_time: String,
    created_by: String,
    default_version_number: u64,
    latest_version_number: u64,
    tag_set: Items<TagItem>,
}

impl TemplateItem {
    fn new(template: &LaunchTemplate) -> Self {
        Self {
            launch_template_id: template.id.clone(),
            launch_template_name: template.name.clone(),
            create_time: time(template.created),
            created_by: template.created_by.clone(),
            default_version_number: template.default_version,
            latest_version_number: template.latest_version,
            tag_set: tags::items(&template.tags),
        }
    }
}

/// A time as EC2 writes it.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `CreateLaunchTemplate`, which a client token makes idempotent.
pub(super) fn create(world: &mut World, call: &Call, form: &Form) -> Answer {
    let name = name(form)?.ok_or_else(|| missing("LaunchTemplateName"))?;
    let data = data::read(form)?;
    let tags = tags::specified(form, "launch-template")?;
    let token = token(form);
    let id = format!("lt-0{}", world.ids.hex(16));
    let region = world.ec2(&call.account, &call.region);
    for template in region.launch_templates.values() {
        if is_repeated(template.token.as_ref(), token.as_ref())? {
            let launch_template = TemplateItem::new(template);
            return xml::ec2(call, OneTemplate { launch_template });
        }
    }
    if region.launch_template_named(name).is_some() {
        return Err(refusal(
            "InvalidLaunchTemplateName.AlreadyExistsException",
            "Launch template name already in use.",
        ));
    }
    let version = LaunchTemplateVersion {
        description: form.get("VersionDescription").map(str::to_owned),
        created: call.now,
        created_by: call.principal.clone(),
        data,
        token: None,
    };
    let template = LaunchTemplate {
        id: id.clone(),
        name: name.to_owned(),
        created: call.now,
        created_by: call.principal.clone(),
        default_version: 1,
        latest_version: 1,
        versions: BTreeMap::from([(1, version)]),
        tags,
        token,
    };
    let launch_template = TemplateItem::new(&template);
    region.launch_templates.insert(id, template);
    xml::ec2(call, OneTemplate { launch_template })
}

/// `DescribeLaunchTemplates`.
pub(super) fn describe(world: &mut World, call: &Call, form: &Form) -> Answer {
    let region = world.ec2(&call.account, &call.region);
    let names = form.list("LaunchTemplateName");
    for name in &names {
        region
            .launch_template_named(name)
            .ok_or_else(|| no_template_named(name))?;
    }
    let wanted: BTreeMap<String, LaunchTemplate> = region
        .launch_templates
        .iter()
        .filter(|(_, template)| names.is_empty() || names.contains(&template.name.as_str()))
        .map(|(id, template)| (id.clone(), template.clone()))
        .collect();
    let (found, next_token) = select(call, form, &wanted, &TEMPLATES)?;
    xml::ec2(
        call,
        DescribeLaunchTemplatesResult {
            launch_templates: found.into_iter().map(TemplateItem::new).collect(),
            next_token,
        },
    )
}

/// `ModifyLaunchTemplate`: sets the default version.
pub(super) fn modify(world: &mut World, call: &Call, form: &Form) -> Answer {
    let region = world.ec2(&call.account, &call.region);
    let template = find(region, form)?;
    let wanted = form
        .get("SetDefaultVersion")
        .ok_or_else(|| missing("SetDefaultVersion"))?;
    template.default_version = template.number(wanted)?;
    let launch_template = TemplateItem::new(template);
    xml::ec2(call, OneTemplate { launch_template })
}

/// `DeleteLaunchTemplate`, with all of its versions.
pub(super) fn delete(world: &mut World, call: &Call, form: &Form) -> Answer {
    let region = world.ec2(&call.account, &call.region);
    let template = find(region, form)?;
    let launch_template = TemplateItem::new(template);
    let id = template.id.clone();
    region.launch_templates.remove(&id);
    xml::ec2(call, OneTemplate { launch_template })
}

/// The template that a request names, by id or by name.
pub(super) fn find<'r>(
    region: &'r mut Region,
    form: &Form,
) -> Result<&'r mut LaunchTemplate, ServiceError> {
    match (form.get("LaunchTemplateId"), name(form)?) {
        (Some(id), None) => region
            .launch_templates
            .get_mut(id)
            .ok_or_else(|| no_template(id)),
        (None, Some(name)) => region
            .launch_templates
            .values_mut()
            .find(|template| template.name == name)
            .ok_or_else(|| no_template_named(name)),
        (Some(_), Some(_)) => Err(refusal(
            "InvalidParameterCombination",
            "Specify either a launch template ID or a launch template name, but not both.",
        )),
        (None, None) => Err(missing("LaunchTemplateId or LaunchTemplateName")),
    }
}

fn name(form: &Form) -> Result<Option<&str>, ServiceError> {
    let Some(name) = form.get("LaunchTemplateName") else {
        return Ok(None);
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "().-/_".contains(c);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        Ok(Some(name))
    } else {
        Err(refusal(
            "InvalidLaunchTemplateName.MalformedException",
            "Launch template name must be between 3 and 128 characters, and may contain letters, \
             numbers, and the following characters: - ( ) . / _.",
        ))
    }
}

fn no_template_named(name: &str) -> ServiceError {
    refusal(
        "InvalidLaunchTemplateName.NotFoundException",
        format!(
            "At least one of the launch templates specified in the request does not exist: {name}"
        ),
    )
}

impl LaunchTemplate {
    /// The number of a version that is named by it, as `$Latest` or as `$Default`.
    pub(super) fn number(&self, version: &str) -> Result<u64, ServiceError> {
        let number = match version {
            "$Latest" => Some(self.latest_version),
            "$Default" => Some(self.default_version),
            number => number.parse().ok(),
        };
        number
            .filter(|number| self.versions.contains_key(number))
            .ok_or_else(|| {
                refusal(
                    "InvalidLaunchTemplateId.VersionNotFound",
                    format!(
                        "Could not find the specified version {version} for the launch template \
                         with ID {}.",
                        self.id
                    ),
                )
            })
    }
}

/// The client token of a request, with what else the request says.
pub(super) fn token(form: &Form) -> Option<ClientToken> {
    let token = form.get("ClientToken")?.to_owned();
    let mut request = form.sorted();
    request.retain(|(name, _)| name != "ClientToken");
    Some(ClientToken { token, request })
}

/// Whether `again` repeats the request that `before` came with.
///
/// # Errors
/// `IdempotentParameterMismatch` if it reuses the token for another request.
pub(super) fn is_repeated(
    before: Option<&ClientToken>,
    again: Option<&ClientToken>,
) -> Result<bool, ServiceError> {
    match (before, again) {
        (Some(before), Some(again)) if before.token == again.token => {
            if before == again {
                Ok(true)
            } else {
                Err(refusal(
                    "IdempotentParameterMismatch",
                    "Client token already used before, with other parameters.",
                ))
            }
        }
        _ => Ok(false),
    }
}

impl Filterable for LaunchTemplate {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str, _account: &str, _region: &str) -> Option<Vec<String>> {
        let value = match filter {
            "create-time" => time(self.created),
            "launch-template-name" => self.name.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}
