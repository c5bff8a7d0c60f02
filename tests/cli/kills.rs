//! A creation that is broken off or disturbed at any call that writes: one more run finishes it, and
//! nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use psk_lab::world::World;

use crate::harness::{Files, Psk, Served, left, psk, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// Runs that go on at the same time.
const WIDTH: usize = 2;

/// After that many calls that write, none that does is answered any more.
fn writes(many: usize) -> String {
    let from = many + 1;
    format!(r#"{{"rules":[{{"writes":true,"from":{from},"effect":"hang"}}]}}"#)
}

/// An inventory of one cluster.
fn one_cluster() -> Files {
    let clusters = format!("clusters:\n  {CLUSTER}: {{ aws_region: us-east-1 }}\n");
    Files::small().with("roles/qa.yaml", &clusters)
}

/// A run that checks next to nothing: what its own checks leave behind is another test's matter.
fn fanout<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    psk(["fanout", "--role", "qa", "--output", "json"])
        .arg("--poll-interval=0.02")
        .arg("--override-gate=what is written is counted, and statuses are not meant")
        .at(files)
        .inside(lab)
        .without("GITHUB_TOKEN")
}

/// What is there after a creation that nothing disturbed.
fn undisturbed(files: &Files, world: &World) -> BTreeMap<String, usize> {
    let lab = Served::rushing(world.clone(), "{}");
    fanout(files, &lab).run().ended(0);
    lab.with_world(|world| left(world))
}

/// The worlds that psk leaves when it is killed after each call that writes, one after the other,
/// through a creation from its call `from` on, to its call `to` or its end.
fn broken_off(files: &Files, fresh: World, from: usize, to: Option<usize>) -> Vec<World> {
    let first = match from {
        0 => fresh,
        from => killed(files, fresh, from).0.unwrap(),
    };
    let mut worlds = vec![first];
    let mut made = BTreeSet::new();
    // A run may repeat what changes nothing, on its way to what does.
    let mut repeated = 0;
    while to.is_none_or(|to| from + worlds.len() <= to) {
        assert!(repeated < 5 && worlds.len() < 200, "{made:#?}");
        let world = worlds.last().unwrap().clone();
        let (left, calls) = killed(files, world, repeated + 1);
        let Some(left) = left else { break };
        let known = made.len();
        made.extend(calls);
        if made.len() > known {
            repeated = 0;
            worlds.push(left);
        } else {
            repeated += 1;
        }
    }
    worlds
}

/// The world that psk leaves when it is killed after so many calls that write, and those; no world
/// if it came to its end before.
fn killed(files: &Files, world: World, after: usize) -> (Option<World>, Vec<String>) {
    let lab = Served::rushing(world, &writes(after));
    let mut run = fanout(files, &lab).start();
    lab.wait_until(|| written(&lab).len() >= after || run.has_ended());
    let calls = written(&lab);
    if calls.len() < after {
        run.finish().ended(0);
        return (None, calls);
    }
    run.kill();
    (Some(lab.with_world(|world| world.clone())), calls)
}

/// The calls that wrote and were answered.
fn written(lab: &Served) -> Vec<String> {
    let calls = lab.calls();
    let writes = calls
        .iter()
        .filter(|call| call.writes && call.status.is_some());
    writes
        .map(|call| format!("{}:{} {}", call.service, call.operation, call.request))
        .collect()
}

/// Does something with each, several at once, and tells what failed.
fn each<T: Sync>(all: &[T], doing: impl Fn(usize, &T) -> Result<(), String> + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WIDTH {
            scope.spawn(|| {
                while let Some((index, one)) = {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    all.get(index).map(|one| (index, one))
                } {
                    if let Err(why) = doing(index, one) {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        failed.push(format!("after {index} calls: {why}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {}:\n{}",
        failed.len(),
        all.len(),
        failed.join("\n")
    );
}

/// How two lists of what there is differ.
fn difference(is: &BTreeMap<String, usize>, wanted: &BTreeMap<String, usize>) -> Vec<String> {
    let names: BTreeSet<_> = is.keys().chain(wanted.keys()).collect();
    names
        .into_iter()
        .filter(|name| is.get(*name) != wanted.get(*name))
        .map(|name| format!("{name}: {:?}, not {:?}", is.get(name), wanted.get(name)))
        .collect()
}

/// Kills a creation after each of some of its calls that write, and lets one more run complete each.
fn one_more_run_completes(from: usize, to: Option<usize>) {
    let files = one_cluster();
    let fresh = world_of(&files, "fresh");
    let wanted = undisturbed(&files, &fresh);
    let worlds = broken_off(&files, fresh, from, to);
    let least = to.unwrap_or(from + 10) - from;
    assert!(worlds.len() >= least, "{}", worlds.len());
    each(&worlds, |_, world| {
        let lab = Served::rushing(world.clone(), "{}");
        let run = fanout(&files, &lab).run();
        if run.code != Some(0) {
            return Err(run.stderr);
        }
        let differing = difference(&lab.with_world(|world| left(world)), &wanted);
        if differing.is_empty() {
            Ok(())
        } else {
            Err(differing.join("; "))
        }
    });
}

// One creation in four parts, which go on side by side.
#[test]
fn killed_after_each_of_its_first_calls_one_more_run_completes_what_is_there_once() {
    one_more_run_completes(0, Some(20));
}

#[test]
fn killed_while_it_makes_the_cluster_one_more_run_completes_what_is_there_once() {
    one_more_run_completes(20, Some(40));
}

#[test]
fn killed_while_it_makes_what_is_around_one_more_run_completes_what_is_there_once() {
    one_more_run_completes(40, Some(60));
}

#[test]
fn killed_while_it_fills_the_cluster_one_more_run_completes_what_is_there_once() {
    one_more_run_completes(60, None);
}

#[test]
fn with_every_call_that_writes_failing_once_a_creation_still_completes() {
    let files = one_cluster();
    let fresh = world_of(&files, "fresh");
    let wanted = undisturbed(&files, &fresh);
    let unavailable =
        r#"{ "error": { "status": 500, "code": "InternalFailure", "message": "try again" } }"#;
    let effects = [
        r#""throttle""#,
        unavailable,
        r#""reset""#,
        r#""reset_after""#,
    ];
    each(&effects, |_, effect| {
        let faults = format!(r#"{{"rules":[{{"writes":true,"first":true,"effect":{effect}}}]}}"#);
        let lab = Served::rushing(fresh.clone(), &faults);
        let mut run = fanout(&files, &lab).run();
        if run.code != Some(0) {
            // What a service left open is closed by one more run.
            let first = run.stderr;
            run = fanout(&files, &lab).run();
            if run.code != Some(0) {
                return Err(format!("{effect}: {first}\n then {}", run.stderr));
            }
            println!("{effect} took two runs: {first}");
        }
        let differing = difference(&lab.with_world(|world| left(world)), &wanted);
        if differing.is_empty() {
            Ok(())
        } else {
            Err(format!("{effect}: {}", differing.join("; ")))
        }
    });
}
