//! A run as a trace: a span for the run, in it one for each cluster, in that one for each step, in that
//! one for each call. Sent by OTLP over HTTP, as JSON, when the run is over.
//!
//! Off unless the standard variables say where to. What is sent are the events that every listener is
//! given, so that sending them makes no more of them.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::Timestamp;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};

use super::listener::{Listener, ReportError};
use crate::env::Env;
use crate::event::{ClusterRef, Event, MadeCall, Outcome, RunStarted, Stamped};
use crate::fanout::Stop;
use crate::proxy;
use crate::web::innermost;

/// Spans in one request.
const BATCH: usize = 512;
/// How long sending may take, unless the variables say otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go, by the standard variables.
#[derive(Clone)]
pub struct TraceSettings {
    endpoint: String,
    headers: HashMap<String, String>,
    timeout: Duration,
    service: String,
    parent: Option<(TraceId, SpanId, TraceFlags)>,
    /// By which proxies are chosen.
    env: Env,
}

/// Without the headers, which may hold a key.
impl std::fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceSettings")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl TraceSettings {
    /// What the environment says; `None` where it doesn't ask for traces.
    ///
    /// # Errors
    /// It asks for traces in a way that psk can't send.
    pub fn from_env(env: &Env) -> Result<Option<Self>, String> {
        let of_traces = |name: &str| {
            env.get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| env.get(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let own = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let common = env.get("OTEL_EXPORTER_OTLP_ENDPOINT");
        let endpoint = match (own, common) {
            (Some(own), _) => own.to_owned(),
            // Source: OTLP exporter specification, "Endpoint URLs for OTLP/HTTP".
            (None, Some(common)) => format!("{}/v1/traces", common.trim_end_matches('/')),
            (None, None) => return Ok(None),
        };
        let disabled = env.get("OTEL_SDK_DISABLED");
        let exporter = env.get("OTEL_TRACES_EXPORTER").unwrap_or("otlp");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) || exporter == "none" {
            return Ok(None);
        }
        if exporter != "otlp" {
            return Err(format!(
                "OTEL_TRACES_EXPORTER is {exporter:?}; psk sends otlp"
            ));
        }
        if of_traces("PROTOCOL") == Some("grpc") {
            return Err("the OTLP protocol is grpc; psk sends http/json".to_owned());
        }
        let milliseconds = of_traces("TIMEOUT").and_then(|text| text.parse().ok());
        Ok(Some(Self {
            endpoint,
            headers: of_traces("HEADERS").map(headers).unwrap_or_default(),
            timeout: milliseconds.map_or(TIMEOUT, Duration::from_millis),
            service: env.get("OTEL_SERVICE_NAME").unwrap_or("psk").to_owned(),
            parent: env.get("TRACEPARENT").and_then(parent),
            env: env.clone(),
        }))
    }

    /// Where they go, without anything that the URL may carry besides.
    fn host(&self) -> String {
        let url: Result<url::Url, _> = self.endpoint.parse();
        url.map_or_else(
            |_| "its collector".to_owned(),
            |url| url.origin().ascii_serialization(),
        )
    }
}

