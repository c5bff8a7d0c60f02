//! What a caller of KMS must be allowed. Source: the Service Authorization Reference for KMS, and
//! the KMS Developer Guide's "Permissions for creating KMS keys", which says that the key policy
//! needs no permission of its own.

use serde_json::Value;

use crate::authorization::Need;
use crate::call::Call;
use crate::world::World;

/// What a call needs.
pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    let action = format!("kms:{}", call.operation);
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default();
    let arn = |resource: &str| format!("arn:aws:kms:{}:{}:{resource}", call.region, call.account);
    let key = |name: &str| key_arn(world, call, name).unwrap_or_else(|| arn("key/*"));
    let tags = || tags(&body);
    let needs = match call.operation.as_str() {
        "ListKeys" | "ListAliases" => vec![Need::anywhere(action)],
        "CreateKey" => {
            let mut needs = vec![Need::anywhere(action).tagging(tags())];
            if !tags().is_empty() {
                needs.push(Need::on("kms:TagResource", arn("key/*")).tagging(tags()));
            }
            needs
        }
        "CreateAlias" | "UpdateAlias" => vec![Need::on_all(
            action,
            [arn(text("AliasName")), key(text("TargetKeyId"))],
        )],
        "DeleteAlias" => vec![Need::on_all(
            action,
            [arn(text("AliasName")), key(text("AliasName"))],
        )],
        "CreateGrant" => vec![
            Need::on(action, key(text("KeyId")))
                .with("kms:GranteePrincipal", text("GranteePrincipal"))
                .with("kms:GrantIsForAWSResource", "false"),
        ],
        _ => vec![Need::on(action, key(text("KeyId"))).tagging(tags())],
    };
    let account = call.account.as_str();
    needs
        .into_iter()
        .map(|need| need.with("kms:CallerAccount", account))
        .collect()
}

fn tags(body: &Value) -> Vec<(&str, &str)> {
    let tags = body.get("Tags").and_then(Value::as_array);
    tags.into_iter()
        .flatten()
        .filter_map(|tag| {
            let value = tag.get("TagValue").and_then(Value::as_str);
            Some((tag.get("TagKey")?.as_str()?, value.unwrap_or_default()))
        })
        .collect()
}

/// The ARN of the key that an id, an ARN or an alias names, if there is one.
fn key_arn(world: &World, call: &Call, name: &str) -> Option<String> {
    let region = world
        .accounts
        .get(&call.account)?
        .regions
        .get(&call.region)?;
    region.kms.find(name, call).ok().map(|key| key.arn.clone())
}
