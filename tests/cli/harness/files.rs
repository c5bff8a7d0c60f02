//! Inventories that a test writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// What every cluster of the small inventory has in common.
const DEFAULT: &str = r#"aws_account_id: "{{ op://empc-lab/aws-nonprod/aws-account-id }}"
aws_assume_role: PSKRoles/PSKControlPlaneBaseRole
eks_version: "1.35"
node_subnet_identifier: node
intra_subnet_identifier: intra
management_node_group_name: management
management_node_group_role: management
management_node_group_disk_size: 50
management_node_group_capacity_type: SPOT
management_node_group_desired_size: 1
management_node_group_min_size: 1
management_node_group_max_size: 3
management_node_group_instance_types: [t4g.2xlarge]
auto_refresh_management_node_group: true
karpenter_chart_version: "1.11.1"
oidc_client_id: "{{ op://empc-lab/svc-auth0/pskctl-cli-client-id }}"
oidc_groups_claim: groups
oidc_identity_provider_config_name: Auth0
oidc_issuer_url: https://issuer.example/
"#;

/// The lower role: two clusters in one region, one in another.
const QA: &str = "\
clusters:
  qa-i01-aws-us-east-1: { aws_region: us-east-1 }
  qa-i02-aws-us-east-1: { aws_region: us-east-1 }
  qa-i01-aws-eu-west-1: { aws_region: eu-west-1 }
rollout: { failure_tolerance: 100% }
";

/// The higher role: clusters in two accounts.
const PROD: &str = r#"after: [qa]
clusters:
  prod-i01-aws-us-east-1: { aws_region: us-east-1, aws_account_id: "444455556666" }
  prod-i01-aws-us-west-2: { aws_region: us-west-2 }
"#;

/// An inventory in a directory of its own, which goes when it is dropped.
pub(crate) struct Files(TempDir);

impl Files {
    /// A directory with nothing in it.
    pub(crate) fn none() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A valid inventory of two roles, whose clusters are held to one check.
    pub(crate) fn small() -> Self {
        Self::none()
            .with("psk.yaml", "name: psk-test\n")
            .with("roles/qa.yaml", QA)
            .with("roles/prod.yaml", PROD)
            .with("environments/default.yaml", DEFAULT)
            .held_to_one_check()
    }

    /// The same, with clusters that are held to one check only: the others have tests of their own.
    pub(crate) fn held_to_one_check(self) -> Self {
        let path = "environments/default.yaml";
        let default = fs::read_to_string(self.0.path().join(path)).unwrap();
        let others = psk::verify::CHECKS.iter().map(|check| check.name);
        let others: Vec<_> = others.filter(|name| *name != "aws-cluster").collect();
        let verify = format!("{default}verify: {{ skip: [{}] }}\n", others.join(", "));
        self.with(path, &verify)
    }

    /// The same, with clusters that are held to every check.
    pub(crate) fn checked(self) -> Self {
        self.with("environments/qa.yaml", "verify: { skip: [] }\n")
            .with("environments/prod.yaml", "verify: { skip: [] }\n")
    }

    /// With that file, in the place of the one that was there.
    pub(crate) fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// With `from` in a file replaced by `to`; it has to be there.
    pub(crate) fn replace(self, path: &str, from: &str, to: &str) -> Self {
        let text = fs::read_to_string(self.0.path().join(path)).unwrap();
        assert!(text.contains(from), "{path} has no {from:?}");
        self.with(path, &text.replace(from, to))
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }
}

/// Every file under a directory.
pub(crate) fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}
