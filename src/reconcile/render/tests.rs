//! Whole plans, rendered.

use serde_json::{Value, json};

use super::*;
use crate::reconcile::plan::{
    Action, AttributeChange, PLAN_SCHEMA_VERSION, Plan, ResourceChange, Target,
};
use crate::style::Style;

fn attribute(path: &str, old: Option<Value>, new: Target) -> AttributeChange {
    AttributeChange {
        path: path.to_owned(),
        old,
        new,
        sensitive: false,
    }
}

fn set(path: &str, new: Value) -> AttributeChange {
    attribute(path, None, Target::Value(new))
}

fn changed(path: &str, old: Value, new: Value) -> AttributeChange {
    attribute(path, Some(old), Target::Value(new))
}

fn resource(
    action: Action,
    kind: &str,
    name: &str,
    attributes: Vec<AttributeChange>,
) -> ResourceChange {
    let (kind, name) = (kind.to_owned(), name.to_owned());
    ResourceChange {
        kind,
        name,
        action,
        attributes,
        reason: None,
    }
}

fn plan(resources: Vec<ResourceChange>) -> Plan {
    Plan {
        schema_version: PLAN_SCHEMA_VERSION,
        cluster: "qa-i01-aws-us-east-2".to_owned(),
        region: "us-east-2".to_owned(),
        account: "111122223333".to_owned(),
        resources,
        rungs: Vec::new(),
        drift: Vec::new(),
        left: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Every action and every kind of attribute.
fn everything() -> Plan {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Principal": { "Federated": "arn:aws:iam::111122223333:oidc-provider/x" },
        }],
    });
    let mut secret = changed("client_id", json!("old-canary"), json!("new-canary"));
    secret.sensitive = true;
    let mut plan = plan(vec![
        resource(
            Action::Update,
            "eks_cluster",
            "qa-i01-aws-us-east-2",
            vec![
                changed("version", json!("1.34"), json!("1.35")),
                changed("logging.types", json!(["api"]), json!(["api", "audit"])),
                attribute("tags.owner", Some(json!("someone")), Target::Unset),
                set("tags.pipeline", json!("psk-aws-control-plane-base")),
                attribute(
                    "endpoint",
                    Some(json!("https://x")),
                    Target::KnownAfterApply,
                ),
                secret,
            ],
        ),
        resource(
            Action::Create,
            "iam_role",
            "qa-i01-aws-us-east-2-vpc-cni",
            vec![
                set("path", json!("/PSKRoles/")),
                set("assume_role_policy", policy),
                set("max_session_duration", json!(3600)),
                set("tags", json!({})),
                set("description", json!("two\nlines\u{1b}[31m")),
                attribute("arn", None, Target::KnownAfterApply),
            ],
        ),
        resource(
            Action::Replace,
            "launch_template",
            "qa-i01-aws-us-east-2-management-arm-rkt-mng",
            vec![
                changed(
                    "metadata_options",
                    json!({"http_tokens": "optional", "http_endpoint": "enabled",
                           "limits": {"hops": 2, "idle": 60}}),
                    json!({"http_tokens": "required", "http_endpoint": "enabled",
                           "limits": {"hops": 1, "idle": 60}, "ipv6": "disabled"}),
                ),
                changed(
                    "instance_types",
                    json!([
                        "t4g.2xlarge",
                        "t3a.2xlarge",
                        "t3.2xlarge",
                        "m6g.2xlarge",
                        "m6a.xlarge"
                    ]),
                    json!([
                        "t4g.2xlarge",
                        "m7g.2xlarge",
                        "t3.2xlarge",
                        "m6g.2xlarge",
                        "m7a.xlarge"
                    ]),
                ),
                changed(
                    "image_id_parameter_that_has_a_long_name",
                    json!("/aws/service/bottlerocket/aws-k8s-1.34/arm64/1.50.0-3f2a91c7/image_id"),
                    json!("/aws/service/bottlerocket/aws-k8s-1.35/arm64/1.51.0-47438798/image_id"),
                ),
            ],
        ),
        resource(Action::Delete, "eks_addon", "snapshot-controller", vec![]),
        resource(Action::Keep, "eks_addon", "coredns", vec![]),
        resource(Action::Keep, "eks_addon", "kube-proxy", vec![]),
    ]);
    plan.resources[2].reason = Some("a launch template can't change its name".to_owned());
    plan.warnings = vec!["the node group leads the control plane".to_owned()];
    plan
}

#[test]
fn every_action_on_a_wide_page() {
    insta::assert_snapshot!(render(
        &everything(),
        &Style {
            colour: false,
            width: 140,
            unicode: true
        }
    ));
}

