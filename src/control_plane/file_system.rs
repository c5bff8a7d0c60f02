//! The file system that pods share: encrypted, backed up, and moved to infrequent access when idle.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_efs::types::{
    BackupPolicy, FileSystemDescription, LifeCycleState, LifecyclePolicy, Status, Tag,
    TransitionToIaRules,
};

use super::Shared;
use super::tags::{self, Tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::calls;
use crate::reconcile::plan::Action;
use crate::reconcile::{Diff, Error, Fate, Grant, Polling, Progress, Resource, State};

/// How long EFS may take to make a file system or to delete one. Both take seconds.
const DEADLINE: Duration = Duration::from_secs(600);

/// When a file that nobody opens moves to infrequent access.
const TO_IA: TransitionToIaRules = TransitionToIaRules::After7Days;

/// The cluster's file system.
#[derive(Debug)]
pub struct FileSystem {
    /// The account and region that it is in.
    pub session: Session,
    /// What the run has asked already.
    pub shared: Arc<Shared>,
    /// What it should be.
    pub wanted: Wanted,
    /// How often EFS is asked whether it is done.
    pub polling: Polling,
}

/// What the file system should be, as far as clusters differ in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name: the creation token, of 64 characters at most, and the tag `Name`. An adopted one
    /// has the tag only.
    pub name: String,
    /// Tags that it must have besides; others are left alone.
    pub tags: Tags,
}

impl Wanted {
    fn all_tags(&self) -> Tags {
        let mut tags = self.tags.clone();
        tags.insert("Name".to_owned(), self.name.clone());
        tags
    }
}

/// What the file system is.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// The token that it was made with.
    pub creation_token: String,
    /// Where it stands in its life.
    pub state: LifeCycleState,
    /// Whether its data is encrypted at rest.
    pub encrypted: bool,
    /// When its files move between storage classes.
    pub transitions: Vec<LifecyclePolicy>,
    /// Whether AWS Backup keeps copies of it.
    pub backed_up: bool,
    /// All its tags.
    pub tags: Tags,
}

impl Resource for FileSystem {
    type Observed = Observed;
    /// Its id.
    type Output = String;
    const KIND: &'static str = "efs_file_system";
    const GRANTS: &'static [Grant] = &[
        // Neither is about a file system that IAM could name.
        Grant {
            actions: &[
                "elasticfilesystem:CreateFileSystem",
                "elasticfilesystem:DescribeFileSystems",
            ],
            on: &["*"],
            condition: None,
        },
        Grant {
            actions: &[
                "elasticfilesystem:DeleteFileSystem",
                "elasticfilesystem:DescribeBackupPolicy",
                "elasticfilesystem:DescribeLifecycleConfiguration",
                "elasticfilesystem:PutBackupPolicy",
                "elasticfilesystem:PutLifecycleConfiguration",
                "elasticfilesystem:TagResource",
            ],
            on: &["arn:{partition}:elasticfilesystem:*:{account}:file-system/*"],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        let key = self.session.target().clone();
        let ask = || async { Ok(Arc::new(self.list().await?)) };
        let all = self.shared.file_systems.get(key, ask).await?;
        match choose(&self.wanted.name, &all)? {
            Some(found) => Ok(Some(self.read(found).await?)),
            None => Ok(None),
        }
    }

    fn output(&self, observed: &Observed) -> String {
        observed.id.clone()
    }

    fn is_busy(&self, observed: &Observed) -> bool {
        matches!(
            observed.state,
            LifeCycleState::Creating | LifeCycleState::Updating
        )
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        diff(&self.wanted, observed)
    }

    async fn apply(
        &self,
        diff: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        let id = match observed {
            Some(is) => is.id.clone(),
            None => self.create(progress).await?,
        };
        let changes = diff.action == Action::Update;
        if diff.touches("transition_to_ia") || (changes && diff.touches("backup")) {
            // EFS takes these two only for a file system that is available.
            self.until_available(progress).await?;
        }
        if diff.touches("transition_to_ia") {
            self.put_lifecycle(&id, observed).await?;
        }
        if changes && diff.touches("backup") {
            self.put_backup(&id).await?;
        }
        if changes && diff.touches("tags") {
            self.tag(&id).await?;
        }
        Ok(())
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let available = self.until_available(progress).await?;
        Ok(self.read(&available).await?)
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, observed: &Observed, progress: &Progress) -> Result<(), Error> {
        let id = &observed.id;
        self.polling
            .until(&format!("file system {id}"), DEADLINE, progress, || async {
                let deleted = self
                    .session
                    .efs()
                    .delete_file_system()
                    .file_system_id(id)
                    .send()
                    .await
                    .doing(|| format!("deleting file system {id}"));
                match deleted.or_absent() {
                    Ok(None) => Ok(State::Done(())),
                    Ok(Some(_)) => Ok(State::UnderWay("being deleted".to_owned())),
                    Err(error) if error.has_code(&["FileSystemInUse"]) => {
                        Ok(State::UnderWay("in use by mount targets".to_owned()))
                    }
                    Err(error) if error.has_code(&["IncorrectFileSystemLifeCycleState"]) => {
                        Ok(State::UnderWay("being changed".to_owned()))
                    }
                    Err(error) => Err(error.into()),
                }
            })
            .await
    }
}

