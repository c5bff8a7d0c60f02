//! Telling people and machines what a run does and did. A run is one stream of events; everything
//! here is a [`Listener`] on it. To add an output sink is to write one listener.
//!
//! | listener | for whom | when | where |
//! | --- | --- | --- | --- |
//! | [`Terminal`] | a person who watches | live | standard error |
//! | [`Lines`] | a CI log | as clusters start and end | any writer |
//! | [`Summary`] | a person who wants the result | at the end | any writer |
//! | [`Json`] | a program | at the end | any writer |
//! | [`ReportFile`] | a program, later | at the end | a file |
//! | [`Junit`] | a CI system's page of test results | at the end | a file |
//! | [`SlackMessage`] | people in a channel | live, changed in place | Slack |
//! | [`Traces`] | who looks at traces | at the end | a collector |
//! | [`GitHub`] | GitHub Actions' pages, and later steps | at the end | the files that it names |
//!
//! [`drive`] reads the stream and feeds them. What all but the first two tell is a [`Report`], which
//! [`Aggregate`] makes of the events.

mod aggregate;
mod alike;
mod document;
mod file;
mod gate;
mod github;
mod json;
mod junit;
mod lines;
mod listener;
mod release;
mod screen;
mod slack;
pub mod statuses;
mod summary;
mod table;
mod terminal;
#[cfg(test)]
mod testing;
mod traces;
mod words;

pub use aggregate::{Aggregate, ClusterState, Tally};
pub use document::{
    ClusterReport, OutcomeKind, REPORT_SCHEMA_VERSION, Report, Run, StepReport, Totals,
};
pub use file::ReportFile;
pub use gate::lines as gate_lines;
pub use github::GitHub;
pub use json::Json;
pub use junit::Junit;
pub use lines::{Groups, Lines};
pub use listener::{Listener, ReportError, drive};
pub use release::{Content as ReleaseContent, GitHubRelease};
pub use slack::{About as SlackAbout, SlackMessage};
pub use summary::Summary;
pub use terminal::{Size, Terminal};
pub use traces::{TraceSettings, Traces};
