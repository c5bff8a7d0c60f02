//! The one table of what the pipeline's role must be allowed: what every kind declares.

use super::access_entries::AccessEntry;
use super::addon::Addon;
use super::addon_versions::CompatibleVersions;
use super::adoption::AdoptedRole;
use super::ami::NewestRelease;
use super::cluster::Cluster;
use super::discovery::Discovery;
use super::event_rules::{ClusterRules, EventRule};
use super::file_system::FileSystem;
use super::iam_role::IamRole;
use super::identity_provider_config::IdentityProviderConfig;
use super::kms_key::KmsKey;
use super::launch_template::LaunchTemplate;
use super::log_group::LogGroup;
use super::mount_targets::MountTargets;
use super::network::Network;
use super::node_group::NodeGroup;
use super::oidc_provider::OidcProvider;
use super::pod_identity::PodIdentityAssociation;
use super::queue::Queue;
use super::security_group::SecurityGroup;
use crate::reconcile::{Grant, Lookup, Resource};

macro_rules! declared_by {
    ($($kind:ty),+ $(,)?) => { [$(<$kind>::GRANTS),+] };
}

/// What the pipeline's role must be allowed for every kind of resource and lookup, whatever a
/// cluster's settings make of them.
pub fn grants() -> impl Iterator<Item = Grant> {
    declared_by![
        Network,
        NewestRelease,
        CompatibleVersions,
        AdoptedRole,
        KmsKey,
        LogGroup,
        IamRole,
        Cluster,
        Discovery,
        AccessEntry,
        OidcProvider,
        IdentityProviderConfig,
        LaunchTemplate,
        NodeGroup,
        Addon,
        PodIdentityAssociation,
        FileSystem,
        SecurityGroup,
        MountTargets,
        Queue,
        ClusterRules,
        EventRule,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_is_one_of_a_service_by_name() {
        let actions: BTreeSet<_> = grants().flat_map(|grant| grant.actions).collect();
        assert!(actions.len() > 80, "{}", actions.len());
        for action in actions {
            let (service, name) = action.split_once(':').unwrap();
            assert!(
                service
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                "{action}"
            );
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "{action}");
        }
    }
}
