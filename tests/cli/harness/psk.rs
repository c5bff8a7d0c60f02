//! Runs the binary, and searches all that it says and writes for what it must not.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use psk_lab::plausible::plausible;
use serde_json::Value as Json;

use super::files::{Files, contents};
use super::world::Served;

/// What [`super::world_of`] plants in the place of every secret of a vault.
pub(crate) const CANARY: &str = "canary-8c1f5e0b";

/// The secrets that the inventories refer to. With `--lab`, their values are the lab's own.
const SECRETS: [(&str, &str); 4] = [
    ("svc-auth0", "pskctl-cli-client-id"),
    ("svc-auth0", "dev-pskctl-cli-client-id"),
    ("svc-psk", "promotion-key"),
    ("svc-slack", "post-bot-token"),
];

/// Far more than any run here takes. A run that hangs is ended, so that its test fails and ends.
const HANGS: Duration = Duration::from_secs(60);

/// Where this repository is, whose own inventory psk is run with unless a test says another.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command line of psk.
pub(crate) struct Psk<'a> {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    root: PathBuf,
    written: Vec<PathBuf>,
    secrets: Vec<String>,
    open_files: Option<u32>,
    lab: Option<&'a Served>,
}

/// psk with these arguments, in this repository, with next to nothing in its environment.
pub(crate) fn psk<const N: usize>(args: [&str; N]) -> Psk<'static> {
    let secrets = SECRETS.map(|(item, field)| plausible("empc-lab", item, field));
    Psk {
        args: args.map(str::to_owned).into(),
        env: BTreeMap::from([
            ("PATH".to_owned(), path()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ]),
        root: repository().to_owned(),
        written: Vec::new(),
        secrets: secrets.into_iter().chain([CANARY.to_owned()]).collect(),
        open_files: None,
        lab: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "psk runs git, wherever that is")]
fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

impl<'a> Psk<'a> {
    /// With one more argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<Path>) -> Self {
        self.args.push(arg.as_ref().display().to_string());
        self
    }

    /// Run where that inventory is. What it writes there is searched.
    pub(crate) fn at(mut self, files: &Files) -> Self {
        self.root = files.root().to_owned();
        self.writing(files.root())
    }

    /// With what psk writes into that directory searched too.
    pub(crate) fn writing(mut self, directory: &Path) -> Self {
        self.written.push(directory.to_owned());
        self
    }

    /// With that variable set.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Without that variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// With the environment pointing at a world. Its keys and tokens must be told nowhere.
    pub(crate) fn inside(mut self, lab: &'a Served) -> Self {
        self.env.extend(lab.exports_of_a_job());
        self.env
            .insert("PSK_POLL_INTERVAL".to_owned(), "0.05".to_owned());
        self.lab = Some(lab);
        self
    }

    /// With no more than this many files open at once.
    pub(crate) fn open_files(mut self, most: u32) -> Self {
        self.open_files = Some(most);
        self
    }

    /// With one more text that must be told nowhere.
    pub(crate) fn hiding(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Run {
        let mut command = assert_cmd::Command::from_std(self.command());
        let before = self.files();
        let output = command.timeout(HANGS).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let run = Run {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        self.assert_no_canary(&run, &before);
        run
    }

    /// Starts it and lets it run.
    pub(crate) fn start(self) -> Running<'a> {
        let before = self.files();
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (stderr, reader) = Told::read(child.stderr.take().unwrap());
        Running {
            watchdog: Watchdog::of(child.id()),
            child,
            stdout,
            stderr,
            reader,
            psk: self,
            before,
        }
    }

    fn command(&self) -> Command {
        let psk = assert_cmd::cargo::cargo_bin!("psk");
        let mut command = match self.open_files {
            None => Command::new(psk),
            Some(most) => {
                let mut shell = Command::new("sh");
                let limited = format!("ulimit -n {most} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(limited).arg(psk);
                shell
            }
        };
        command
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.root)
            .stdin(Stdio::null());
        command
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.written.iter().flat_map(|dir| contents(dir)).collect()
    }

    /// Nothing that was printed, and no file that was written since `before`, holds a secret.
    fn assert_no_canary(&self, run: &Run, before: &BTreeMap<PathBuf, Vec<u8>>) {
        let mut told = vec![
            ("stdout".to_owned(), run.stdout.clone()),
            ("stderr".to_owned(), run.stderr.clone()),
        ];
        for (path, bytes) in self.files() {
            if before.get(&path) != Some(&bytes) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                told.push((path.display().to_string(), text));
            }
        }
        let keys = self.lab.map(Served::secrets).unwrap_or_default();
        let secrets: Vec<_> = self.secrets.iter().chain(&keys).collect();
        for (place, text) in &told {
            let found = secrets.iter().find(|secret| text.contains(**secret));
            assert_eq!(found, None, "a secret stands in {place}:\n{text}");
        }
    }
}

