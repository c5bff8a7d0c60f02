//! EKS Pod Identity: which IAM role the pods of a service account have.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::addons::PodIdentity;
use super::catalog::Addon;
use super::error::{About, in_use, invalid_parameter, invalid_request, not_found};
use super::request::{Request, Served, Tags, Token, check_tags, epoch};
use super::state::{Cluster, Region};
use super::{roles, rules};
use crate::call::ServiceError;
use crate::ids::stable_hex;

/// A role's association with a service account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Association {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) role_arn: String,
    pub(super) target_role_arn: Option<String>,
    pub(super) disable_session_tags: bool,
    /// The add-on that it belongs to, if it does to one.
    pub(super) owner_arn: Option<String>,
    pub(super) tags: Tags,
    pub(super) created_at: Timestamp,
    pub(super) modified_at: Timestamp,
    pub(super) token: Option<Token>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    namespace: String,
    service_account: String,
    role_arn: String,
    client_request_token: Option<String>,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    disable_session_tags: bool,
    target_role_arn: Option<String>,
}

/// `CreatePodIdentityAssociation`.
pub(super) fn create(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Create = request.body()?;
    let token = request.token(input.client_request_token);
    let cluster = region.cluster_mut(request.cluster())?;
    let about = |e: ServiceError| e.cluster(request.cluster());
    if let Some(existing) = cluster.association_of(&input.namespace, &input.service_account) {
        if let Some(before) = &existing.token
            && before.is_repeated_by(token.as_ref()).map_err(about)?
        {
            return Ok(answer(cluster, existing));
        }
        return Err(about(in_use(format!(
            "Association already exists: {}",
            existing.id
        ))));
    }
    check_tags(&input.tags).map_err(|why| about(invalid_parameter(why)))?;
    rules::role_arn(&input.role_arn).map_err(about)?;
    roles::of_pods(request, &input.role_arn).map_err(about)?;
    if let Some(target) = &input.target_role_arn {
        rules::role_arn(target).map_err(about)?;
    }
    if input.namespace.is_empty() || input.service_account.is_empty() {
        return Err(about(invalid_parameter(
            "namespace and serviceAccount must not be empty",
        )));
    }
    let mut association = Association::new(
        cluster,
        &input.namespace,
        &input.service_account,
        &input.role_arn,
        request.now(),
    );
    association.tags = input.tags;
    association.token = token;
    association.disable_session_tags = input.disable_session_tags;
    association.target_role_arn = input.target_role_arn;
    let answer = answer(cluster, &association);
    cluster
        .associations
        .insert(association.id.clone(), association);
    Ok(answer)
}

/// `DescribePodIdentityAssociation`.
pub(super) fn describe(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    Ok(answer(
        cluster,
        cluster.association(request.label("associationId"))?,
    ))
}

