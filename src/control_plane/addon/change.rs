//! Installing, changing and removing an add-on.

use aws_sdk_eks::types::{AddonStatus, ResolveConflicts as EksConflicts, Update};
use serde_json::Value;
use tokio::time::Instant;

use super::{Addon, DEADLINE, Observed, choose};
use crate::aws::{CallError, Doing, OrAbsent};
use crate::control_plane::eventual::{PATIENCE, role_is_unseen};
use crate::control_plane::tags;
use crate::control_plane::token::token;
use crate::control_plane::updates::{Of, Updates, is_busy};
use crate::inventory::ResolveConflicts;
use crate::reconcile::{Diff, Error, Progress, State};

impl Addon {
    /// Asks for the add-on, again while EKS doesn't see its new role yet or does something else to
    /// the cluster.
    pub(super) async fn create(&self, progress: &Progress) -> Result<(), Error> {
        let version = &self.version()?;
        self.check_configuration(version).await?;
        let what = format!("add-on {}", self.wanted.name);
        let began = Instant::now();
        self.polling
            .until(&what, DEADLINE, progress, || async move {
                match self.request(version).await {
                    Ok(()) => Ok(State::Done(())),
                    Err(error) if role_is_unseen(&error) && began.elapsed() < PATIENCE => {
                        Ok(State::UnderWay("waits for its role".to_owned()))
                    }
                    Err(error) if is_busy(&error) => match self.describe().await? {
                        // Made by a request whose answer was lost, or by another run.
                        Some(is) if is.status != AddonStatus::Deleting => Ok(State::Done(())),
                        _ => Ok(State::UnderWay("waits for another update".to_owned())),
                    },
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }

    async fn request(&self, version: &str) -> Result<(), CallError> {
        let wanted = &self.wanted;
        let configuration = wanted.configuration.as_ref().map(Value::to_string);
        let role = self.role_arn();
        let token = token(&[
            "addon",
            &wanted.cluster,
            &wanted.name,
            version,
            configuration.as_deref().unwrap_or_default(),
        ]);
        self.session
            .eks()
            .create_addon()
            .cluster_name(&wanted.cluster)
            .addon_name(&wanted.name)
            .addon_version(version)
            .set_configuration_values(configuration)
            .set_service_account_role_arn(role)
            // Without psk, EKS puts self-managed copies of three add-ons into a new cluster. They
            // are to be taken over, so at this point there is nothing of anybody's to preserve.
            .resolve_conflicts(EksConflicts::Overwrite)
            .set_tags(Some(tags::made(&wanted.tags).into_iter().collect()))
            .client_request_token(token)
            .send()
            .await
            .doing(|| format!("installing add-on {}", wanted.name))?;
        Ok(())
    }

    pub(super) async fn update(
        &self,
        diff: &Diff,
        is: &Observed,
        progress: &Progress,
    ) -> Result<(), Error> {
        let wanted = &self.wanted;
        if diff.touches("tags") {
            self.session
                .eks()
                .tag_resource()
                .resource_arn(&is.arn)
                .set_tags(Some(wanted.tags.clone().into_iter().collect()))
                .send()
                .await
                .doing(|| format!("tagging add-on {}", wanted.name))?;
        }
        let kinds = ["version", "configuration", "service_account_role_arn"];
        if !kinds.iter().any(|path| diff.touches(path)) {
            return Ok(());
        }
        let version = self.version()?;
        self.check_configuration(&version).await?;
        // EKS keeps the configuration that it isn't sent, so "none" has to be said.
        let configuration = wanted
            .configuration
            .as_ref()
            .map_or_else(|| "{}".to_owned(), Value::to_string);
        let what = format!("updating add-on {} to {version}", wanted.name);
        let updates = self.updates();
        let token = updates
            .next_token(&["addon", &version, &configuration])
            .await?;
        updates
            .run(&what, progress, || async {
                let answer = self
                    .session
                    .eks()
                    .update_addon()
                    .cluster_name(&wanted.cluster)
                    .addon_name(&wanted.name)
                    .addon_version(&version)
                    .configuration_values(&configuration)
                    .set_service_account_role_arn(self.role_arn())
                    .resolve_conflicts(conflicts(wanted.resolve_conflicts))
                    .client_request_token(&token)
                    .send()
                    .await
                    .doing(|| what.clone())?;
                Ok::<Option<Update>, CallError>(answer.update)
            })
            .await
    }

    pub(super) async fn delete(&self, progress: &Progress) -> Result<(), Error> {
        let name = &self.wanted.name;
        self.session
            .eks()
            .delete_addon()
            .cluster_name(&self.wanted.cluster)
            .addon_name(name)
            .send()
            .await
            .doing(|| format!("removing add-on {name}"))
            .or_absent()?;
        self.until_gone(progress).await
    }

    pub(super) async fn until_gone(&self, progress: &Progress) -> Result<(), Error> {
        let name = &self.wanted.name;
        self.polling
            .until(
                &format!("removal of add-on {name}"),
                DEADLINE,
                progress,
                || async {
                    Ok(match self.describe().await? {
                        None => State::Done(()),
                        Some(is) => State::UnderWay(is.status.as_str().to_owned()),
                    })
                },
            )
            .await
    }

    /// Checks the configuration against the add-on's own schema, so that what EKS would refuse is
    /// told by what is wrong with it.
    async fn check_configuration(&self, version: &str) -> Result<(), Error> {
        let Some(configuration) = &self.wanted.configuration else {
            return Ok(());
        };
        let name = &self.wanted.name;
        let key = (
            self.session.target().clone(),
            name.clone(),
            version.to_owned(),
        );
        let schema = self
            .shared
            .offers
            .addon_schemas
            .get(key, || async {
                let answer = self
                    .session
                    .eks()
                    .describe_addon_configuration()
                    .addon_name(name)
                    .addon_version(version)
                    .send()
                    .await
                    .doing(|| format!("reading the configuration schema of add-on {name}"))?;
                Ok(answer.configuration_schema)
            })
            .await?;
        check(name, version, configuration, schema.as_deref())
    }

    fn version(&self) -> Result<String, Error> {
        let versions = self.versions.get().known();
        let versions = versions.as_ref().and_then(|v| v.get(&self.wanted.name));
        choose(&self.wanted, versions).map(str::to_owned)
    }

    fn role_arn(&self) -> Option<String> {
        self.role.as_ref()?.get().known().map(|role| role.arn)
    }

    fn updates(&self) -> Updates<'_> {
        Updates {
            session: &self.session,
            cluster: &self.wanted.cluster,
            of: Of::Addon(&self.wanted.name),
            polling: self.polling,
            deadline: DEADLINE,
        }
    }
}

fn conflicts(resolve: ResolveConflicts) -> EksConflicts {
    EksConflicts::from(resolve.as_str())
}

fn check(
    name: &str,
    version: &str,
    configuration: &Value,
    schema: Option<&str>,
) -> Result<(), Error> {
    let doing = || format!("checking the configuration of add-on {name} {version}");
    let Some(schema) = schema.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return Ok(());
    };
    let validator = jsonschema::validator_for(&schema).map_err(|error| {
        Error::new(
            doing(),
            format!("EKS's schema can't be read: {error}"),
            "update psk",
        )
    })?;
    let faults: Vec<_> = validator
        .iter_errors(configuration)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        doing(),
        faults.join("; "),
        format!("correct configuration_values of {name} in the settings"),
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_addons_schema_does_not_know_is_refused_before_it_is_sent() {
        let schema = r#"{"type":"object","properties":{"replicaCount":{"type":"integer"}},"additionalProperties":false}"#;
        assert_eq!(
            check("coredns", "v1", &json!({"replicaCount": 3}), Some(schema)),
            Ok(())
        );
        let error = check("coredns", "v1", &json!({"replicas": 3}), Some(schema)).unwrap_err();
        assert!(error.cause.contains("replicas"), "{error}");
        assert_eq!(
            check("coredns", "v1", &json!({"replicas": 3}), None),
            Ok(())
        );
    }
}
