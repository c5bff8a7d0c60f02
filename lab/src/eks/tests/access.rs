//! Access entries and their policies.

use serde_json::json;

use super::*;

const ENTRIES: &str = "/clusters/c/access-entries";
const ADMIN: &str = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
const SOMEONE: &str = "arn:aws:iam::111122223333:role/PSKRoles/Someone";

fn path(principal: &str) -> String {
    format!(
        "{ENTRIES}/{}",
        principal.replace(':', "%3A").replace('/', "%2F")
    )
}

fn cluster() -> Bench {
    Bench::with_cluster(json!({
        "accessConfig": { "authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": false },
    }))
}

#[test]
fn the_maker_is_admin_unless_told_otherwise() {
    let mut bench = Bench::with_cluster(json!({}));
    let maker = "arn:aws:iam::111122223333:role/Deployer";
    assert_eq!(bench.read(ENTRIES, "/accessEntries"), json!([maker]));
    let policies = format!("{}/access-policies", path(maker));
    assert_eq!(
        bench.read(&policies, "/associatedAccessPolicies/0/policyArn"),
        ADMIN
    );
    assert_eq!(cluster().read(ENTRIES, "/accessEntries"), json!([]));
}

#[test]
fn entries_are_made_changed_and_deleted() {
    let mut bench = cluster();
    let body =
        json!({ "principalArn": SOMEONE, "kubernetesGroups": ["viewers"], "tags": { "a": "b" } });
    let entry = bench.post(ENTRIES, body).expect("created")["accessEntry"].take();
    assert_eq!(entry["type"], "STANDARD");
    assert_eq!(
        entry["username"],
        "arn:aws:sts::111122223333:assumed-role/Someone/{{SessionName}}"
    );
    assert_eq!(entry["kubernetesGroups"], json!(["viewers"]));
    assert!(entry["accessEntryArn"].as_str().is_some_and(|arn| {
        arn.starts_with(
            "arn:aws:eks:us-east-1:111122223333:access-entry/c/role/111122223333/Someone/",
        )
    }));
    let changed = bench.post(&path(SOMEONE), json!({ "kubernetesGroups": ["editors"] }));
    assert_eq!(
        changed.expect("changed")["accessEntry"]["kubernetesGroups"],
        json!(["editors"])
    );
    assert_eq!(bench.delete(&path(SOMEONE)).expect("deleted"), json!({}));
    assert_eq!(code(bench.get(&path(SOMEONE))), "ResourceNotFoundException");
    assert_eq!(
        code(bench.delete(&path(SOMEONE))),
        "ResourceNotFoundException"
    );
}

#[test]
fn refuses_what_is_not_valid() {
    let mut bench = cluster();
    for (body, part) in [
        (
            json!({ "principalArn": "someone" }),
            "principalArn is invalid",
        ),
        (
            json!({ "principalArn": SOMEONE, "kubernetesGroups": ["system:masters"] }),
            "cannot start with",
        ),
        (
            json!({ "principalArn": SOMEONE, "username": "eks:me" }),
            "cannot start with",
        ),
        (
            json!({ "principalArn": SOMEONE, "type": "EC2_LINUX", "username": "me" }),
            "STANDARD only",
        ),
        (json!({ "principalArn": SOMEONE, "type": "NONE" }), "NONE"),
    ] {
        let (code, message) = refusal(bench.post(ENTRIES, body));
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains(part), "{message}");
    }
    let body = json!({ "principalArn": SOMEONE, "clientRequestToken": "t" });
    bench.post(ENTRIES, body.clone()).expect("created");
    bench.post(ENTRIES, body).expect("repeated");
    let again = json!({ "principalArn": SOMEONE });
    assert_eq!(code(bench.post(ENTRIES, again)), "ResourceInUseException");
}

#[test]
fn policies_are_associated_with_a_scope() {
    let mut bench = cluster();
    bench
        .post(ENTRIES, json!({ "principalArn": SOMEONE }))
        .expect("created");
    let policies = format!("{}/access-policies", path(SOMEONE));
    let cluster_wide = json!({ "policyArn": ADMIN, "accessScope": { "type": "cluster" } });
    let answer = bench.post(&policies, cluster_wide).expect("associated");
    assert_eq!(
        answer["associatedAccessPolicy"]["accessScope"],
        json!({ "type": "cluster", "namespaces": [] })
    );
    let narrower =
        json!({ "policyArn": ADMIN, "accessScope": { "type": "namespace", "namespaces": ["a"] } });
    bench.post(&policies, narrower).expect("associated");
    let listed = bench.get(&policies).expect("listed");
    assert_eq!(
        listed["associatedAccessPolicies"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(
        listed["associatedAccessPolicies"][0]["accessScope"]["namespaces"],
        json!(["a"])
    );
    assert_eq!(listed["principalArn"], SOMEONE);
    assert_eq!(
        bench.read(
            &format!("{ENTRIES}?associatedPolicyArn={ADMIN}"),
            "/accessEntries"
        ),
        json!([SOMEONE])
    );
    let one = format!(
        "{policies}/{}",
        ADMIN.replace(':', "%3A").replace('/', "%2F")
    );
    bench.delete(&one).expect("disassociated");
    assert_eq!(code(bench.delete(&one)), "ResourceNotFoundException");
    assert_eq!(
        bench.read(
            &format!("{ENTRIES}?associatedPolicyArn={ADMIN}"),
            "/accessEntries"
        ),
        json!([])
    );
}

#[test]
fn policies_are_checked() {
    let mut bench = cluster();
    bench
        .post(ENTRIES, json!({ "principalArn": SOMEONE }))
        .expect("created");
    bench
        .post(
            ENTRIES,
            json!({ "principalArn": NODE_ROLE, "type": "EC2_LINUX" }),
        )
        .expect("created");
    let policies = format!("{}/access-policies", path(SOMEONE));
    for body in [
        json!({ "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess", "accessScope": { "type": "cluster" } }),
        json!({ "policyArn": ADMIN, "accessScope": { "type": "namespace" } }),
        json!({ "policyArn": ADMIN, "accessScope": { "type": "cluster", "namespaces": ["a"] } }),
        json!({ "policyArn": ADMIN, "accessScope": { "type": "planet" } }),
    ] {
        assert_eq!(
            code(bench.post(&policies, body)),
            "InvalidParameterException"
        );
    }
    let of_nodes = format!("{}/access-policies", path(NODE_ROLE));
    let body = json!({ "policyArn": ADMIN, "accessScope": { "type": "cluster" } });
    assert_eq!(code(bench.post(&of_nodes, body)), "InvalidRequestException");
    let offered = bench.get("/access-policies").expect("listed");
    assert!(
        offered["accessPolicies"]
            .as_array()
            .is_some_and(|l| l.iter().any(|p| p["arn"] == ADMIN))
    );
}

#[test]
fn a_cluster_of_the_config_map_has_no_entries() {
    let mut bench =
        Bench::with_cluster(json!({ "accessConfig": { "authenticationMode": "CONFIG_MAP" } }));
    assert_eq!(code(bench.get(ENTRIES)), "InvalidRequestException");
    assert_eq!(
        code(bench.post(ENTRIES, json!({ "principalArn": SOMEONE }))),
        "InvalidRequestException"
    );
}
