//! The OpenID Connect provider of a cluster.

use serde_json::json;

use super::*;

const BASE: &str = "/clusters/c/identity-provider-configs";

fn auth0() -> Value {
    json!({
        "oidc": {
            "identityProviderConfigName": "Auth0",
            "issuerUrl": "https://example.auth0.com/",
            "clientId": "client",
            "groupsClaim": "https://example.com/teams",
        },
        "tags": { "a": "b" },
    })
}

fn status(bench: &mut Bench) -> Served {
    let which = json!({ "identityProviderConfig": { "type": "oidc", "name": "Auth0" } });
    let answer = bench.post(&format!("{BASE}/describe"), which)?;
    Ok(answer["identityProviderConfig"]["oidc"]["status"].clone())
}

#[test]
fn a_provider_comes_and_goes_slowly_while_the_cluster_stays_active() {
    let mut bench = Bench::with_cluster(json!({}));
    let answer = bench
        .post(&format!("{BASE}/associate"), auth0())
        .expect("accepted");
    assert_eq!(answer["update"]["type"], "AssociateIdentityProviderConfig");
    assert_eq!(answer["tags"], json!({ "a": "b" }));
    bench.wait(TEN_MINUTES);
    assert_eq!(status(&mut bench).expect("known"), "CREATING");
    assert_eq!(bench.read("/clusters/c", "/cluster/status"), "ACTIVE");
    bench
        .post("/clusters/c/node-groups", group("g"))
        .expect("not in the way");
    let upgrade = json!({ "version": "1.36" });
    assert_eq!(
        code(bench.post("/clusters/c/updates", upgrade)),
        "ResourceInUseException"
    );
    bench.wait(TEN_MINUTES);
    assert_eq!(status(&mut bench).expect("known"), "ACTIVE");
    assert_eq!(
        bench.read(BASE, "/identityProviderConfigs"),
        json!([{ "type": "oidc", "name": "Auth0" }])
    );
    let which = json!({ "identityProviderConfig": { "type": "oidc", "name": "Auth0" } });
    bench
        .post(&format!("{BASE}/disassociate"), which.clone())
        .expect("accepted");
    assert_eq!(status(&mut bench).expect("known"), "DELETING");
    assert_eq!(
        code(bench.post(&format!("{BASE}/disassociate"), which)),
        "ResourceInUseException"
    );
    bench.wait(TEN_MINUTES);
    assert_eq!(code(status(&mut bench)), "ResourceNotFoundException");
    assert_eq!(bench.read(BASE, "/identityProviderConfigs"), json!([]));
}

#[test]
fn a_cluster_has_one_provider() {
    let mut bench = Bench::with_cluster(json!({}));
    let mut body = auth0();
    body["clientRequestToken"] = json!("t");
    let first = bench
        .post(&format!("{BASE}/associate"), body.clone())
        .expect("accepted");
    assert_eq!(
        bench
            .post(&format!("{BASE}/associate"), body)
            .expect("repeated"),
        first
    );
    assert_eq!(
        code(bench.post(&format!("{BASE}/associate"), auth0())),
        "InvalidRequestException"
    );
}

#[test]
fn a_failed_association_leaves_nothing() {
    let mut bench = Bench::with_cluster(json!({}));
    bench.fail_once(Happening::ClusterUpdate, "Unknown");
    let id = update_id(bench.post(&format!("{BASE}/associate"), auth0()));
    bench.wait(AN_HOUR);
    assert_eq!(
        bench.read(&format!("/clusters/c/updates/{id}"), "/update/status"),
        "Failed"
    );
    assert_eq!(code(status(&mut bench)), "ResourceNotFoundException");
    bench
        .post(&format!("{BASE}/associate"), auth0())
        .expect("accepted");
}

#[test]
fn providers_are_checked() {
    for (member, value) in [
        ("issuerUrl", "http://example.com"),
        ("issuerUrl", "https://example.com?x=y"),
        ("clientId", ""),
        ("groupsPrefix", "system:x"),
    ] {
        let mut bench = Bench::with_cluster(json!({}));
        let mut body = auth0();
        body["oidc"][member] = json!(value);
        assert_eq!(
            code(bench.post(&format!("{BASE}/associate"), body)),
            "InvalidParameterException",
            "{member}"
        );
    }
}

#[test]
fn a_provider_waits_for_the_cluster_to_be_free() {
    let mut bench = Bench::new();
    bench.post("/clusters", creation("c")).expect("created");
    let associate = format!("{BASE}/associate");
    assert_eq!(
        code(bench.post(&associate, auth0())),
        "ResourceInUseException"
    );
    bench.wait(TEN_MINUTES);
    bench
        .post("/clusters/c/updates", json!({ "version": "1.36" }))
        .expect("accepted");
    assert_eq!(
        code(bench.post(&associate, auth0())),
        "ResourceInUseException"
    );
}