/// Source: OTLP exporter specification: as W3C Baggage, values percent-encoded.
fn headers(text: &str) -> HashMap<String, String> {
    let decode = |text: &str| {
        let text = text.trim().as_bytes();
        percent_encoding::percent_decode(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// The span that the run is a part of. Source: W3C Trace Context.
fn parent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let parts: Vec<_> = text.trim().split('-').collect();
    let ["00", trace, span, flags] = parts[..] else {
        return None;
    };
    let trace = TraceId::from_hex(trace).ok()?;
    let span = SpanId::from_hex(span).ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let is_valid = trace != TraceId::INVALID && span != SpanId::INVALID;
    is_valid.then(|| (trace, span, TraceFlags::new(flags)))
}

/// Keeps the spans that have ended until they are sent.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl Ended {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanProcessor for Ended {
    fn on_start(&self, _span: &mut Span, _cx: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ended.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends a run as a trace.
pub struct Traces {
    settings: TraceSettings,
    /// Gives spans their ids and decides which are sampled.
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    ended: Ended,
    run: Option<Context>,
    places: BTreeMap<String, ClusterRef>,
    clusters: BTreeMap<String, Open>,
    stop: Stop,
}

/// A cluster under way.
struct Open {
    cluster: Context,
    step: Option<Context>,
}

impl Traces {
    /// Sends a run that may be stopped there.
    pub fn new(settings: TraceSettings, stop: Stop) -> Self {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource(&settings))
            .with_span_processor(ended.clone())
            .build();
        Self {
            tracer: provider.tracer("psk"),
            settings,
            provider,
            ended,
            run: None,
            places: BTreeMap::new(),
            clusters: BTreeMap::new(),
            stop,
        }
    }

    fn begin(
        &self,
        name: String,
        kind: SpanKind,
        within: &Context,
        at: SystemTime,
        attributes: Vec<KeyValue>,
    ) -> Context {
        let span = self
            .tracer
            .span_builder(name)
            .with_kind(kind)
            .with_start_time(at)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, within);
        within.with_span(span)
    }

    fn run_started(&mut self, run: &RunStarted, at: SystemTime) {
        let outside = match self.settings.parent {
            Some((trace, span, flags)) => {
                let parent = SpanContext::new(trace, span, flags, true, TraceState::default());
                Context::new().with_remote_span_context(parent)
            }
            None => Context::new(),
        };
        let mut attributes = vec![
            KeyValue::new("psk.command", run.command.clone()),
            KeyValue::new("psk.role", run.role.clone()),
            KeyValue::new("psk.dry_run", run.dry_run),
            KeyValue::new("psk.inventory_digest", run.inventory_digest.clone()),
        ];
        let commit = run.commit.clone();
        attributes.extend(commit.map(|sha| KeyValue::new("vcs.ref.head.revision", sha)));
        let tag = run.tag.clone();
        attributes.extend(tag.map(|tag| KeyValue::new("vcs.ref.head.name", tag)));
        let name = format!("psk {} {}", run.command, run.role);
        self.run = Some(self.begin(name, SpanKind::Internal, &outside, at, attributes));
        let places = run.clusters.iter();
        self.places = places
            .map(|place| (place.name.clone(), place.clone()))
            .collect();
    }

    /// The span of a cluster, begun now if it hasn't been: one that never started has one too.
    fn cluster(&mut self, name: &str, at: SystemTime) -> Open {
        if let Some(open) = self.clusters.remove(name) {
            return open;
        }
        let mut attributes = vec![KeyValue::new("k8s.cluster.name", name.to_owned())];
        if let Some(place) = self.places.get(name) {
            attributes.extend([
                KeyValue::new("cloud.provider", "aws"),
                KeyValue::new("cloud.region", place.region.clone()),
                KeyValue::new("cloud.account.id", place.account.clone()),
            ]);
        }
        let run = self.run.clone().unwrap_or_default();
        let name = name.to_owned();
        Open {
            cluster: self.begin(name, SpanKind::Internal, &run, at, attributes),
            step: None,
        }
    }

    fn called(&mut self, cluster: &str, call: &MadeCall, at: SystemTime) {
        let open = self.cluster(cluster, at);
        let within = open.step.as_ref().unwrap_or(&open.cluster);
        let began = at.checked_sub(call.elapsed).unwrap_or(at);
        let (service, method) = call.operation.split_once(':').unwrap_or_default();
        let attributes = vec![
            KeyValue::new("rpc.service", service.to_owned()),
            KeyValue::new("rpc.method", method.to_owned()),
            KeyValue::new("psk.attempts", i64::from(call.attempts)),
            KeyValue::new(
                "psk.throttles",
                i64::try_from(call.throttles).unwrap_or(i64::MAX),
            ),
        ];
        let name = call.operation.clone();
        let span = self.begin(name, SpanKind::Client, within, began, attributes);
        span.span().end_with_timestamp(at);
        self.clusters.insert(cluster.to_owned(), open);
    }

    fn end_of_cluster(&mut self, name: &str, outcome: &Outcome, at: SystemTime) {
        let open = self.cluster(name, at);
        let status = match outcome {
            Outcome::Failed(failure) => Status::error(failure.to_string()),
            Outcome::Unchanged | Outcome::Changed { .. } => Status::Ok,
            Outcome::Skipped { .. } | Outcome::Cancelled { .. } => Status::Unset,
        };
        if let Some(step) = &open.step {
            step.span().set_status(status.clone());
            step.span().end_with_timestamp(at);
        }
        let span = open.cluster.span();
        span.set_attribute(KeyValue::new("psk.outcome", outcome.as_str()));
        if let Outcome::Skipped { reason } | Outcome::Cancelled { during: reason } = outcome {
            span.set_attribute(KeyValue::new("psk.reason", reason.clone()));
        }
        span.set_status(status);
        span.end_with_timestamp(at);
        if matches!(outcome, Outcome::Failed(_))
            && let Some(run) = &self.run
        {
            run.span().set_status(Status::error("a cluster failed"));
        }
    }

    async fn send(&self) -> Result<(), String> {
        let TraceSettings {
            endpoint,
            headers,
            timeout,
            env,
            ..
        } = &self.settings;
        let client = proxy::through(reqwest::Client::builder().timeout(*timeout), env);
        let client = client.map_err(|error| error.to_string())?.build();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client.map_err(|error| innermost(&error))?)
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(endpoint)
            .with_headers(headers.clone())
            .with_timeout(*timeout)
            .build()
            .map_err(|error| error.to_string())?;
        exporter.set_resource(&resource(&self.settings));
        let mut spans = self.ended.take().into_iter().peekable();
        while spans.peek().is_some() {
            let batch: Vec<_> = spans.by_ref().take(BATCH).collect();
            exporter
                .export(batch)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// What the spans are of. `OTEL_RESOURCE_ATTRIBUTES` adds to it.
fn resource(settings: &TraceSettings) -> Resource {
    Resource::builder()
        .with_service_name(settings.service.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

#[async_trait]
impl Listener for Traces {
    fn on(&mut self, stamped: &Stamped) {
        let at = system_time(stamped.at);
        match &stamped.event {
            Event::RunStarted(run) => self.run_started(run, at),
            Event::ClusterStarted { cluster } => {
                let open = self.cluster(cluster, at);
                self.clusters.insert(cluster.clone(), open);
            }
            Event::StepStarted { cluster, step } => {
                let mut open = self.cluster(cluster, at);
                if let Some(before) = open.step.take() {
                    before.span().end_with_timestamp(at);
                }
                let (name, kind) = (step.as_str().to_owned(), SpanKind::Internal);
                open.step = Some(self.begin(name, kind, &open.cluster, at, Vec::new()));
                self.clusters.insert(cluster.clone(), open);
            }
            Event::Called { cluster, call } => self.called(cluster, call, at),
            Event::ClusterFinished(finished) => {
                self.end_of_cluster(&finished.cluster, &finished.outcome, at);
            }
            Event::RunFinished { .. } => {
                if let Some(run) = self.run.take() {
                    run.span().end_with_timestamp(at);
                }
            }
            _ => {}
        }
    }

    async fn finish(&mut self) -> Result<(), ReportError> {
        let limit = self.settings.timeout + Duration::from_secs(1);
        let sent = self.stop.within(limit, self.send()).await;
        let sent = sent.unwrap_or_else(|| Err("no answer came in time".to_owned()));
        // Nothing is left in it to be flushed.
        drop(self.provider.shutdown());
        sent.map_err(|cause| ReportError::Untold {
            what: format!(
                "the trace of this run wasn't taken in by {}",
                self.settings.host()
            ),
            cause,
            next: "see OTEL_EXPORTER_OTLP_ENDPOINT and the collector behind it".to_owned(),
        })
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::from(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn settings(pairs: &[(&str, &str)]) -> Result<Option<TraceSettings>, String> {
        let pairs = pairs.iter();
        TraceSettings::from_env(&pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");

    #[test]
    fn traces_are_off_unless_they_are_asked_for() {
        for off in [
            &[][..],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert!(settings(off).unwrap().is_none(), "{off:?}");
        }
        assert!(settings(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "zipkin")]).is_err());
        assert!(settings(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_err());
    }

    #[test]
    fn the_standard_variables_say_where_and_how() {
        let common = settings(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=y=z"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            (
                "TRACEPARENT",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ]);
        let common = common.unwrap().unwrap();
        assert_eq!(common.endpoint, "http://c:4318/v1/traces");
        assert_eq!(
            (
                common.headers["api-key"].as_str(),
                common.headers["x"].as_str()
            ),
            ("a b", "y=z")
        );
        assert_eq!(common.timeout, Duration::from_millis(2500));
        let (trace, span, _) = common.parent.unwrap();
        assert_eq!(trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span.to_string(), "b7ad6b7169203331");
        assert!(!format!("{common:?}").contains("a b"));

        let own = settings(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own/x"),
        ]);
        let own = own.unwrap().unwrap();
        assert_eq!(
            (own.endpoint.as_str(), own.service.as_str()),
            ("http://own/x", "psk")
        );
        assert_eq!(own.parent, None);
    }

    #[test]
    fn spans_are_nested_from_the_run_to_the_call() {
        let mut traces = Traces::new(settings(&[ENDPOINT]).unwrap().unwrap(), Stop::default());
        testing::all_outcomes()
            .iter()
            .for_each(|event| traces.on(event));
        let spans = traces.ended.take();
        let named = |id: SpanId| {
            let span = spans.iter().find(|span| span.span_context.span_id() == id);
            span.map_or("nothing", |span| span.name.as_ref())
        };
        let mut told: Vec<String> = spans
            .iter()
            .map(|span| format!("{} in {}", span.name, named(span.parent_span_id)))
            .collect();
        told.sort();
        told.dedup();
        insta::assert_snapshot!(told.join("\n"));
        let trace = spans[0].span_context.trace_id();
        assert!(
            spans
                .iter()
                .all(|span| span.span_context.trace_id() == trace)
        );
        assert!(spans.iter().all(|span| span.start_time <= span.end_time));
        let failed = |span: &&SpanData| matches!(span.status, Status::Error { .. });
        let failed: Vec<_> = spans
            .iter()
            .filter(failed)
            .map(|s| s.name.as_ref())
            .collect();
        assert!(failed.len() >= 3, "step, cluster and run: {failed:?}");
    }
}
