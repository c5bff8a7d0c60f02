//! Running other programs. Passed in, so that a test can stand in for git and the like.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use tokio::process::Command;

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program, found on the path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// How a program ended and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its standard output; bytes that aren't UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

/// Runs programs to their end, without input. One that no one waits for any more is killed.
pub type Processes =
    Arc<dyn Fn(Invocation) -> BoxFuture<'static, io::Result<Finished>> + Send + Sync>;

/// The operating system's own.
pub fn of_system() -> Processes {
    Arc::new(|invocation| {
        async move {
            let output = Command::new(&invocation.program)
                .args(&invocation.args)
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output()
                .await?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(Finished {
                success: output.status.success(),
                stdout: text(&output.stdout),
                stderr: text(&output.stderr),
            })
        }
        .boxed()
    })
}
