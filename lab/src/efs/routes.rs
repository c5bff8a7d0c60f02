//! The table of operations: which method and path mean which, and the function that serves it.

use http::Method;

use super::request::Request;
use super::state::Region;
use super::{access_points, file_systems, mount_targets, policies, tags};
use crate::call::Answer;
use crate::ids::Ids;
use crate::wire::path::labels;

/// One operation.
#[derive(Debug)]
pub(super) struct Route {
    operation: &'static str,
    method: Method,
    /// As in the API reference; a segment in braces stands for any one segment.
    path: &'static str,
    /// Answers a request for it.
    pub(super) serve: fn(&mut Region, &Request<'_>, &mut Ids) -> Answer,
}

macro_rules! routes {
    ($($method:ident $path:literal $operation:ident $serve:path;)*) => {
        const ROUTES: &[Route] = &[$(
            Route {
                operation: stringify!($operation),
                method: Method::$method,
                path: concat!("/2015-02-01", $path),
                serve: $serve,
            },
        )*];
    };
}

routes! {
    POST "/file-systems" CreateFileSystem file_systems::create;
    GET "/file-systems" DescribeFileSystems file_systems::describe;
    PUT "/file-systems/{FileSystemId}" UpdateFileSystem file_systems::update;
    DELETE "/file-systems/{FileSystemId}" DeleteFileSystem file_systems::delete;
    PUT "/file-systems/{FileSystemId}/protection" UpdateFileSystemProtection
        file_systems::update_protection;
    PUT "/file-systems/{FileSystemId}/lifecycle-configuration" PutLifecycleConfiguration
        policies::put_lifecycle;
    GET "/file-systems/{FileSystemId}/lifecycle-configuration" DescribeLifecycleConfiguration
        policies::describe_lifecycle;
    PUT "/file-systems/{FileSystemId}/backup-policy" PutBackupPolicy policies::put_backup;
    GET "/file-systems/{FileSystemId}/backup-policy" DescribeBackupPolicy
        policies::describe_backup;
    PUT "/file-systems/{FileSystemId}/policy" PutFileSystemPolicy policies::put_access;
    GET "/file-systems/{FileSystemId}/policy" DescribeFileSystemPolicy policies::describe_access;
    DELETE "/file-systems/{FileSystemId}/policy" DeleteFileSystemPolicy policies::delete_access;

    POST "/mount-targets" CreateMountTarget mount_targets::create;
    GET "/mount-targets" DescribeMountTargets mount_targets::describe;
    DELETE "/mount-targets/{MountTargetId}" DeleteMountTarget mount_targets::delete;
    GET "/mount-targets/{MountTargetId}/security-groups" DescribeMountTargetSecurityGroups
        mount_targets::describe_security_groups;
    PUT "/mount-targets/{MountTargetId}/security-groups" ModifyMountTargetSecurityGroups
        mount_targets::modify_security_groups;

    POST "/access-points" CreateAccessPoint access_points::create;
    GET "/access-points" DescribeAccessPoints access_points::describe;
    DELETE "/access-points/{AccessPointId}" DeleteAccessPoint access_points::delete;

    POST "/resource-tags/{ResourceId}" TagResource tags::tag;
    DELETE "/resource-tags/{ResourceId}" UntagResource tags::untag;
    GET "/resource-tags/{ResourceId}" ListTagsForResource tags::list;
}

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.operation)
}

/// The operation that a method and a path (as in [`Call::path`](crate::call::Call::path)) mean,
/// if the lab serves it.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    find(method, path).map(|(route, _)| route.operation)
}

/// The route of a request and the labels in its path, percent-decoded.
pub(super) fn find(
    method: &Method,
    path: &str,
) -> Option<(&'static Route, Vec<(&'static str, String)>)> {
    ROUTES
        .iter()
        .filter(|route| route.method == *method)
        .find_map(|route| Some((route, labels(route.path, path)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_may_stand_for_an_id() {
        let arn = "arn%3Aaws%3Aelasticfilesystem%3Aus-east-1%3A111122223333%3Afile-system%2Ffs-1";
        let path = format!("/2015-02-01/resource-tags/{arn}");
        let (route, labels) = find(&Method::GET, &path).unwrap();
        assert_eq!(route.operation, "ListTagsForResource");
        assert!(labels[0].1.ends_with(":file-system/fs-1"), "{labels:?}");
    }

    #[test]
    fn no_two_routes_mean_the_same_request() {
        for route in ROUTES {
            let path = route.path.replace(['{', '}'], "");
            assert_eq!(
                operation(&route.method, &path),
                Some(route.operation),
                "{path}"
            );
        }
        assert_eq!(operation(&Method::GET, "/clusters"), None);
    }
}
