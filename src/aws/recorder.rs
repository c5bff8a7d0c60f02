//! Counts every call that an SDK client makes into the scope of [`crate::calls`] that it runs in.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::error::THROTTLED;
use super::pace::Pacer;
use crate::calls;

/// The interceptor; every client has one.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    /// The service's name as IAM writes it (`eks`), which the SDK's own metadata doesn't carry.
    service: &'static str,
    /// Told of throttles.
    pacer: Arc<Pacer>,
}

impl Recorder {
    pub(super) fn new(service: &'static str, pacer: Arc<Pacer>) -> Self {
        Self { service, pacer }
    }
}

/// What is known of a call under way.
#[derive(Debug, Clone, Copy, Default)]
struct UnderWay {
    began: Option<calls::Began>,
    throttles: u64,
}

impl Storable for UnderWay {
    type Storer = StoreReplace<Self>;
}

fn under_way(cfg: &ConfigBag) -> UnderWay {
    cfg.load::<UnderWay>().copied().unwrap_or_default()
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "psk::Recorder"
    }

    /// The call's place in its chain is taken here and not earlier, because by now the credentials
    /// are there: an AssumeRole that this call had to wait for is part of the chain.
    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut state = under_way(cfg);
        if state.began.is_none() {
            state.began = Some(calls::begin());
            cfg.interceptor_state().store_put(state);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let told_to_slow_down = context.response().is_some_and(|response| {
            let status = response.status().as_u16();
            status == 429
                || (status >= 400
                    && response
                        .body()
                        .bytes()
                        .map(String::from_utf8_lossy)
                        .is_some_and(|body| {
                            names_throttling(&body, response.headers().get("x-amzn-errortype"))
                        }))
        });
        if told_to_slow_down {
            let mut state = under_way(cfg);
            state.throttles += 1;
            cfg.interceptor_state().store_put(state);
            self.pacer.throttled();
        } else if context.response().is_some() {
            self.pacer.answered();
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        _context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let state = under_way(cfg);
        // A call that was never sent (no credentials, no endpoint) is no call.
        let Some(began) = state.began else {
            return Ok(());
        };
        let operation = cfg.load::<Metadata>().map_or("unknown", Metadata::name);
        let attempts = cfg
            .load::<RequestAttempts>()
            .map_or(1, RequestAttempts::attempts);
        calls::record(
            &format!("{}:{operation}", self.service),
            began,
            attempts,
            state.throttles,
        );
        Ok(())
    }
}

/// Whether an error answer is a throttle: the code stands in a header (REST JSON) or in the body
/// (JSON 1.1's `__type`, the `Code` element of the Query protocols).
fn names_throttling(body: &str, error_type: Option<&str>) -> bool {
    let codes = error_type.into_iter().chain([body]);
    codes
        .flat_map(|text| THROTTLED.iter().map(move |code| text.contains(code)))
        .any(|found| found)
}
