//! Holds `docs/conformance.md` to what the lab serves and what the peers checked of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use psk_lab::front::service::Service;

use crate::checked::{self, Checked};
use crate::harness::repository;

/// A peer as the page names it.
struct Peer {
    /// Its file in `checked/`.
    file: &'static str,
    /// Head of its column.
    name: &'static str,
    /// What it does.
    does: &'static str,
}

/// The peers that check AWS.
const AWS: &[Peer] = &[
    Peer {
        file: "boto3",
        name: "boto3",
        does: "calls the lab and parses its answers; requests and answers are held to botocore's service models: members, \
               types, enumerations, patterns, lengths, statuses, error shapes",
    },
    Peer {
        file: "aws-cli",
        name: "AWS CLI",
        does: "makes a cluster in the lab, upgrades and deletes it, with its waiters",
    },
    Peer {
        file: "psk",
        name: "psk",
        does: "makes, upgrades, adopts and destroys clusters in the lab; what it says and hears is held to the same models",
    },
    Peer {
        file: "moto",
        name: "moto",
        does: "stands in for AWS, and psk's own resources are made and changed there until nothing is to do",
    },
];

/// The peers that check 1Password Connect.
const CONNECT: &[Peer] = &[
    Peer {
        file: "connect-sdk",
        name: "SDK",
        does: "is the official Python SDK (onepasswordconnectsdk): it finds, reads, makes, changes and deletes items, and its \
               connection asks how the server is; requests and answers are held to 1Password's OpenAPI description",
    },
    Peer {
        file: "connect-psk",
        name: "psk",
        does: "reads references and writes clusters' outputs in the lab; what it says and hears is held to the same description",
    },
];

/// The peers that check GitHub.
const GITHUB: &[Peer] = &[
    Peer {
        file: "github-psk",
        name: "psk",
        does: "passes gates, writes statuses and makes releases in the lab, by a token and as an app; what it says and hears is held \
               to GitHub's OpenAPI description (npm @octokit/openapi) and GraphQL schema (npm @octokit/graphql-schema)",
    },
    Peer {
        file: "pygithub",
        name: "PyGithub",
        does: "reads the statuses and the release that psk made, the commit, its branch and its tag; what it says and hears is held to the \
               same description",
    },
];

/// The peers that check CircleCI.
const CIRCLECI: &[Peer] = &[
    Peer {
        file: "circleci-psk",
        name: "psk",
        does: "continues a pipeline and keeps schedules in the lab; what it says and hears is held to what CircleCI's API \
               reference documents, written down in tests/conformance/descriptions/circleci.yaml. CircleCI's own OpenAPI \
               description is in no package that could be pinned",
    },
    Peer {
        file: "circleci-script",
        name: "script",
        does: "reads a schedule by its id and takes it away, which psk doesn't; held to the same",
    },
];

/// The peers that check Slack.
const SLACK: &[Peer] = &[
    Peer {
        file: "slack-psk",
        name: "psk",
        does: "tells of runs in the lab; what it says and hears is held to the types of arguments and answers that Slack publishes with its \
               client (npm @slack/web-api), by TypeScript's compiler",
    },
    Peer {
        file: "slack-client",
        name: "client",
        does: "is Slack's own for Node (@slack/web-api): it posts and changes messages and is refused; held to the same types",
    },
];

/// The peers that check the collector of traces.
const OTLP: &[Peer] = &[Peer {
    file: "otlp-psk",
    name: "psk",
    does: "exports traces to the lab; they and the answers are parsed by OpenTelemetry's own Protobuf messages (PyPI \
           opentelemetry-proto)",
}];

/// A part of the page.
struct Part {
    title: &'static str,
    /// Who checks it.
    peers: &'static [Peer],
    /// The services in it, as people name them; without a name where there is one.
    services: &'static [(Service, &'static str)],
}

const PARTS: [Part; 6] = [
    Part {
        title: "AWS",
        peers: AWS,
        services: &[
            (Service::Sts, "STS"),
            (Service::Iam, "IAM"),
            (Service::Ec2, "EC2"),
            (Service::Kms, "KMS"),
            (Service::Logs, "CloudWatch Logs"),
            (Service::Ssm, "Systems Manager"),
            (Service::Eks, "EKS"),
            (Service::Efs, "EFS"),
            (Service::Sqs, "SQS"),
            (Service::Events, "EventBridge"),
        ],
    },
    Part {
        title: "1Password Connect",
        peers: CONNECT,
        services: &[(Service::Connect, "")],
    },
    Part {
        title: "GitHub",
        peers: GITHUB,
        services: &[(Service::GitHub, "")],
    },
    Part {
        title: "CircleCI",
        peers: CIRCLECI,
        services: &[(Service::CircleCi, "")],
    },
    Part {
        title: "Slack",
        peers: SLACK,
        services: &[(Service::Slack, "")],
    },
    Part {
        title: "OpenTelemetry",
        peers: OTLP,
        services: &[(Service::Otlp, "")],
    },
];

const HEAD: &str = "\
# Conformance

The lab stands in for services that nobody here wrote, and psk's tests run in it. So that the two don't agree on a
fiction, both are held to what other people wrote. This page is made by the tests in `tests/conformance/`, which also
hold it fresh; `cargo test --test conformance` runs them. They need python3 and node, and install the rest, pinned and with
hashes, under the target directory.

