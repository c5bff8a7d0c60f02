//! A collector of traces: takes in what is sent by OTLP over HTTP as JSON, and keeps it.
//!
//! Source: OpenTelemetry's OTLP specification, "OTLP/HTTP": requests are answered 200 with the number of
//! rejected spans, what can't be read 400, and another encoding 415. In JSON ids are hexadecimal and names
//! of members are in lowerCamelCase.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Answer, Call, Reply, ServiceError};
use crate::world::World;

/// Where traces are taken in.
pub const TRACES: &str = "/v1/traces";

/// What a collector keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Collector {
    /// Every span, in the order in which they came.
    pub spans: Vec<Span>,
}

/// A span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Its trace, as 32 hexadecimal digits.
    pub trace: String,
    /// Its id, as 16 hexadecimal digits.
    pub id: String,
    /// The id of the span that it is in; empty for the outermost.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// The service that it is of.
    pub service: String,
    /// When it began and ended, in nanoseconds since 1970.
    pub time: (u64, u64),
    /// The whole span as it was sent.
    pub sent: Value,
}

/// Whether a path is the collector's.
pub fn serves(path: &str) -> bool {
    path == TRACES
}

/// The one operation.
pub(crate) const EXPORT: &str = "ExportTraces";

/// The operation that a method and a path mean.
pub fn operation(method: &Method, path: &str) -> Option<&'static str> {
    (method == Method::POST && serves(path)).then_some(EXPORT)
}

/// Answers one request.
///
/// # Errors
/// The collector's own.
pub fn handle(world: &mut World, call: &Call) -> Answer {
    if call.operation != EXPORT {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(error(status, "405 method not allowed, supported: [POST]"));
    }
    let kind = call.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        let message = "415 unsupported media type, supported: [application/json]";
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let bad = |message: &str| error(StatusCode::BAD_REQUEST, message);
    let request: Value = serde_json::from_slice(&call.body).map_err(|e| bad(&e.to_string()))?;
    let mut spans = Vec::new();
    for resource in list(&request["resourceSpans"]) {
        let attributes = list(&resource["resource"]["attributes"]);
        let service = attributes
            .iter()
            .find(|attribute| attribute["key"] == "service.name")
            .map(|attribute| text(&attribute["value"]["stringValue"]))
            .unwrap_or_default();
        for scope in list(&resource["scopeSpans"]) {
            for span in list(&scope["spans"]) {
                spans.push(read(span, &service).map_err(bad)?);
            }
        }
    }
    world.collector.spans.extend(spans);
    Reply::json(&json!({ "partialSuccess": {} }))
}

fn read(span: &Value, service: &str) -> Result<Span, &'static str> {
    let hex = |member: &str, digits: usize| {
        let id = text(&span[member]);
        let is_id = id.len() == digits && id.bytes().all(|b| b.is_ascii_hexdigit());
        is_id
            .then_some(id)
            .ok_or("an id isn't hexadecimal, or has a wrong length")
    };
    // 64-bit numbers are strings in Protobuf's JSON; numbers are taken in too.
    let time = |member: &str| {
        let value = &span[member];
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or("a span has no time")
    };
    let parent = text(&span["parentSpanId"]);
    Ok(Span {
        trace: hex("traceId", 32)?,
        id: hex("spanId", 16)?,
        parent: match parent.is_empty() {
            true => parent,
            false => hex("parentSpanId", 16)?,
        },
        name: text(&span["name"]),
        service: service.to_owned(),
        time: (time("startTimeUnixNano")?, time("endTimeUnixNano")?),
        sent: span.clone(),
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn error(status: StatusCode, message: &str) -> ServiceError {
    ServiceError::new(status, "", message)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use jiff::Timestamp;

    use super::*;

    fn send(kind: &'static str, body: &Value) -> (Collector, Result<Value, (u16, String)>) {
        let mut world = World::empty(Timestamp::UNIX_EPOCH, [0; 32]);
        let mut call = Call {
            operation: operation(&Method::POST, TRACES).unwrap_or_default().into(),
            body: body.to_string().into_bytes(),
            ..Call::default()
        };
        call.headers
            .insert("content-type", HeaderValue::from_static(kind));
        let answer = handle(&mut world, &call);
        let answer = answer.map(|reply| serde_json::from_slice(&reply.body).unwrap());
        (
            world.collector,
            answer.map_err(|e| (e.status.as_u16(), e.message)),
        )
    }

    fn request(id: &str) -> Value {
        json!({ "resourceSpans": [{
            "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "s" } }] },
            "scopeSpans": [{ "spans": [{
                "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": id, "name": "n",
                "startTimeUnixNano": "1", "endTimeUnixNano": 2,
            }] }],
        }] })
    }

    #[test]
    fn spans_are_kept() {
        let (kept, answer) = send("application/json", &request("b7ad6b7169203331"));
        assert_eq!(answer, Ok(json!({ "partialSuccess": {} })));
        let span = &kept.spans[0];
        assert_eq!(
            (span.name.as_str(), span.service.as_str(), span.time),
            ("n", "s", (1, 2))
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_whole() {
        let status = |kind, body: &Value| {
            let (kept, answer) = send(kind, body);
            assert_eq!(kept.spans, []);
            answer.unwrap_err().0
        };
        assert_eq!(status("application/json", &request("t6tmtGpaDIU=")), 400);
        assert_eq!(
            status("application/x-protobuf", &request("b7ad6b7169203331")),
            415
        );
    }
}
