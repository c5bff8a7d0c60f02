//! Tags of clusters and of everything in them, by ARN.

use serde::Deserialize;
use serde_json::json;

use super::error::{bad_request, tagged_not_found};
use super::request::{Request, Served, Tags, check_tags};
use super::state::Region;
use crate::call::ServiceError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagResource {
    tags: Tags,
}

/// `TagResource`: adds tags and changes the values of those that are there.
pub(super) fn tag(region: &mut Region, request: &Request<'_>) -> Served {
    let input: TagResource = request.body()?;
    let tags = find(region, request)?;
    let mut after = tags.clone();
    after.extend(input.tags);
    check_tags(&after).map_err(bad_request)?;
    *tags = after;
    Ok(json!({}))
}

/// `UntagResource`.
pub(super) fn untag(region: &mut Region, request: &Request<'_>) -> Served {
    let keys = request.queries("tagKeys");
    if keys.is_empty() {
        return Err(bad_request("tagKeys must name at least one tag"));
    }
    find(region, request)?.retain(|key, _| !keys.contains(&key.as_str()));
    Ok(json!({}))
}

/// `ListTagsForResource`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    Ok(json!({ "tags": find(region, request)? }))
}

/// The tags of the resource that the path names.
fn find<'r>(region: &'r mut Region, request: &Request<'_>) -> Result<&'r mut Tags, ServiceError> {
    let arn = request.label("resourceArn");
    let resource = arn.strip_prefix(&request.arn("")).ok_or_else(|| {
        bad_request(format!(
            "'{arn}' is not an ARN of EKS in this account and region"
        ))
    })?;
    let mut parts = resource.split('/');
    let kind = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    tags_in(region, kind, name, arn)
        .ok_or_else(|| tagged_not_found(format!("The resource {arn} doesn't exist")))
}

fn tags_in<'r>(
    region: &'r mut Region,
    kind: &str,
    cluster: &str,
    arn: &str,
) -> Option<&'r mut Tags> {
    let cluster = region.clusters.get_mut(cluster)?;
    match kind {
        "cluster" if cluster.arn == arn => Some(&mut cluster.tags),
        "nodegroup" => cluster
            .nodegroups
            .values_mut()
            .find(|g| g.arn == arn)
            .map(|g| &mut g.tags),
        "addon" => cluster
            .addons
            .values_mut()
            .find(|a| a.arn == arn)
            .map(|a| &mut a.tags),
        "access-entry" => cluster
            .access_entries
            .values_mut()
            .find(|e| e.arn == arn)
            .map(|e| &mut e.tags),
        "podidentityassociation" => cluster
            .associations
            .values_mut()
            .find(|a| a.arn == arn)
            .map(|a| &mut a.tags),
        "identityproviderconfig" => cluster
            .identity_provider
            .as_mut()
            .filter(|p| p.arn == arn)
            .map(|p| &mut p.tags),
        _ => None,
    }
}