#[test]
fn every_action_on_a_narrow_page_in_ascii() {
    insta::assert_snapshot!(render(
        &everything(),
        &Style {
            width: 72,
            ..Style::PLAIN
        }
    ));
}

#[test]
fn signs_have_colours() {
    let style = Style {
        colour: true,
        width: 100,
        unicode: true,
    };
    insta::assert_snapshot!(render(&everything(), &style).replace('\u{1b}', "␛"));
}

#[test]
fn nothing_to_do_and_all_done() {
    let kept = plan(vec![resource(Action::Keep, "eks_addon", "coredns", vec![])]);
    let (to_do, done) = (
        render(&kept, &Style::PLAIN),
        render_applied(&kept, &Style::PLAIN),
    );
    assert_eq!(to_do, done);
    assert!(to_do.ends_with("    1 unchanged\n  No changes: it is what its settings ask for.\n"));
    let last = "  Applied: 1 added, 1 changed, 1 replaced, 1 destroyed.\n";
    assert!(render_applied(&everything(), &Style::PLAIN).contains(last));
}

#[test]
fn no_sensitive_value_is_ever_written() {
    for width in [20, 80, 200] {
        let text = render(
            &everything(),
            &Style {
                width,
                ..Style::PLAIN
            },
        );
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("(sensitive)"));
    }
}

#[test]
fn a_list_that_only_changed_its_order_shows_both() {
    let items = |prefix: &str| -> Vec<String> {
        (0..6)
            .map(|i| format!("{prefix}subnet-0123456789abcdef{i}"))
            .collect()
    };
    let (old, mut new) = (items(""), items(""));
    new.reverse();
    let text = render(
        &plan(vec![resource(
            Action::Update,
            "eks_cluster",
            "x",
            vec![changed("subnets", json!(old), json!(new))],
        )]),
        &Style {
            width: 100,
            ..Style::PLAIN
        },
    );
    insta::assert_snapshot!(text);
}

#[test]
fn hostile_text_can_not_leave_its_line() {
    let bad = "\n::error::x\u{1b}[2J##[debug]\u{202e}";
    let mut plan = plan(vec![resource(
        Action::Update,
        bad,
        bad,
        vec![
            changed(bad, json!(bad), json!([bad, { bad: bad }])),
            changed("list", json!([bad.repeat(9)]), json!([bad.repeat(8)])),
            set("nested", json!({ bad: [bad.repeat(9)] })),
        ],
    )]);
    plan.resources[0].reason = Some(bad.to_owned());
    (plan.cluster, plan.region, plan.account) = (bad.into(), bad.into(), bad.into());
    plan.warnings = vec![bad.to_owned()];
    let text = render(&plan, &Style::PLAIN);
    for line in text.lines() {
        assert!(
            !line.trim_start().starts_with("::") && !line.contains("##["),
            "{line}"
        );
    }
    assert!(
        !text
            .chars()
            .any(|c| c == '\u{202e}' || c.is_control() && c != '\n')
    );
    assert_eq!(text.lines().count(), 14, "{text}");
}

#[test]
fn tags_that_all_new_things_have_are_told_once() {
    let made = |name: &str, own: &str| {
        resource(
            Action::Create,
            "iam_role",
            name,
            vec![
                set("path", json!("/")),
                set("tags.platform", json!("psk")),
                set("tags.name", json!(own)),
            ],
        )
    };
    let tagged = resource(
        Action::Update,
        "iam_role",
        "c",
        vec![set("tags.platform", json!("psk"))],
    );
    let text = render(
        &plan(vec![made("a", "one"), made("b", "two"), tagged]),
        &Style::PLAIN,
    );
    assert_eq!(
        text,
        "qa-i01-aws-us-east-2  us-east-2  111122223333
    tags of all that is added:
      + tags.platform  \"psk\"
  + iam_role a
      + path       \"/\"
      + tags.name  \"one\"
  + iam_role b
      + path       \"/\"
      + tags.name  \"two\"
  ~ iam_role c
      + tags.platform  \"psk\"
  Plan: 2 to add, 1 to change, 0 to replace, 0 to destroy.
"
    );
}

#[test]
fn the_tags_of_one_new_thing_stay_with_it() {
    let made = resource(
        Action::Create,
        "iam_role",
        "a",
        vec![set("tags.platform", json!("psk"))],
    );
    let text = render(&plan(vec![made]), &Style::PLAIN);
    assert!(!text.contains("tags of all"), "{text}");
    assert!(text.contains("+ tags.platform"), "{text}");
}
