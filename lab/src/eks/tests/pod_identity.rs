//! Pod identity associations.

use serde_json::json;

use super::*;

const LIST: &str = "/clusters/c/pod-identity-associations";
const ROLE: &str = "arn:aws:iam::111122223333:role/KarpenterController-c";

fn karpenter() -> Value {
    json!({ "namespace": "kube-system", "serviceAccount": "karpenter", "roleArn": ROLE })
}

#[test]
fn associations_are_made_found_changed_and_deleted() {
    let mut bench = Bench::with_cluster(json!({}));
    let made = bench.post(LIST, karpenter()).expect("created")["association"].take();
    let id = made["associationId"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("a-"));
    assert_eq!(made["disableSessionTags"], false);
    for (query, found) in [
        ("", 1),
        ("?namespace=kube-system&serviceAccount=karpenter", 1),
        ("?namespace=default", 0),
        ("?serviceAccount=other", 0),
    ] {
        let list = bench.read(&format!("{LIST}{query}"), "/associations");
        assert_eq!(list.as_array().map(Vec::len), Some(found), "{query}");
    }
    let one = format!("{LIST}/{id}");
    let other = "arn:aws:iam::111122223333:role/Other";
    assert_eq!(
        code(bench.post(&one, json!({}))),
        "InvalidParameterException"
    );
    bench
        .post(&one, json!({ "roleArn": other }))
        .expect("changed");
    assert_eq!(bench.read(&one, "/association/roleArn"), other);
    bench.delete(&one).expect("deleted");
    assert_eq!(code(bench.get(&one)), "ResourceNotFoundException");
}

#[test]
fn a_service_account_has_one_role() {
    let mut bench = Bench::with_cluster(json!({}));
    let mut body = karpenter();
    body["clientRequestToken"] = json!("t");
    let first = bench.post(LIST, body.clone()).expect("created");
    assert_eq!(bench.post(LIST, body).expect("repeated"), first);
    let (code, message) = refusal(bench.post(LIST, karpenter()));
    assert_eq!(code, "ResourceInUseException");
    assert!(
        message.contains(
            first["association"]["associationId"]
                .as_str()
                .expect("an id")
        )
    );
    let wrong = json!({ "namespace": "n", "serviceAccount": "s", "roleArn": "x" });
    assert_eq!(
        super::code(bench.post(LIST, wrong)),
        "InvalidParameterException"
    );
}
