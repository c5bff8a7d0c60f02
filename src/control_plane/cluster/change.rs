//! Making, changing and removing a cluster.

use std::time::Duration;

use aws_sdk_eks::types::{
    AuthenticationMode, ClusterStatus, CreateAccessConfigRequest, EncryptionConfig, LogSetup,
    LogType, Logging, Provider, SupportType, Update, UpdateAccessConfigRequest,
    UpgradePolicyRequest, VpcConfigRequest,
};

use super::{Cluster, DEADLINE, Observed};
use crate::aws::{CallError, Doing, OrAbsent};
use crate::control_plane::eventual::{role_is_unseen, until_visible};
use crate::control_plane::tags;
use crate::control_plane::token::token;
use crate::control_plane::updates::{Of, Updates};
use crate::reconcile::{Diff, Error, Fact, Progress, State};

/// A configuration update takes minutes.
const CONFIG_DEADLINE: Duration = Duration::from_secs(45 * 60);

/// The logs that EKS can send.
const LOG_TYPES: [LogType; 5] = [
    LogType::Api,
    LogType::Audit,
    LogType::Authenticator,
    LogType::ControllerManager,
    LogType::Scheduler,
];

type Config =
    aws_sdk_eks::operation::update_cluster_config::builders::UpdateClusterConfigFluentBuilder;

impl Cluster {
    /// Asks for the cluster, again while EKS doesn't see its new role yet.
    pub(super) async fn create(&self, progress: &Progress) -> Result<(), Error> {
        let what = format!("role of cluster {}", self.wanted.name);
        until_visible(self.polling, &what, progress, role_is_unseen, || {
            self.request()
        })
        .await
    }

    async fn request(&self) -> Result<(), CallError> {
        let wanted = &self.wanted;
        let doing = format!("creating cluster {}", wanted.name);
        let (Fact::Known(network), Fact::Known(role)) = (self.network.get(), self.role.get())
        else {
            let cause = "its subnets or role aren't known";
            return Err(CallError::new(doing, cause, "run again"));
        };
        let key = self.key_arn();
        let subnets: Vec<_> = network.intra.iter().map(|s| s.id.clone()).collect();
        let version = wanted.version.to_string();
        let created = self
            .session
            .eks()
            .create_cluster()
            .name(&wanted.name)
            .version(&version)
            .role_arn(&role.arn)
            .resources_vpc_config(
                VpcConfigRequest::builder()
                    .set_subnet_ids(Some(subnets))
                    .endpoint_public_access(wanted.endpoint_public_access)
                    .endpoint_private_access(true)
                    .build(),
            )
            .logging(self.logging())
            .set_encryption_config(key.as_deref().map(|key| vec![encryption(key)]))
            .access_config(
                CreateAccessConfigRequest::builder()
                    .authentication_mode(AuthenticationMode::Api)
                    .bootstrap_cluster_creator_admin_permissions(false)
                    .build(),
            )
            .upgrade_policy(self.upgrade_policy())
            .deletion_protection(wanted.deletion_protection)
            .set_tags(Some(tags::made(&wanted.tags).into_iter().collect()))
            .client_request_token(token(&["cluster", &wanted.name, &role.arn, &version]))
            .send()
            .await
            .doing(|| doing);
        match created {
            // Made since it was looked for, by a request whose answer was lost or by another run.
            Err(error) if error.has_code(&["ResourceInUseException"]) => Ok(()),
            created => created.map(drop),
        }
    }

