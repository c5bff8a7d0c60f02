//! The XML answers of the Query protocols.

use http::StatusCode;
use serde::Serialize;

use crate::call::{Answer, Call, Reply, ServiceError};

/// A list in EC2's dialect: each element is an `<item>`.
#[derive(Debug, Clone, Serialize)]
pub struct Items<T> {
    item: Vec<T>,
}

impl<T> FromIterator<T> for Items<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self {
            item: items.into_iter().collect(),
        }
    }
}

/// A list in the Query protocol: each element is a `<member>`.
#[derive(Debug, Clone, Serialize)]
pub struct Members<T> {
    member: Vec<T>,
}

impl<T> FromIterator<T> for Members<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        Self {
            member: members.into_iter().collect(),
        }
    }
}

#[derive(Serialize)]
struct Ec2Response<'a, T> {
    #[serde(rename = "@xmlns")]
    namespace: &'a str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    #[serde(flatten)]
    result: T,
}

/// Answers an EC2 request: the members of `result` directly under `<OperationResponse>`.
///
/// # Errors
/// Only if the value can't be written as XML.
pub fn ec2<T: Serialize>(call: &Call, result: T) -> Answer {
    let response = Ec2Response {
        namespace: "http://ec2.amazonaws.com/doc/2016-11-15/",
        request_id: &call.request_id,
        result,
    };
    reply(&format!("{}Response", call.operation), &response)
}

/// Answers a Query request: `result` under `<OperationResponse><OperationResult>`.
///
/// # Errors
/// Only if the value can't be written as XML.
pub fn query<T: Serialize>(call: &Call, namespace: &str, result: &T) -> Answer {
    let result = document(&format!("{}Result", call.operation), result)?;
    Ok(query_response(call, namespace, result))
}

/// Answers a Query request for an operation that has nothing to tell.
pub fn query_done(call: &Call, namespace: &str) -> Reply {
    query_response(call, namespace, Vec::new())
}

fn query_response(call: &Call, namespace: &str, result: Vec<u8>) -> Reply {
    let name = &call.operation;
    let mut body = format!("<{name}Response xmlns=\"{namespace}\">").into_bytes();
    body.extend(result);
    body.extend(
        format!(
            "<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{name}Response>",
            call.request_id
        )
        .into_bytes(),
    );
    Reply {
        status: StatusCode::OK,
        content_type: "text/xml",
        headers: http::HeaderMap::new(),
        body,
    }
}

fn reply<T: Serialize>(root: &str, value: &T) -> Answer {
    Ok(Reply {
        status: StatusCode::OK,
        content_type: "text/xml",
        headers: http::HeaderMap::new(),
        body: document(root, value)?,
    })
}

/// Writes a value as an element of that name.
///
/// # Errors
/// Only if the value can't be written as XML.
pub fn document<T: Serialize>(root: &str, value: &T) -> Result<Vec<u8>, ServiceError> {
    quick_xml::se::to_string_with_root(root, value)
        .map(String::into_bytes)
        .map_err(|e| ServiceError::internal(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Result {
        vpc_set: Items<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_token: Option<String>,
    }

    #[test]
    fn lists_are_items_and_text_is_escaped() {
        let call = Call {
            operation: "DescribeVpcs".into(),
            request_id: "r-1".into(),
            ..Call::default()
        };
        let result = Result {
            vpc_set: ["a&b", "<c>"].into_iter().collect(),
            next_token: None,
        };
        let body = ec2(&call, result).unwrap().body;
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "<DescribeVpcsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>r-1</requestId>\
             <vpcSet><item>a&amp;b</item><item>&lt;c&gt;</item></vpcSet></DescribeVpcsResponse>"
        );
    }
}
