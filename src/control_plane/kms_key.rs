//! The KMS key that encrypts a cluster's secrets. It goes by its alias; its policy is KMS's default,
//! by which IAM policies of the account decide who may use it.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use aws_sdk_kms::config::Builder as ConfigBuilder;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::types::{KeyListEntry, KeyMetadata, KeyState, Tag};

use super::eventual::until_visible;
use super::{Shared, Tags, cluster, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::calls;
use crate::reconcile::{Diff, Error, Fate, Grant, Polling, Progress, Resource};

/// How long KMS waits before it deletes a key for good, in days: the longest that it takes.
const DELETION_WINDOW_DAYS: i32 = 30;

/// The key of one cluster.
#[derive(Debug)]
pub struct KmsKey {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// How often KMS is asked whether it sees what was made.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a key should be. Whatever else it should be, it rotates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// Tags, `kubernetes.io/cluster/<cluster>` among them. Given when it is made; not compared, which
    /// would take one more call in every plan.
    pub tags: Tags,
}

/// What a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its ARN.
    pub arn: String,
    /// Where it stands in its life.
    pub state: KeyState,
    /// Whether KMS renews its material every year.
    pub rotates: bool,
}

impl Resource for KmsKey {
    type Observed = Observed;
    /// Its ARN.
    type Output = String;
    const KIND: &'static str = "kms_key";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &["kms:CreateKey", "kms:ListKeys", "kms:ListAliases"],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &[
                "kms:DescribeKey",
                "kms:GetKeyRotationStatus",
                "kms:EnableKeyRotation",
                "kms:ListResourceTags",
                "kms:TagResource",
                "kms:ScheduleKeyDeletion",
            ],
            on: &["arn:{partition}:kms:*:{account}:key/*"],
            condition: None,
        },
        Grant {
            // KMS asks for these on the alias and on the key.
            actions: &["kms:CreateAlias", "kms:DeleteAlias"],
            on: &[
                "arn:{partition}:kms:*:{account}:alias/eks/*",
                "arn:{partition}:kms:*:{account}:key/*",
            ],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        format!("eks/{}", self.wanted.cluster)
    }

    /// The key that the cluster's secrets are encrypted with is the one that counts, and a cluster
    /// keeps it; where there is none, the alias leads to it.
    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let cluster = &self.wanted.cluster;
        let seen = cluster::first_seen(&self.session, &self.shared, cluster).await?;
        match seen.as_deref().and_then(cluster::key_arn) {
            Some(arn) => Ok(Some(self.in_use(arn).await?)),
            None => Ok(self.read().await.or_absent()?),
        }
    }

    fn output(&self, observed: &Observed) -> String {
        observed.arn.clone()
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        diff(&self.wanted, observed)
    }

    async fn apply(
        &self,
        _diff: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        let Some(is) = observed else {
            let arn = &self.make(progress).await?;
            self.rotate(arn, progress).await?;
            // Last, because what the alias doesn't name yet is looked for and gone on with.
            return self.name_it(arn, progress).await;
        };
        self.rotate(&is.arn, progress).await
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let cluster = &self.wanted.cluster;
        let seen = cluster::first_seen(&self.session, &self.shared, cluster).await?;
        let in_use = seen.as_deref().and_then(cluster::key_arn);
        self.when_visible(progress, || async {
            match in_use {
                Some(arn) => self.in_use(arn).await,
                None => self.read().await,
            }
        })
        .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        let answer = self
            .session
            .kms()
            .list_resource_tags()
            .key_id(&observed.arn)
            .send()
            .await
            .doing(|| format!("reading the tags of {}", observed.arn))?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(tags::fate(
            &tags.map(|tag| (tag.tag_key, tag.tag_value)).collect(),
        ))
    }

    async fn remove(&self, observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        let kms = self.session.kms();
        let arn = &observed.arn;
        if observed.state != KeyState::PendingDeletion {
            kms.schedule_key_deletion()
                .key_id(arn)
                .pending_window_in_days(DELETION_WINDOW_DAYS)
                .send()
                .await
                .doing(|| format!("scheduling the deletion of {arn}"))?;
        }
        let alias = self.alias();
        kms.delete_alias()
            .alias_name(&alias)
            .send()
            .await
            .doing(|| format!("deleting {alias}"))
            .or_absent()?;
        Ok(())
    }
}

impl KmsKey {
    fn alias(&self) -> String {
        format!("alias/{}", self.name())
    }

    fn description(&self) -> String {
        format!("Kubernetes secrets of {}", self.wanted.cluster)
    }

    /// The key that the cluster uses. One that rotates can be used; of one that doesn't, KMS has to
    /// say where it stands.
    async fn in_use(&self, arn: &str) -> Result<Observed, CallError> {
        let rotates = self.rotates(arn).await?;
        let state = match rotates {
            true => KeyState::Enabled,
            false => self
                .describe(arn)
                .await?
                .key_state
                .unwrap_or(KeyState::Unavailable),
        };
        Ok(Observed {
            arn: arn.to_owned(),
            state,
            rotates,
        })
    }