    /// Changes what `diff` tells, one update after the other, as EKS wants it.
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
                .doing(|| format!("tagging cluster {}", wanted.name))?;
        }
        if diff.touches("log_types") {
            self.configure("control plane logs", progress, |c| {
                c.logging(self.logging())
            })
            .await?;
        }
        if diff.touches("endpoint_public_access") || diff.touches("endpoint_private_access") {
            let access = VpcConfigRequest::builder()
                .endpoint_public_access(wanted.endpoint_public_access)
                .endpoint_private_access(true)
                .build();
            self.configure("endpoint access", progress, |c| {
                c.resources_vpc_config(access.clone())
            })
            .await?;
        }
        if diff.touches("authentication_mode") {
            // Source: EKS User Guide, "Change authentication mode": from CONFIG_MAP the way to API
            // leads over both.
            if is.authentication_mode == AuthenticationMode::ConfigMap.as_str() {
                self.authenticate_by(AuthenticationMode::ApiAndConfigMap, progress)
                    .await?;
            }
            self.authenticate_by(AuthenticationMode::Api, progress)
                .await?;
        }
        if diff.touches("support_type") {
            self.configure("upgrade policy", progress, |c| {
                c.upgrade_policy(self.upgrade_policy())
            })
            .await?;
        }
        if diff.touches("deletion_protection") {
            let protection = wanted.deletion_protection;
            self.configure("deletion protection", progress, |c| {
                c.deletion_protection(protection)
            })
            .await?;
        }
        if diff.touches("secrets_encrypted") {
            self.encrypt_secrets(progress).await?;
        }
        if diff.touches("version") {
            self.upgrade(is, progress).await?;
        }
        Ok(())
    }

    /// Deletes the cluster and waits until it is gone.
    pub(super) async fn delete(&self, is: &Observed, progress: &Progress) -> Result<(), Error> {
        let name = &self.wanted.name;
        if is.status != ClusterStatus::Deleting {
            self.session
                .eks()
                .delete_cluster()
                .name(name)
                .send()
                .await
                .doing(|| format!("deleting cluster {name}"))
                .or_absent()?;
        }
        self.polling
            .until(
                &format!("deletion of cluster {name}"),
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

    async fn authenticate_by(
        &self,
        mode: AuthenticationMode,
        progress: &Progress,
    ) -> Result<(), Error> {
        let access = UpdateAccessConfigRequest::builder()
            .authentication_mode(mode)
            .build();
        self.configure("authentication mode", progress, |c| {
            c.access_config(access.clone())
        })
        .await
    }

    /// One configuration update; EKS takes one kind of change at a time.
    async fn configure(
        &self,
        what: &str,
        progress: &Progress,
        change: impl Fn(Config) -> Config,
    ) -> Result<(), Error> {
        let what = format!("changing the {what} of {}", self.wanted.name);
        let request = || {
            change(
                self.session
                    .eks()
                    .update_cluster_config()
                    .name(&self.wanted.name),
            )
        };
        self.updates(CONFIG_DEADLINE)
            .run(&what, progress, || async {
                let answer = request().send().await.doing(|| what.clone())?;
                Ok::<Option<Update>, CallError>(answer.update)
            })
            .await
    }

    async fn encrypt_secrets(&self, progress: &Progress) -> Result<(), Error> {
        let what = format!("encrypting the secrets of {}", self.wanted.name);
        let Some(key) = self.key_arn() else {
            return Err(Error::new(what, "the key isn't known", "run again"));
        };
        self.updates(CONFIG_DEADLINE)
            .run(&what, progress, || async {
                let answer = self
                    .session
                    .eks()
                    .associate_encryption_config()
                    .cluster_name(&self.wanted.name)
                    .encryption_config(encryption(&key))
                    .send()
                    .await
                    .doing(|| what.clone())?;
                Ok::<Option<Update>, CallError>(answer.update)
            })
            .await
    }

    pub(super) fn updates(&self, deadline: Duration) -> Updates<'_> {
        Updates {
            session: &self.session,
            cluster: &self.wanted.name,
            of: Of::Cluster,
            polling: self.polling,
            deadline,
        }
    }

    fn key_arn(&self) -> Option<String> {
        self.key.as_ref()?.get().known()
    }

    /// Every log type, those that aren't wanted switched off.
    fn logging(&self) -> Logging {
        let (on, off) = LOG_TYPES
            .into_iter()
            .partition(|t| self.wanted.log_types.contains(t.as_str()));
        let setups =
            [(true, on), (false, off)]
                .into_iter()
                .filter_map(|(enabled, types): (_, Vec<_>)| {
                    let setup = LogSetup::builder()
                        .enabled(enabled)
                        .set_types(Some(types.clone()))
                        .build();
                    (!types.is_empty()).then_some(setup)
                });
        Logging::builder()
            .set_cluster_logging(Some(setups.collect()))
            .build()
    }

    fn upgrade_policy(&self) -> UpgradePolicyRequest {
        UpgradePolicyRequest::builder()
            .support_type(SupportType::from(self.wanted.support_type.as_str()))
            .build()
    }
}

#[expect(
    deprecated,
    reason = "what is encrypted doesn't depend on it any more, and who checks it still wants secrets"
)]
fn encryption(key: &str) -> EncryptionConfig {
    EncryptionConfig::builder()
        .resources("secrets")
        .provider(Provider::builder().key_arn(key).build())
        .build()
}
