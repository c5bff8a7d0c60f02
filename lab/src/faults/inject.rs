//! Decides what happens to each call.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

use super::file::{Effect, Faults, Rule};
use crate::call::{Call, ServiceError};
use crate::eks::Issue;
use crate::front::service::Service;
use crate::ids;
use crate::pattern;

/// Counts the calls that each rule fits, and applies the rules.
#[derive(Debug)]
pub struct Injector {
    faults: Faults,
    seen: Mutex<Vec<Seen>>,
}

/// What a rule has seen.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// How many calls fitted.
    calls: u64,
    /// The digests of those, for a rule that tells equal ones apart.
    digests: BTreeSet<[u8; 32]>,
}

/// What happens to one call.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// How much longer it takes.
    pub delay: Duration,
    /// And then.
    pub outcome: Outcome,
}

/// What happens to a call after its delay.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is carried out.
    Proceed,
    /// It is answered with this instead.
    Refuse(ServiceError),
    /// The connection is closed instead.
    Reset,
    /// It is carried out, and the connection is closed instead of an answer.
    ResetAfter,
    /// It is never answered.
    Hang,
    /// It is carried out; a watch is broken off after this long.
    CutAfter(Duration),
    /// It is carried out; a watch is told after this long that its revision has expired.
    ExpireAfter(Duration),
    /// The connection is closed, and the cluster's API takes none for this long.
    Away(Duration),
    /// It is carried out, and what it begins fails with this.
    Fail(Issue),
}

impl Injector {
    /// Applies these faults, counting from now.
    pub fn new(faults: Faults) -> Self {
        let seen = Mutex::new(vec![Seen::default(); faults.rules.len()]);
        Self { faults, seen }
    }

    /// What happens to a call.
    pub fn decide(&self, service: Service, call: &Call) -> Decision {
        let mut delay = Duration::from_millis(self.faults.latency_ms);
        let mut outcome = Outcome::Proceed;
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, (rule, seen)) in self.faults.rules.iter().zip(all.iter_mut()).enumerate() {
            if !fits(rule, service, call) || (rule.first && !seen.digests.insert(digest(call))) {
                continue;
            }
            seen.calls += 1;
            if !self.hits(rule, index, seen.calls) {
                continue;
            }
            match &rule.effect {
                Effect::LatencyMs(more) => delay += Duration::from_millis(*more),
                effect if outcome == Outcome::Proceed => outcome = happens(effect, service),
                _ => {}
            }
        }
        Decision { delay, outcome }
    }

    fn hits(&self, rule: &Rule, index: usize, count: u64) -> bool {
        rule.at.as_ref().is_none_or(|at| at.contains(&count))
            && rule.from.is_none_or(|from| count >= from)
            && rule
                .chance
                .is_none_or(|chance| self.draw(index, count) < chance)
    }

    /// A number from 0 to 1 that belongs to this call of this rule.
    fn draw(&self, index: usize, count: u64) -> f64 {
        let names = [self.faults.seed, index as u64, count].map(|n| n.to_string());
        let bytes = ids::digest(&names.each_ref().map(String::as_str));
        let word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        f64::from(word) / (f64::from(u32::MAX) + 1.0)
    }
}

fn fits(rule: &Rule, service: Service, call: &Call) -> bool {
    let is = |wanted: &Option<String>, have: &str| wanted.as_ref().is_none_or(|w| w == have);
    rule.service.is_none_or(|wanted| wanted == service)
        && rule
            .operation
            .as_ref()
            .is_none_or(|p| pattern::matches(p, &call.operation))
        && rule.writes.is_none_or(|wanted| wanted == call.writes())
        && is(&rule.account, &call.account)
        && is(&rule.region, &call.region)
        && rule
            .contains
            .as_ref()
            .is_none_or(|text| mentions(call, text))
}

/// What tells a call from others. Retries of a client are equal.
fn digest(call: &Call) -> [u8; 32] {
    ids::digest(&[
        &call.account,
        &call.region,
        &call.operation,
        &call.as_sent(),
    ])
}

