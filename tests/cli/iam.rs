//! `psk iam policy`: what the pipeline's own role may do, and who may assume it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value as Json, json};

use crate::harness::{Files, Psk, psk};

/// The roles that are printed as JSON.
fn roles(command: Psk<'_>) -> Vec<Json> {
    let run = command.arg("--output").arg("json").run().ended(0);
    run.report()["roles"].as_array().unwrap().clone()
}

fn strings(value: &Json) -> BTreeSet<String> {
    let items = value.as_array().unwrap().iter();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn it_needs_no_inventory_and_no_connection_where_account_and_role_are_named() {
    let files = Files::none();
    let command = psk(["iam", "policy", "--account", "111122223333"]);
    let [role] = roles(command.arg("--role-name").arg("Ops/PskRole").at(&files))
        .try_into()
        .unwrap();
    assert_eq!(
        (&role["account"], &role["path"], &role["role_name"]),
        (&json!("111122223333"), &json!("/Ops/"), &json!("PskRole"))
    );
    assert_eq!(
        role["trust"]["Statement"][0],
        json!({
            "Effect": "Allow",
            "Principal": { "AWS": ["arn:aws:iam::111122223333:root"] },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        })
    );
}

#[test]
fn every_document_is_one_that_iam_takes_and_allows_nothing_but_named_actions() {
    let files = Files::none();
    let command = psk(["iam", "policy", "--account", "111122223333"]);
    let [role] = roles(command.arg("--role-name").arg("PskRole").at(&files))
        .try_into()
        .unwrap();
    let policies = role["policies"].as_array().unwrap();
    let mut names = BTreeSet::new();
    let mut allowed = BTreeSet::new();
    for policy in policies {
        names.insert(policy["name"].as_str().unwrap());
        let text = policy["document"].to_string();
        assert!(text.chars().filter(|c| !c.is_whitespace()).count() <= 6144);
        assert!(
            !text.contains("{account}") && !text.contains("{partition}"),
            "{text}"
        );
        for statement in policy["document"]["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            assert!(!strings(&statement["Resource"]).is_empty());
            allowed.extend(strings(&statement["Action"]));
        }
    }
    assert_eq!(names.len(), policies.len(), "each has a name of its own");
    assert!(
        allowed.iter().all(|action| !action.contains('*')),
        "{allowed:?}"
    );
    for action in ["eks:CreateCluster", "iam:CreateRole", "sqs:CreateQueue"] {
        assert!(allowed.contains(action), "{action}");
    }
}

#[test]
fn each_account_of_the_inventory_has_its_role() {
    let files = Files::small();
    let roles = roles(psk(["iam", "policy", "--lab=fresh"]).at(&files));
    let accounts: Vec<_> = roles.iter().map(|role| role["account"].clone()).collect();
    assert_eq!(accounts.len(), 2, "{accounts:?}");
    assert!(accounts.contains(&json!("444455556666")));
    for role in &roles {
        assert_eq!(role["path"], "/PSKRoles/");
        assert_eq!(role["role_name"], "PSKControlPlaneBaseRole");
        let text = role.to_string();
        let account = role["account"].as_str().unwrap();
        assert!(text.contains(&format!(":{account}:")), "{text}");
    }
}

#[test]
fn who_may_assume_it_is_who_is_named_or_the_jobs_own_role() {
    let files = Files::none();
    let ci = "arn:aws:iam::123456789012:role/PSKRoles/psk-ci";
    let named = |command: Psk<'static>| -> Json {
        let roles = roles(command.arg("--role-name").arg("PskRole").at(&files));
        roles[0]["trust"]["Statement"][0]["Principal"]["AWS"].clone()
    };
    let base = || psk(["iam", "policy", "--account", "111122223333"]);
    assert_eq!(named(base().env("AWS_ROLE_ARN", ci)), json!([ci]));
    let given = base()
        .arg("--trust")
        .arg("444455556666")
        .arg("--trust")
        .arg(ci);
    assert_eq!(named(given), json!([ci, "arn:aws:iam::444455556666:root"]));
    let told = base()
        .arg("--trust")
        .arg("someone")
        .at(&files)
        .run()
        .refused(2);
    assert!(
        told.contains("neither an account of twelve digits"),
        "{told}"
    );
}

#[test]
fn the_text_ends_in_the_commands_that_make_the_role_of_the_files() {
    let files = Files::none();
    let directory = tempfile::tempdir().unwrap();
    let run = psk([
        "iam",
        "policy",
        "--account",
        "111122223333",
        "--role-name",
        "PSKRoles/Base",
    ])
    .arg("--write")
    .arg(directory.path())
    .at(&files)
    .run()
    .ended(0);
    let dir = directory.path().display();
    let create = format!(
        "aws iam create-role --role-name Base --path /PSKRoles/ \
         --assume-role-policy-document file://{dir}/111122223333-Base-trust.json\n"
    );
    assert!(run.stdout.contains(&create), "{}", run.stdout);
    let mut attached = 0;
    for word in run.stdout.split_whitespace() {
        if let Some(file) = word.strip_prefix("file://") {
            let text = fs::read_to_string(file).unwrap();
            let document: Json = serde_json::from_str(&text).unwrap();
            assert_eq!(document["Version"], "2012-10-17");
        }
        attached += usize::from(word == "attach-role-policy");
    }
    assert_eq!(
        attached,
        fs::read_dir(directory.path()).unwrap().count() - 1
    );
}

#[test]
fn an_account_that_can_not_be_found_out_is_told_with_what_to_do() {
    let told = psk(["iam", "policy"]).at(&Files::small()).run().refused(12);
    assert!(told.contains("OP_CONNECT_HOST"), "{told}");
}
