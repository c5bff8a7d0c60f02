//! The pace at which one account, region and service is called: never faster than AWS is known to
//! stand, and slower while it says that even that is too fast.
//!
//! The SDK's own adaptive mode isn't used: it learns its rate from half-second buckets, so one
//! throttle in the first moments of a burst sets it to a request every two seconds for everyone.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Jitter, Quota, RateLimiter};
use rand::RngExt;
use tokio::time::Instant;

/// The first pause after a throttle, and the longest one after many in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps the pace of everything that shares it: one per account, region and service.
#[derive(Debug)]
pub(super) struct Pacer {
    limiter: DefaultDirectRateLimiter,
    easing: Mutex<Easing>,
}

/// What was learnt from throttles.
#[derive(Debug, Default)]
struct Easing {
    /// Throttles that no success has made up for yet.
    strikes: u32,
    /// Nothing is sent before.
    until: Option<Instant>,
}

impl Pacer {
    /// The pace of a service, named as IAM names it.
    pub(super) fn for_service(service: &str) -> Self {
        let (burst, per_second) = limits(service);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            limiter: RateLimiter::direct(quota),
            easing: Mutex::default(),
        }
    }

    /// Waits until a request may be sent.
    pub(super) async fn turn(&self) {
        // Looked at again after each wait: another throttle may have come in meanwhile.
        while let Some(until) = self.pause() {
            tokio::time::sleep_until(until).await;
        }
        // Jitter spreads out the many that wait for the same refill.
        let jitter = Jitter::up_to(Duration::from_millis(50));
        if self.limiter.check().is_err() {
            self.limiter.until_ready_with_jitter(jitter).await;
        }
    }

    /// Takes in that the service asked to slow down: everyone pauses, longer each time.
    pub(super) fn throttled(&self) {
        let mut easing = self.easing();
        let pause = FIRST_PAUSE
            .saturating_mul(2u32.saturating_pow(easing.strikes))
            .min(LONGEST_PAUSE);
        let pause = pause.mul_f64(rand::rng().random_range(0.5..=1.0));
        easing.strikes = easing.strikes.saturating_add(1);
        easing.until = easing.until.max(Some(Instant::now() + pause));
    }

    /// Takes in that the service answered without a complaint.
    pub(super) fn answered(&self) {
        let mut easing = self.easing();
        easing.strikes = easing.strikes.saturating_sub(1);
    }

    /// The end of the pause, if there is one now.
    fn pause(&self) -> Option<Instant> {
        self.easing().until.filter(|until| *until > Instant::now())
    }

    fn easing(&self) -> std::sync::MutexGuard<'_, Easing> {
        self.easing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many requests a service takes at once, and then per second, per account and region.
///
/// Sources: "Request throttling for the Amazon EC2 API" (non-mutating actions: a bucket of 100,
/// refilled by 20 a second); "AWS Systems Manager endpoints and quotas" (GetParameter: 40 a second).
/// EKS, IAM, EFS and the others publish no figure, so theirs are guesses that throttles correct. EKS is
/// asked by far the most of each cluster, a dozen times and more, so its burst lets in the clusters
/// that usually share an account and region.
fn limits(service: &str) -> (NonZeroU32, NonZeroU32) {
    let (burst, per_second) = match service {
        "sts" => (100, 100),
        "ec2" => (100, 20),
        "eks" => (200, 20),
        "ssm" => (40, 30),
        _ => (50, 15),
    };
    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    (at_least_one(burst), at_least_one(per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_out_at_once() {
        let pacer = Pacer::for_service("eks");
        let began = Instant::now();
        for _ in 0..100 {
            pacer.turn().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_throttle_everyone_waits_and_longer_each_time() {
        let pacer = Pacer::for_service("eks");
        let mut waits = Vec::new();
        for _ in 0..4 {
            pacer.throttled();
            let began = Instant::now();
            pacer.turn().await;
            waits.push(began.elapsed());
        }
        let least = [50, 100, 200, 400].map(Duration::from_millis);
        assert!(
            waits.iter().zip(least).all(|(wait, least)| *wait >= least),
            "{waits:?}"
        );
        assert!(
            waits
                .iter()
                .zip(least)
                .all(|(wait, least)| *wait <= least * 2 + Duration::from_millis(2)),
            "{waits:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn successes_make_up_for_throttles() {
        let pacer = Pacer::for_service("eks");
        (0..40).for_each(|_| pacer.throttled());
        pacer.turn().await;
        (0..40).for_each(|_| pacer.answered());
        pacer.throttled();
        let began = Instant::now();
        pacer.turn().await;
        assert!(began.elapsed() <= FIRST_PAUSE + Duration::from_millis(2));
    }
}
