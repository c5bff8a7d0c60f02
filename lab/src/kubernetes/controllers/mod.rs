//! What makes things live inside a cluster.
//!
//! Each controller compares what there is with what there should be, and goes some way. They are
//! run one after the other until none has anything left to do; what has to wait sets a timer.
//! [`settle`] runs them at each moment at which something came due, in order, so that what a cluster
//! is like doesn't depend on when someone looked.

mod addons;
mod bootstrap;
mod charts;
mod claims;
mod crds;
mod definitions;
mod garbage;
mod karpenter;
mod kubelet;
mod mounting;
mod nodes;
mod process;
mod scheduler;
mod workloads;

use jiff::Timestamp;
use serde_json::Value;

use super::facts::Facts;
use super::inside::Inside;
use super::object::{self, Object};

/// How often the controllers are run at one moment at most. They settle in a few rounds; this only
/// keeps two that disagree from going on forever.
const MOST_ROUNDS: usize = 30;

/// Carries out all that happens by a moment.
pub(super) fn settle(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    if inside.is_untouched() {
        begin(inside, facts);
        // Whoever looks first at a cluster that has long been there finds it at rest.
        inside.seen = Some(facts.clone());
        run(inside, facts, facts.made);
    }
    while let Some(due) = inside.timers.next().filter(|due| *due <= now) {
        if !inside.stirred && inside.timers.are_all_due_of(due, kubelet::CONTAINER) {
            // Mostly a script that looks for something once a second and doesn't find it.
            kubelet::run(inside, facts, due);
        } else {
            inside.stirred = true;
        }
        if inside.stirred {
            run(inside, facts, due);
        }
        inside.timers.drop_missed(due);
    }
    if inside.stirred || inside.seen.as_ref() != Some(facts) {
        inside.seen = Some(facts.clone());
        run(inside, facts, now);
    }
}

/// Puts in what a cluster has whose API has just come about.
fn begin(inside: &mut Inside, facts: &Facts) {
    let now = facts.made;
    bootstrap::populate(inside, now);
    let Some(planted) = inside.planted.take() else {
        return;
    };
    for release in planted.releases() {
        bootstrap::make(inside, release, now);
    }
    charts::run(inside, now);
    planted.apply(inside, now);
}

/// One of what makes things live.
struct Controller {
    run: fn(&mut Inside, &Facts, Timestamp),
    /// Kinds whose objects are all that it goes by; none if it goes by time or by AWS, too.
    by: &'static [&'static str],
}

/// A controller that goes by objects of these kinds alone.
const fn by(kinds: &'static [&'static str], run: fn(&mut Inside, &Facts, Timestamp)) -> Controller {
    Controller { run, by: kinds }
}

/// A controller that goes by more.
const fn any(run: fn(&mut Inside, &Facts, Timestamp)) -> Controller {
    by(&[], run)
}

/// All of them, in the order in which they are run.
const CONTROLLERS: [Controller; 11] = [
    by(&bootstrap::KINDS, |inside, _, now| {
        bootstrap::run(inside, now)
    }),
    any(|inside, _, now| definitions::run(inside, now)),
    any(|inside, _, now| charts::run(inside, now)),
    any(addons::run),
    any(nodes::run),
    by(&workloads::KINDS, |inside, _, now| {
        workloads::run(inside, now)
    }),
    by(&scheduler::KINDS, |inside, _, now| {
        scheduler::run(inside, now)
    }),
    any(claims::run),
    any(kubelet::run),
    any(karpenter::run),
    any(|inside, _, now| garbage::run(inside, now)),
];

/// Runs the controllers until none of them has anything left to do. One that has seen the last change
/// already isn't run again.
fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    let mut changes = 0_u32;
    let mut seen = [None; CONTROLLERS.len()];
    for _ in 0..MOST_ROUNDS {
        for (index, (controller, seen)) in CONTROLLERS.iter().zip(&mut seen).enumerate() {
            if seen.replace(changes) == Some(changes) || inside.is_at_rest(index, controller.by) {
                continue;
            }
            inside.stirred = false;
            let before = inside.revision;
            (controller.run)(inside, facts, now);
            changes += u32::from(inside.stirred);
            inside.rest(index, before);
        }
        if seen.iter().all(|seen| *seen == Some(changes)) {
            inside.stirred = false;
            return;
        }
    }
    inside.stirred = true;
    tracing::warn!("the controllers of a cluster don't come to rest");
}

/// Binds a pod to a node.
pub(super) fn bind(inside: &mut Inside, pod: &Value, node: &str, now: Timestamp) {
    inside.change("pods", pod.namespace(), pod.name(), |pod| {
        pod["spec"]["nodeName"] = node.into();
        object::set_condition(pod, "PodScheduled", true, ("", ""), now);
    });
}
