//! The lab's Kubernetes API against a real kube-apiserver: both are asked the same, and what they say is compared.
//!
//! What a real one said is kept in `kubernetes/`, a file for each version, so that the lab is held to it where there is
//! none; with `KUBEBUILDER_ASSETS` the one that is there is asked. An empty file named by a version is filled.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::checked::hold;
use crate::harness::{ApiServer, Files, Served, repository, world_of};
use crate::peers;
use crate::python::{Found, Python};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// How much faster time passes in the lab, so that its controllers are soon done.
const SPEED: f64 = 20.0;

/// Plays the scenes with the server that a kubeconfig names.
fn played(programs: &Path, kubeconfig: &Path, lab: &Served) -> String {
    let psk = Path::new(env!("CARGO_BIN_EXE_psk"));
    let home = tempfile::tempdir().unwrap();
    let script = repository().join("tests/peers/kubernetes_transcript.py");
    let mut command = Command::new(programs.join("python"));
    command
        .arg(script)
        .env_clear()
        .env("PATH", psk.parent().unwrap())
        .env("HOME", home.path())
        // Where the client keeps what it found there.
        .env("TMPDIR", home.path())
        .env("KUBECONFIG", kubeconfig)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(lab.exports());
    let output = peers::run(&mut command);
    String::from_utf8(output.stdout).unwrap()
}

/// What the lab says.
fn of_the_lab(programs: &Path) -> String {
    let files = Files::small();
    let lab = Served::at(world_of(&files, "current"), r#"{"rules":[]}"#, SPEED);
    let kubeconfig = lab.kubeconfig(&files, CLUSTER);
    played(programs, &kubeconfig, &lab)
}

/// How the second of two transcripts differs from the first.
fn compare(python: &Python, real: &str, lab: &str) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let files = [("real", real), ("lab", lab)].map(|(name, text)| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    });
    python.found("kubernetes_compare.py", &[&files[0], &files[1]])
}

fn folder() -> PathBuf {
    repository().join("tests/conformance/kubernetes")
}

/// What was recorded of real servers, by their versions.
fn recorded() -> Vec<(String, String)> {
    let files = fs::read_dir(folder()).into_iter().flatten();
    let mut recorded: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            let version = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (version, fs::read_to_string(path).unwrap())
        })
        .collect();
    recorded.sort();
    recorded
}

#[track_caller]
fn assert_same(version: &str, found: &Found) {
    assert_eq!(
        found.problems(),
        [""; 0],
        "the lab differs from kube-apiserver {version}"
    );
    assert_eq!(
        found.faults(),
        found.known_faults(),
        "something is no longer otherwise in kube-apiserver {version}"
    );
}

#[test]
fn the_lab_says_what_real_api_servers_said() {
    let (Some(python), Some(programs)) = (Python::new(), peers::python("kubernetes")) else {
        return;
    };
    let lab = of_the_lab(&programs);
    let recorded = recorded();
    assert!(
        !recorded.is_empty(),
        "no kube-apiserver's transcript is kept"
    );
    for (version, real) in recorded {
        let found = compare(&python, &real, &lab);
        assert_same(&version, &found);
        let peer = format!("kube-apiserver-{version}");
        hold(&peer, found.without_problems(), found.faults());
    }
}

/// A kubeconfig for it.
fn configuration(server: &ApiServer) -> Json {
    let authority = &server.certificate_authority;
    let cluster = json!({ "server": server.url, "certificate-authority-data": authority });
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{ "name": "a", "cluster": cluster }],
        "users": [{ "name": "a", "user": { "token": "any" } }],
        "contexts": [{ "name": "a", "context": { "cluster": "a", "user": "a" } }],
    })
}

#[test]
fn the_lab_says_what_the_api_server_that_is_there_says() {
    let (Some(python), Some(programs)) = (Python::new(), peers::python("kubernetes")) else {
        return;
    };
    let (files, idle) = Served::small();
    let Some(server) = ApiServer::start(&idle) else {
        return;
    };
    let kubeconfig = files.root().join("kubeconfig");
    fs::write(&kubeconfig, configuration(&server).to_string()).unwrap();
    let real = played(&programs, &kubeconfig, &idle);
    let version = real.split('"').nth(3).unwrap().to_owned();
    let path = folder().join(format!("{version}.jsonl"));
    if path.exists() && fs::read_to_string(&path).unwrap() != real {
        fs::write(&path, &real).unwrap();
        panic!(
            "{} was stale; it is written anew: look at it and commit it",
            path.display()
        );
    }
    let found = compare(&python, &real, &of_the_lab(&programs));
    assert_same(&version, &found);
}

#[test]
fn differences_from_a_real_api_server_are_found() {
    let Some(python) = Python::new() else { return };
    let exchange = r#"{"answer":{"kind":"Status","code":404,"items":[1,true]},"asked":"a: GET /x","status":404,"type":"t"}"#;
    let head = r#"{"server":"v1.99.0"}"#;
    let real = format!("{head}\n{exchange}\n");
    let problems = |lab: &str| compare(&python, &real, lab).problems();
    assert_eq!(problems(&real), [""; 0]);
    for (from, to, told) in [
        (
            r#""status":404"#,
            r#""status":400"#,
            "status: 400 instead of 404",
        ),
        (r#""code":404,"#, "", "answer.code: the lab lacks 404"),
        (
            r#""code":404,"#,
            r#""code":404,"a":1,"#,
            "answer.a: the lab adds 1",
        ),
        ("[1,true]", "[1,1]", "answer.items[1]: 1 instead of true"),
        ("[1,true]", "[1]", "answer.items: [1] instead of [1, true]"),
        ("GET /x", "GET /y", "a: GET /y instead of a: GET /x"),
    ] {
        let found = problems(&real.replace(from, to));
        assert!(
            found.iter().any(|problem| problem.ends_with(told)),
            "{told} isn't among {found:#?}"
        );
    }
    let missing = problems(&format!("{head}\n"));
    assert_eq!(missing, ["exchange 1: None instead of a: GET /x"]);
}
