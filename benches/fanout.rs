//! Measures how a fan-out grows with its clusters, through the binary and against the lab.
//!
//! One inventory holds a role of one cluster and a role of two hundred, over several accounts and
//! regions, and every call takes 50 ms longer. The lab is served beside the runs that are timed, and one
//! run goes before them, so that all clusters are there and at rest as a fleet is; it shares the machine
//! with them all the same. Then the newcomer's command is timed, with its lab in the same process.
//!
//! ```text
//! cargo bench --bench fanout                     # prints the figures
//! cargo bench --bench fanout -- --enforce        # and fails beyond the limits
//! cargo bench --bench fanout --profile dev       # the same for a debug build
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use psk::report::Report;

/// Each figure is the median of this many runs.
const RUNS: usize = 7;
const CLUSTERS: usize = 200;
const ACCOUNTS: [&str; 4] = [
    "111122223333",
    "444455556666",
    "777788889999",
    "123456789012",
];
const REGIONS: [&str; 6] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-southeast-2",
];
const LATENCY_MS: &str = "50";
/// The last line that `psk lab up` prints sets this.
const LAST_EXPORT: &str = "PSK_HELM";

/// How many times as long as one cluster all of them may take.
const LIMIT: f64 = 1.5;
/// How long the newcomer's command may take.
const NEWCOMER_LIMIT: Duration = if cfg!(debug_assertions) {
    Duration::from_secs(2)
} else {
    Duration::from_millis(500)
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let enforce = std::env::args().any(|argument| argument == "--enforce");
    let within = growth()? & newcomer()?;
    Ok(if within || !enforce {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Compares a role of one cluster with one of many; tells whether the ratio is within its limit.
fn growth() -> Result<bool, Box<dyn Error>> {
    let root = tempfile::tempdir()?;
    write_inventory(root.path())?;
    let lab = Lab::up(root.path())?;
    fanout(&lab, root.path(), "one")?;
    fanout(&lab, root.path(), "many")?;
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        // In turns, so that whatever else the machine does meets both alike.
        one.push(fanout(&lab, root.path(), "one")?);
        many.push(fanout(&lab, root.path(), "many")?);
    }
    drop(lab);
    let (one, many) = (median(one)?, median(many)?);
    println!(
        "{CLUSTERS} clusters over {} accounts and {} regions, {LATENCY_MS} ms on every call, \
         {} cores, median of {RUNS} runs:",
        ACCOUNTS.len(),
        REGIONS.len(),
        std::thread::available_parallelism()?,
    );
    for (name, run) in [("1 cluster", &one), ("200 clusters", &many)] {
        println!(
            "  {name:<12}  {:.2} s, of which {:.2} s from first cluster to last; {} calls, {} deep",
            run.wall.as_secs_f64(),
            run.working.as_secs_f64(),
            run.calls,
            run.longest_chain,
        );
    }
    let ratio = many.wall.as_secs_f64() / one.wall.as_secs_f64();
    println!(
        "{CLUSTERS} clusters take {ratio:.2} times what 1 takes; the limit is {LIMIT}.\n\
         One after another they would take about {:.0} times as long.",
        one.working.as_secs_f64() * CLUSTERS as f64 / many.wall.as_secs_f64(),
    );
    Ok(ratio < LIMIT)
}

/// Times the command that a newcomer runs first, on this repository's own inventory.
fn newcomer() -> Result<bool, Box<dyn Error>> {
    let mut walls = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        succeed(psk(root, "nonprod").arg("--lab"))?;
        walls.push(began.elapsed());
    }
    walls.sort();
    let wall = walls[RUNS / 2];
    println!(
        "\npsk fanout --role nonprod --dry-run --lab takes {:.2} s as a {} build; the limit is {:.1} s.",
        wall.as_secs_f64(),
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
        NEWCOMER_LIMIT.as_secs_f64(),
    );
    Ok(wall < NEWCOMER_LIMIT)
}

/// An inventory whose roles are `one` and `many`. Settings that all share are this repository's.
fn write_inventory(root: &Path) -> Result<(), Box<dyn Error>> {
    let (roles, environments) = (root.join("roles"), root.join("environments"));
    std::fs::create_dir(&roles)?;
    std::fs::create_dir(&environments)?;
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("environments/default.yaml"),
        environments.join("default.yaml"),
    )?;
    for (role, clusters) in [("one", 1), ("many", CLUSTERS)] {
        let mut text = String::from("clusters:\n");
        for number in 0..clusters {
            // The account changes once a round of the regions, so that all pairs are used.
            let region = REGIONS[number % REGIONS.len()];
            let account = ACCOUNTS[number / REGIONS.len() % ACCOUNTS.len()];
            let instance = number / REGIONS.len() + 1;
            writeln!(
                text,
                "  {role}-i{instance:02}-aws-{region}: \
                 {{ aws_region: {region}, aws_account_id: \"{account}\" }}"
            )?;
        }
        std::fs::write(roles.join(format!("{role}.yaml")), text)?;
    }
    Ok(())
}

/// What one run took.
struct Run {
    /// From the process's start to its end.
    wall: Duration,
    /// From the moment at which the first cluster was started until the last had ended.
    working: Duration,
    calls: u64,
    longest_chain: u32,
}

/// A lab that is being served until this is dropped.
struct Lab {
    server: Child,
    /// What points a client at it.
    exports: Vec<(String, String)>,
}

impl Lab {
    fn up(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut server = Command::new(env!("CARGO_BIN_EXE_psk"))
            .arg("--root")
            .arg(root)
            .args(["lab", "up", "--lab-latency", LATENCY_MS])
            .stdout(Stdio::piped())
            .spawn()?;
        let told = server.stdout.take().ok_or("the lab tells nothing")?;
        let mut lab = Self {
            server,
            exports: Vec::new(),
        };
        for line in BufReader::new(told).lines() {
            let line = line?;
            let export = line.strip_prefix("export ").ok_or("no export")?;
            let (name, value) = export.split_once('=').ok_or("no export")?;
            lab.exports.push((name.to_owned(), value.to_owned()));
            if name == LAST_EXPORT {
                return Ok(lab);
            }
        }
        Err("the lab ended".into())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It keeps nothing that it would have to write down.
        let _gone = self.server.kill().and_then(|()| self.server.wait());
    }
}

fn fanout(lab: &Lab, root: &Path, role: &str) -> Result<Run, Box<dyn Error>> {
    let file = root.join("report.json");
    let file_argument = file.to_str().ok_or("the path of the report isn't UTF-8")?;
    let began = Instant::now();
    let exports = lab.exports.iter().map(|(name, value)| (name, value));
    succeed(
        psk(root, role)
            .envs(exports)
            .args(["--report", file_argument]),
    )?;
    let wall = began.elapsed();
    let report: Report = serde_json::from_slice(&std::fs::read(file)?)?;
    let finished = report.run.finished.ok_or("the run didn't finish")?;
    Ok(Run {
        wall,
        working: Duration::try_from(finished.duration_since(report.run.started))?,
        calls: report.totals.calls,
        longest_chain: report.totals.longest_chain,
    })
}

fn psk(root: &Path, role: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psk"));
    command
        .arg("--root")
        .arg(root)
        .args(["fanout", "--role", role, "--dry-run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn succeed(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}

/// The run whose wall time is in the middle.
fn median(mut runs: Vec<Run>) -> Result<Run, &'static str> {
    runs.sort_by_key(|run| run.wall);
    let middle = runs.len() / 2;
    runs.into_iter().nth(middle).ok_or("nothing was measured")
}
