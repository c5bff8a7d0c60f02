//! The table of operations: which method and path mean which, and the function that serves it.

use http::Method;

use super::request::{Request, Served};
use super::state::Region;
use super::{
    access, addon_versions, addons, cluster_updates, clusters, identity_providers, insights,
    nodegroup_updates, nodegroups, pod_identity, tags, updates, versions,
};
use crate::wire::path::labels;

/// One operation.
#[derive(Debug)]
pub(super) struct Route {
    /// Its name.
    pub(super) operation: &'static str,
    method: Method,
    /// As in the API reference; a segment in braces stands for any one segment.
    path: &'static str,
    /// Answers a request for it.
    pub(super) serve: fn(&mut Region, &Request<'_>) -> Served,
}

macro_rules! routes {
    ($($method:ident $path:literal $operation:ident $serve:path;)*) => {
        const ROUTES: &[Route] = &[$(
            Route {
                operation: stringify!($operation),
                method: Method::$method,
                path: $path,
                serve: $serve,
            },
        )*];
    };
}

routes! {
    POST "/clusters" CreateCluster clusters::create;
    GET "/clusters" ListClusters clusters::list;
    GET "/clusters/{name}" DescribeCluster clusters::describe;
    DELETE "/clusters/{name}" DeleteCluster clusters::delete;
    POST "/clusters/{name}/updates" UpdateClusterVersion cluster_updates::update_version;
    POST "/clusters/{name}/update-config" UpdateClusterConfig cluster_updates::update_config;
    POST "/clusters/{name}/encryption-config/associate" AssociateEncryptionConfig
        cluster_updates::associate_encryption;
    GET "/clusters/{name}/updates" ListUpdates updates::list;
    GET "/clusters/{name}/updates/{updateId}" DescribeUpdate updates::describe;
    GET "/cluster-versions" DescribeClusterVersions versions::describe;

    POST "/clusters/{name}/node-groups" CreateNodegroup nodegroups::create;
    GET "/clusters/{name}/node-groups" ListNodegroups nodegroups::list;
    GET "/clusters/{name}/node-groups/{nodegroupName}" DescribeNodegroup nodegroups::describe;
    DELETE "/clusters/{name}/node-groups/{nodegroupName}" DeleteNodegroup nodegroups::delete;
    POST "/clusters/{name}/node-groups/{nodegroupName}/update-config" UpdateNodegroupConfig
        nodegroup_updates::update_config;
    POST "/clusters/{name}/node-groups/{nodegroupName}/update-version" UpdateNodegroupVersion
        nodegroup_updates::update_version;

    POST "/clusters/{name}/addons" CreateAddon addons::create;
    GET "/clusters/{name}/addons" ListAddons addons::list;
    GET "/clusters/{name}/addons/{addonName}" DescribeAddon addons::describe;
    POST "/clusters/{name}/addons/{addonName}/update" UpdateAddon addons::update;
    DELETE "/clusters/{name}/addons/{addonName}" DeleteAddon addons::delete;
    GET "/addons/supported-versions" DescribeAddonVersions addon_versions::describe;
    GET "/addons/configuration-schemas" DescribeAddonConfiguration
        addon_versions::describe_configuration;

    POST "/clusters/{name}/access-entries" CreateAccessEntry access::create;
    GET "/clusters/{name}/access-entries" ListAccessEntries access::list;
    GET "/clusters/{name}/access-entries/{principalArn}" DescribeAccessEntry access::describe;
    POST "/clusters/{name}/access-entries/{principalArn}" UpdateAccessEntry access::update;
    DELETE "/clusters/{name}/access-entries/{principalArn}" DeleteAccessEntry access::delete;
    POST "/clusters/{name}/access-entries/{principalArn}/access-policies" AssociateAccessPolicy
        access::associate_policy;
    GET "/clusters/{name}/access-entries/{principalArn}/access-policies"
        ListAssociatedAccessPolicies access::list_associated;
    DELETE "/clusters/{name}/access-entries/{principalArn}/access-policies/{policyArn}"
        DisassociateAccessPolicy access::disassociate_policy;
    GET "/access-policies" ListAccessPolicies access::list_policies;

    POST "/clusters/{name}/pod-identity-associations" CreatePodIdentityAssociation
        pod_identity::create;
    GET "/clusters/{name}/pod-identity-associations" ListPodIdentityAssociations
        pod_identity::list;
    GET "/clusters/{name}/pod-identity-associations/{associationId}"
        DescribePodIdentityAssociation pod_identity::describe;
    POST "/clusters/{name}/pod-identity-associations/{associationId}"
        UpdatePodIdentityAssociation pod_identity::update;
    DELETE "/clusters/{name}/pod-identity-associations/{associationId}"
        DeletePodIdentityAssociation pod_identity::delete;

    POST "/clusters/{name}/identity-provider-configs/associate" AssociateIdentityProviderConfig
        identity_providers::associate;
    POST "/clusters/{name}/identity-provider-configs/describe" DescribeIdentityProviderConfig
        identity_providers::describe;
    POST "/clusters/{name}/identity-provider-configs/disassociate"
        DisassociateIdentityProviderConfig identity_providers::disassociate;
    GET "/clusters/{name}/identity-provider-configs" ListIdentityProviderConfigs
        identity_providers::list;

    POST "/clusters/{name}/insights" ListInsights insights::list;
    GET "/clusters/{name}/insights/{id}" DescribeInsight insights::describe;
    POST "/clusters/{name}/insights-refresh" StartInsightsRefresh insights::start_refresh;
    GET "/clusters/{name}/insights-refresh" DescribeInsightsRefresh insights::describe_refresh;

    POST "/tags/{resourceArn}" TagResource tags::tag;
    DELETE "/tags/{resourceArn}" UntagResource tags::untag;
    GET "/tags/{resourceArn}" ListTagsForResource tags::list;
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
    fn finds_operations_and_decodes_labels() {
        let arn = "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2FPSKRoles%2Fx";
        let (route, labels) =
            find(&Method::GET, &format!("/clusters/c/access-entries/{arn}")).expect("known");
        assert_eq!(route.operation, "DescribeAccessEntry");
        assert_eq!(
            labels,
            [
                ("name", "c".to_owned()),
                (
                    "principalArn",
                    "arn:aws:iam::111122223333:role/PSKRoles/x".to_owned()
                )
            ]
        );
    }

    #[test]
    fn knows_what_it_does_not_serve() {
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/clusters//updates"),
            (Method::PUT, "/clusters/c"),
            (Method::GET, "/clusters/c/fargate-profiles"),
            (Method::GET, "/clusters/c/updates/u/more"),
        ] {
            assert_eq!(operation(&method, path), None, "{method} {path}");
        }
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
    }
}