    /// Reads the key that the alias names.
    async fn read(&self) -> Result<Observed, CallError> {
        let alias = self.alias();
        let key = self.describe(&alias).await?;
        let arn = key.arn.unwrap_or_default();
        let state = key.key_state.unwrap_or(KeyState::Unavailable);
        Ok(Observed {
            rotates: self.rotates(&arn).await?,
            arn,
            state,
        })
    }

    /// Source: KMS API reference, GetKeyRotationStatus, which takes no alias and, of a key that is to
    /// be deleted, says that it doesn't rotate.
    async fn rotates(&self, arn: &str) -> Result<bool, CallError> {
        let kms = self.session.kms();
        let sent = kms.get_key_rotation_status().key_id(arn).send().await;
        let answer = sent.doing(|| format!("asking whether {arn} rotates"))?;
        Ok(answer.key_rotation_enabled())
    }

    async fn describe(&self, key: &str) -> Result<KeyMetadata, CallError> {
        let answer = self
            .session
            .kms()
            .describe_key()
            .key_id(key)
            .send()
            .await
            .doing(|| format!("describing KMS key {key}"))?;
        answer.key_metadata.ok_or_else(|| {
            CallError::new(
                format!("describing KMS key {key}"),
                "KMS answered without the key",
                "run again",
            )
        })
    }

    /// The ARN of the one key, made if an earlier run hasn't made it yet.
    ///
    /// KMS takes no token by which it would know a request for the same key again. So a request is
    /// sent once, and if it stays open whether KMS has made a key, the search comes first again.
    async fn make(&self, progress: &Progress) -> Result<String, Error> {
        let what = format!("KMS key of {}", self.wanted.cluster);
        until_visible(self.polling, &what, progress, leaves_it_open, || async {
            match self.left_behind().await? {
                Some(arn) => Ok(arn),
                None => self.create().await,
            }
        })
        .await
    }

    async fn create(&self) -> Result<String, CallError> {
        let doing = || format!("creating the KMS key of {}", self.wanted.cluster);
        let tags = tags::made(&self.wanted.tags);
        let tags = tags.iter();
        let tags: Result<Vec<_>, _> = tags
            .map(|(key, value)| Tag::builder().tag_key(key).tag_value(value).build())
            .collect();
        let answer = self
            .session
            .kms()
            .create_key()
            .description(self.description())
            .set_tags(Some(tags.doing(doing)?))
            .customize()
            .config_override(ConfigBuilder::new().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .doing(doing)?;
        let arn = answer.key_metadata.and_then(|key| key.arn);
        arn.ok_or_else(|| CallError::new(doing(), "KMS answered without its ARN", "run again"))
    }

    /// A key that was made for this cluster and never got its alias.
    async fn left_behind(&self) -> Result<Option<String>, CallError> {
        let kms = self.session.kms();
        let aliases = kms
            .list_aliases()
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| "listing the aliases of KMS keys".to_owned())?;
        let named: BTreeSet<_> = aliases.iter().filter_map(|a| a.target_key_id()).collect();
        let keys = kms
            .list_keys()
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| "listing the KMS keys".to_owned())?;
        let nameless = keys
            .iter()
            .filter_map(KeyListEntry::key_id)
            .filter(|id| !named.contains(id));
        let found = calls::join_all(nameless.map(|id| self.if_ours(id))).await;
        let found: Result<Vec<_>, _> = found.into_iter().collect();
        Ok(found?.into_iter().flatten().next())
    }

    /// The ARN of a key, if it was made for this cluster and can be used.
    async fn if_ours(&self, id: &str) -> Result<Option<String>, CallError> {
        let tags = self
            .session
            .kms()
            .list_resource_tags()
            .key_id(id)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("reading the tags of KMS key {id}"));
        let tags: Tags = match tags {
            Ok(tags) => tags
                .into_iter()
                .map(|tag| (tag.tag_key, tag.tag_value))
                .collect(),
            // The policy of a key of others may keep psk out.
            Err(error) if error.has_code(&["AccessDeniedException"]) => return Ok(None),
            Err(error) => return Err(error),
        };
        // One tag is enough and the others may have changed since.
        if !tags.contains_key(&format!("kubernetes.io/cluster/{}", self.wanted.cluster)) {
            return Ok(None);
        }
        let key = self.describe(id).await?;
        let ours = key.key_state() == Some(&KeyState::Enabled)
            && key.description() == Some(&self.description());
        Ok(key.arn.filter(|_| ours))
    }

    async fn rotate(&self, arn: &str, progress: &Progress) -> Result<(), Error> {
        self.when_visible(progress, || async {
            let request = self.session.kms().enable_key_rotation().key_id(arn);
            let sent = request.send().await;
            sent.doing(|| format!("turning on the rotation of {arn}"))
        })
        .await?;
        Ok(())
    }

    async fn name_it(&self, arn: &str, progress: &Progress) -> Result<(), Error> {
        let alias = &self.alias();
        let named = self
            .when_visible(progress, || async move {
                let request = self.session.kms().create_alias().alias_name(alias);
                let sent = request.target_key_id(arn).send().await;
                match sent.doing(|| format!("giving {arn} the alias {alias}")) {
                    Ok(_) => Ok(None),
                    // By a request whose answer was lost, or by someone else.
                    Err(error) if error.has_code(&["AlreadyExistsException"]) => {
                        Ok(Some(self.describe(alias).await?.arn))
                    }
                    Err(error) => Err(error),
                }
            })
            .await?;
        match named.flatten() {
            Some(other) if other != arn => Err(Error::new(
                format!("giving {arn} the alias {alias}"),
                format!("it has just been given to {other}"),
                format!("see who else makes keys here, delete {arn}, then run again"),
            )),
            _ => Ok(()),
        }
    }

    /// Repeats a call while KMS doesn't see the key yet. Source: KMS Developer Guide, "AWS KMS
    /// eventual consistency".
    async fn when_visible<T, F>(
        &self,
        progress: &Progress,
        call: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let what = format!("KMS key of {}", self.wanted.cluster);
        until_visible(self.polling, &what, progress, CallError::is_not_found, call).await
    }
}

