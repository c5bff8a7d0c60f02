//! What holds of every run, whatever its clusters do and however it is stopped.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::simulation::{Cluster, End, Scenario, Trace, finished, simulate, started};
use super::{Mode, Order, Rollout};
use crate::event::Outcome;

const REGIONS: [&str; 4] = ["ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2"];

fn cluster(index: usize) -> impl Strategy<Value = Cluster> {
    let end = prop_oneof![
        4 => Just(End::Unchanged),
        2 => Just(End::Changed),
        2 => Just(End::Failed),
        1 => Just(End::Panicked),
    ];
    (
        select(&REGIONS),
        1_u64..5_000,
        end,
        proptest::option::weighted(0.7, 0_u64..3_000),
    )
        .prop_map(move |(region, takes, end, stops_after)| Cluster {
            name: format!("nonprod-i{index:02}-aws-{region}"),
            region: region.to_owned(),
            takes,
            end,
            stops_after,
        })
}

fn rollout() -> impl Strategy<Value = Rollout> {
    (
        0_usize..8,
        0_usize..5,
        select(&[Mode::Soft, Mode::Strict]),
        prop_oneof![Just(0), 1_usize..4],
        subsequence(&REGIONS, 0..=REGIONS.len()).prop_shuffle(),
    )
        .prop_map(
            |(max_concurrent, failure_tolerance, mode, canary, regions)| Rollout {
                max_concurrent,
                failure_tolerance,
                mode,
                canary,
                region_order: regions.into_iter().map(str::to_owned).collect(),
            },
        )
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::ByName),
        any::<u64>().prop_map(|seed| Order::Shuffled { seed }),
    ]
}

/// A run that no signal stops.
fn undisturbed() -> impl Strategy<Value = Scenario> {
    let clusters = (0_usize..14).prop_flat_map(|n| (0..n).map(cluster).collect::<Vec<_>>());
    (clusters, rollout(), order()).prop_map(|(clusters, rollout, order)| Scenario {
        order,
        ..Scenario::new(clusters, rollout)
    })
}

/// A run that one or two signals stop, if they come before its end.
fn stopped() -> impl Strategy<Value = Scenario> {
    (
        undisturbed(),
        proptest::collection::vec(0_u64..12_000, 1..=2),
        0_u64..4_000,
    )
        .prop_map(|(scenario, mut signals, grace)| {
            signals.sort_unstable();
            Scenario {
                signals,
                grace,
                ..scenario
            }
        })
}

fn any_run() -> impl Strategy<Value = Scenario> {
    prop_oneof![undisturbed(), stopped()]
}

/// The run as it stood just before a cluster was started.
struct Start<'a> {
    cluster: &'a str,
    at: u64,
    under_way: usize,
    ended: BTreeMap<&'a str, &'a Outcome>,
}

impl Start<'_> {
    fn failures(&self) -> usize {
        self.ended
            .values()
            .filter(|outcome| matches!(outcome, Outcome::Failed(_)))
            .count()
    }
}

/// Every start of a run.
fn starts(trace: &Trace) -> Vec<Start<'_>> {
    let mut starts = Vec::new();
    let mut under_way = BTreeSet::new();
    let mut ended = BTreeMap::new();
    for stamped in &trace.events {
        if let Some(cluster) = started(stamped) {
            starts.push(Start {
                cluster,
                at: Trace::at(stamped),
                under_way: under_way.len(),
                ended: ended.clone(),
            });
            under_way.insert(cluster);
        }
        if let Some((cluster, outcome)) = finished(stamped) {
            under_way.remove(cluster);
            ended.insert(cluster, outcome);
        }
    }
    starts
}

fn failures(trace: &Trace) -> usize {
    trace.summary.counts().failed
}

