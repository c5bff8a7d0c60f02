//! `--report FILE`: the report as a JSON file that is either whole or not there.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tempfile::NamedTempFile;

use super::aggregate::Aggregate;
use super::document::Report;
use super::json;
use super::listener::{Listener, ReportError};
use crate::event::Stamped;

/// Writes the report to a file when the run ends.
pub struct ReportFile {
    path: PathBuf,
    aggregate: Aggregate,
}

impl ReportFile {
    /// Prepares for writing to `path`: makes its directory where there is none and tries whether
    /// a file can be made there, so that a long run doesn't end without its report.
    ///
    /// # Errors
    /// The directory can't be made, or no file in it.
    pub fn prepare(path: impl Into<PathBuf>) -> Result<Self, ReportError> {
        let file = Self {
            path: path.into(),
            aggregate: Aggregate::default(),
        };
        if file.path.is_dir() {
            return Err(file.error("looking for a place", io::ErrorKind::IsADirectory.into()));
        }
        fs::create_dir_all(file.directory())
            .map_err(|source| file.error("creating the directory", source))?;
        file.temporary()?;
        Ok(file)
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// A temporary file beside the final one, which a rename can put in its place.
    fn temporary(&self) -> Result<NamedTempFile, ReportError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".psk-report-");
        // As open as the user's umask allows, like any file a tool writes; the report is no secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder
            .tempfile_in(self.directory())
            .map_err(|source| self.error("creating a temporary file", source))
    }

    fn write(&self, report: &Report) -> Result<(), ReportError> {
        let file = self.temporary()?;
        let mut out = BufWriter::new(&file);
        json::write(report, &mut out)
            .and_then(|()| out.flush())
            .map_err(|source| self.error("writing a temporary file", source))?;
        drop(out);
        file.persist(&self.path)
            .map_err(|failed| self.error("renaming a temporary file", failed.error))?;
        Ok(())
    }

    fn error(&self, doing: &'static str, source: io::Error) -> ReportError {
        ReportError::File {
            path: self.path.clone(),
            doing,
            source,
        }
    }
}

#[async_trait]
impl Listener for ReportFile {
    fn on(&mut self, event: &Stamped) {
        self.aggregate.on(event);
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        self.aggregate
            .report()
            .map_or(Ok(()), |report| self.write(&report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn run(path: &Path) -> Result<(), ReportError> {
        let mut file = ReportFile::prepare(path)?;
        testing::all_outcomes()
            .iter()
            .for_each(|event| file.on(event));
        futures::executor::block_on(file.finish())
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_file_is_whole_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("artifacts/psk/report.json");
        run(&path).unwrap();
        let report: Report = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(report, testing::report(&testing::all_outcomes()));
        assert_eq!(names(path.parent().unwrap()), ["report.json"]);
    }

    #[test]
    fn an_older_report_is_replaced_only_by_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report.json");
        fs::write(&path, "old").unwrap();
        let mut file = ReportFile::prepare(&path).unwrap();
        futures::executor::block_on(file.finish()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        run(&path).unwrap();
        assert_ne!(fs::read_to_string(&path).unwrap(), "old");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_as_readable_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("report.json"), dir.path().join("other"));
        run(&path).unwrap();
        fs::write(&other, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&other));
    }

    #[test]
    fn a_place_that_can_not_hold_it_is_told_before_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let path = file.join("report.json");
        let error = ReportFile::prepare(&path).err().unwrap().to_string();
        let start = format!(
            "creating the directory for the report file {} failed: ",
            path.display()
        );
        assert!(error.starts_with(&start), "{error}");
        assert!(error.ends_with("give --report a path in a directory that can be written to"));
        let error = ReportFile::prepare(dir.path()).err().unwrap().to_string();
        assert!(error.contains("looking for a place"), "{error}");
    }
}
