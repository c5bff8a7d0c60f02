//! The policy documents of the pipeline's own role: what it may do, which is what the resources
//! declare and no more, and who may assume it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::reconcile::{Condition, Grant};

/// Most characters of a managed policy, whitespace not counted.
/// Source: IAM User Guide, "IAM and AWS STS quotas".
const LONGEST_POLICY: usize = 6144;

/// Version of the policy language.
const LANGUAGE: &str = "2012-10-17";

/// The account that a role is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// Partition, as ARNs name it (`aws`).
    pub partition: String,
    /// Twelve digits.
    pub id: String,
}

impl Account {
    fn fill_in(&self, pattern: &str) -> String {
        pattern
            .replace("{partition}", &self.partition)
            .replace("{account}", &self.id)
    }
}

/// The least that lets the pipeline's role do what `grants` name, as one managed policy, or as
/// several where one would be longer than IAM takes. The same grants give the same documents,
/// whatever their order.
///
/// The session itself needs no grant: its AssumeRole is a matter of the trust document, and
/// GetCallerIdentity asks for no permission (Source: STS API reference, GetCallerIdentity).
pub fn permissions(grants: impl IntoIterator<Item = Grant>, account: &Account) -> Vec<Value> {
    let mut allowed: BTreeMap<(Option<Condition>, &str), BTreeSet<String>> = BTreeMap::new();
    for grant in grants {
        for action in grant.actions {
            let on = grant.on.iter().map(|on| account.fill_in(on));
            allowed
                .entry((grant.condition, action))
                .or_default()
                .extend(on);
        }
    }
    let mut statements: BTreeMap<(BTreeSet<String>, Option<Condition>), Vec<&str>> =
        BTreeMap::new();
    for ((condition, action), on) in allowed {
        let on = if on.contains("*") {
            BTreeSet::from(["*".to_owned()])
        } else {
            on
        };
        statements.entry((on, condition)).or_default().push(action);
    }
    let statements = statements
        .into_iter()
        .map(|((on, condition), actions)| statement(&actions, &on, condition));
    pack(statements)
}

fn statement(actions: &[&str], on: &BTreeSet<String>, condition: Option<Condition>) -> Value {
    let mut statement = Map::from_iter([
        ("Effect".to_owned(), json!("Allow")),
        ("Action".to_owned(), json!(actions)),
        ("Resource".to_owned(), json!(on)),
    ]);
    if let Some(Condition {
        operator,
        key,
        values,
    }) = condition
    {
        statement.insert("Condition".into(), json!({ operator: { key: values } }));
    }
    Value::Object(statement)
}

/// Puts statements into as few documents as their order allows.
fn pack(statements: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let document = |statements: &[Value]| json!({ "Version": LANGUAGE, "Statement": statements });
    let mut packed = Vec::new();
    let mut open = Vec::new();
    for statement in statements {
        open.push(statement);
        if open.len() > 1
            && length(&document(&open)) > LONGEST_POLICY
            && let Some(last) = open.pop()
        {
            packed.push(document(&open));
            open = vec![last];
        }
    }
    if !open.is_empty() {
        packed.push(document(&open));
    }
    packed
}

/// A document's length as IAM counts it.
fn length(document: &Value) -> usize {
    document
        .to_string()
        .chars()
        .filter(|c| !c.is_whitespace())
        .count()
}

