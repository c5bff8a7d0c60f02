//! Tags of everything.

use serde_json::json;

use super::*;

fn encoded(arn: &Value) -> String {
    let arn = arn.as_str().expect("an ARN");
    format!("/tags/{}", arn.replace(':', "%3A").replace('/', "%2F"))
}

#[test]
fn everything_that_has_tags_can_be_tagged() {
    let mut bench = Bench::with_cluster(json!({}));
    let group = bench
        .post("/clusters/c/node-groups", group("g"))
        .expect("made");
    let addon = bench
        .post("/clusters/c/addons", json!({ "addonName": "vpc-cni" }))
        .expect("made");
    let entry = json!({ "principalArn": "arn:aws:iam::111122223333:role/x" });
    let entry = bench
        .post("/clusters/c/access-entries", entry)
        .expect("made");
    let association = json!({ "namespace": "n", "serviceAccount": "s", "roleArn": ROLE });
    let association = bench
        .post("/clusters/c/pod-identity-associations", association)
        .expect("made");
    let oidc = json!({
        "oidc": { "identityProviderConfigName": "P", "issuerUrl": "https://e.com", "clientId": "x" },
    });
    bench
        .post("/clusters/c/identity-provider-configs/associate", oidc)
        .expect("made");
    let which = json!({ "identityProviderConfig": { "type": "oidc", "name": "P" } });
    let provider = bench
        .post("/clusters/c/identity-provider-configs/describe", which)
        .expect("made");
    for arn in [
        bench.read("/clusters/c", "/cluster/arn"),
        group["nodegroup"]["nodegroupArn"].clone(),
        addon["addon"]["addonArn"].clone(),
        entry["accessEntry"]["accessEntryArn"].clone(),
        association["association"]["associationArn"].clone(),
        provider["identityProviderConfig"]["oidc"]["identityProviderConfigArn"].clone(),
    ] {
        let path = encoded(&arn);
        bench
            .post(&path, json!({ "tags": { "a": "1", "b": "2" } }))
            .expect("tagged");
        bench
            .post(&path, json!({ "tags": { "a": "3" } }))
            .expect("tagged");
        assert_eq!(
            bench.read(&path, "/tags"),
            json!({ "a": "3", "b": "2" }),
            "{arn}"
        );
        bench
            .delete(&format!("{path}?tagKeys=a&tagKeys=x"))
            .expect("untagged");
        assert_eq!(bench.read(&path, "/tags"), json!({ "b": "2" }), "{arn}");
    }
    assert_eq!(
        bench.read("/clusters/c", "/cluster/tags"),
        json!({ "b": "2" })
    );
}

#[test]
fn tags_are_refused_in_the_tagging_operations_own_words() {
    let mut bench = Bench::with_cluster(json!({}));
    let there = encoded(&bench.read("/clusters/c", "/cluster/arn"));
    assert_eq!(
        code(bench.post(&there, json!({ "tags": { "aws:x": "" } }))),
        "BadRequestException"
    );
    assert_eq!(code(bench.delete(&there)), "BadRequestException");
    let gone = encoded(&json!("arn:aws:eks:us-east-1:111122223333:cluster/d"));
    assert_eq!(code(bench.get(&gone)), "NotFoundException");
    let elsewhere = encoded(&json!("arn:aws:eks:us-east-1:444455556666:cluster/c"));
    assert_eq!(code(bench.get(&elsewhere)), "BadRequestException");
}