impl FileSystem {
    /// Looks for the file system among all of the region: EFS finds none by their tags, and a
    /// listing, which has a hundred on its first page, tells as much as asking for one.
    async fn find(&self) -> Result<Option<FileSystemDescription>, Error> {
        Ok(choose(&self.wanted.name, &self.list().await?)?.cloned())
    }

    async fn list(&self) -> Result<Vec<FileSystemDescription>, CallError> {
        self.session
            .efs()
            .describe_file_systems()
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .doing(|| format!("looking for file system {}", self.wanted.name))
    }

    async fn read(&self, found: &FileSystemDescription) -> Result<Observed, CallError> {
        let efs = self.session.efs();
        let id = found.file_system_id();
        let lifecycle = efs
            .describe_lifecycle_configuration()
            .file_system_id(id)
            .send();
        let (lifecycle, backed_up) = calls::join(lifecycle, self.is_backed_up(found)).await;
        let lifecycle = lifecycle.doing(|| format!("reading the lifecycle of file system {id}"))?;
        Ok(Observed {
            id: id.to_owned(),
            creation_token: found.creation_token().to_owned(),
            state: found.life_cycle_state().clone(),
            encrypted: found.encrypted() == Some(true),
            transitions: lifecycle.lifecycle_policies.unwrap_or_default(),
            backed_up: backed_up?,
            tags: found
                .tags()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                .collect(),
        })
    }

    /// EFS marks with a tag what it backs up; what lacks it may be about to be.
    /// Source: EFS User Guide, "Managing automatic backups of EFS file systems".
    async fn is_backed_up(&self, found: &FileSystemDescription) -> Result<bool, CallError> {
        let is_mark = |tag: &Tag| {
            tag.key() == "aws:elasticfilesystem:default-backup" && tag.value() == "enabled"
        };
        if found.tags().iter().any(is_mark) {
            return Ok(true);
        }
        let id = found.file_system_id();
        let request = self.session.efs().describe_backup_policy();
        let sent = request.file_system_id(id).send().await;
        // Without a policy there are no backups.
        let answer = sent
            .doing(|| format!("reading the backup policy of file system {id}"))
            .or_absent()?;
        let policy = answer.and_then(|answer| answer.backup_policy);
        Ok(policy.is_some_and(|p| matches!(p.status, Status::Enabled | Status::Enabling)))
    }

    /// Creates the file system, or finds it made by an attempt whose answer was lost: a creation
    /// token makes one file system, however often it is used.
    async fn create(&self, progress: &Progress) -> Result<String, Error> {
        let name = &self.wanted.name;
        let doing = || format!("creating file system {name}");
        let tags = efs_tags(&tags::made(&self.wanted.all_tags()), doing)?;
        let create = || async {
            let created = self
                .session
                .efs()
                .create_file_system()
                .creation_token(name)
                .encrypted(true)
                .backup(true)
                .set_tags(Some(tags.clone()))
                .send()
                .await
                .doing(doing);
            match created {
                Ok(made) => Ok(State::Done(made.file_system_id)),
                Err(error) if error.has_code(&["FileSystemAlreadyExists"]) => {
                    Ok(match self.find().await? {
                        Some(found) => State::Done(found.file_system_id),
                        None => State::UnderWay("waiting until its predecessor is gone".to_owned()),
                    })
                }
                Err(error) => Err(error.into()),
            }
        };
        self.polling
            .until(&format!("file system {name}"), DEADLINE, progress, create)
            .await
    }

    /// Sets the move to infrequent access and keeps what else is set: a lifecycle is put whole.
    async fn put_lifecycle(&self, id: &str, observed: Option<&Observed>) -> Result<(), Error> {
        let others = observed
            .iter()
            .flat_map(|is| &is.transitions)
            .filter(|policy| policy.transition_to_ia().is_none())
            .cloned();
        let to_ia = LifecyclePolicy::builder().transition_to_ia(TO_IA).build();
        self.session
            .efs()
            .put_lifecycle_configuration()
            .file_system_id(id)
            .set_lifecycle_policies(Some(others.chain([to_ia]).collect()))
            .send()
            .await
            .doing(|| format!("setting the lifecycle of file system {id}"))?;
        Ok(())
    }

