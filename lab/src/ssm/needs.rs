//! What a caller of Systems Manager must be allowed. Source: the Service Authorization Reference for
//! Systems Manager. The ARNs of public parameters name no account.

use serde_json::Value;

use crate::authorization::Need;
use crate::call::Call;

/// What a call needs.
pub(crate) fn needs(call: &Call) -> Vec<Need> {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let names = body.get("Names").and_then(Value::as_array);
    let names = names
        .into_iter()
        .flatten()
        .chain(body.get("Name"))
        .chain(body.get("Path"))
        .filter_map(Value::as_str);
    let arns = names.map(|name| {
        let account = if name.starts_with("/aws/") {
            ""
        } else {
            &call.account
        };
        let name = name.trim_start_matches('/');
        format!("arn:aws:ssm:{}:{account}:parameter/{name}", call.region)
    });
    vec![Need::on_all(format!("ssm:{}", call.operation), arns)]
}
