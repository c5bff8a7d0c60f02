//! Access points: ways into a file system that set user and root directory.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{
    access_point_exists, bad_request, file_system_state, limit_exceeded, no_access_point,
};
use super::file_systems::check_token;
use super::request::{Kind, Request, nothing};
use super::state::{AccessPoint, Life, PosixUser, Region, RootDirectory, Tags, takes};
use super::tags::{self, Tag};
use crate::call::{Answer, Reply, ServiceError};
use crate::ids::Ids;

const LONGEST_PATH: usize = 100;
const DEEPEST_PATH: usize = 4;
const MOST_SECONDARY_GROUPS: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Create {
    client_token: String,
    file_system_id: String,
    posix_user: Option<PosixUser>,
    #[serde(default)]
    root_directory: RootDirectory,
    #[serde(default)]
    tags: Vec<Tag>,
}

/// `CreateAccessPoint`. A client token makes one access point, ever.
pub(super) fn create(region: &mut Region, request: &Request<'_>, ids: &mut Ids) -> Answer {
    let input: Create = request.body()?;
    check_token("ClientToken", &input.client_token)?;
    let id = request.read_id(Kind::FileSystem, &input.file_system_id)?;
    let now = request.call.now;
    match region.file_system(id)?.state(now) {
        "available" => {}
        state => return Err(file_system_state(id, state)),
    }
    let same = |it: &&AccessPoint| it.client_token == input.client_token;
    if let Some(existing) = region.access_points.values().find(same) {
        return Err(access_point_exists(&existing.id, &input.client_token));
    }
    check_root(&input.root_directory)?;
    if input
        .posix_user
        .as_ref()
        .is_some_and(|user| user.secondary_gids.len() > MOST_SECONDARY_GROUPS)
    {
        return Err(bad_request(format!(
            "SecondaryGids has more than {MOST_SECONDARY_GROUPS} groups"
        )));
    }
    if region.access_points_of(id).count() >= region.quotas.access_points {
        return Err(limit_exceeded(
            "AccessPointLimitExceeded",
            format!("File system '{id}' has as many access points as it may have."),
        ));
    }
    let point = AccessPoint {
        id: format!("fsap-0{}", ids.hex(16)),
        file_system: id.to_owned(),
        client_token: input.client_token,
        life: Life::begin(now, takes::ACCESS_POINT_CREATION),
        posix_user: input.posix_user,
        root: input.root_directory,
        tags: tags::with(&Tags::new(), input.tags)?,
    };
    let answer = view(request, &point);
    region.access_points.insert(point.id.clone(), point);
    Reply::json(&answer)
}

/// `DescribeAccessPoints`: one, those of a file system, or all.
pub(super) fn describe(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let point = request.query_id("AccessPointId", Kind::AccessPoint)?;
    let file_system = request.query_id("FileSystemId", Kind::FileSystem)?;
    match (point, file_system) {
        (Some(_), Some(_)) => {
            return Err(bad_request(
                "Either AccessPointId or FileSystemId may be given, not both",
            ));
        }
        (Some(id), None) if !region.access_points.contains_key(id) => {
            return Err(no_access_point(id));
        }
        (None, Some(id)) => {
            region.file_system(id)?;
        }
        _ => {}
    }
    let items = region
        .access_points
        .values()
        .filter(|it| point.is_none_or(|id| it.id == id))
        .filter(|it| file_system.is_none_or(|id| it.file_system == id))
        .map(|it| (it.id.clone(), view(request, it)))
        .collect();
    let page = request.page(items, "MaxResults", "NextToken")?;
    let mut answer = json!({ "AccessPoints": page.items });
    if let Some(next) = page.next {
        answer["NextToken"] = next.into();
    }
    Reply::json(&answer)
}

/// `DeleteAccessPoint`.
pub(super) fn delete(region: &mut Region, request: &Request<'_>, _ids: &mut Ids) -> Answer {
    let id = request.id(Kind::AccessPoint)?;
    let point = region.access_points.get_mut(id);
    point
        .ok_or_else(|| no_access_point(id))?
        .life
        .end(request.call.now, takes::ACCESS_POINT_DELETION);
    nothing()
}

fn check_root(root: &RootDirectory) -> Result<(), ServiceError> {
    let path = &root.path;
    let name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && !name.contains(|c| "$#<>;`|&?{}^*\n".contains(c))
    };
    let fits = path.len() <= LONGEST_PATH
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.is_empty()
                || (rest.split('/').count() <= DEEPEST_PATH && rest.split('/').all(name))
        });
    if !fits {
        return Err(bad_request(format!("'{path}' is not a valid path")));
    }
    match &root.creation_info {
        Some(info)
            if !(3..=4).contains(&info.permissions.len())
                || !info.permissions.bytes().all(|b| matches!(b, b'0'..=b'7')) =>
        {
            Err(bad_request(format!(
                "'{}' are not permissions in octal",
                info.permissions
            )))
        }
        _ => Ok(()),
    }
}

/// An `AccessPointDescription`.
fn view(request: &Request<'_>, point: &AccessPoint) -> Value {
    let mut view = json!({
        "ClientToken": point.client_token,
        "Tags": tags::listed(&point.tags),
        "AccessPointId": point.id,
        "AccessPointArn": request.arn(Kind::AccessPoint, &point.id),
        "FileSystemId": point.file_system,
        "RootDirectory": point.root,
        "OwnerId": request.call.account,
        "LifeCycleState": point.life.state(request.call.now),
    });
    if let Some(name) = point.tags.get("Name") {
        view["Name"] = name.as_str().into();
    }
    if let Some(user) = &point.posix_user {
        view["PosixUser"] = json!(user);
    }
    view
}
