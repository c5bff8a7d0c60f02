//! Measures what verifying a healthy cluster takes beyond what the cluster itself takes to make nodes,
//! pods and volumes, through the binary and against the lab.
//!
//! The world's clock runs fast, so that the cluster's own share is almost nothing: what Karpenter's
//! node needs to join, twenty seconds, is a hundredth of that.
//!
//! ```text
//! cargo bench --bench verify                     # prints the figures
//! cargo bench --bench verify -- --enforce        # and fails beyond the limit
//! ```

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use psk::event::CheckOutcome;
use psk::report::Report;

/// The figure is the median of this many runs.
const RUNS: usize = 7;

/// How much faster the world's clock runs.
const SPEED: u32 = 200;

/// What the longest check waits for in the world's time: a node, its image and a pod.
const CLUSTERS_OWN: Duration = Duration::from_secs(25);

/// How long everything else may take.
const LIMIT: Duration = Duration::from_secs(2);

const CLUSTER: &str = "sandbox-i01-aws-us-east-1";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let enforce = std::env::args().any(|argument| argument == "--enforce");
    let folder = tempfile::tempdir()?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(verify(&folder.path().join("report.json"))?);
    }
    runs.sort_by_key(|run| run.wall);
    let run = &runs[RUNS / 2];
    let own = CLUSTERS_OWN / SPEED;
    let beyond = run.wall.saturating_sub(own);
    println!(
        "psk verify of one healthy cluster, {} checks, {} calls, {SPEED} times as fast, {} cores, median of {RUNS} runs:\n  \
         {:.2} s from start to end, the lab's own start included, of which the cluster takes about {:.2} s;\n  \
         {:.2} s beyond it. The limit is {:.1} s.",
        run.checks,
        run.calls,
        std::thread::available_parallelism()?,
        run.wall.as_secs_f64(),
        own.as_secs_f64(),
        beyond.as_secs_f64(),
        LIMIT.as_secs_f64(),
    );
    Ok(if beyond < LIMIT || !enforce {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Run {
    wall: Duration,
    checks: usize,
    calls: u64,
}

fn verify(report: &Path) -> Result<Run, Box<dyn Error>> {
    let began = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_psk"))
        .args(["--root", env!("CARGO_MANIFEST_DIR")])
        .args(["verify", "--cluster", CLUSTER, "--lab=current"])
        .args(["--lab-speed", &SPEED.to_string()])
        .arg("--report")
        .arg(report)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let wall = began.elapsed();
    if !status.success() {
        return Err(format!("psk verify ended with {status}").into());
    }
    let report: Report = serde_json::from_slice(&std::fs::read(report)?)?;
    let checks = report.clusters.iter().flat_map(|cluster| &cluster.checks);
    let passed = checks.filter(|check| check.outcome == CheckOutcome::Passed);
    Ok(Run {
        wall,
        checks: passed.count(),
        calls: report.totals.calls,
    })
}
