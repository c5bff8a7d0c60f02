//! `psk verify` against the lab: for every check a world in which it fails, and says why.

mod aws;
mod disturbed;
mod nodes;
mod presence;
mod runs;
mod together;
mod volumes;

use jiff::Timestamp;
use psk_lab::kubernetes::{Inside, Mishap, Trouble};
use psk_lab::world::World;
use serde_json::{Value as Json, json};

use crate::harness::{Files, Run, Served, psk, world_of};

const ACCOUNT: &str = "221155668855";
const REGION: &str = "us-east-1";
const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// Worlds in which a check fails, a line each: every line is a test, and all of them together are what
/// [`every_check_has_a_world_in_which_it_fails`] counts. Of what the message has to say, the first is
/// the cause.
macro_rules! failing {
    ($($name:ident: $check:literal in $world:expr => [$($told:expr),+ $(,)?];)*) => {
        $(#[test]
        fn $name() {
            let (files, lab) = $world;
            $crate::verify::fails(&files, &lab, $check, &[$($told),+]);
        })*

        /// The checks that these worlds make fail.
        pub(super) const CHECKS: &[&str] = &[$($check),*];
    };
}
use failing;

#[test]
fn every_check_has_a_world_in_which_it_fails() {
    let covered = [
        aws::CHECKS,
        presence::CHECKS,
        nodes::CHECKS,
        volumes::CHECKS,
    ]
    .concat();
    let missing: Vec<_> = psk::verify::CHECKS
        .iter()
        .map(|check| check.name)
        .filter(|name| !covered.contains(name))
        .collect();
    assert_eq!(missing, [""; 0], "these have none");
}

/// The small inventory, in which no check waits long for what won't come.
fn files() -> Files {
    waiting("300ms")
}

/// The small inventory, in which no check waits longer than that.
fn waiting(deadline: &str) -> Files {
    let settings = format!("verify: {{ deadline: {deadline} }}\n");
    Files::small().with("environments/qa.yaml", &settings)
}

/// A world in which something of the cluster's account and region isn't as it should be.
fn broken(start: &str, breaks: impl FnOnce(&mut Json)) -> (Files, Served) {
    let files = files();
    let lab = Served::start(without_sense(&files, start, breaks), NO_FAULTS);
    (files, lab)
}

/// A world in which something inside the cluster isn't as it should be.
fn inside(breaks: impl FnOnce(&mut Inside)) -> (Files, Served) {
    let files = files();
    let lab = Served::start(world_of(&files, "current"), NO_FAULTS);
    change(&lab, breaks);
    (files, lab)
}

const NO_FAULTS: &str = r#"{"rules":[]}"#;

/// How much faster time passes where nodes, pods and volumes have to come.
const FAST: f64 = 100.0;

/// As [`broken`], where nodes, pods and volumes have to come before a check can fail.
fn living(breaks: impl FnOnce(&mut Json)) -> (Files, Served) {
    let files = waiting("2s");
    let lab = Served::at(without_sense(&files, "current", breaks), NO_FAULTS, FAST);
    (files, lab)
}

/// As [`inside`], where nodes, pods and volumes have to come before a check can fail.
fn living_inside(breaks: impl FnOnce(&mut Inside)) -> (Files, Served) {
    let (files, lab) = living(|_| {});
    change(&lab, breaks);
    (files, lab)
}

/// A trouble that befalls whatever has that in its name, for as long as the world is there.
fn befalls(name: &str, of: Mishap) -> (Files, Served) {
    living_inside(|inside| inside.troubles.push(trouble(name, of)))
}

fn trouble(name: &str, of: Mishap) -> Trouble {
    Trouble {
        of,
        name_contains: name.to_owned(),
        times: None,
    }
}

fn without_sense(files: &Files, start: &str, breaks: impl FnOnce(&mut Json)) -> World {
    let mut world = serde_json::to_value(world_of(files, start)).unwrap();
    let place = format!("/accounts/{ACCOUNT}");
    breaks(world.pointer_mut(&place).unwrap());
    serde_json::from_value(world).unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab's time is made of real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn change<T>(lab: &Served, changes: impl FnOnce(&mut Inside) -> T) -> T {
    lab.with_world(|world| {
        let inside = world.kubernetes(ACCOUNT, REGION, CLUSTER, now());
        changes(inside.unwrap())
    })
}

fn verify(files: &Files, lab: &Served, check: &str) -> Run {
    psk(["verify", "--output", "json", "--cluster", CLUSTER, "--only"])
        .arg(check)
        .at(files)
        .inside(lab)
        .run()
}

/// The check fails, and the message says all that is told; the first of it is the cause, in the report
/// as in the failure.
fn fails(files: &Files, lab: &Served, check: &str, told: &[&str]) {
    let run = verify(files, lab, check).ended(10);
    let cluster = run.cluster(CLUSTER);
    let result = &cluster["checks"][0];
    assert_eq!(result["name"], check);
    assert_eq!(result["outcome"], "failed", "{result:#}");
    let message = result["message"].as_str().unwrap();
    for part in told {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    assert_eq!(cluster["failure"]["step"], "verify");
    let failure = cluster["failure"]["cause"].as_str().unwrap();
    assert!(failure.contains(told[0]), "no {:?} in {failure}", told[0]);
    assert_eq!(left_behind(lab), [""; 0]);
}

fn passes(files: &Files, lab: &Served, check: &str) {
    let run = verify(files, lab, check).ended(0);
    let told = run.cluster(CLUSTER)["checks"][0].clone();
    assert_eq!(
        (&told["name"], &told["outcome"]),
        (&json!(check), &json!("passed"))
    );
}

/// The namespaces of checks that are there.
fn left_behind(lab: &Served) -> Vec<String> {
    let has_api =
        lab.with_world(|world| world.kubernetes(ACCOUNT, REGION, CLUSTER, now()).is_some());
    if !has_api {
        return Vec::new();
    }
    change(lab, |inside| {
        let names = inside
            .every("namespaces")
            .filter_map(|namespace| namespace["metadata"]["name"].as_str());
        let of_checks = names.filter(|name| name.starts_with("psk-verify-"));
        of_checks.map(str::to_owned).collect()
    })
}

fn region(account: &mut Json) -> &mut Json {
    account.pointer_mut(&format!("/regions/{REGION}")).unwrap()
}

fn cluster(account: &mut Json) -> &mut Json {
    let path = format!("/eks/clusters/{CLUSTER}");
    region(account).pointer_mut(&path).unwrap()
}

fn without(of: &mut Json, path: &str, name: &str) {
    let all = of.pointer_mut(path).unwrap().as_object_mut().unwrap();
    assert!(
        all.remove(name).is_some(),
        "{path} has no {name}: {:?}",
        all.keys()
    );
}
