//! Runs as event streams, for the tests of every listener.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::aggregate::Aggregate;
use super::document::Report;
use crate::event::{
    CallSummary, ClusterFinished, ClusterRef, Event, Failure, Interruption, Outcome, RunStarted,
    Stamped, Step,
};
use crate::reconcile::plan::{
    Action, AttributeChange, PLAN_SCHEMA_VERSION, Plan, ResourceChange, Target,
};

pub(super) const A: &str = "nonprod-i01-aws-us-east-1";
pub(super) const B: &str = "nonprod-i02-aws-us-west-2";
pub(super) const C: &str = "nonprod-i01-aws-eu-central-1";
pub(super) const D: &str = "nonprod-i01-aws-eu-west-1";
pub(super) const E: &str = "nonprod-i01-aws-ap-southeast-2";

/// That many seconds after the runs of these tests start.
pub(super) fn moment(seconds: f64) -> Timestamp {
    let start: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    start + SignedDuration::from_millis((seconds * 1000.0).round() as i64)
}

pub(super) fn at(seconds: f64, event: Event) -> Stamped {
    Stamped {
        at: moment(seconds),
        event,
    }
}

/// The text with escape characters that a snapshot shows.
pub(super) fn shown(text: &str) -> String {
    text.replace('\u{1b}', "␛")
}

pub(super) fn report(events: &[Stamped]) -> Report {
    let mut aggregate = Aggregate::default();
    events.iter().for_each(|event| aggregate.on(event));
    aggregate.report().unwrap()
}

/// A stream whose reader went away.
pub(super) struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn run(clusters: &[&str], dry_run: bool) -> RunStarted {
    let clusters = clusters.iter().map(|name| ClusterRef {
        name: (*name).to_owned(),
        region: name
            .split_once("-aws-")
            .map_or("us-east-1", |(_, region)| region)
            .to_owned(),
        account: "111122223333".to_owned(),
    });
    RunStarted {
        command: "fanout".to_owned(),
        role: "nonprod".to_owned(),
        dry_run,
        commit: Some("1f0c5d2e9b7a4c3d8e6f1f0c5d2e9b7a4c3d8e6f".to_owned()),
        tag: Some("v1.4.0".to_owned()),
        force_upgrade: None,
        inventory_digest: "9f86d081884c7d65".to_owned(),
        clusters: clusters.collect(),
        schedule: vec![
            "1 canary first, which must succeed".to_owned(),
            "then 4 at once".to_owned(),
        ],
    }
}

fn attribute(path: &str, old: Option<serde_json::Value>, new: Target) -> AttributeChange {
    AttributeChange {
        path: path.to_owned(),
        old,
        new,
        sensitive: false,
    }
}

fn resource(kind: &str, name: &str, action: Action) -> ResourceChange {
    ResourceChange {
        kind: kind.to_owned(),
        name: name.to_owned(),
        action,
        attributes: Vec::new(),
        reason: None,
    }
}

