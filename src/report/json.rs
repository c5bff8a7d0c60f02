//! `--output json`: the report as JSON, and nothing else, on one stream.

use std::io::Write;

use async_trait::async_trait;

use super::aggregate::Aggregate;
use super::document::Report;
use super::listener::{Listener, ReportError};
use crate::event::Stamped;

/// Writes the report as JSON when the run ends.
pub struct Json<W> {
    out: W,
    aggregate: Aggregate,
}

impl<W: Write + Send> Json<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            aggregate: Aggregate::default(),
        }
    }
}

#[async_trait]
impl<W: Write + Send> Listener for Json<W> {
    fn on(&mut self, event: &Stamped) {
        self.aggregate.on(event);
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        let Some(report) = self.aggregate.report() else {
            return Ok(());
        };
        let written = write(&report, &mut self.out).and_then(|()| self.out.flush());
        written.map_err(|source| ReportError::Write {
            what: "report",
            source,
        })
    }
}

/// The report as indented JSON, ending in a line break.
pub(super) fn write(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn written(events: &[Stamped]) -> String {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        events.iter().for_each(|event| json.on(event));
        futures::executor::block_on(json.finish()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_report_is_all_there_is() {
        let text = written(&testing::all_outcomes());
        let report: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(report, testing::report(&testing::all_outcomes()));
    }

    #[test]
    fn a_run_that_never_started_writes_nothing() {
        assert_eq!(written(&[]), "");
    }

    #[test]
    fn a_broken_stream_is_told() {
        let mut json = Json::new(testing::Broken);
        testing::empty().iter().for_each(|event| json.on(event));
        let error = futures::executor::block_on(json.finish()).unwrap_err();
        assert_eq!(error.to_string(), "writing the report failed: broken pipe");
    }
}
