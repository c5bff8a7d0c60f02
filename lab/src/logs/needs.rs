//! What a caller of CloudWatch Logs must be allowed. Source: the Service Authorization Reference
//! for CloudWatch Logs, and the User Guide's "Overview of managing access permissions": the ARN of a
//! log group ends in its name for the tagging operations only, for all others it goes on.

use serde_json::Value;

use crate::authorization::Need;
use crate::call::Call;

/// What a call needs.
pub(crate) fn needs(call: &Call) -> Vec<Need> {
    let action = format!("logs:{}", call.operation);
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let text = |member: &str| body.get(member).and_then(Value::as_str);
    let tags: Vec<_> = body
        .get("tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    let arn = |name: &str| {
        format!(
            "arn:aws:logs:{}:{}:log-group:{name}",
            call.region, call.account
        )
    };
    match call.operation.as_str() {
        "DescribeLogGroups" => vec![Need::anywhere(action)],
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            vec![Need::on(action, text("resourceArn").unwrap_or("*")).tagging(tags)]
        }
        _ => {
            let named = text("logGroupName").or(text("logGroupIdentifier"));
            let name = named.unwrap_or("*");
            let name = name.strip_prefix(&arn("")).unwrap_or(name);
            let own = format!("{}:log-stream:", arn(name));
            let mut needs = vec![Need::on(action, own).tagging(tags.clone())];
            if call.operation == "CreateLogGroup" && !tags.is_empty() {
                needs.push(Need::on("logs:TagResource", arn(name)).tagging(tags));
            }
            needs
        }
    }
}