/// A cluster one version behind, with an add-on missing.
pub(super) fn plan(cluster: &str) -> Plan {
    let value = |v: serde_json::Value| Target::Value(v);
    Plan {
        schema_version: PLAN_SCHEMA_VERSION,
        cluster: cluster.to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        resources: vec![
            ResourceChange {
                attributes: vec![attribute(
                    "version",
                    Some(json!("1.34")),
                    value(json!("1.35")),
                )],
                ..resource("eks_cluster", cluster, Action::Update)
            },
            ResourceChange {
                attributes: vec![attribute(
                    "release_version",
                    Some(json!("1.50.0-3f2a91c7")),
                    value(json!("1.51.0-47438798")),
                )],
                reason: Some("a newer AMI release is out".to_owned()),
                ..resource("eks_nodegroup", "management-arm-rkt-mng", Action::Update)
            },
            ResourceChange {
                attributes: vec![
                    attribute("addon_version", None, value(json!("v1.3.9-eksbuild.1"))),
                    attribute("arn", None, Target::KnownAfterApply),
                ],
                ..resource("eks_addon", "eks-pod-identity-agent", Action::Create)
            },
            resource("eks_addon", "vpc-cni", Action::Keep),
            resource("eks_addon", "coredns", Action::Keep),
        ],
        rungs: Vec::new(),
        drift: Vec::new(),
        left: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A cluster that is right.
fn kept(cluster: &str) -> Plan {
    let mut plan = plan(cluster);
    plan.resources
        .retain(|resource| resource.action == Action::Keep);
    plan
}

fn calls(total: u64, longest_chain: u32, throttles: u64) -> CallSummary {
    let operation = (total > 0).then(|| ("eks:DescribeCluster".to_owned(), total));
    let by_operation = BTreeMap::from_iter(operation);
    CallSummary {
        total,
        retries: throttles,
        throttles,
        longest_chain,
        by_operation,
    }
}

fn started(cluster: &str) -> Event {
    Event::ClusterStarted {
        cluster: cluster.to_owned(),
    }
}

fn step(cluster: &str, step: Step) -> Event {
    Event::StepStarted {
        cluster: cluster.to_owned(),
        step,
    }
}

fn progress(cluster: &str, message: &str) -> Event {
    Event::Progress {
        cluster: cluster.to_owned(),
        message: message.to_owned(),
    }
}

fn finished(cluster: &str, outcome: Outcome, calls: CallSummary, seconds: f64) -> Event {
    Event::ClusterFinished(ClusterFinished {
        cluster: cluster.to_owned(),
        outcome,
        calls,
        elapsed: Duration::from_secs_f64(seconds),
    })
}

fn over(seconds: f64, interrupted: Option<Interruption>) -> Event {
    Event::RunFinished {
        elapsed: Duration::from_secs_f64(seconds),
        interrupted,
    }
}

fn denied() -> Failure {
    Failure {
        step: Step::Observe,
        doing: "describing node group management-arm-rkt-mng".to_owned(),
        cause: "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/x/psk is not \
                authorized to perform: eks:DescribeNodegroup\nrequest id 5b6c"
            .to_owned(),
        already_changed: Vec::new(),
        next: "give the role eks:DescribeNodegroup (psk iam policy prints all it needs), then run \
               again"
            .to_owned(),
    }
}

/// A dry run in which every outcome occurs once.
pub(super) fn all_outcomes() -> Vec<Stamped> {
    let reason = "the failures passed the tolerance of 0: nonprod-i01-aws-eu-central-1 failed";
    vec![
        at(0.0, Event::RunStarted(run(&[A, B, C, D, E], true))),
        at(0.1, started(A)),
        at(0.1, step(A, Step::Session)),
        at(0.2, step(A, Step::Observe)),
        at(0.2, started(B)),
        at(0.3, step(B, Step::Session)),
        at(0.4, started(C)),
        at(0.4, step(C, Step::Session)),
        at(0.5, step(C, Step::Observe)),
        at(0.5, started(E)),
        at(0.6, progress(A, "node group management-arm-rkt-mng ACTIVE")),
        at(0.6, step(B, Step::Observe)),
        at(
            0.8,
            Event::Warning {
                cluster: Some(C.to_owned()),
                message: "the account's EKS quota is nearly used up (98 of 100)".to_owned(),
            },
        ),
        at(
            1.1,
            finished(C, Outcome::Failed(denied()), calls(5, 3, 0), 0.7),
        ),
        at(
            1.1,
            finished(
                D,
                Outcome::Skipped {
                    reason: reason.to_owned(),
                },
                calls(0, 0, 0),
                0.0,
            ),
        ),
        at(1.2, step(A, Step::Plan)),
        at(
            1.2,
            Event::Planned {
                plan: Box::new(plan(A)),
            },
        ),
        at(
            1.3,
            finished(A, Outcome::Changed { resources: 3 }, calls(14, 4, 3), 1.2),
        ),
        at(
            1.5,
            Event::Warning {
                cluster: None,
                message: "EKS 1.34 leaves standard support on 2026-12-02".to_owned(),
            },
        ),
        at(
            1.5,
            Event::Planned {
                plan: Box::new(kept(B)),
            },
        ),
        at(1.6, finished(B, Outcome::Unchanged, calls(11, 3, 0), 1.4)),
        at(
            1.7,
            finished(
                E,
                Outcome::Cancelled {
                    during: "during session".to_owned(),
                },
                calls(1, 1, 0),
                1.2,
            ),
        ),
        at(1.9, over(1.9, None)),
    ]
}

/// A run that writes: one cluster changed, one failed half way.
pub(super) fn applied() -> Vec<Stamped> {
    let half_way = Failure {
        step: Step::Apply,
        doing: "updating node group management-arm-rkt-mng to release 1.51.0-47438798".to_owned(),
        cause: "NodeCreationFailure: Instances failed to join the kubernetes cluster".to_owned(),
        already_changed: vec![format!("~ eks_cluster {C}: version 1.34 → 1.35")],
        next: "look at the node group's health in the console, then run again".to_owned(),
    };
    let other = Plan {
        cluster: C.to_owned(),
        region: "eu-central-1".to_owned(),
        ..plan(C)
    };
    vec![
        at(
            0.0,
            Event::RunStarted(RunStarted {
                tag: None,
                ..run(&[A, C], false)
            }),
        ),
        at(0.1, started(A)),
        at(0.1, started(C)),
        at(0.2, step(A, Step::Apply)),
        at(0.2, step(C, Step::Apply)),
        at(
            0.3,
            Event::Planned {
                plan: Box::new(plan(A)),
            },
        ),
        at(
            0.3,
            Event::Planned {
                plan: Box::new(other),
            },
        ),
        at(
            900.0,
            finished(A, Outcome::Changed { resources: 3 }, calls(31, 9, 0), 899.9),
        ),
        at(
            1800.0,
            finished(C, Outcome::Failed(half_way), calls(40, 9, 0), 1799.9),
        ),
        at(1800.5, over(1800.5, None)),
    ]
}

/// A run that was stopped while one cluster ran and another waited.
pub(super) fn interrupted() -> Vec<Stamped> {
    let cancelled = |during: &str| Outcome::Cancelled {
        during: during.to_owned(),
    };
    vec![
        at(0.0, Event::RunStarted(run(&[A, B], true))),
        at(0.1, started(A)),
        at(0.1, step(A, Step::Observe)),
        at(
            0.4,
            finished(A, cancelled("during observe"), calls(2, 2, 0), 0.3),
        ),
        at(
            0.4,
            finished(B, cancelled("before it started"), calls(0, 0, 0), 0.0),
        ),
        at(0.5, over(0.5, Some(Interruption::Sigint))),
    ]
}

/// A run over no cluster.
pub(super) fn empty() -> Vec<Stamped> {
    let run = RunStarted {
        commit: None,
        tag: None,
        schedule: Vec::new(),
        ..run(&[], true)
    };
    vec![at(0.0, Event::RunStarted(run)), at(0.0, over(0.0, None))]
}

/// A run whose every foreign text tries to break out of its place.
pub(super) fn hostile() -> Vec<Stamped> {
    let command = "::error::boo";
    let ansi = "\u{1b}[2J\u{1b}]0;owned\u{7}";
    let second = format!("b{ansi}\r::set-output name=x::y");
    let mut plan = plan(&second);
    plan.account = command.to_owned();
    plan.warnings = vec![format!("\n{command}")];
    plan.resources[0].name = format!("\n::add-mask::{ansi}");
    plan.resources[0].attributes[0].path = format!("\n{command}");
    plan.resources[1].kind = command.to_owned();
    plan.resources[1].reason = Some(format!("##[error]{ansi}"));
    plan.resources[1].attributes[0].new = Target::Value(json!(format!("{ansi}\n{command}\u{9b}")));
    plan.resources[2].attributes[0].new = Target::Value(json!({ command: [ansi, "\n##[debug]"] }));
    let failure = Failure {
        step: Step::Plan,
        doing: format!("reading {ansi}"),
        cause: format!("first line\n  {command}\n##[group]x\r\n{ansi}"),
        already_changed: vec![format!("\n{command}")],
        next: command.to_owned(),
    };
    let mut run = run(&[command, &second], true);
    run.role = format!("nonprod\n{command}");
    run.tag = Some(format!("v1\u{1b}[31m\n{command}"));
    run.schedule = vec![format!("\n{command} %0A%25")];
    vec![
        at(0.0, Event::RunStarted(run)),
        at(0.1, started(command)),
        at(0.1, started(&second)),
        at(0.2, progress(command, &format!("{ansi}\n{command}"))),
        at(
            0.3,
            Event::Planned {
                plan: Box::new(plan),
            },
        ),
        at(
            0.4,
            Event::Warning {
                cluster: Some(second.clone()),
                message: command.to_owned(),
            },
        ),
        at(
            0.4,
            Event::Warning {
                cluster: None,
                message: format!("\t{command}"),
            },
        ),
        at(
            0.5,
            finished(&second, Outcome::Failed(failure), calls(1, 1, 0), 0.4),
        ),
        at(
            0.5,
            finished(
                command,
                Outcome::Skipped {
                    reason: format!("100%\n{command}"),
                },
                calls(0, 0, 0),
                0.0,
            ),
        ),
        at(0.6, over(0.6, None)),
    ]
}

/// A run over that many clusters, every other one changed.
pub(super) fn many(n: usize) -> Vec<Stamped> {
    let names: Vec<String> = (0..n)
        .map(|i| format!("nonprod-i{i:03}-aws-us-east-1"))
        .collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut events = vec![at(0.0, Event::RunStarted(run(&refs, true)))];
    for name in &names {
        events.push(at(0.1, started(name)));
    }
    for (i, name) in names.iter().enumerate() {
        let seconds = 0.2 + i as f64 / 100.0;
        events.push(at(seconds, step(name, Step::Observe)));
        let mut outcome = Outcome::Unchanged;
        if i % 2 == 0 {
            events.push(at(
                seconds,
                Event::Planned {
                    plan: Box::new(plan(name)),
                },
            ));
            outcome = Outcome::Changed { resources: 3 };
        } else {
            events.push(at(seconds, progress(name, "add-ons read")));
        }
        events.push(at(
            seconds,
            finished(name, outcome, calls(11, 4, 0), seconds),
        ));
    }
    events.push(at(3.0, over(3.0, None)));
    events
}
