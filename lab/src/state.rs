//! Keeps the world in a directory between runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::world::World;

/// The file's name in the directory.
const FILE: &str = "world.json";

/// The world can't be kept or found again.
#[derive(Debug, Error)]
pub enum StateError {
    /// A file or directory can't be read or written.
    #[error("can't {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The world can't be written as JSON.
    #[error("can't write the world as JSON: {source}")]
    Unwritable {
        /// Why.
        source: serde_json::Error,
    },
    /// The file isn't a world, or one of another version of the lab.
    #[error(
        "{} doesn't hold a world that this version of the lab understands: {source}; \
         delete it to begin anew",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// The world that was kept in a directory, if there is one.
///
/// # Errors
/// If it can't be read.
pub fn load(directory: &Path) -> Result<Option<World>, StateError> {
    let path = directory.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| StateError::Unreadable { path, source }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Io {
            doing: "read",
            path,
            source,
        }),
    }
}

/// Keeps a world in a directory, which is made if need be. The file is replaced as a whole, so
/// that a process that dies leaves the old or the new one; only its owner may read it, since it
/// holds keys and vault items.
///
/// # Errors
/// If it can't be written.
pub fn save(directory: &Path, world: &[u8]) -> Result<(), StateError> {
    let path = directory.join(FILE);
    let io = |doing| {
        let path = path.clone();
        move |source| StateError::Io {
            doing,
            path,
            source,
        }
    };
    std::fs::create_dir_all(directory).map_err(io("make the directory of"))?;
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(io("write"))?;
    file.write_all(world).map_err(io("write"))?;
    file.persist(&path)
        .map_err(|error| io("replace")(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_world_is_found_again_and_is_its_owners() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("new");
        assert!(load(&place).unwrap().is_none());

        let mut world = World::empty(Timestamp::UNIX_EPOCH, [1; 32]);
        world.ec2("111122223333", "us-east-1");
        save(&place, &serde_json::to_vec(&world).unwrap()).unwrap();

        let found = load(&place).unwrap().unwrap();
        assert_eq!(
            serde_json::to_value(found).unwrap(),
            serde_json::to_value(world).unwrap()
        );
        let mode = std::fs::metadata(place.join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(&place).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn what_is_no_world_is_refused_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), "{}").unwrap();
        let error = load(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains("missing field") && error.ends_with("to begin anew"),
            "{error}"
        );
    }
}
