//! What a caller of EC2 must be allowed. Source: the Service Authorization Reference for EC2.

use crate::authorization::Need;
use crate::call::Call;
use crate::wire::form::Form;
use crate::world::World;

/// What a call needs.
pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    let form = Form::of(call);
    let action = format!("ec2:{}", call.operation);
    let arn =
        |kind: &str, id: &str| format!("arn:aws:ec2:{}:{}:{kind}/{id}", call.region, call.account);
    let named = |kind: &str, parameter: &str| arn(kind, form.get(parameter).unwrap_or("*"));
    let own = match call.operation.as_str() {
        "CreateSecurityGroup" => {
            Need::on_all(action, [arn("security-group", "*"), named("vpc", "VpcId")])
        }
        "DeleteSecurityGroup"
        | "AuthorizeSecurityGroupIngress"
        | "AuthorizeSecurityGroupEgress"
        | "RevokeSecurityGroupIngress"
        | "RevokeSecurityGroupEgress" => Need::on(action, named("security-group", "GroupId")),
        "CreateLaunchTemplate" => Need::on(action, arn("launch-template", "*")),
        "ModifyLaunchTemplate"
        | "DeleteLaunchTemplate"
        | "CreateLaunchTemplateVersion"
        | "DeleteLaunchTemplateVersions" => {
            let id = template(world, call, &form).unwrap_or("*");
            Need::on(action, arn("launch-template", id))
        }
        "CreateTags" | "DeleteTags" => {
            let ids = form.list("ResourceId");
            Need::on_all(action, ids.iter().map(|id| arn(kind_of(id), id)))
                .tagging(tags(&form, "Tag"))
        }
        _ => Need::anywhere(action),
    };
    let mut needs = vec![own.with("ec2:Region", call.region.as_str())];
    // What is made with tags is tagged as if by CreateTags.
    for at in form.structures("TagSpecification") {
        let kind = form.get(&format!("{at}.ResourceType")).unwrap_or_default();
        needs.push(
            Need::on("ec2:CreateTags", arn(kind, "*"))
                .with("ec2:CreateAction", call.operation.as_str())
                .tagging(tags(&form, &format!("{at}.Tag"))),
        );
    }
    needs
}

fn tags<'f>(form: &'f Form, list: &str) -> Vec<(&'f str, &'f str)> {
    let tags = form.structures(list);
    tags.iter()
        .filter_map(|at| {
            let key = form.get(&format!("{at}.Key"))?;
            Some((key, form.raw(&format!("{at}.Value")).unwrap_or_default()))
        })
        .collect()
}

/// The id of the launch template that a request names.
fn template<'a>(world: &'a World, call: &Call, form: &'a Form) -> Option<&'a str> {
    if let Some(id) = form.get("LaunchTemplateId") {
        return Some(id);
    }
    let region = world
        .accounts
        .get(&call.account)?
        .regions
        .get(&call.region)?;
    let named = region
        .ec2
        .launch_template_named(form.get("LaunchTemplateName")?)?;
    Some(&named.id)
}

/// The kind of resource that an id is of, as ARNs name it.
fn kind_of(id: &str) -> &'static str {
    match id.split('-').next() {
        Some("vpc") => "vpc",
        Some("subnet") => "subnet",
        Some("sg") => "security-group",
        Some("sgr") => "security-group-rule",
        Some("eni") => "network-interface",
        Some("lt") => "launch-template",
        _ => "*",
    }
}