    async fn put_backup(&self, id: &str) -> Result<(), Error> {
        let doing = || format!("setting the backup policy of file system {id}");
        let policy = BackupPolicy::builder()
            .status(Status::Enabled)
            .build()
            .map_err(|error| malformed(doing(), &error))?;
        self.session
            .efs()
            .put_backup_policy()
            .file_system_id(id)
            .backup_policy(policy)
            .send()
            .await
            .doing(doing)?;
        Ok(())
    }

    async fn tag(&self, id: &str) -> Result<(), Error> {
        let doing = || format!("tagging file system {id}");
        self.session
            .efs()
            .tag_resource()
            .resource_id(id)
            .set_tags(Some(efs_tags(&self.wanted.all_tags(), doing)?))
            .send()
            .await
            .doing(doing)?;
        Ok(())
    }

    async fn until_available(&self, progress: &Progress) -> Result<FileSystemDescription, Error> {
        let what = format!("file system {}", self.wanted.name);
        self.polling
            .until(&what, DEADLINE, progress, || async {
                let Some(found) = self.find().await? else {
                    return Ok(State::UnderWay("unknown to EFS".to_owned()));
                };
                match found.life_cycle_state() {
                    LifeCycleState::Available => Ok(State::Done(found)),
                    LifeCycleState::Error => Err(broken(found.file_system_id())),
                    state => Ok(State::UnderWay(state.as_str().to_owned())),
                }
            })
            .await
    }
}

fn efs_tags(tags: &Tags, doing: impl Fn() -> String) -> Result<Vec<Tag>, Error> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(doing(), &error))
}

fn malformed(doing: String, error: &dyn std::error::Error) -> Error {
    Error::new(doing, error.to_string(), "report this as a bug")
}

fn broken(id: &str) -> Error {
    Error::new(
        format!("looking at file system {id}"),
        "EFS says that it is in the state error",
        "ask AWS support whether its data can be saved; only then delete it and run again",
    )
}

/// The file system that psk made, known by its creation token, else the only one of that name.
fn choose<'a>(
    name: &str,
    all: &'a [FileSystemDescription],
) -> Result<Option<&'a FileSystemDescription>, Error> {
    let is_there = |fs: &FileSystemDescription| {
        !matches!(
            fs.life_cycle_state(),
            LifeCycleState::Deleting | LifeCycleState::Deleted
        )
    };
    let is_named = |fs: &FileSystemDescription| {
        fs.tags()
            .iter()
            .any(|tag| tag.key() == "Name" && tag.value() == name)
    };
    let mut candidates = Vec::new();
    for file_system in all.iter().filter(|fs| is_there(fs)) {
        if file_system.creation_token() == name {
            return Ok(Some(file_system));
        }
        if is_named(file_system) {
            candidates.push(file_system);
        }
    }
    if candidates.len() > 1 {
        let mut ids: Vec<_> = candidates.iter().map(|fs| fs.file_system_id()).collect();
        ids.sort_unstable();
        return Err(Error::new(
            format!("looking for file system {name}"),
            format!("several have the tag Name={name}: {}", ids.join(", ")),
            "leave the tag on the one that the cluster's storage class names",
        ));
    }
    Ok(candidates.pop())
}

fn diff(wanted: &Wanted, observed: Option<&Observed>) -> Result<Diff, Error> {
    let tags = wanted.all_tags();
    let Some(is) = observed else {
        return Ok(Diff::create()
            .known_after_apply("id")
            .attribute("encrypted", None::<()>, true)
            .attribute("transition_to_ia", None::<()>, TO_IA.as_str())
            .attribute("backup", None::<()>, true)
            .with(|diff| tags::diff(diff, None, &tags))
            .build());
    };
    if is.state == LifeCycleState::Error {
        return Err(broken(&is.id));
    }
    if !is.encrypted {
        return Err(Error::new(
            format!("planning file system {}", is.id),
            "it isn't encrypted, and EFS can't encrypt a file system that exists",
            format!(
                "copy its data elsewhere and take the tag Name={} from it: psk then makes an \
                 encrypted one to copy the data into",
                wanted.name
            ),
        ));
    }
    let to_ia = is.transitions.iter().find_map(|t| t.transition_to_ia());
    Ok(Diff::update()
        .attribute(
            "transition_to_ia",
            to_ia.map(|rule| rule.as_str()),
            TO_IA.as_str(),
        )
        .attribute("backup", Some(is.backed_up), true)
        .with(|diff| tags::diff(diff, Some(&is.tags), &tags))
        .build())
}

#[cfg(test)]
mod tests;
