//! What the command line says of itself: help, manual pages and completions.

use std::process::Command;

use insta::assert_snapshot;

use crate::harness::{contents, psk};

const SUBCOMMANDS: [&str; 16] = [
    "fanout",
    "plan",
    "apply",
    "drift",
    "destroy",
    "verify",
    "outputs",
    "clusters",
    "inject",
    "inventory",
    "pipeline",
    "iam",
    "kube",
    "lab",
    "completions",
    "man",
];

#[test]
fn help() {
    assert_snapshot!("psk", psk(["--help"]).run().ended(0).stdout);
    for subcommand in SUBCOMMANDS {
        assert_snapshot!(
            subcommand,
            psk([subcommand, "--help"]).run().ended(0).stdout
        );
    }
    for (name, args) in [
        ("inventory-show", ["inventory", "show", "--help"]),
        ("inventory-schema", ["inventory", "schema", "--help"]),
        ("inventory-import", ["inventory", "import", "--help"]),
        ("pipeline-generate", ["pipeline", "generate", "--help"]),
        ("iam-policy", ["iam", "policy", "--help"]),
        ("kube-config", ["kube", "config", "--help"]),
        ("kube-token", ["kube", "token", "--help"]),
        ("lab-up", ["lab", "up", "--help"]),
        ("lab-run", ["lab", "run", "--help"]),
    ] {
        assert_snapshot!(name, psk(args).run().ended(0).stdout);
    }
}

#[test]
fn the_version_is_the_packages() {
    let version = concat!("psk ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(psk(["--version"]).run().ended(0).stdout, version);
}

#[test]
fn what_is_no_command_is_refused_with_the_nearest_one() {
    let told = psk(["fanuot", "--role", "qa"]).run().refused(2);
    assert!(told.contains("unrecognized subcommand 'fanuot'"), "{told}");
    assert!(told.contains("'fanout'"), "{told}");
    let told = psk(["fanout"]).run().refused(2);
    assert!(told.contains("--role <ROLE>"), "{told}");
}

#[test]
fn every_shell_gets_a_script_with_every_subcommand() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = psk(["completions", shell]).run().ended(0).stdout;
        for subcommand in SUBCOMMANDS {
            assert!(script.contains(subcommand), "{shell}: {subcommand}");
        }
    }
    let told = psk(["completions", "tcsh"]).run().refused(2);
    assert!(
        told.contains("[possible values: bash, elvish, fish, powershell, zsh]"),
        "{told}"
    );
}

#[test]
fn bash_completes_a_subcommand() {
    let script = psk(["completions", "bash"]).run().ended(0).stdout;
    let ask = format!(
        "{script}\nCOMP_WORDS=(psk inventory sh)\nCOMP_CWORD=2\n_psk psk sh inventory\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "show\n",
        "{output:?}"
    );
}

#[test]
fn there_is_a_manual_page_for_every_subcommand() {
    let page = psk(["man"]).run().ended(0).stdout;
    assert!(page.contains(".TH psk 1"), "{page}");
    let directory = tempfile::tempdir().unwrap();
    psk(["man", "--dir"]).arg(directory.path()).run().ended(0);
    let pages = contents(directory.path());
    for subcommand in SUBCOMMANDS {
        assert!(
            page.contains(&format!("psk\\-{subcommand}(1)")),
            "{subcommand}"
        );
        let page = &pages[&directory.path().join(format!("psk-{subcommand}.1"))];
        assert!(
            String::from_utf8_lossy(page).contains(".SH NAME"),
            "{subcommand}"
        );
    }
}
