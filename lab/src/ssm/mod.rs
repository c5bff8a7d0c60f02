//! AWS Systems Manager Parameter Store: the public parameters that AWS publishes for everyone.
//!
//! No account has parameters of its own here, so any other name isn't found.

mod needs;
mod public;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::call::{Answer, Call, ServiceError};
use crate::front::service::unknown_operation;
use crate::operations::Operations;
use crate::wire::json;
use crate::world::World;
use public::Published;

pub(crate) use needs::needs;

/// Most names of one GetParameters request, and most parameters of one page by path.
const MOST: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameter {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameters {
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetParametersByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
struct OneParameter {
    #[serde(rename = "Parameter")]
    parameter: Parameter,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ParametersByName {
    parameters: Vec<Parameter>,
    invalid_parameters: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ParametersByPath {
    parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    #[serde(rename = "ARN")]
    arn: String,
    data_type: &'static str,
    /// Seconds since 1970.
    last_modified_date: i64,
    name: String,
    r#type: &'static str,
    value: String,
    version: usize,
}

impl Parameter {
    fn new(published: &Published, region: &str) -> Self {
        let Published { name, .. } = published;
        Self {
            arn: format!("arn:aws:ssm:{region}::parameter{name}"),
            data_type: published.data_type(),
            last_modified_date: published.modified.as_second(),
            name: name.clone(),
            r#type: "String",
            value: published.value(region),
            version: published.version,
        }
    }
}

type Serve = fn(&Call) -> Answer;

/// Every operation, and what answers it.
const OPERATIONS: Operations<Serve> = Operations(&[
    ("GetParameter", get),
    ("GetParameters", get_many),
    ("GetParametersByPath", get_by_path),
]);

/// Every operation's name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.names()
}

/// Answers one request.
///
/// # Errors
/// The service's own.
pub fn handle(_world: &mut World, call: &Call) -> Answer {
    let serve = OPERATIONS
        .find(&call.operation)
        .ok_or_else(|| unknown_operation("Parameter Store", call))?;
    serve(call)
}

fn get(call: &Call) -> Answer {
    let GetParameter { name } = json::parameters(call)?;
    let published = public::find(&name).ok_or_else(|| {
        ServiceError::bad_request("ParameterNotFound", format!("Parameter {name} not found."))
    })?;
    json::answer(&OneParameter {
        parameter: Parameter::new(&published, &call.region),
    })
}

fn get_many(call: &Call) -> Answer {
    let GetParameters { names } = json::parameters(call)?;
    if names.is_empty() || names.len() > MOST {
        let limit = if names.is_empty() {
            "greater than or equal to 1".to_owned()
        } else {
            format!("less than or equal to {MOST}")
        };
        return Err(validation(
            &names.join(", "),
            "names",
            &format!("Member must have length {limit}"),
        ));
    }
    let mut answer = ParametersByName {
        parameters: Vec::new(),
        invalid_parameters: Vec::new(),
    };
    for name in names {
        match public::find(&name) {
            Some(published) => answer
                .parameters
                .push(Parameter::new(&published, &call.region)),
            None => answer.invalid_parameters.push(name),
        }
    }
    json::answer(&answer)
}

fn get_by_path(call: &Call) -> Answer {
    let request: GetParametersByPath = json::parameters(call)?;
    if !request.path.starts_with('/') {
        return Err(validation(
            &request.path,
            "path",
            "Member must begin with a slash",
        ));
    }
    let size = match request.max_results {
        None => MOST,
        Some(size) => usize::try_from(size)
            .ok()
            .filter(|size| (1..=MOST).contains(size))
            .ok_or_else(|| {
                let limit = if size < 1 {
                    "greater than or equal to 1"
                } else {
                    "less than or equal to 10"
                };
                validation(
                    &size.to_string(),
                    "maxResults",
                    &format!("Member must have value {limit}"),
                )
            })?,
    };
    let found = public::under(&request.path, request.recursive);
    let begin = match &request.next_token {
        None => 0,
        Some(token) => found
            .iter()
            .position(|p| p.token() == *token)
            .ok_or_else(|| {
                ServiceError::bad_request("InvalidNextToken", "The specified token isn't valid.")
            })?,
    };
    let parameters = found
        .iter()
        .skip(begin)
        .take(size)
        .map(|p| Parameter::new(p, &call.region))
        .collect();
    let next_token = found.get(begin + size).map(Published::token);
    json::answer(&ParametersByPath {
        parameters,
        next_token,
    })
}

fn validation(value: &str, member: &str, constraint: &str) -> ServiceError {
    ServiceError::new(
        StatusCode::BAD_REQUEST,
        "ValidationException",
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy \
             constraint: {constraint}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    fn ask(operation: &str, parameters: Value) -> Result<Value, String> {
        let call = Call {
            operation: operation.into(),
            region: "eu-west-1".into(),
            body: parameters.to_string().into_bytes(),
            ..Call::default()
        };
        let mut world = World::empty(Timestamp::UNIX_EPOCH, [0; 32]);
        handle(&mut world, &call)
            .map(|reply| serde_json::from_slice(&reply.body).unwrap())
            .map_err(|error| error.code)
    }

    const LATEST: &str = "/aws/service/bottlerocket/aws-k8s-1.35/arm64/latest";

    #[test]
    fn the_newest_release_is_published_under_its_version() {
        let name = format!("{LATEST}/image_version");
        let answer = ask("GetParameter", json!({ "Name": name })).unwrap();
        let newest = crate::eks::catalog::latest_release("BOTTLEROCKET_ARM_64", "1.35").unwrap();
        assert_eq!(answer["Parameter"]["Value"], newest);
        assert_eq!(
            answer["Parameter"]["ARN"],
            format!("arn:aws:ssm:eu-west-1::parameter{name}")
        );

        let name = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/\
                    recommended/release_version";
        let answer = ask("GetParameter", json!({ "Name": name })).unwrap();
        let newest = crate::eks::catalog::latest_release("AL2023_x86_64_STANDARD", "1.35").unwrap();
        assert_eq!(answer["Parameter"]["Value"], newest);
    }

    #[test]
    fn an_image_is_another_in_another_architecture() {
        let image = |arch: &str| {
            let name = format!("/aws/service/bottlerocket/aws-k8s-1.35/{arch}/latest/image_id");
            let answer = ask("GetParameter", json!({ "Name": name })).unwrap();
            assert_eq!(answer["Parameter"]["DataType"], "aws:ec2:image");
            answer["Parameter"]["Value"].as_str().unwrap().to_owned()
        };
        assert_ne!(image("arm64"), image("x86_64"));
        assert!(image("arm64").starts_with("ami-0"));
    }

    #[test]
    fn what_is_not_published_is_not_found() {
        for name in [
            "/aws/service/bottlerocket/aws-k8s-1.99/arm64/latest/image_version",
            "/aws/service/bottlerocket/aws-k8s-1.35/sparc/latest/image_version",
            "/my/own",
        ] {
            assert_eq!(
                ask("GetParameter", json!({ "Name": name })),
                Err("ParameterNotFound".into()),
                "{name}"
            );
        }
        let both = json!({ "Names": [format!("{LATEST}/image_version"), "/my/own"] });
        let answer = ask("GetParameters", both).unwrap();
        assert_eq!(answer["Parameters"].as_array().unwrap().len(), 1);
        assert_eq!(answer["InvalidParameters"], json!(["/my/own"]));
        let eleven = vec!["/x"; 11];
        assert_eq!(
            ask("GetParameters", json!({ "Names": eleven })),
            Err("ValidationException".into())
        );
        assert_eq!(
            ask("GetParameter", json!({})),
            Err("SerializationException".into())
        );
    }

    #[test]
    fn a_path_is_paged_and_recursive_only_on_demand() {
        let by_path = |more: Value| {
            let mut request = json!({ "Path": "/aws/service/bottlerocket/aws-k8s-1.35/arm64" });
            request
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            ask("GetParametersByPath", request)
        };
        assert_eq!(by_path(json!({})).unwrap()["Parameters"], json!([]));

        let mut names = Vec::new();
        let mut request = json!({ "Recursive": true, "MaxResults": 3 });
        loop {
            let answer = by_path(request.clone()).unwrap();
            let page = answer["Parameters"].as_array().unwrap().clone();
            assert!(page.len() <= 3);
            names.extend(page.iter().map(|p| p["Name"].as_str().unwrap().to_owned()));
            match answer.get("NextToken") {
                Some(token) => request["NextToken"] = token.clone(),
                None => break,
            }
        }
        assert!(names.len() > 3 && names.is_sorted(), "{names:?}");
        assert!(names.contains(&format!("{LATEST}/image_version")));
        assert_eq!(
            by_path(json!({ "MaxResults": 11 })),
            Err("ValidationException".into())
        );
        assert_eq!(
            by_path(json!({ "NextToken": "x" })),
            Err("InvalidNextToken".into())
        );
    }
}
