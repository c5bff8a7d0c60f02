//! The accounts of a fleet: the identity that the lab hands out, and the roles that it may assume.

use serde_json::{Value, json};

use super::{CI_ROLE, ClusterSeed};
use crate::credentials::{self, Credential};
use crate::iam::{OidcProvider, Role, oidc_provider_arn};
use crate::ids;
use crate::world::World;

/// Name of the IAM user whose key the lab hands out.
const USER: &str = "psk-lab";
/// Name of the Connect token that the lab hands out.
const TOKEN: &str = "psk-lab";
/// Issuer of GitHub Actions' identity tokens, and the audience that its own action asks for.
const GITHUB: (&str, &str) = ("token.actions.githubusercontent.com", "sts.amazonaws.com");

/// Makes the user with its key and the Connect token, unless the world has them.
pub(super) fn identity(world: &mut World, home: &str) {
    world.account(home);
    if world.identity.access_key.is_empty() {
        let key = credentials::user_key_id(&mut world.ids);
        let credential = Credential {
            account: home.to_owned(),
            secret: credentials::secret_key(&mut world.ids),
            principal: format!("arn:aws:iam::{home}:user/{USER}"),
            user_id: format!("AIDA{}", ids::stable_base32(17, &[home, USER])),
            session: None,
        };
        world.credentials.insert(key.clone(), credential);
        world.identity.access_key = key;
    }
    if world.identity.connect_token.is_empty() {
        let token = credentials::session_token(&mut world.ids);
        let known = crate::connect::Token {
            name: TOKEN.to_owned(),
            vaults: None,
            read_only: false,
        };
        world.connect.tokens.insert(token.clone(), known);
        world.identity.connect_token = token;
    }
    if world.identity.circleci_token.is_empty() {
        let token = credentials::session_token(&mut world.ids);
        world.circleci.tokens.insert(token.clone());
        world.identity.circleci_token = token;
        let key = credentials::session_token(&mut world.ids);
        world.circleci.pipelines.insert(key.clone(), None);
        world.identity.continuation_key = key;
    }
}

/// Makes the identity providers of CircleCI and GitHub, and the role that their jobs assume.
///
/// CircleCI's tokens are issued per organisation, and their audience is the organisation's id.
pub(super) fn ci(world: &mut World, home: &str) {
    let organization = circleci_organization(home);
    let circleci = format!("oidc.circleci.com/org/{organization}");
    let (github, github_audience) = GITHUB;
    let providers = [
        (circleci.as_str(), organization.as_str()),
        (github, github_audience),
    ];
    let statements: Vec<Value> = providers
        .iter()
        .map(|(issuer, audience)| {
            json!({
                "Effect": "Allow",
                "Principal": { "Federated": oidc_provider_arn(home, issuer) },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": { "StringEquals": { format!("{issuer}:aud"): audience } },
            })
        })
        .collect();
    let iam = world.iam(home);
    for (issuer, audience) in providers {
        iam.oidc_providers
            .entry(issuer.to_owned())
            .or_insert_with(|| OidcProvider {
                client_ids: vec![audience.to_owned()],
                ..OidcProvider::default()
            });
    }
    role(world, home, CI_ROLE, &statements);
    let name = CI_ROLE.rsplit('/').next().unwrap_or(CI_ROLE);
    if let Some(role) = world.iam(home).roles.get_mut(name) {
        let assume = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Resource": "arn:aws:iam::*:role/*",
            }],
        });
        role.inline
            .entry("assume-pipeline-roles".to_owned())
            .or_insert(assume);
    }
}

/// The id of the organisation whose CircleCI jobs a home account knows.
pub fn circleci_organization(home: &str) -> String {
    ids::uuid_from(ids::digest(&["circleci", home]))
}

/// Makes the role that the pipeline assumes in a cluster's account.
pub(super) fn pipeline_role(world: &mut World, cluster: &ClusterSeed, home: &str) {
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{home}:root") },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    });
    role(world, &cluster.account, &cluster.assume_role, &[statement]);
}

/// Makes a role of that path and name, unless the account has it.
fn role(world: &mut World, account: &str, path_and_name: &str, trust: &[Value]) {
    let path_and_name = format!("/{}", path_and_name.trim_matches('/'));
    let Some(slash) = path_and_name.rfind('/') else {
        return;
    };
    let (path, name) = path_and_name.split_at(slash + 1);
    let role = |created| {
        let id = format!("AROA{}", ids::stable_base32(17, &[account, path, name]));
        let trust = json!({ "Version": "2012-10-17", "Statement": trust });
        Role::new(path, name, id, trust, created)
    };
    let born = world.clock.base();
    if !name.is_empty() {
        world
            .iam(account)
            .roles
            .entry(name.to_owned())
            .or_insert_with(|| role(born));
    }
}
