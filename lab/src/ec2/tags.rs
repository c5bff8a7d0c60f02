//! Tags of EC2's resources: put on as they are made (`TagSpecification`), and later by id.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::{invalid_value, missing, no_interface, no_subnet, no_template, no_vpc, refusal};
use super::filter::{Filterable, filters, fits};
use super::page::page;
use super::state::Region;
use crate::call::{Answer, Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml::{self, Items};
use crate::world::World;

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

const MOST_TAGS: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// A tag of a resource.
#[derive(Debug, Serialize)]
pub(super) struct TagItem {
    key: String,
    value: String,
}

/// Tags, in the order of their keys.
pub(super) fn items(tags: &Tags) -> Items<TagItem> {
    tags.iter()
        .map(|(key, value)| TagItem {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// The tags that a request specifies for what it makes. `kind` is the resource type
/// (`security-group`), the only one that it may name.
pub(super) fn specified(form: &Form, kind: &str) -> Result<Tags, ServiceError> {
    let mut tags = Tags::new();
    for at in form.structures("TagSpecification") {
        let of = form.get(&format!("{at}.ResourceType"));
        let of = of.ok_or_else(|| missing(&format!("{at}.ResourceType")))?;
        if of != kind {
            return Err(invalid_value(format!(
                "'{of}' is not a valid taggable resource type for this operation."
            )));
        }
        tags.extend(read(form, &format!("{at}.Tag"))?);
    }
    check(&tags)?;
    Ok(tags)
}

/// The tags under a prefix.
fn read(form: &Form, prefix: &str) -> Result<Tags, ServiceError> {
    let mut tags = Tags::new();
    for at in form.structures(prefix) {
        let key = form.get(&format!("{at}.Key"));
        let key = key.ok_or_else(|| missing(&format!("{at}.Key")))?;
        let value = form.raw(&format!("{at}.Value")).unwrap_or_default();
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid_value(format!(
                "Duplicate tag key '{key}' specified."
            )));
        }
    }
    Ok(tags)
}

fn check(tags: &Tags) -> Result<(), ServiceError> {
    for (key, value) in tags {
        if key.chars().count() > LONGEST_KEY {
            return Err(invalid_value(format!(
                "Tag key exceeds the maximum length of {LONGEST_KEY} characters"
            )));
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(invalid_value(format!(
                "Tag value exceeds the maximum length of {LONGEST_VALUE} characters"
            )));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(invalid_value(format!(
                "Tag keys starting with 'aws:' are reserved for internal use: {key}"
            )));
        }
    }
    let own = tags.keys().filter(|key| !key.starts_with("aws:")).count();
    if own > MOST_TAGS {
        return Err(too_many());
    }
    Ok(())
}

fn too_many() -> ServiceError {
    refusal(
        "TagLimitExceeded",
        format!("The maximum number of Tags for a resource has been reached: {MOST_TAGS}"),
    )
}

#[derive(Serialize)]
struct Done {
    r#return: bool,
}

/// `CreateTags`.
pub(super) fn create(world: &mut World, call: &Call, form: &Form) -> Answer {
    let new = read(form, "Tag")?;
    if new.is_empty() {
        return Err(missing("Tag"));
    }
    check(&new)?;
    let region = world.ec2(&call.account, &call.region);
    let ids = ids(form)?;
    for id in &ids {
        let tags = tags_of(region, id)?;
        let mut after = tags.clone();
        after.extend(new.clone());
        if after.keys().filter(|key| !key.starts_with("aws:")).count() > MOST_TAGS {
            return Err(too_many());
        }
    }
    for id in &ids {
        tags_of(region, id)?.extend(new.clone());
    }
    xml::ec2(call, Done { r#return: true })
}

/// `DeleteTags`. A tag that is named with a value goes only if it has that value; without any
/// named, all go that aren't AWS's own.
pub(super) fn delete(world: &mut World, call: &Call, form: &Form) -> Answer {
    let region = world.ec2(&call.account, &call.region);
    let ids = ids(form)?;
    let mut gone: Vec<(&str, Option<&str>)> = Vec::new();
    for at in form.structures("Tag") {
        let key = form.get(&format!("{at}.Key"));
        let key = key.ok_or_else(|| missing(&format!("{at}.Key")))?;
        gone.push((key, form.raw(&format!("{at}.Value"))));
    }
    for id in &ids {
        tags_of(region, id)?;
    }
    for id in &ids {
        tags_of(region, id)?.retain(|key, value| {
            let named = gone
                .iter()
                .any(|(name, of)| name == key && of.is_none_or(|of| of == value));
            key.starts_with("aws:") || !(named || gone.is_empty())
        });
    }
    xml::ec2(call, Done { r#return: true })
}

fn ids(form: &Form) -> Result<Vec<String>, ServiceError> {
    let ids: Vec<String> = form
        .list("ResourceId")
        .into_iter()
        .map(str::to_owned)
        .collect();
    if ids.is_empty() {
        return Err(missing("ResourceId"));
    }
    Ok(ids)
}

/// The tags of the resource that has that id.
fn tags_of<'r>(region: &'r mut Region, id: &str) -> Result<&'r mut Tags, ServiceError> {
    let kind = id.split('-').next().unwrap_or_default();
    match kind {
        "vpc" => region
            .vpcs
            .get_mut(id)
            .map(|vpc| &mut vpc.tags)
            .ok_or_else(|| no_vpc(id)),
        "subnet" => region
            .subnets
            .get_mut(id)
            .map(|subnet| &mut subnet.tags)
            .ok_or_else(|| no_subnet(id)),
        "sg" => region
            .security_groups
            .get_mut(id)
            .map(|group| &mut group.tags)
            .ok_or_else(|| {
                refusal(
                    "InvalidSecurityGroupID.NotFound",
                    format!("The securityGroup ID '{id}' does not exist"),
                )
            }),
        "sgr" => region
            .security_groups
            .values_mut()
            .flat_map(|group| &mut group.rules)
            .find(|rule| rule.id == id)
            .map(|rule| &mut rule.tags)
            .ok_or_else(|| {
                refusal(
                    "InvalidSecurityGroupRuleId.NotFound",
                    format!("The security group rule ID '{id}' does not exist"),
                )
            }),
        "eni" => region
            .network_interfaces
            .get_mut(id)
            .map(|interface| &mut interface.tags)
            .ok_or_else(|| no_interface(id)),
        "lt" => region
            .launch_templates
            .get_mut(id)
            .map(|template| &mut template.tags)
            .ok_or_else(|| no_template(id)),
        _ => Err(refusal("InvalidID", format!("The ID '{id}' is not valid"))),
    }
}

/// One tag in the answer of DescribeTags.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TagDescription {
    key: String,
    resource_id: String,
    resource_type: &'static str,
    value: String,
    /// What pages go by.
    #[serde(skip)]
    place: String,
    /// What filters by tag look at.
    #[serde(skip)]
    tags: Tags,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescribeTagsResult {
    tag_set: Items<TagDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Filterable for TagDescription {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn values(&self, filter: &str, _account: &str, _region: &str) -> Option<Vec<String>> {
        let value = match filter {
            "key" => self.key.clone(),
            "resource-id" => self.resource_id.clone(),
            "resource-type" => self.resource_type.to_owned(),
            "value" => self.value.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}

/// `DescribeTags`.
pub(super) fn describe(world: &mut World, call: &Call, form: &Form) -> Answer {
    let filters = filters(form)?;
    let mut fitting = Vec::new();
    for tag in all(world.ec2(&call.account, &call.region)) {
        if fits(&tag, &filters, &call.account, &call.region)? {
            fitting.push(tag);
        }
    }
    fitting.sort_by(|one, other| one.place.cmp(&other.place));
    let (tags, next_token) = page(form, fitting, 5..=1000, |tag| &tag.place)?;
    xml::ec2(
        call,
        DescribeTagsResult {
            tag_set: tags.into_iter().collect(),
            next_token,
        },
    )
}

fn all(region: &Region) -> impl Iterator<Item = TagDescription> {
    let groups = region.security_groups.values();
    let rules = groups.clone().flat_map(|group| &group.rules);
    let tagged = (region.vpcs.values().map(|r| ("vpc", &r.id, &r.tags)))
        .chain(region.subnets.values().map(|r| ("subnet", &r.id, &r.tags)))
        .chain(groups.map(|r| ("security-group", &r.id, &r.tags)))
        .chain(rules.map(|r| ("security-group-rule", &r.id, &r.tags)))
        .chain(
            region
                .network_interfaces
                .values()
                .map(|r| ("network-interface", &r.id, &r.tags)),
        )
        .chain(
            region
                .launch_templates
                .values()
                .map(|r| ("launch-template", &r.id, &r.tags)),
        );
    tagged.flat_map(|(kind, id, tags)| {
        tags.iter().map(move |(key, value)| TagDescription {
            key: key.clone(),
            resource_id: id.clone(),
            resource_type: kind,
            value: value.clone(),
            place: format!("{id} {key}"),
            tags: tags.clone(),
        })
    })
}
