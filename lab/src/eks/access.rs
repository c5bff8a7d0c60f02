//! Access entries: which IAM principals may use the cluster's API, and with which policies.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{About, in_use, invalid_parameter, invalid_request, not_found};
use super::node_spec::AmiType;
use super::request::{Request, Served, Tags, Token, check_tags, epoch};
use super::rules;
use super::state::{Cluster, Region};
use crate::call::ServiceError;

/// The access policies that EKS offers for people and pipelines.
const POLICIES: [&str; 6] = [
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
];

const CLUSTER_ADMIN: &str = "AmazonEKSClusterAdminPolicy";

/// Prefixes that Kubernetes and EKS keep for themselves.
const RESERVED: [&str; 5] = ["system:", "eks:", "aws:", "amazon:", "iam:"];

/// An access entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessEntry {
    pub(super) arn: String,
    principal: String,
    kind: EntryType,
    pub(super) groups: Vec<String>,
    pub(super) username: String,
    created_at: Timestamp,
    modified_at: Timestamp,
    pub(super) tags: Tags,
    /// By the policy's ARN.
    policies: BTreeMap<String, Associated>,
    token: Option<Token>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Associated {
    scope: Scope,
    associated_at: Timestamp,
    modified_at: Timestamp,
}

/// `AccessScope`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Scope {
    r#type: ScopeType,
    #[serde(default)]
    namespaces: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScopeType {
    Cluster,
    Namespace,
}

/// An access entry's `type`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum EntryType {
    #[default]
    Standard,
    Ec2,
    Ec2Linux,
    Ec2Windows,
    FargateLinux,
    HybridLinux,
    HyperpodLinux,
}

impl EntryType {
    /// Whether it is for nodes, whose groups and names EKS sets.
    fn is_for_nodes(self) -> bool {
        self != Self::Standard
    }

