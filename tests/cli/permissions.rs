//! The lab lets sessions do what IAM allows them, and psk tells what they may not.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use psk_lab::authorization::attach;

use crate::harness::{Files, Psk, Served, psk, world_of};

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

const ROLE: &str = "PSKRoles/PSKControlPlaneBaseRole";
const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// What is asked for only where somebody changed what psk made, which nobody did here.
const MENDS: [&str; 11] = [
    "eks:AssociateEncryptionConfig",
    "eks:UpdateNodegroupConfig",
    "eks:UpdatePodIdentityAssociation",
    "elasticfilesystem:DescribeBackupPolicy",
    "elasticfilesystem:PutBackupPolicy",
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:DeleteInstanceProfile",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:UpdateAssumeRolePolicy",
    "sqs:GetQueueUrl",
    "sqs:SetQueueAttributes",
];

/// The account of the role qa, and the documents that `psk iam policy` prints for it.
fn printed(files: &Files) -> (String, Vec<Json>) {
    let run = psk(["iam", "policy", "--output", "json", "--lab"]).at(files);
    let report = run.run().ended(0).report();
    let roles = report["roles"].as_array().unwrap();
    let role = roles
        .iter()
        .find(|role| role["account"] != "444455556666")
        .unwrap();
    let policies = role["policies"].as_array().unwrap();
    let documents = policies.iter().map(|policy| policy["document"].clone());
    (
        role["account"].as_str().unwrap().to_owned(),
        documents.collect(),
    )
}

fn actions(documents: &[Json]) -> BTreeSet<String> {
    documents
        .iter()
        .flat_map(|document| document["Statement"].as_array().unwrap())
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

/// An inventory of which the role qa has one cluster.
fn one_cluster() -> Files {
    let clusters = format!("clusters:\n  {CLUSTER}: {{ aws_region: us-east-1 }}\n");
    Files::small().with("roles/qa.yaml", &clusters)
}

/// A world in which the pipeline's role may do what `psk iam policy` prints, and no more.
fn served(files: &Files, start: &str) -> Served {
    let (account, documents) = printed(files);
    let mut world = world_of(files, start);
    attach(&mut world, &account, ROLE, &documents).unwrap();
    Served::enforcing(world)
}

fn used(lab: &Served) -> BTreeSet<String> {
    let calls = lab.calls();
    let used = calls.iter().flat_map(|call| &call.used);
    used.map(|used| used.action.clone()).collect()
}

fn fanout<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    let run = psk(["fanout", "--role", "qa", "--output", "json"]);
    run.arg("--poll-interval=0.05").at(files).inside(lab)
}

#[test]
fn creation_upgrade_adoption_and_destruction_pass_under_the_policy_that_psk_prints() {
    let files = one_cluster();
    let mut all = BTreeSet::new();
    for start in ["behind", "adopted", "fresh"] {
        let lab = served(&files, start);
        fanout(&files, &lab).run().ended(0);
        if start == "fresh" {
            let open = one_cluster();
            let settings =
                std::fs::read_to_string(open.root().join("environments/default.yaml")).unwrap();
            let settings = format!("{settings}deletion_protection: false\n");
            let open = open.with("environments/default.yaml", &settings);
            fanout(&open, &lab).run().ended(0);
            let destroy = psk(["destroy", "--cluster", CLUSTER, "--confirm", CLUSTER]);
            let destroy = destroy.arg("--delete-data").arg("--poll-interval=0.05");
            destroy.at(&open).inside(&lab).run().ended(0);
        }
        all.extend(used(&lab));
    }
    let granted = actions(&printed(&files).1);
    let unused: Vec<_> = granted
        .difference(&all)
        .filter(|action| !MENDS.contains(&action.as_str()))
        .collect();
    assert!(unused.is_empty(), "granted and not used: {unused:#?}");
    let not_granted: Vec<_> = all.difference(&granted).collect();
    assert!(not_granted.is_empty(), "{not_granted:#?}");
}