fn mentions(call: &Call, text: &str) -> bool {
    call.path.contains(text)
        || call.about.contains(text)
        || call.query.iter().any(|(_, value)| value.contains(text))
        || String::from_utf8_lossy(&call.body).contains(text)
}

fn happens(effect: &Effect, service: Service) -> Outcome {
    match effect {
        Effect::Throttle => Outcome::Refuse(service.throttled()),
        Effect::Error {
            status,
            code,
            message,
        } => Outcome::Refuse(ServiceError::new(
            StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            message,
        )),
        Effect::Reset => Outcome::Reset,
        Effect::ResetAfter => Outcome::ResetAfter,
        Effect::Hang => Outcome::Hang,
        Effect::CutAfterMs(time) => Outcome::CutAfter(Duration::from_millis(*time)),
        Effect::ExpireAfterMs(time) => Outcome::ExpireAfter(Duration::from_millis(*time)),
        Effect::AwaySeconds(time) => Outcome::Away(Duration::from_secs(*time)),
        Effect::Fails {
            code,
            message,
            resource_ids,
        } => Outcome::Fail(Issue {
            code: code.clone(),
            message: message.clone(),
            resource_ids: resource_ids.clone(),
        }),
        Effect::LatencyMs(_) => Outcome::Proceed,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn injector(text: &str) -> Injector {
        Injector::new(Faults::parse(text, Path::new("faults.json")).unwrap())
    }

    fn describe(cluster: &str) -> Call {
        Call {
            operation: "DescribeCluster".into(),
            path: format!("/clusters/{cluster}"),
            ..Call::default()
        }
    }

    fn hits(injector: &Injector, calls: usize) -> Vec<usize> {
        (1..=calls)
            .filter(|_| injector.decide(Service::Eks, &describe("c")).outcome != Outcome::Proceed)
            .collect()
    }

    #[test]
    fn calls_are_counted_from_one_and_only_those_that_fit() {
        let at = injector(
            r#"{"rules":[{"service":"eks","contains":"/clusters/c","at":[2,4],"effect":"reset"}]}"#,
        );
        at.decide(Service::Eks, &describe("other"));
        at.decide(Service::Ssm, &describe("c"));
        assert_eq!(hits(&at, 6), [2, 4]);
        assert_eq!(
            hits(&injector(r#"{"rules":[{"from":3,"effect":"hang"}]}"#), 5),
            [3, 4, 5]
        );
    }

    #[test]
    fn reads_and_writes_and_retries_are_told_apart() {
        let create = |name: &str| Call {
            operation: "CreateCluster".into(),
            body: name.as_bytes().to_vec(),
            ..Call::default()
        };
        let injector = injector(r#"{"rules":[{"writes":true,"first":true,"effect":"reset"}]}"#);
        let outcome = |call: Call| injector.decide(Service::Eks, &call).outcome;
        assert_eq!(outcome(describe("c")), Outcome::Proceed);
        assert_eq!(outcome(create("a")), Outcome::Reset);
        assert_eq!(outcome(create("a")), Outcome::Proceed);
        assert_eq!(outcome(create("b")), Outcome::Reset);
    }

    #[test]
    fn a_chance_hits_about_its_share_and_the_same_calls_for_a_seed() {
        let with_seed = |seed: u64| {
            let file =
                format!(r#"{{"seed":{seed},"rules":[{{"chance":0.25,"effect":"throttle"}}]}}"#);
            hits(&injector(&file), 1000)
        };
        assert_eq!(with_seed(1), with_seed(1));
        assert_ne!(with_seed(1), with_seed(2));
        assert!(
            (200..300).contains(&with_seed(1).len()),
            "{}",
            with_seed(1).len()
        );
    }

    #[test]
    fn latencies_add_up_and_the_first_other_effect_wins() {
        let injector = injector(
            r#"{"latency_ms":5,"rules":[
              {"effect":{"latency_ms":10}},{"effect":"throttle"},{"effect":"reset"}]}"#,
        );
        let decision = injector.decide(Service::Eks, &describe("c"));
        assert_eq!(decision.delay, Duration::from_millis(15));
        assert_eq!(decision.outcome, Outcome::Refuse(Service::Eks.throttled()));
    }
}