    /// The groups of a node.
    fn groups(self) -> Vec<String> {
        match self {
            Self::Standard => Vec::new(),
            Self::Ec2Windows => {
                vec![
                    "system:nodes".to_owned(),
                    "eks:kube-proxy-windows".to_owned(),
                ]
            }
            _ => vec!["system:nodes".to_owned()],
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    principal_arn: String,
    kubernetes_groups: Option<Vec<String>>,
    #[serde(default)]
    tags: Tags,
    client_request_token: Option<String>,
    username: Option<String>,
    #[serde(default)]
    r#type: EntryType,
}

/// `CreateAccessEntry`.
pub(super) fn create(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Create = request.body()?;
    let token = request.token(input.client_request_token);
    let cluster = region.cluster_mut(request.cluster())?;
    let about = |e: ServiceError| e.cluster(request.cluster());
    must_have_entries(cluster)?;
    let principal = input.principal_arn;
    if let Some(entry) = cluster.access_entries.get(&principal) {
        if let Some(before) = &entry.token
            && before.is_repeated_by(token.as_ref()).map_err(about)?
        {
            return Ok(answer(cluster, entry));
        }
        return Err(about(in_use(
            "The specified access entry resource is already in use on this cluster.",
        )));
    }
    if rules::iam_principal(&principal).is_none() {
        return Err(about(invalid_parameter(format!(
            "The specified principalArn is invalid: {principal} is not an IAM role or user"
        ))));
    }
    check_tags(&input.tags).map_err(|why| about(invalid_parameter(why)))?;
    if input.r#type.is_for_nodes()
        && (input.kubernetes_groups.is_some() || input.username.is_some())
    {
        return Err(about(invalid_parameter(
            "kubernetesGroups and username can be given for entries of type STANDARD only",
        )));
    }
    let groups = input.kubernetes_groups.unwrap_or_default();
    check_names(&groups, input.username.as_deref()).map_err(about)?;
    let mut entry = AccessEntry::new(cluster, &principal, input.r#type, request.now());
    if !input.r#type.is_for_nodes() {
        entry.groups = groups;
    }
    entry.username = input.username.unwrap_or(entry.username);
    entry.tags = input.tags;
    entry.token = token;
    let answer = answer(cluster, &entry);
    cluster.access_entries.insert(principal, entry);
    Ok(answer)
}

fn check_names(groups: &[String], username: Option<&str>) -> Result<(), ServiceError> {
    let reserved = |name: &str| RESERVED.iter().any(|prefix| name.starts_with(prefix));
    for group in groups {
        if group.is_empty() || reserved(group) {
            return Err(invalid_parameter(format!(
                "The kubernetes group name {group} is invalid, it cannot start with {}",
                RESERVED.join(", ")
            )));
        }
    }
    match username {
        Some(name) if name.is_empty() || reserved(name) => Err(invalid_parameter(format!(
            "The username {name} is invalid, it cannot start with {}",
            RESERVED.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// `DescribeAccessEntry`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    must_have_entries(cluster)?;
    Ok(answer(
        cluster,
        cluster.access_entry(request.label("principalArn"))?,
    ))
}

/// `ListAccessEntries`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    must_have_entries(cluster)?;
    let with = request.query("associatedPolicyArn");
    let principals = cluster
        .access_entries
        .values()
        .filter(|entry| with.is_none_or(|policy| entry.policies.contains_key(policy)))
        .map(|entry| (entry.principal.clone(), entry.principal.clone()))
        .collect();
    Ok(request.page::<String>(principals)?.answer("accessEntries"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Update {
    kubernetes_groups: Option<Vec<String>>,
    #[serde(rename = "clientRequestToken")]
    _client_request_token: Option<String>,
    username: Option<String>,
}

/// `UpdateAccessEntry`. It changes at once, so repeating it is harmless.
pub(super) fn update(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Update = request.body()?;
    let principal = request.label("principalArn");
    let cluster = region.cluster_mut(request.cluster())?;
    must_have_entries(cluster)?;
    let mut entry = cluster.access_entry(principal)?.clone();
    if entry.kind.is_for_nodes() {
        return Err(invalid_request("Entries of nodes can't be changed").cluster(request.cluster()));
    }
    check_names(
        input.kubernetes_groups.as_deref().unwrap_or_default(),
        input.username.as_deref(),
    )
    .map_err(|e| e.cluster(request.cluster()))?;
    entry.groups = input.kubernetes_groups.unwrap_or(entry.groups);
    entry.username = input.username.unwrap_or(entry.username);
    entry.modified_at = request.now();
    let answer = answer(cluster, &entry);
    cluster.access_entries.insert(principal.to_owned(), entry);
    Ok(answer)
}

/// `DeleteAccessEntry`.
pub(super) fn delete(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster_mut(request.cluster())?;
    must_have_entries(cluster)?;
    let principal = request.label("principalArn");
    cluster.access_entry(principal)?;
    cluster.access_entries.remove(principal);
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Associate {
    policy_arn: String,
    access_scope: Scope,
}

/// `AssociateAccessPolicy`. A policy that is associated already gets the new scope.
pub(super) fn associate_policy(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Associate = request.body()?;
    let principal = request.label("principalArn");
    let now = request.now();
    let cluster = region.cluster_mut(request.cluster())?;
    must_have_entries(cluster)?;
    let about = |e: ServiceError| e.cluster(request.cluster());
    if cluster.access_entry(principal)?.kind.is_for_nodes() {
        return Err(about(invalid_request(
            "Access policies can be associated with entries of type STANDARD only",
        )));
    }
    if !POLICIES
        .iter()
        .any(|name| policy_arn(name) == input.policy_arn)
    {
        return Err(about(invalid_parameter(format!(
            "The policyArn {} is not an access policy of EKS",
            input.policy_arn
        ))));
    }
    let by_namespace = input.access_scope.r#type == ScopeType::Namespace;
    if by_namespace == input.access_scope.namespaces.is_empty() {
        return Err(about(invalid_parameter(
            "namespaces must be given for the scope namespace, and only for that",
        )));
    }
    let Some(entry) = cluster.access_entries.get_mut(principal) else {
        return Err(no_entry(principal, request.cluster()));
    };
    entry.modified_at = now;
    let associated = entry
        .policies
        .entry(input.policy_arn.clone())
        .and_modify(|associated| {
            associated.scope = input.access_scope.clone();
            associated.modified_at = now;
        })
        .or_insert(Associated {
            scope: input.access_scope,
            associated_at: now,
            modified_at: now,
        });
    Ok(json!({
        "clusterName": request.cluster(),
        "principalArn": principal,
        "associatedAccessPolicy": policy(&input.policy_arn, associated),
    }))
}

/// `DisassociateAccessPolicy`.
pub(super) fn disassociate_policy(region: &mut Region, request: &Request<'_>) -> Served {
    let principal = request.label("principalArn");
    let policy = request.label("policyArn");
    let cluster = region.cluster_mut(request.cluster())?;
    must_have_entries(cluster)?;
    let Some(entry) = cluster.access_entries.get_mut(principal) else {
        return Err(no_entry(principal, request.cluster()));
    };
    if entry.policies.remove(policy).is_none() {
        return Err(
            not_found(format!("{policy} is not associated with {principal}"))
                .cluster(request.cluster()),
        );
    }
    entry.modified_at = request.now();
    Ok(json!({}))
}

/// `ListAssociatedAccessPolicies`.
pub(super) fn list_associated(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    must_have_entries(cluster)?;
    let entry = cluster.access_entry(request.label("principalArn"))?;
    let policies = entry
        .policies
        .iter()
        .map(|(arn, a)| (arn.clone(), policy(arn, a)))
        .collect();
    let mut view = request
        .page::<Value>(policies)?
        .answer("associatedAccessPolicies");
    view["clusterName"] = cluster.name.as_str().into();
    view["principalArn"] = entry.principal.as_str().into();
    Ok(view)
}

/// `ListAccessPolicies`.
pub(super) fn list_policies(_region: &mut Region, request: &Request<'_>) -> Served {
    let policies = POLICIES
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                json!({ "name": name, "arn": policy_arn(name) }),
            )
        })
        .collect();
    Ok(request.page::<Value>(policies)?.answer("accessPolicies"))
}

impl Cluster {
    fn access_entry(&self, principal: &str) -> Result<&AccessEntry, ServiceError> {
        self.access_entries
            .get(principal)
            .ok_or_else(|| no_entry(principal, &self.name))
    }
}

fn no_entry(principal: &str, cluster: &str) -> ServiceError {
    not_found(format!(
        "The specified principalArn could not be found: {principal}"
    ))
    .cluster(cluster)
}

fn must_have_entries(cluster: &Cluster) -> Result<(), ServiceError> {
    if cluster.spec.authentication_mode.has_entries() {
        return Ok(());
    }
    Err(invalid_request(
        "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to \
         perform this operation.",
    )
    .cluster(&cluster.name))
}

fn policy_arn(name: &str) -> String {
    format!("arn:aws:eks::aws:cluster-access-policy/{name}")
}

impl AccessEntry {
    /// Names of the policies that it is associated with, each with the namespaces that it is for;
    /// none for the whole cluster.
    pub(super) fn policies(&self) -> Vec<(String, Vec<String>)> {
        self.policies
            .iter()
            .map(|(arn, associated)| {
                let name = arn.rsplit('/').next().unwrap_or_default();
                (name.to_owned(), associated.scope.namespaces.clone())
            })
            .collect()
    }

    /// Whether Linux nodes join with it.
    pub(super) fn is_for_nodes(&self) -> bool {
        self.kind.is_for_nodes()
    }

    /// The role's name without its path.
    pub(super) fn role_name(&self) -> &str {
        self.principal.rsplit('/').next().unwrap_or_default()
    }

    fn new(cluster: &Cluster, principal: &str, kind: EntryType, now: Timestamp) -> Self {
        let (what, name) = rules::iam_principal(principal).unwrap_or(("role", principal));
        let account = principal.split(':').nth(4).unwrap_or_default();
        let last = name.rsplit('/').next().unwrap_or_default();
        let uuid = cluster.uuid("access entry", principal, now);
        let username = match (kind, what) {
            (EntryType::Standard, "role") => {
                format!("arn:aws:sts::{account}:assumed-role/{last}/{{{{SessionName}}}}")
            }
            (EntryType::Standard, _) => principal.to_owned(),
            _ => "system:node:{{EC2PrivateDNSName}}".to_owned(),
        };
        Self {
            arn: cluster.arn_of("access-entry", &format!("{what}/{account}/{last}/{uuid}")),
            principal: principal.to_owned(),
            kind,
            groups: kind.groups(),
            username,
            created_at: now,
            modified_at: now,
            tags: Tags::new(),
            policies: BTreeMap::new(),
            token: None,
        }
    }

    /// Puts in an entry that may do everything in the cluster.
    pub(super) fn put_cluster_admin(cluster: &mut Cluster, principal: &str, now: Timestamp) {
        let mut entry = Self::new(cluster, principal, EntryType::Standard, now);
        let scope = Scope {
            r#type: ScopeType::Cluster,
            namespaces: Vec::new(),
        };
        let associated = Associated {
            scope,
            associated_at: now,
            modified_at: now,
        };
        entry.policies.insert(policy_arn(CLUSTER_ADMIN), associated);
        cluster.access_entries.insert(principal.to_owned(), entry);
    }

    /// Puts in an entry for nodes of this role, if there is none. EKS does so for managed node
    /// groups.
    pub(super) fn ensure_for_nodes(
        cluster: &mut Cluster,
        role_arn: &str,
        ami_type: &AmiType,
        now: Timestamp,
    ) {
        if cluster.access_entries.contains_key(role_arn) {
            return;
        }
        let kind = if ami_type.is_windows() {
            EntryType::Ec2Windows
        } else {
            EntryType::Ec2Linux
        };
        let entry = Self::new(cluster, role_arn, kind, now);
        cluster.access_entries.insert(role_arn.to_owned(), entry);
    }
}

fn policy(arn: &str, associated: &Associated) -> Value {
    json!({
        "policyArn": arn,
        "accessScope": associated.scope,
        "associatedAt": epoch(associated.associated_at),
        "modifiedAt": epoch(associated.modified_at),
    })
}

fn answer(cluster: &Cluster, entry: &AccessEntry) -> Value {
    json!({
        "accessEntry": {
            "clusterName": cluster.name,
            "principalArn": entry.principal,
            "kubernetesGroups": entry.groups,
            "accessEntryArn": entry.arn,
            "createdAt": epoch(entry.created_at),
            "modifiedAt": epoch(entry.modified_at),
            "tags": entry.tags,
            "username": entry.username,
            "type": entry.kind,
        }
    })
}