proptest! {
    #[test]
    fn every_cluster_ends_once_and_its_end_is_its_last_event(scenario in any_run()) {
        let trace = simulate(&scenario);
        let schedule = scenario.schedule();

        let summed: Vec<&str> = trace.outcomes().iter().map(|(name, _)| *name).collect();
        let scheduled: Vec<&str> = schedule.clusters().iter().map(|c| c.name.as_str()).collect();
        prop_assert_eq!(summed, scheduled);

        let ends: BTreeMap<&str, &Outcome> = trace.events.iter().filter_map(finished).collect();
        prop_assert_eq!(trace.events.iter().filter_map(finished).count(), scenario.clusters.len());
        for (name, outcome) in trace.outcomes() {
            prop_assert_eq!(ends.get(name), Some(&outcome));
            let last = trace.events.iter().rev().find(|stamped| {
                serde_json::to_value(&stamped.event).unwrap()["cluster"] == name
            });
            prop_assert!(last.and_then(finished).is_some());
        }
    }

    #[test]
    fn a_cluster_is_worked_on_at_most_once_and_only_if_it_was_started(scenario in any_run()) {
        let trace = simulate(&scenario);
        let mut worked = trace.worked.clone();
        worked.sort();
        let mut announced: Vec<&str> = trace.events.iter().filter_map(started).collect();
        announced.sort_unstable();
        // A task that is aborted before its first poll was started and did nothing.
        let distinct: BTreeSet<&String> = worked.iter().collect();
        prop_assert_eq!(distinct.len(), worked.len());
        prop_assert!(distinct.iter().all(|name| announced.contains(&name.as_str())));
        if scenario.signals.is_empty() {
            prop_assert_eq!(&worked, &announced);
        }
        for (name, outcome) in trace.outcomes() {
            if matches!(outcome, Outcome::Skipped { .. }) {
                prop_assert!(!announced.contains(&name));
            }
        }
    }

    #[test]
    fn what_was_started_ends_as_its_work_does(scenario in undisturbed()) {
        let trace = simulate(&scenario);
        for cluster in &scenario.clusters {
            let outcome = trace.outcomes().into_iter().find(|(name, _)| *name == cluster.name);
            let Some((_, outcome)) = outcome else {
                return Err(TestCaseError::fail("a cluster was lost"));
            };
            let expected = match cluster.end {
                _ if !trace.worked.contains(&cluster.name) => "skipped",
                End::Unchanged => "unchanged",
                End::Changed => "changed",
                End::Failed | End::Panicked => "failed",
            };
            prop_assert_eq!(outcome.as_str(), expected);
        }
    }

    #[test]
    fn never_wider_than_allowed(scenario in any_run()) {
        let trace = simulate(&scenario);
        for start in starts(&trace) {
            prop_assert!(start.under_way < scenario.rollout.max_concurrent.max(1));
        }
    }

    #[test]
    fn strict_never_has_more_than_tolerance_plus_one_failures(scenario in any_run()) {
        let mut scenario = scenario;
        scenario.rollout.mode = Mode::Strict;
        let most = scenario.rollout.failure_tolerance + 1;
        let trace = simulate(&scenario);
        prop_assert!(failures(&trace) <= most);
        for start in starts(&trace) {
            prop_assert!(start.failures() + start.under_way < most);
        }
    }

    #[test]
    fn nothing_starts_after_the_tolerance_is_passed(scenario in any_run()) {
        let trace = simulate(&scenario);
        for start in starts(&trace) {
            prop_assert!(start.failures() <= scenario.rollout.failure_tolerance);
        }
    }

    #[test]
    fn clusters_are_skipped_only_for_a_failure_and_the_reason_names_it(scenario in any_run()) {
        let trace = simulate(&scenario);
        let failed: Vec<&str> = trace
            .outcomes()
            .into_iter()
            .filter_map(|(name, outcome)| matches!(outcome, Outcome::Failed(_)).then_some(name))
            .collect();
        for (_, outcome) in trace.outcomes() {
            if let Outcome::Skipped { reason } = outcome {
                prop_assert!(failed.iter().any(|name| reason.contains(name)), "{}", reason);
            }
        }
    }

    #[test]
    fn a_run_that_nothing_halts_leaves_no_cluster_out(scenario in undisturbed()) {
        let mut scenario = scenario;
        scenario.rollout.failure_tolerance = scenario.clusters.len();
        scenario.rollout.canary = 0;
        let trace = simulate(&scenario);
        prop_assert_eq!(trace.worked.len(), scenario.clusters.len());
        prop_assert_eq!(
            trace.summary.held(),
            !scenario.clusters.is_empty() && scenario.clusters.iter().all(|c| c.end.is_success())
        );
    }

    #[test]
    fn the_canaries_succeed_before_anything_else_starts(scenario in any_run()) {
        let trace = simulate(&scenario);
        let schedule = scenario.schedule();
        let names: Vec<&str> = schedule.clusters().iter().map(|c| c.name.as_str()).collect();
        let (canaries, _) = names.split_at(scenario.rollout.canary.min(names.len()));
        for start in starts(&trace) {
            if !canaries.contains(&start.cluster) {
                for canary in canaries {
                    prop_assert!(start.ended.get(canary).is_some_and(|o| o.is_success()));
                }
            }
        }
    }

    #[test]
    fn a_region_starts_when_those_listed_before_it_have_ended(scenario in any_run()) {
        let trace = simulate(&scenario);
        let rank = |region: &str| {
            let listed = &scenario.rollout.region_order;
            listed.iter().position(|r| r == region).unwrap_or(listed.len())
        };
        for start in starts(&trace) {
            let region = |name: &str| {
                scenario.clusters.iter().find(|c| c.name == name).map(|c| c.region.as_str())
            };
            let own = region(start.cluster).map(rank);
            for cluster in &scenario.clusters {
                if Some(rank(&cluster.region)) < own {
                    prop_assert!(start.ended.contains_key(cluster.name.as_str()));
                }
            }
        }
    }

    #[test]
    fn the_order_is_the_schedule_s(scenario in any_run()) {
        let trace = simulate(&scenario);
        let schedule = scenario.schedule();
        let scheduled: Vec<&str> = schedule.clusters().iter().map(|c| c.name.as_str()).collect();
        let announced: Vec<&str> = trace.events.iter().filter_map(started).collect();
        prop_assert_eq!(&announced[..], &scheduled[..announced.len()]);
    }

    #[test]
    fn a_seed_gives_one_order_whatever_order_the_clusters_come_in(
        (scenario, shuffled) in undisturbed().prop_flat_map(|scenario| {
            let clusters = Just(scenario.clusters.clone()).prop_shuffle();
            (Just(scenario), clusters)
        })
    ) {
        let again = Scenario { clusters: shuffled, ..scenario.clone() };
        prop_assert_eq!(scenario.schedule(), again.schedule());
        prop_assert_eq!(simulate(&scenario), simulate(&again));
    }

    #[test]
    fn a_signal_ends_the_run_within_the_grace(scenario in stopped()) {
        let trace = simulate(&scenario);
        let first = scenario.signals[0];
        let second = scenario.signals.get(1).copied().unwrap_or(u64::MAX);
        let latest = (first + scenario.grace).min(second);
        prop_assert!(trace.elapsed.as_millis() <= u128::from(latest));
        for start in starts(&trace) {
            prop_assert!(start.at <= first);
        }
        for stamped in &trace.events {
            if let Some((_, Outcome::Skipped { .. })) = finished(stamped) {
                prop_assert!(Trace::at(stamped) <= first);
            }
        }
    }

    #[test]
    fn a_run_that_ends_before_the_signal_has_nothing_cancelled(scenario in stopped()) {
        let trace = simulate(&scenario);
        if trace.elapsed.as_millis() < u128::from(scenario.signals[0]) {
            prop_assert_eq!(trace.summary.counts().cancelled, 0);
        }
    }
}
