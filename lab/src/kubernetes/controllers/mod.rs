//! What makes things live inside a cluster.
//!
//! Each controller compares what there is with what there should be, and goes some way. They are
//! run one after the other until none has anything left to do; what has to wait sets a timer.
//! [`settle`] runs them at each moment at which something came due, in order, so that what a cluster
//! is like doesn't depend on when someone looked.

mod bootstrap;
mod definitions;
mod garbage;

use jiff::Timestamp;
use serde_json::Value;

use super::facts::Facts;
use super::inside::Inside;
use super::object::{self, Object};

/// How often the controllers are run at one moment at most. They settle in a few rounds; this only
/// keeps two that disagree from going on forever.
const MOST_ROUNDS: usize = 30;

/// The inside of a cluster whose API has just come about.
pub(super) fn begin(facts: &Facts) -> Inside {
    let mut inside = Inside::new(&facts.id);
    bootstrap::populate(&mut inside, facts.made);
    inside
}

/// Carries out all that happens by a moment.
pub(super) fn settle(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    while let Some(due) = inside.timers.next().filter(|due| *due <= now) {
        run(inside, facts, due);
        inside.timers.drop_missed(due);
    }
    run(inside, facts, now);
}

fn run(inside: &mut Inside, facts: &Facts, now: Timestamp) {
    for _ in 0..MOST_ROUNDS {
        inside.stirred = false;
        bootstrap::run(inside, now);
        definitions::run(inside, now);
        garbage::run(inside, now);
        let _ = facts;
        if !inside.stirred {
            break;
        }
    }
}

/// Binds a pod to a node.
pub(super) fn bind(inside: &mut Inside, pod: &Value, node: &str, now: Timestamp) {
    inside.change("pods", pod.namespace(), pod.name(), |pod| {
        pod["spec"]["nodeName"] = node.into();
        object::set_condition(pod, "PodScheduled", true, ("", ""), now);
    });
}