/// Who may assume the pipeline's role and tag its sessions: `trusted` are account ids, of which
/// then every identity may that its own account lets, or ARNs of roles and users.
pub fn trust(trusted: &[String], account: &Account) -> Value {
    let is_account = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let trusted: BTreeSet<_> = trusted
        .iter()
        .map(|name| match is_account(name) {
            true => format!("arn:{}:iam::{name}:root", account.partition),
            false => name.clone(),
        })
        .collect();
    json!({
        "Version": LANGUAGE,
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": trusted },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            partition: "aws".into(),
            id: "111122223333".into(),
        }
    }

    const fn grant(
        actions: &'static [&'static str],
        on: &'static [&'static str],
        condition: Option<Condition>,
    ) -> Grant {
        Grant {
            actions,
            on,
            condition,
        }
    }

    const QUEUE: &[&str] = &["arn:{partition}:sqs:*:{account}:Karpenter-*"];
    const TO_EKS: Option<Condition> = Some(Condition {
        operator: "StringEquals",
        key: "iam:PassedToService",
        values: &["eks.amazonaws.com"],
    });

    fn statements(document: &Value) -> &Vec<Value> {
        document["Statement"].as_array().unwrap()
    }

    #[test]
    fn statements_are_grouped_by_resource_and_condition_with_actions_in_order() {
        let grants = [
            grant(&["sqs:TagQueue", "sqs:CreateQueue"], QUEUE, None),
            grant(&["ec2:DescribeVpcs"], &["*"], None),
            grant(&["sqs:CreateQueue", "sqs:DeleteQueue"], QUEUE, None),
            grant(
                &["iam:PassRole"],
                &["arn:{partition}:iam::{account}:role/*-cluster"],
                TO_EKS,
            ),
        ];
        let documents = permissions(grants, &account());
        assert_eq!(documents, permissions(grants.into_iter().rev(), &account()));
        insta::assert_json_snapshot!(documents, @r#"
        [
          {
            "Version": "2012-10-17",
            "Statement": [
              {
                "Effect": "Allow",
                "Action": [
                  "ec2:DescribeVpcs"
                ],
                "Resource": [
                  "*"
                ]
              },
              {
                "Effect": "Allow",
                "Action": [
                  "iam:PassRole"
                ],
                "Resource": [
                  "arn:aws:iam::111122223333:role/*-cluster"
                ],
                "Condition": {
                  "StringEquals": {
                    "iam:PassedToService": [
                      "eks.amazonaws.com"
                    ]
                  }
                }
              },
              {
                "Effect": "Allow",
                "Action": [
                  "sqs:CreateQueue",
                  "sqs:DeleteQueue",
                  "sqs:TagQueue"
                ],
                "Resource": [
                  "arn:aws:sqs:*:111122223333:Karpenter-*"
                ]
              }
            ]
          }
        ]
        "#);
    }

    #[test]
    fn everywhere_swallows_somewhere() {
        let grants = [
            grant(&["sqs:ListQueues"], QUEUE, None),
            grant(&["sqs:ListQueues"], &["*"], None),
        ];
        let documents = permissions(grants, &account());
        assert_eq!(statements(&documents[0]).len(), 1);
        assert_eq!(statements(&documents[0])[0]["Resource"], json!(["*"]));
    }

    #[test]
    fn the_same_action_under_a_condition_is_another_statement() {
        let grants = [
            grant(&["iam:PassRole"], &["*"], TO_EKS),
            grant(&["iam:PassRole"], QUEUE, None),
        ];
        let documents = permissions(grants, &account());
        let conditions: Vec<_> = statements(&documents[0])
            .iter()
            .map(|s| s.get("Condition").is_some())
            .collect();
        assert_eq!(conditions, [true, false]);
    }

    #[test]
    fn what_is_too_long_for_one_policy_is_split_without_loss() {
        let statement = |n: usize| json!({"Effect": "Allow", "Action": [format!("s:A{n:040}")], "Resource": "*"});
        let all: Vec<_> = (0..200).map(statement).collect();
        let packed = pack(all.clone());
        assert!(packed.len() > 1);
        assert!(packed.iter().all(|d| length(d) <= LONGEST_POLICY));
        let unpacked: Vec<_> = packed.iter().flat_map(statements).cloned().collect();
        assert_eq!(unpacked, all);
    }

    #[test]
    fn accounts_and_identities_can_be_trusted() {
        let trusted = [
            "444455556666".to_owned(),
            "arn:aws:iam::777788889999:role/PSKRoles/ci".to_owned(),
        ];
        let document = trust(&trusted, &account());
        assert_eq!(
            statements(&document)[0],
            json!({
                "Effect": "Allow",
                "Principal": {"AWS": [
                    "arn:aws:iam::444455556666:root",
                    "arn:aws:iam::777788889999:role/PSKRoles/ci",
                ]},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            })
        );
    }
}
