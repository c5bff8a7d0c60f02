//! Running other programs. Passed in, so that a test can stand in for git and the like.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::env::Env;

/// A program, its arguments, and what it is given besides.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// The program, found on the path.
    pub program: String,
    /// Its arguments. Whoever may list processes sees them: no place for a secret.
    pub args: Vec<String>,
    /// Its environment; psk's own where there is none.
    pub env: Option<Env>,
    /// Its standard input.
    pub input: Option<SecretString>,
}

/// How a program ended and what it said.
#[derive(Clone, PartialEq, Eq)]
pub struct Finished {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its standard output; bytes that aren't UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error, likewise.
    pub stderr: String,
}

/// Without what it printed, which may be secret.
impl std::fmt::Debug for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let success = self.success;
        f.debug_struct("Finished")
            .field("success", &success)
            .finish_non_exhaustive()
    }
}

/// Runs programs to their end. One that no one waits for any more is killed.
pub type Processes =
    Arc<dyn Fn(Invocation) -> BoxFuture<'static, io::Result<Finished>> + Send + Sync>;

/// The operating system's own.
pub fn of_system() -> Processes {
    Arc::new(|invocation| {
        async move {
            let mut command = Command::new(&invocation.program);
            command.args(&invocation.args).kill_on_drop(true);
            if let Some(env) = &invocation.env {
                command.env_clear().envs(env.iter());
            }
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let output = match invocation.input {
                None => command.stdin(Stdio::null()).output().await?,
                Some(input) => {
                    let mut child = command.stdin(Stdio::piped()).spawn()?;
                    let stdin = child.stdin.take();
                    let write = async {
                        if let Some(mut stdin) = stdin {
                            let written = stdin.write_all(input.expose_secret().as_bytes());
                            // A program that doesn't read to the end says itself what is wrong.
                            drop(written.await);
                        }
                    };
                    let ((), output) = tokio::join!(write, child.wait_with_output());
                    output?
                }
            };
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