/// What was printed so far on a stream that is read as it comes.
#[derive(Default)]
struct Told {
    text: Mutex<String>,
    more: Condvar,
}

impl Told {
    /// Reads a stream to its end, on a thread of its own.
    fn read(stream: ChildStderr) -> (Arc<Self>, JoinHandle<()>) {
        let told = Arc::<Self>::default();
        let reader = {
            let told = told.clone();
            move || {
                for line in BufReader::new(stream).lines() {
                    let mut text = told.text.lock().unwrap();
                    text.push_str(&line.unwrap());
                    text.push('\n');
                    told.more.notify_all();
                }
            }
        };
        (told, std::thread::spawn(reader))
    }
}

/// Ends a process that hangs, or that a failed test leaves behind.
struct Watchdog {
    ended: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Watchdog {
    fn of(process: u32) -> Self {
        let (ended, end) = mpsc::channel();
        let watch = move || {
            if end.recv_timeout(HANGS).is_err() {
                let kill = format!("kill -KILL {process}");
                drop(Command::new("sh").args(["-c", &kill]).status());
            }
        };
        let thread = std::thread::spawn(watch);
        Self { ended, thread }
    }

    /// The process has ended by itself, or has been ended.
    fn dismiss(self) {
        let _killed_already = self.ended.send(());
        self.thread.join().unwrap();
    }
}

/// psk under way.
pub(crate) struct Running<'a> {
    watchdog: Watchdog,
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Arc<Told>,
    reader: JoinHandle<()>,
    psk: Psk<'a>,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

impl Running<'_> {
    /// Sends it a signal (`INT`).
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}");
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it as it stands, by SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.watchdog.dismiss();
        self.reader.join().unwrap();
    }

    /// The next line that it prints on standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until it has printed that on standard error.
    pub(crate) fn wait_for(&self, text: &str) {
        let told = self.stderr.text.lock().unwrap();
        let missing = |told: &mut String| !told.contains(text);
        let (told, waited) = self
            .stderr
            .more
            .wait_timeout_while(told, HANGS, missing)
            .unwrap();
        assert!(!waited.timed_out(), "no {text:?} in {told}");
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Run {
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let status: ExitStatus = self.child.wait().unwrap();
        self.watchdog.dismiss();
        self.reader.join().unwrap();
        let run = Run {
            code: status.code(),
            stdout,
            stderr: self.stderr.text.lock().unwrap().clone(),
        };
        self.psk.assert_no_canary(&run, &self.before);
        run
    }
}

/// How a run of psk ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Run {
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The run, after it has been made sure that it ended like that.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "{stdout}\n{stderr}");
        self
    }

    /// What it said as it refused: nothing on standard output, all on standard error.
    #[track_caller]
    pub(crate) fn refused(self, code: i32) -> String {
        let run = self.ended(code);
        assert_eq!(run.stdout, "", "nothing is printed as if it were a result");
        run.stderr
    }

    /// The report, which is all there is on standard output.
    #[track_caller]
    pub(crate) fn report(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Each cluster in the report and how it ended, in the report's order.
    #[track_caller]
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let report = self.report();
        let clusters = report["clusters"].as_array().unwrap();
        let outcome = |cluster: &Json| {
            let text = |key: &str| cluster[key].as_str().unwrap().to_owned();
            format!("{} {}", text("name"), text("outcome"))
        };
        clusters.iter().map(outcome).collect()
    }

    /// What the report says of one cluster.
    #[track_caller]
    pub(crate) fn cluster(&self, name: &str) -> Json {
        let report = self.report();
        let clusters = report["clusters"].as_array().unwrap();
        let found = clusters.iter().find(|cluster| cluster["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    }
}
