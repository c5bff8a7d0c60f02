//! What a caller of SQS must be allowed. Source: the Service Authorization Reference for SQS. To tag
//! a queue that is made takes `sqs:TagQueue` too (API reference, CreateQueue).

use serde_json::Value;

use super::arn;
use crate::authorization::Need;
use crate::call::Call;

/// What a call needs.
pub(crate) fn needs(call: &Call) -> Vec<Need> {
    let action = format!("sqs:{}", call.operation);
    if call.operation == "ListQueues" {
        return vec![Need::anywhere(action)];
    }
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let text = |member: &str| body.get(member).and_then(Value::as_str);
    let name = match (text("QueueName"), text("QueueUrl")) {
        (Some(name), _) => name,
        (None, Some(url)) => url.rsplit('/').next().unwrap_or_default(),
        (None, None) => "*",
    };
    let queue = arn(&call.account, &call.region, name);
    let tags: Vec<_> = ["tags", "Tags"]
        .iter()
        .filter_map(|member| body.get(member)?.as_object())
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
        .collect();
    let mut needs = vec![Need::on(action, queue.clone()).tagging(tags.clone())];
    if call.operation == "CreateQueue" && !tags.is_empty() {
        needs.push(Need::on("sqs:TagQueue", queue).tagging(tags));
    }
    needs
}
