//! Whole inventories, from files on a disk.

mod bad_input;
mod digest;
mod secrets;
mod shipped;

use std::path::Path;

use secrecy::SecretString;

use super::{Inventory, Problems, Secrets, Selection};

/// One cluster's settings, complete, without the keys that identify it.
const COMMON: &str = r#"
aws_account_id: "111122223333"
aws_assume_role: PSKRoles/PSKControlPlaneBaseRole
eks_version: "1.35"
node_subnet_identifier: node
intra_subnet_identifier: intra
auto_refresh_management_node_group: "true"
management_node_group_name: management
management_node_group_role: management
management_node_group_disk_size: "50"
management_node_group_capacity_type: SPOT
management_node_group_desired_size: "1"
management_node_group_max_size: "3"
management_node_group_min_size: "1"
management_node_group_instance_types: [t4g.2xlarge]
karpenter_chart_version: "1.11.1"
oidc_client_id: "{{ op://v/auth/client-id }}"
oidc_groups_claim: groups
oidc_identity_provider_config_name: Auth0
oidc_issuer_url: https://issuer.example/
"#;

const QA: &str = "clusters:\n  qa-i01-aws-us-east-1: { aws_region: us-east-1 }\n";

/// The inventory that these files make up.
fn load(files: &[(&str, &str)]) -> Result<Inventory, Problems> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Inventory::load(root.path())
}

/// What is wrong with the inventory that these files make up, one problem a line.
fn problems(files: &[(&str, &str)]) -> String {
    load(files).unwrap_err().to_string()
}

/// A value for every reference of the selection.
fn secrets(inventory: &Inventory, selection: &Selection, value: &str) -> Secrets {
    let uses = inventory.references(selection);
    uses.into_iter()
        .map(|used| (used.reference, Ok(SecretString::from(value))))
        .collect()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
