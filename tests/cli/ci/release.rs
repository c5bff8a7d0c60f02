//! What a release is made of, as far as it can be made here: the archive, its checksum, and its installation.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use super::runs::path;
use super::told;
use crate::harness::repository;

/// A checkout in which a release build of psk is done. A script stands in for it that runs the one of the tests.
fn built(target: &str) -> tempfile::TempDir {
    let checkout = tempfile::tempdir().unwrap();
    let release = checkout.path().join("target").join(target).join("release");
    fs::create_dir_all(&release).unwrap();
    let psk = assert_cmd::cargo::cargo_bin!("psk").display().to_string();
    fs::write(
        release.join("psk"),
        format!("#!/bin/sh\nexec '{psk}' \"$@\"\n"),
    )
    .unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(release.join("psk"), executable).unwrap();
    for name in ["LICENSE", "README.md", "CHANGELOG.md"] {
        fs::copy(repository().join(name), checkout.path().join(name)).unwrap();
    }
    checkout
}

fn bash(script: &Path, arguments: &[&str], directory: &Path, variables: &[(&str, &str)]) -> Output {
    Command::new("bash")
        .arg(script)
        .args(arguments)
        .env_clear()
        .env("PATH", path())
        .env("LANG", "C.UTF-8")
        .envs(variables.iter().copied())
        .current_dir(directory)
        .output()
        .unwrap()
}

#[test]
fn what_is_packed_is_the_same_each_time_and_can_be_installed() {
    let version = env!("CARGO_PKG_VERSION");
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let pack = repository().join(".github/scripts/pack.sh");
    let name = format!("psk-{version}-{target}.tar.gz");
    let archive = |checkout: &Path| {
        let packed = bash(&pack, &[&target, version], checkout, &[]);
        assert!(packed.status.success(), "{}", told(&packed));
        fs::read(checkout.join("dist").join(&name)).unwrap()
    };
    let checkout = built(&target);
    let first = archive(checkout.path());
    assert!(
        first == archive(checkout.path()),
        "two archives of one build differ"
    );

    let listed = Command::new("tar")
        .arg("-tzf")
        .arg(checkout.path().join("dist").join(&name))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for part in [
        "psk",
        "completions/psk.bash",
        "completions/psk.zsh",
        "completions/psk.fish",
        "man/psk.1",
        "man/psk-fanout.1",
        "LICENSE",
        "CHANGELOG.md",
    ] {
        let path = format!("psk-{version}-{target}/{part}");
        assert!(
            listed.lines().any(|line| line == path),
            "no {path} in {listed}"
        );
    }

    // Published as the workflow does it, and fetched from there.
    let home = tempfile::tempdir().unwrap();
    let served = home.path().join(format!("v{version}"));
    fs::rename(checkout.path().join("dist"), &served).unwrap();
    let sums = Command::new("sha256sum")
        .arg(&name)
        .current_dir(&served)
        .output()
        .unwrap();
    fs::write(served.join("SHA256SUMS"), sums.stdout).unwrap();
    let base = format!("file://{}", home.path().display());
    let place = home.path().join("psk");
    let installed = bash(
        &repository().join("orb/src/scripts/install.sh"),
        &[],
        home.path(),
        &[
            ("PSK_VERSION", version),
            ("PSK_BASE_URL", &base),
            ("PSK_HOME", place.to_str().unwrap()),
            ("HOME", home.path().to_str().unwrap()),
        ],
    );
    assert!(installed.status.success(), "{}", told(&installed));
    let says = Command::new(place.join("bin/psk"))
        .arg("--version")
        .output();
    assert_eq!(
        String::from_utf8(says.unwrap().stdout).unwrap(),
        format!("psk {version}\n")
    );
}