Every operation that the lab serves is listed, with the peers that checked it. A cluster's Kubernetes API has kinds and verbs
instead: kubectl and the official Python client drive it in `tests/cli/`, and what real API servers said is told under Kubernetes.
";

#[test]
fn the_page_tells_what_is_checked_and_by_whom() {
    let path = repository().join("docs/conformance.md");
    let text = page();
    if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
        fs::write(&path, text).unwrap();
        panic!("docs/conformance.md was stale; it is written anew: look at it and commit it");
    }
}

fn page() -> String {
    let checked = checked::all();
    let mut page = HEAD.to_owned();
    let mut alone = Vec::new();
    for part in &PARTS {
        let Part {
            title,
            peers,
            services,
        } = part;
        writeln!(page, "\n## {title}\n").unwrap();
        for Peer { name, does, .. } in *peers {
            writeln!(page, "- **{name}** {does}.").unwrap();
        }
        let peers: Vec<_> = peers
            .iter()
            .map(|peer| (peer, &checked[peer.file]))
            .collect();
        for (service, name) in *services {
            if !name.is_empty() {
                writeln!(page, "\n### {name}").unwrap();
            }
            page += &table(*service, &peers);
            alone.extend(unchecked(*service, &peers));
        }
        page += &faults(&peers);
    }
    page += &kubernetes(&checked);
    page += "\n## Checked by nobody\n\n";
    page += &match alone.is_empty() {
        true => "Nothing.\n".to_owned(),
        false => format!("{}.\n", alone.join(", ")),
    };
    page
}

const KUBERNETES: &str = "
## Kubernetes

The official Python client and `tests/peers/kubernetes_transcript.py` ask the lab what they once asked a real kube-apiserver, whose answers are
kept in `tests/conformance/kubernetes/`, and every member of every answer is compared: statuses, bodies, messages, causes, managed fields. Only
what is of its moment (ids, times, revisions), the words of decoders and the documentation of columns are left out. Where
`KUBEBUILDER_ASSETS` points at a folder with etcd and a kube-apiserver, that one is asked as well: it has to say what was kept of its version, and
psk's objects are applied there twice, the second time without change. Without it these say that they were skipped.
";

/// What real API servers were asked, and what has changed in Kubernetes since theirs.
fn kubernetes(checked: &BTreeMap<String, Checked>) -> String {
    const SCENE: &str = "kubernetes:";
    let servers: Vec<(&str, &Checked)> = checked
        .iter()
        .filter(|(peer, _)| peer.starts_with("kube-apiserver-"))
        .map(|(peer, checked)| (peer.trim_start_matches("kube-apiserver-"), checked))
        .collect();
    let names: Vec<&str> = servers.iter().map(|(version, _)| *version).collect();
    let mut part = format!("{KUBERNETES}\n| scene | {} |\n", names.join(" | "));
    writeln!(part, "| --- |{}", " :-: |".repeat(servers.len())).unwrap();
    let scenes = servers.iter().flat_map(|(_, checked)| &checked.operations);
    for scene in scenes.collect::<BTreeSet<_>>() {
        let marks = servers.iter().map(|(_, checked)| {
            if checked.operations.contains(scene) {
                "✓"
            } else {
                ""
            }
        });
        let marks = marks.collect::<Vec<_>>().join(" | ");
        writeln!(part, "| {} | {marks} |", scene.trim_start_matches(SCENE)).unwrap();
    }
    for (version, checked) in servers {
        writeln!(part, "\n### What has changed since {version}\n").unwrap();
        for change in &checked.faults {
            writeln!(part, "- {change}.").unwrap();
        }
    }
    part
}

/// The operations of a service that nobody checks.
fn unchecked(service: Service, peers: &[(&Peer, &Checked)]) -> Vec<String> {
    let operations = service.operations().into_iter();
    let full = operations.map(|operation| format!("{}:{operation}", service.name()));
    let is_checked = |operation: &String| {
        let mut peers = peers.iter();
        peers.any(|(_, checked)| checked.operations.contains(operation))
    };
    full.filter(|operation| !is_checked(operation)).collect()
}

/// The operations of a service, with what checked each.
fn table(service: Service, peers: &[(&Peer, &Checked)]) -> String {
    let names = peers.iter().map(|(peer, _)| peer.name);
    let mut table = format!(
        "\n| operation | {} |\n",
        names.collect::<Vec<_>>().join(" | ")
    );
    writeln!(table, "| --- |{}", " :-: |".repeat(peers.len())).unwrap();
    for operation in service.operations() {
        let full = format!("{}:{operation}", service.name());
        let marks = peers.iter().map(|(_, checked)| {
            let is_checked = checked.operations.contains(&full);
            if is_checked { "✓" } else { "" }
        });
        let marks = marks.collect::<Vec<_>>().join(" | ");
        writeln!(table, "| {operation} | {marks} |").unwrap();
    }
    table
}

/// What the peers get wrong.
fn faults(peers: &[(&Peer, &Checked)]) -> String {
    let faults = peers.iter().flat_map(|(peer, checked)| {
        let faults = checked.faults.iter();
        faults.map(|fault| format!("- {}: {fault}.\n", peer.name))
    });
    let faults: String = faults.collect();
    match faults.is_empty() {
        true => faults,
        false => format!("\n### What the peers get wrong\n\n{faults}"),
    }
}