/// Whether a failed request may all the same have done what it asked for, or may pass if sent again:
/// one without an answer, one that KMS couldn't finish, one that came too fast.
fn leaves_it_open(error: &CallError) -> bool {
    error.code.is_none()
        || error.has_code(&[
            "KMSInternalException",
            "DependencyTimeoutException",
            "InternalFailure",
            "InternalServerError",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "Throttling",
            "ThrottlingException",
        ])
}

fn diff(wanted: &Wanted, observed: Option<&Observed>) -> Result<Diff, Error> {
    let Some(is) = observed else {
        return Ok(Diff::create()
            .known_after_apply("arn")
            .attribute("rotates", None::<()>, true)
            .with(|diff| tags::diff(diff, None, &wanted.tags))
            .build());
    };
    if is.state != KeyState::Enabled {
        return Err(Error::new(
            format!("planning the KMS key of {}", wanted.cluster),
            format!("{} is {}", is.arn, is.state.as_str()),
            format!(
                "without it the cluster's secrets can't be read and psk doesn't replace it: cancel its \
                 deletion or enable it in KMS; if the cluster is gone for good, delete alias/eks/{}",
                wanted.cluster
            ),
        ));
    }
    Ok(Diff::update()
        .attribute("rotates", Some(is.rotates), true)
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::Action;

    fn wanted() -> Wanted {
        Wanted {
            cluster: "x".into(),
            tags: [("cluster".to_owned(), "x".to_owned())].into(),
        }
    }

    fn right() -> Observed {
        Observed {
            arn: "arn:aws:kms:us-east-2:111122223333:key/k".into(),
            state: KeyState::Enabled,
            rotates: true,
        }
    }

    #[test]
    fn a_key_that_rotates_is_kept_and_one_that_does_not_is_made_to() {
        let action = |is: &Observed| diff(&wanted(), Some(is)).unwrap().action;
        assert_eq!(action(&right()), Action::Keep);
        let still = Observed {
            rotates: false,
            ..right()
        };
        assert_eq!(action(&still), Action::Update);
    }

    #[test]
    fn a_missing_key_is_made() {
        let made = diff(&wanted(), None).unwrap();
        assert_eq!(made.action, Action::Create);
        assert!(
            ["arn", "rotates", "tags.cluster"]
                .iter()
                .all(|path| made.touches(path))
        );
    }

    #[test]
    fn a_key_that_is_to_be_deleted_is_not_replaced() {
        let dying = Observed {
            state: KeyState::PendingDeletion,
            ..right()
        };
        let error = diff(&wanted(), Some(&dying)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "planning the KMS key of x: arn:aws:kms:us-east-2:111122223333:key/k is PendingDeletion"
        );
        assert!(error.next.contains("cancel its deletion"), "{}", error.next);
    }

    #[test]
    fn only_a_failure_that_leaves_it_open_is_looked_into() {
        let error = |code: Option<&str>| CallError {
            code: code.map(str::to_owned),
            ..CallError::new("creating", "no", "stop")
        };
        assert!(leaves_it_open(&error(None)));
        assert!(leaves_it_open(&error(Some("KMSInternalException"))));
        assert!(!leaves_it_open(&error(Some("LimitExceededException"))));
    }
}
