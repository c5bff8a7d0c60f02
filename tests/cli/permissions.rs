//! The lab lets sessions do what IAM allows them, and psk tells what they may not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use psk_lab::authorization::attach;
use psk_lab::world::World;

use crate::harness::{Files, Psk, Served, psk, world_of};

/// A file with a policy, beside an inventory.
fn policy(files: &Files, statements: Json) -> PathBuf {
    let path = files.root().join("policy.json");
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn plan(files: &Files, policy: &Path) -> Psk<'static> {
    psk(["plan", "--role", "qa", "--output", "json", "--lab"])
        .at(files)
        .arg(format!("--lab-enforce-iam={}", policy.display()))
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
    let mut world = match start {
        "damaged" => damaged(world_of(files, "current"), &account),
        start => world_of(files, start),
    };
    attach(&mut world, &account, ROLE, &documents).unwrap();
    Served::enforcing(world, BUILT_QUEUE_URL)
}

/// An endpoint that takes no URL of a queue but the one that SQS gave.
const BUILT_QUEUE_URL: &str = r#"{"rules":[{"operation":"GetQueueAttributes","at":1,"effect":
    {"error":{"status":400,"code":"InvalidAddress","message":"The address is not valid."}}}]}"#;

/// A world in which somebody changed by hand what psk made, wherever psk mends it.
fn damaged(world: World, account: &str) -> World {
    let mut world = serde_json::to_value(world).unwrap();
    let account = &mut world["accounts"][account];
    let here = &mut account["regions"]["us-east-1"];
    let cluster = &mut here["eks"]["clusters"][CLUSTER];
    cluster["spec"]["encryption_key"] = Json::Null;
    for (_, group) in cluster["nodegroups"].as_object_mut().unwrap() {
        group["spec"]["labels"]["nodegroup"] = json!("other");
    }
    for (_, association) in cluster["associations"].as_object_mut().unwrap() {
        association["role_arn"] = json!("arn:aws:iam::221155668855:role/other");
    }
    for (_, files) in here["efs"]["file_systems"].as_object_mut().unwrap() {
        files["backup"]["enabled"] = json!(false);
    }
    for (_, queue) in here["sqs"]["queues"].as_object_mut().unwrap() {
        queue["attributes"]["MessageRetentionPeriod"] = json!("60");
    }
    for (_, provider) in account["iam"]["oidc_providers"].as_object_mut().unwrap() {
        provider["client_ids"] = json!(["other"]);
    }
    let node_role = format!("Karpenter-{CLUSTER}");
    let trust = &mut account["iam"]["roles"][format!("{CLUSTER}-cluster")]["trust"];
    trust["Statement"][0]["Action"] = json!("sts:AssumeRole");
    trust["Statement"][0]["Sid"] = json!("ByHand");
    account["iam"]["instance_profiles"][&node_role] = json!({
        "path": format!("/karpenter/us-east-1/{CLUSTER}/default/"),
        "name": node_role,
        "id": "AIPAEXAMPLE",
        "created": "2026-01-01T00:00:00Z",
        "role": node_role,
        "tags": {},
    });
    serde_json::from_value(world).unwrap()
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
    for start in ["behind", "adopted", "fresh", "damaged"] {
        let lab = served(&files, start);
        fanout(&files, &lab).run().ended(0);
        if start == "fresh" || start == "damaged" {
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
    let unused: Vec<_> = granted.difference(&all).collect();
    assert!(unused.is_empty(), "granted and not used: {unused:#?}");
    let not_granted: Vec<_> = all.difference(&granted).collect();
    assert!(not_granted.is_empty(), "{not_granted:#?}");
}
