//! How a run is told on its own machine: on the terminal or in the CI job's log, and in files.

use std::io;
use std::path::PathBuf;

use super::{Context, Error};
use crate::report::{GitHub, Groups, Json, Junit, Lines, Listener, ReportFile, Summary, Terminal};

/// How a run is told.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// What is printed on standard output: text for people or the report as JSON.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Output,
    /// Also write the report there, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Also write the run there as JUnit: a suite for each cluster, a case for each step.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// Plans and a table.
    #[default]
    Text,
    /// The report.
    Json,
}

impl ReportArgs {
    /// The listeners that these arguments, the terminal and the environment ask for.
    pub(super) fn listeners(
        &self,
        promotion: String,
        context: &Context,
    ) -> Result<Vec<Box<dyn Listener>>, Error> {
        let (out, err) = (context.stdout_style(), context.stderr_style());
        let mut listeners: Vec<Box<dyn Listener>> = Vec::new();
        if context.is_watched() {
            listeners.push(Box::new(Terminal::on_stderr(err)));
        } else if context.env.flag("GITHUB_ACTIONS") {
            listeners.push(Box::new(Lines::new(io::stderr(), Groups::GitHub, err)));
        } else {
            listeners.push(Box::new(Lines::new(io::stderr(), Groups::Indented, err)));
        }
        match self.output {
            Output::Text => listeners.push(Box::new(Summary::new(io::stdout(), out))),
            Output::Json => listeners.push(Box::new(Json::new(io::stdout()))),
        }
        if let Some(path) = &self.report {
            let file = ReportFile::prepare(path).map_err(|e| Error::usage(e.to_string(), ""))?;
            listeners.push(Box::new(file));
        }
        if let Some(path) = &self.junit {
            listeners.push(Box::new(Junit::new(path)));
        }
        if context.env.flag("GITHUB_ACTIONS") {
            let (env, report) = (&context.env, self.report.clone());
            listeners.push(Box::new(GitHub::new(io::stderr(), env, report, promotion)));
        }
        Ok(listeners)
    }
}
