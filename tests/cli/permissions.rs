//! The lab lets sessions do what IAM allows them, and psk tells what they may not.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::harness::{Files, Psk, psk};

/// A file with a policy, beside an inventory.
fn policy(files: &Files, statements: Json) -> PathBuf {
    let path = files.root().join("policy.json");
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn plan(files: &Files, policy: &PathBuf) -> Psk<'static> {
    psk(["plan", "--role", "qa", "--output", "json", "--lab"])
        .at(files)
        .arg("--lab-enforce-iam")
        .arg(policy)
}

#[test]
fn what_the_policy_does_not_allow_fails_in_the_services_words() {
    let files = Files::small();
    let everything = policy(
        &files,
        json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]),
    );
    plan(&files, &everything).run().ended(0);

    let all_but_one = policy(
        &files,
        json!([
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": "ec2:DescribeVpcs", "Resource": "*" },
        ]),
    );
    let run = plan(&files, &all_but_one).run().ended(10);
    for part in [
        "UnauthorizedOperation",
        "is not authorized to perform: ec2:DescribeVpcs with an explicit deny in an identity-based \
         policy",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

#[test]
fn a_file_that_holds_no_policy_is_named() {
    let files = Files::small();
    let wrong = files.root().join("policy.json");
    std::fs::write(&wrong, r#"{"roles":[]}"#).unwrap();
    let run = plan(&files, &wrong).run().ended(2);
    assert!(run.stderr.contains("policy.json"), "{}", run.stderr);
    assert!(run.stderr.contains("it has none for"), "{}", run.stderr);

    let wrong = policy(&files, json!([{ "Effect": "Allow", "Action": "*" }]));
    let run = plan(&files, &wrong).run().ended(2);
    let part = "Policy statement must contain resources.";
    assert!(run.stderr.contains(part), "{}", run.stderr);
}
