//! A service's refusal in its protocol's words.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Protocol, xml};
use crate::call::ServiceError;

/// Where the REST protocols name the error's code.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// Where a service that spoke Query before names the code that the error had then, and whose fault
/// it is.
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

#[derive(Serialize)]
struct QueryError<'a> {
    #[serde(rename = "@xmlns")]
    namespace: &'a str,
    #[serde(rename = "Error")]
    error: QueryErrorBody<'a>,
    #[serde(rename = "RequestId")]
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QueryErrorBody<'a> {
    r#type: &'static str,
    code: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Ec2Error<'a> {
    #[serde(rename = "Errors")]
    errors: Ec2Errors<'a>,
    #[serde(rename = "RequestID")]
    request_id: &'a str,
}

#[derive(Serialize)]
struct Ec2Errors<'a> {
    #[serde(rename = "Error")]
    error: Ec2ErrorBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ec2ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

/// Writes an error's headers and body. `namespace` is the service's, as
/// [`Service::namespace`](crate::front::service::Service::namespace) has it.
pub fn write(
    protocol: Protocol,
    namespace: &str,
    error: &ServiceError,
    request_id: &str,
) -> (HeaderMap, Vec<u8>) {
    let (content_type, body) = match protocol {
        Protocol::RestJson => ("application/json", members(error, None)),
        Protocol::Json => (super::json::CONTENT_TYPE, members(error, Some(&error.code))),
        Protocol::JsonAfterQuery => {
            let kind = format!("{namespace}#{}", error.code);
            (super::json::CONTENT_TYPE_1_0, members(error, Some(&kind)))
        }
        Protocol::Connect => ("application/json", connect(error)),
        Protocol::CircleCi | Protocol::Otlp => ("application/json", members(error, None)),
        Protocol::Slack => ("application/json; charset=utf-8", slack(error)),
        Protocol::GitHub => ("application/json; charset=utf-8", github(error)),
        Protocol::Query => ("text/xml", query(namespace, error, request_id)),
        Protocol::Ec2 => ("text/xml", ec2(error, request_id)),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if matches!(protocol, Protocol::RestJson | Protocol::Json)
        && let Ok(code) = HeaderValue::from_str(&error.code)
    {
        headers.insert(ERROR_TYPE, code);
    }
    if protocol == Protocol::JsonAfterQuery {
        let code = error.query_code.unwrap_or(&error.code);
        if let Ok(value) = HeaderValue::from_str(&format!("{code};{}", fault(error))) {
            headers.insert(QUERY_ERROR, value);
        }
    }
    (headers, body)
}

/// The members of a JSON error. A shape that spells its message in another way brings it along
/// among its fields.
fn members(error: &ServiceError, kind: Option<&str>) -> Vec<u8> {
    let mut body = Map::new();
    if let Some(kind) = kind {
        body.insert("__type".to_owned(), json!(kind));
    }
    body.extend((*error.fields).clone());
    if !body.contains_key("Message") {
        body.insert("message".to_owned(), json!(error.message));
    }
    Value::Object(body).to_string().into_bytes()
}

/// Slack names its errors, and says nothing more.
fn slack(error: &ServiceError) -> Vec<u8> {
    json!({ "ok": false, "error": error.code })
        .to_string()
        .into_bytes()
}

/// GitHub's errors repeat the status as text.
fn github(error: &ServiceError) -> Vec<u8> {
    let mut body = Map::new();
    body.insert("message".to_owned(), json!(error.message));
    body.extend((*error.fields).clone());
    body.insert(
        "documentation_url".to_owned(),
        json!("https://docs.github.com/rest"),
    );
    body.insert("status".to_owned(), json!(error.status.as_str()));
    Value::Object(body).to_string().into_bytes()
}

/// Whose fault an error is, as the Query protocol says it.
fn fault(error: &ServiceError) -> &'static str {
    if error.status.is_server_error() {
        "Receiver"
    } else {
        "Sender"
    }
}

fn connect(error: &ServiceError) -> Vec<u8> {
    json!({ "status": error.status.as_u16(), "message": error.message })
        .to_string()
        .into_bytes()
}

fn query(namespace: &str, error: &ServiceError, request_id: &str) -> Vec<u8> {
    let body = QueryError {
        namespace,
        error: QueryErrorBody {
            r#type: fault(error),
            code: &error.code,
            message: &error.message,
        },
        request_id,
    };
    xml::document("ErrorResponse", &body).unwrap_or_default()
}

fn ec2(error: &ServiceError, request_id: &str) -> Vec<u8> {
    let error = Ec2ErrorBody {
        code: &error.code,
        message: &error.message,
    };
    xml::document(
        "Response",
        &Ec2Error {
            errors: Ec2Errors { error },
            request_id,
        },
    )
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn written(protocol: Protocol) -> (HeaderMap, String) {
        let error = ServiceError::new(StatusCode::NOT_FOUND, "NotFound", "no <such> thing")
            .with("clusterName", "c");
        let (headers, body) = write(protocol, "urn:x", &error, "r-1");
        (headers, String::from_utf8(body).unwrap())
    }

    #[test]
    fn rest_json_names_the_code_in_a_header() {
        let (headers, body) = written(Protocol::RestJson);
        assert_eq!(headers["x-amzn-errortype"], "NotFound");
        assert_eq!(body, r#"{"clusterName":"c","message":"no <such> thing"}"#);
    }

    #[test]
    fn json_names_the_code_in_the_body() {
        let (_, body) = written(Protocol::Json);
        assert_eq!(
            body,
            r#"{"__type":"NotFound","clusterName":"c","message":"no <such> thing"}"#
        );
    }

    #[test]
    fn a_service_that_spoke_query_tells_the_old_code_too() {
        let mut error = ServiceError::bad_request("QueueDoesNotExist", "no such queue");
        error.query_code = Some("AWS.SimpleQueueService.NonExistentQueue");
        let (headers, body) = write(Protocol::JsonAfterQuery, "com.amazonaws.sqs", &error, "r-1");
        assert_eq!(
            headers["x-amzn-query-error"],
            "AWS.SimpleQueueService.NonExistentQueue;Sender"
        );
        assert_eq!(headers[CONTENT_TYPE], "application/x-amz-json-1.0");
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#
        );
    }

    #[test]
    fn a_shape_may_spell_its_message_itself() {
        let error = ServiceError::bad_request("BadRequest", "no").with("Message", "no");
        let (_, body) = write(Protocol::RestJson, "", &error, "r-1");
        assert_eq!(String::from_utf8(body).unwrap(), r#"{"Message":"no"}"#);
    }

    #[test]
    fn query_and_ec2_have_their_own_xml() {
        assert_eq!(
            written(Protocol::Query).1,
            "<ErrorResponse xmlns=\"urn:x\"><Error><Type>Sender</Type><Code>NotFound</Code>\
             <Message>no &lt;such&gt; thing</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        );
        assert_eq!(
            written(Protocol::Ec2).1,
            "<Response><Errors><Error><Code>NotFound</Code><Message>no &lt;such&gt; thing</Message>\
             </Error></Errors><RequestID>r-1</RequestID></Response>"
        );
    }

    #[test]
    fn connect_repeats_the_status() {
        assert_eq!(
            written(Protocol::Connect).1,
            r#"{"status":404,"message":"no <such> thing"}"#
        );
    }
}
