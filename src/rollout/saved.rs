//! A plan in a file, so that what is applied is what was reviewed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::reconcile::Fingerprint;
use crate::reconcile::plan::Plan;

mod moved;

pub use moved::{Moved, moved};

/// Version of the file's form. It rises with every change to it: what is applied isn't guessed at.
pub const SAVED_PLAN_SCHEMA_VERSION: u32 = 1;

/// The plans of one run, and what they were made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// Version of this form; psk reads no other than its own.
    pub schema_version: u32,
    /// Version of the psk that made it.
    pub psk_version: String,
    /// When it was made.
    pub saved_at: Timestamp,
    /// The role (release tier) that was planned.
    pub role: String,
    /// The one cluster that was planned; null where all of the role were.
    pub cluster: Option<String>,
    /// The commit that is rolled out, as a full SHA; null where none is known.
    pub commit: Option<String>,
    /// The tag that is rolled out; null where there is none.
    pub tag: Option<String>,
    /// Digest of the inventory, secrets excluded.
    pub inventory_digest: String,
    /// Why clusters are upgraded although EKS's insights speak against it; null where they aren't.
    pub force_upgrade: Option<String>,
    /// Every cluster that was planned.
    pub clusters: Vec<SavedCluster>,
}

/// One cluster's plan, and what tells later whether the cluster has moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedCluster {
    /// What is to change.
    pub plan: Plan,
    /// A digest of each setting, secrets excluded, by its key.
    pub settings: BTreeMap<String, String>,
    /// What was found of each resource, as digests.
    pub found: Vec<Fingerprint>,
}

/// Why a saved plan can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// The file system refuses.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// It isn't what psk writes.
    #[error("{} is no plan that psk has saved, or is damaged: {why}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another version of psk made it.
    #[error("{} has the form of version {version}, and this psk reads version {SAVED_PLAN_SCHEMA_VERSION}", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
}

impl SavedPlanError {
    /// What to do next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Io { .. } => "give the path of a file that can be read or written",
            Self::Malformed { .. } => "save the plan again with psk plan --out FILE",
            Self::Version { .. } => "save the plan again with this psk",
        }
    }
}

impl SavedPlan {
    /// Tries whether a plan could be written there, so that planning isn't in vain.
    ///
    /// # Errors
    /// It couldn't.
    pub fn prepare(path: &Path) -> Result<(), SavedPlanError> {
        let failed = |source| SavedPlanError::Io {
            doing: "making a place for the plan",
            path: path.to_owned(),
            source,
        };
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        tempfile::NamedTempFile::new_in(directory(path)).map_err(failed)?;
        Ok(())
    }

    /// Writes it as a file that only its owner may read, whole or not at all.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self, path: &Path) -> Result<(), SavedPlanError> {
        let failed = |source| SavedPlanError::Io {
            doing: "writing the plan to",
            path: path.to_owned(),
            source,
        };
        // Such a file is its owner's alone.
        let mut file = tempfile::NamedTempFile::new_in(directory(path)).map_err(failed)?;
        serde_json::to_writer_pretty(&mut file, self).map_err(|error| failed(error.into()))?;
        writeln!(file).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Reads one that was written.
    ///
    /// # Errors
    /// It can't be read, isn't a saved plan, or is one of another version.
    pub fn read(path: &Path) -> Result<Self, SavedPlanError> {
        let text = fs::read(path).map_err(|source| SavedPlanError::Io {
            doing: "reading the plan",
            path: path.to_owned(),
            source,
        })?;
        let malformed = |why: String| SavedPlanError::Malformed {
            path: path.to_owned(),
            why,
        };
        let value: Value =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        let version = value.get("schema_version").and_then(Value::as_u64);
        let is_saved_plan = value.get("psk_version").is_some();
        match version.filter(|_| is_saved_plan) {
            None => return Err(malformed("it doesn't say its version".to_owned())),
            Some(version) if version != u64::from(SAVED_PLAN_SCHEMA_VERSION) => {
                let path = path.to_owned();
                return Err(SavedPlanError::Version { path, version });
            }
            Some(_) => {}
        }
        // Read once more from the text, so that what is wrong is told by its place.
        serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))
    }
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> SavedPlan {
        SavedPlan {
            schema_version: SAVED_PLAN_SCHEMA_VERSION,
            psk_version: "0.1.0".into(),
            saved_at: Timestamp::UNIX_EPOCH,
            role: "qa".into(),
            cluster: None,
            commit: None,
            tag: None,
            inventory_digest: "d".into(),
            force_upgrade: None,
            clusters: Vec::new(),
        }
    }

    #[test]
    fn the_published_schema_is_fresh() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/plan.schema.json");
        let schema = schemars::schema_for!(SavedPlan);
        let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let published = fs::read_to_string(&path).unwrap_or_default();
        if published != fresh {
            fs::write(&path, fresh).unwrap();
            panic!(
                "docs/schema/plan.schema.json was stale; it is written anew: look at it and commit it"
            );
        }
    }

    #[test]
    fn it_survives_its_file_and_only_its_owner_may_read_that() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        fs::write(&path, "older").unwrap();
        SavedPlan::prepare(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "older");
        plan().write(&path).unwrap();
        assert_eq!(SavedPlan::read(&path).unwrap(), plan());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_saved_plan_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        let told = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = SavedPlan::read(&path).unwrap_err();
            let told = error
                .to_string()
                .replace(&path.display().to_string(), "FILE");
            format!("{told}; {}", error.next())
        };
        let again = "save the plan again with psk plan --out FILE";
        let damaged = "FILE is no plan that psk has saved, or is damaged: ";
        assert_eq!(
            told("{\"schema_version\": 1,"),
            format!("{damaged}EOF while parsing a value at line 1 column 21; {again}")
        );
        assert_eq!(
            told("{}"),
            format!("{damaged}it doesn't say its version; {again}")
        );
        assert_eq!(
            told(r#"{"psk_version": "9", "schema_version": 7, "more": 1}"#),
            "FILE has the form of version 7, and this psk reads version 1; save the plan again with this psk"
        );
        let text = serde_json::to_string(&plan()).unwrap();
        let changed = text.replace("\"clusters\"", "\"cluster_list\"");
        assert!(told(&changed).contains("unknown field `cluster_list`"));
        assert!(SavedPlan::read(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_place_that_can_not_hold_it_is_told_before_planning() {
        let dir = tempfile::tempdir().unwrap();
        assert!(SavedPlan::prepare(dir.path()).is_err());
        assert!(SavedPlan::prepare(&dir.path().join("none/plan.json")).is_err());
    }
}
