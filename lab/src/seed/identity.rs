//! Who may do what in a cluster's account: its roles with their policies, and the identity provider by
//! which IAM trusts its pods' tokens.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::blueprint::{ADDON_ROLES, Blueprint, OwnPolicy};
use crate::iam::{Account, ManagedPolicy, OidcProvider, PolicyVersion, Role, oidc_provider_arn};
use crate::ids;

/// Makes the roles and, unless pods get theirs by EKS Pod Identity, the identity provider. `issuer` is
/// the URL of the issuer of the cluster's tokens.
pub(super) fn make(iam: &mut Account, blueprint: &Blueprint<'_>, issuer: &str) {
    let seed = blueprint.seed;
    let address = issuer.strip_prefix("https://").unwrap_or(issuer);
    let (roles, may) = (&blueprint.roles, &blueprint.permissions);
    let both = json!(["sts:AssumeRole", "sts:TagSession"]);
    let nodes = service("ec2.amazonaws.com", json!("sts:AssumeRole"));
    let pods = service("pods.eks.amazonaws.com", both.clone());
    let control_plane = service("eks.amazonaws.com", both);
    role(iam, blueprint, &roles.cluster, control_plane, &may.cluster);
    role(iam, blueprint, &roles.nodes, nodes.clone(), &may.nodes);
    role(
        iam,
        blueprint,
        &roles.karpenter_nodes,
        nodes,
        &may.karpenter_nodes,
    );
    role(iam, blueprint, &roles.karpenter, pods.clone(), &[]);
    for addon in ADDON_ROLES {
        let trust = match seed.pod_identity {
            true => pods.clone(),
            false => web_identity(&seed.account, address, addon.service_account),
        };
        if let Some(name) = roles.addons.get(addon.addon) {
            let policies: Vec<_> = may.addons.get(addon.addon).copied().into_iter().collect();
            role(iam, blueprint, name, trust, &policies);
        }
    }
    for policy in &may.own {
        give(iam, blueprint, policy);
    }
    if !seed.pod_identity {
        let provider = OidcProvider {
            client_ids: vec!["sts.amazonaws.com".to_owned()],
            created: blueprint.made_at,
            tags: blueprint.tags.clone(),
            ..OidcProvider::default()
        };
        iam.oidc_providers.insert(address.to_owned(), provider);
    }
}

fn service(principal: &str, actions: Value) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": principal },
            "Action": actions,
        }],
    })
}

/// Trust in the tokens that a cluster issues to a service account of kube-system.
fn web_identity(account: &str, issuer: &str, service_account: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": oidc_provider_arn(account, issuer) },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                (format!("{issuer}:sub")): format!("system:serviceaccount:kube-system:{service_account}"),
                (format!("{issuer}:aud")): "sts.amazonaws.com",
            } },
        }],
    })
}

/// Path, with a slash on both ends, and name.
fn parts(path_and_name: &str) -> (String, &str) {
    match path_and_name.rsplit_once('/') {
        Some((path, name)) => (format!("/{}/", path.trim_start_matches('/')), name),
        None => ("/".to_owned(), path_and_name),
    }
}

fn role(
    iam: &mut Account,
    blueprint: &Blueprint<'_>,
    path_and_name: &str,
    trust: Value,
    policies: &[&str],
) {
    let (path, name) = parts(path_and_name);
    let account = &blueprint.seed.account;
    let id = format!("AROA{}", ids::stable_base32(17, &[account, &path, name]));
    let policy = |name: &&str| format!("arn:aws:iam::aws:policy/{name}");
    let role = Role {
        attached: policies.iter().map(policy).collect(),
        tags: blueprint.tags.clone(),
        ..Role::new(path, name, id, trust, blueprint.made_at)
    };
    iam.roles.insert(name.to_owned(), role);
}

/// Gives a role a policy that isn't AWS's.
fn give(iam: &mut Account, blueprint: &Blueprint<'_>, policy: &OwnPolicy) {
    let account = &blueprint.seed.account;
    let (_, role) = parts(&policy.role);
    let OwnPolicy { name, document, .. } = policy;
    let managed = policy.managed.then(|| ManagedPolicy {
        path: "/".to_owned(),
        name: name.clone(),
        id: format!("ANPA{}", ids::stable_base32(17, &[account, name])),
        description: None,
        created: blueprint.made_at,
        updated: blueprint.made_at,
        versions: BTreeMap::from([(
            1,
            PolicyVersion {
                document: document.clone(),
                created: blueprint.made_at,
            },
        )]),
        default_version: 1,
        next_version: 2,
        tags: blueprint.tags.clone(),
    });
    let Some(role) = iam.roles.get_mut(role) else {
        return;
    };
    match managed {
        Some(managed) => {
            role.attached.insert(managed.arn(account));
            iam.policies.insert(name.clone(), managed);
        }
        None => {
            role.inline.insert(name.clone(), document.clone());
        }
    }
}