/// `ListPodIdentityAssociations`.
pub(super) fn list(region: &mut Region, request: &Request<'_>) -> Served {
    let cluster = region.cluster(request.cluster())?;
    let matches = |filter: &str, value: &str| request.query(filter).is_none_or(|f| f == value);
    let items = cluster
        .associations
        .values()
        .filter(|a| matches("namespace", &a.namespace))
        .filter(|a| matches("serviceAccount", &a.service_account))
        .map(|a| (a.id.clone(), summary(cluster, a)))
        .collect();
    Ok(request.page::<Value>(items)?.answer("associations"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Update {
    role_arn: Option<String>,
    #[serde(rename = "clientRequestToken")]
    _client_request_token: Option<String>,
    disable_session_tags: Option<bool>,
    target_role_arn: Option<String>,
}

/// `UpdatePodIdentityAssociation`. It changes at once, so repeating it is harmless.
pub(super) fn update(region: &mut Region, request: &Request<'_>) -> Served {
    let input: Update = request.body()?;
    let id = request.label("associationId");
    let cluster = region.cluster_mut(request.cluster())?;
    let about = |e: ServiceError| e.cluster(request.cluster());
    let mut association = cluster.association(id)?.clone();
    association.must_be_free().map_err(about)?;
    if input.role_arn.is_none()
        && input.disable_session_tags.is_none()
        && input.target_role_arn.is_none()
    {
        return Err(about(invalid_parameter(
            "At least one attribute must be changed",
        )));
    }
    for arn in input.role_arn.iter().chain(&input.target_role_arn) {
        rules::role_arn(arn).map_err(about)?;
    }
    if let Some(arn) = &input.role_arn {
        roles::of_pods(request, arn).map_err(about)?;
    }
    association.role_arn = input.role_arn.unwrap_or(association.role_arn);
    association.target_role_arn = input.target_role_arn.or(association.target_role_arn);
    association.disable_session_tags = input
        .disable_session_tags
        .unwrap_or(association.disable_session_tags);
    association.modified_at = request.now();
    let answer = answer(cluster, &association);
    cluster.associations.insert(id.to_owned(), association);
    Ok(answer)
}

/// `DeletePodIdentityAssociation`.
pub(super) fn delete(region: &mut Region, request: &Request<'_>) -> Served {
    let id = request.label("associationId");
    let cluster = region.cluster_mut(request.cluster())?;
    let association = cluster.association(id)?;
    association
        .must_be_free()
        .map_err(|e| e.cluster(request.cluster()))?;
    let answer = answer(cluster, association);
    cluster.associations.remove(id);
    Ok(answer)
}

impl Cluster {
    fn association(&self, id: &str) -> Result<&Association, ServiceError> {
        self.associations.get(id).ok_or_else(|| {
            not_found(format!("The pod identity association {id} doesn't exist"))
                .cluster(&self.name)
        })
    }

    /// The role that an association gives a service account.
    pub(super) fn role_of(&self, namespace: &str, service_account: &str) -> Option<&str> {
        let association = self.association_of(namespace, service_account)?;
        Some(&association.role_arn)
    }

    fn association_of(&self, namespace: &str, service_account: &str) -> Option<&Association> {
        self.associations
            .values()
            .find(|a| a.namespace == namespace && a.service_account == service_account)
    }
}

impl Association {
    /// An association that doesn't belong to an add-on.
    pub(super) fn new(
        cluster: &Cluster,
        namespace: &str,
        service_account: &str,
        role_arn: &str,
        now: Timestamp,
    ) -> Self {
        let names = [
            &cluster.arn,
            &cluster.id,
            namespace,
            service_account,
            &now.to_string(),
        ];
        let id = format!("a-{}", stable_hex(17, &names));
        Self {
            arn: cluster.arn_of("podidentityassociation", &id),
            id,
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
            role_arn: role_arn.to_owned(),
            target_role_arn: None,
            disable_session_tags: false,
            owner_arn: None,
            tags: Tags::new(),
            created_at: now,
            modified_at: now,
            token: None,
        }
    }

    fn must_be_free(&self) -> Result<(), ServiceError> {
        match &self.owner_arn {
            None => Ok(()),
            Some(owner) => Err(invalid_request(format!(
                "Association {} belongs to the add-on {owner}; change it through the add-on",
                self.id
            ))),
        }
    }

    /// Checks that an add-on can have these associations.
    ///
    /// # Errors
    /// `ResourceInUseException` if a service account has an association of someone else's.
    pub(super) fn must_be_free_for(
        cluster: &Cluster,
        addon: &Addon,
        owner: Option<&str>,
        identities: &[PodIdentity],
    ) -> Result<(), ServiceError> {
        for identity in identities {
            let existing = cluster.association_of(addon.namespace, &identity.service_account);
            if let Some(other) = existing.filter(|a| a.owner_arn.as_deref() != owner) {
                return Err(in_use(format!("Association already exists: {}", other.id)));
            }
        }
        Ok(())
    }

    /// Gives an add-on these associations and takes its others away.
    pub(super) fn put_owned(
        cluster: &mut Cluster,
        addon: &Addon,
        owner: &str,
        identities: &[PodIdentity],
        now: Timestamp,
    ) {
        let wanted = |account: &str| identities.iter().any(|i| i.service_account == account);
        cluster
            .associations
            .retain(|_, a| a.owner_arn.as_deref() != Some(owner) || wanted(&a.service_account));
        for PodIdentity {
            service_account,
            role_arn,
        } in identities
        {
            let mut association = match cluster.association_of(addon.namespace, service_account) {
                Some(existing) => existing.clone(),
                None => Self::new(cluster, addon.namespace, service_account, role_arn, now),
            };
            association.owner_arn = Some(owner.to_owned());
            if association.role_arn != *role_arn {
                association.role_arn.clone_from(role_arn);
                association.modified_at = now;
            }
            cluster
                .associations
                .insert(association.id.clone(), association);
        }
    }
}

fn summary(cluster: &Cluster, association: &Association) -> Value {
    let mut view = json!({
        "clusterName": cluster.name,
        "namespace": association.namespace,
        "serviceAccount": association.service_account,
        "associationArn": association.arn,
        "associationId": association.id,
    });
    if let Some(owner) = &association.owner_arn {
        view["ownerArn"] = owner.as_str().into();
    }
    view
}

fn answer(cluster: &Cluster, association: &Association) -> Value {
    let mut view = summary(cluster, association);
    view["roleArn"] = association.role_arn.as_str().into();
    view["tags"] = json!(association.tags);
    view["createdAt"] = epoch(association.created_at);
    view["modifiedAt"] = epoch(association.modified_at);
    view["disableSessionTags"] = association.disable_session_tags.into();
    if let Some(target) = &association.target_role_arn {
        view["targetRoleArn"] = target.as_str().into();
        // What the target role's trust policy can ask for, against a confused deputy.
        view["externalId"] = stable_hex(32, &[&association.arn, "external id"]).into();
    }
    json!({ "association": view })
}
