//! Readiness insights and what they block.

use serde_json::json;

use super::super::{Finding, FindingStatus};
use super::*;

const LIST: &str = "/clusters/c/insights";

fn removed_api() -> Finding {
    Finding {
        cluster_contains: "c".to_owned(),
        name: "Deprecated APIs removed in Kubernetes v1.36".to_owned(),
        description: "Looks for calls of APIs that the next version doesn't have.".to_owned(),
        status: FindingStatus::Error,
        reason: "Deprecated API usage detected within last 30 days.".to_owned(),
        recommendation: "Update the clients.".to_owned(),
        resources: vec!["/apis/example.io/v1beta1/things".to_owned()],
    }
}

fn statuses(bench: &mut Bench, filter: Value) -> Vec<String> {
    let answer = bench
        .post(LIST, json!({ "filter": filter }))
        .expect("listed");
    let list = answer["insights"].as_array().expect("a list").clone();
    let mut statuses: Vec<_> = list
        .iter()
        .filter_map(|i| i["insightStatus"]["status"].as_str().map(str::to_owned))
        .collect();
    statuses.sort();
    statuses
}

#[test]
fn a_new_cluster_is_looked_at_and_found_ready() {
    let mut bench = Bench::with_cluster(json!({}));
    assert_eq!(statuses(&mut bench, json!({})), ["PASSING", "PASSING"]);
    assert_eq!(
        statuses(&mut bench, json!({ "kubernetesVersions": ["1.36"] })).len(),
        2
    );
    assert_eq!(
        statuses(&mut bench, json!({ "kubernetesVersions": ["1.35"] })).len(),
        0
    );
    assert_eq!(
        statuses(&mut bench, json!({ "statuses": ["ERROR"] })).len(),
        0
    );
    assert_eq!(
        statuses(&mut bench, json!({ "categories": ["MISCONFIGURATION"] })).len(),
        0
    );
    let wrong = json!({ "filter": { "categories": ["LUCK"] } });
    assert_eq!(code(bench.post(LIST, wrong)), "InvalidParameterException");
}

#[test]
fn a_refresh_finds_what_has_changed_and_an_error_blocks_the_upgrade() {
    let mut bench = Bench::with_cluster(json!({}));
    assert_eq!(statuses(&mut bench, json!({})).len(), 2);
    bench.region().findings.push(removed_api());
    assert_eq!(
        statuses(&mut bench, json!({ "statuses": ["ERROR"] })).len(),
        0
    );
    let refresh = "/clusters/c/insights-refresh";
    assert_eq!(code(bench.get(refresh)), "ResourceNotFoundException");
    assert_eq!(
        bench.post(refresh, json!({})).expect("begun")["status"],
        "IN_PROGRESS"
    );
    assert_eq!(bench.read(refresh, "/status"), "IN_PROGRESS");
    bench.wait(TEN_MINUTES);
    assert_eq!(bench.read(refresh, "/status"), "COMPLETED");
    assert!(bench.read(refresh, "/endedAt").as_f64() > bench.read(refresh, "/startedAt").as_f64());
    assert_eq!(
        statuses(&mut bench, json!({ "statuses": ["ERROR"] })),
        ["ERROR"]
    );
    let (code, message) = refusal(bench.post("/clusters/c/updates", json!({ "version": "1.36" })));
    assert_eq!(code, "InvalidStateException");
    assert!(
        message.contains("Deprecated API usage detected"),
        "{message}"
    );
    bench
        .post(
            "/clusters/c/updates",
            json!({ "version": "1.36", "force": true }),
        )
        .expect("forced");
}

#[test]
fn an_insight_tells_what_it_found_and_what_to_do() {
    let mut bench = Bench::new();
    bench.region().findings.push(removed_api());
    bench.post("/clusters", creation("c")).expect("created");
    bench.wait(TEN_MINUTES);
    let listed = bench
        .post(LIST, json!({ "filter": { "statuses": ["ERROR"] } }))
        .expect("listed");
    let summary = listed["insights"][0].clone();
    let id = summary["id"].as_str().expect("an id");
    let insight = bench.get(&format!("{LIST}/{id}")).expect("known")["insight"].take();
    for (member, value) in summary.as_object().expect("an object") {
        assert_eq!(&insight[member], value, "{member}");
    }
    assert_eq!(insight["recommendation"], "Update the clients.");
    assert_eq!(
        insight["resources"][0]["kubernetesResourceUri"],
        "/apis/example.io/v1beta1/things"
    );
    assert_eq!(
        code(bench.get(&format!("{LIST}/none"))),
        "ResourceNotFoundException"
    );
}

#[test]
fn an_addon_that_does_not_work_with_the_next_version_blocks() {
    let mut bench = Bench::with_cluster(json!({ "version": "1.34" }));
    let old = json!({ "addonName": "coredns", "addonVersion": "v1.11.4-eksbuild.24" });
    bench.post("/clusters/c/addons", old).expect("created");
    bench.wait(AN_HOUR);
    bench
        .post("/clusters/c/insights-refresh", json!({}))
        .expect("begun");
    bench.wait(TEN_MINUTES);
    let (code, message) = refusal(bench.post("/clusters/c/updates", json!({ "version": "1.35" })));
    assert_eq!(code, "InvalidStateException");
    assert!(message.contains("coredns v1.11.4-eksbuild.24"), "{message}");
    bench
        .post(
            "/clusters/c/addons/coredns/update",
            json!({ "addonVersion": "v1.13.2-eksbuild.4" }),
        )
        .expect("accepted");
    bench.wait(AN_HOUR);
    bench
        .post("/clusters/c/insights-refresh", json!({}))
        .expect("begun");
    bench.wait(TEN_MINUTES);
    bench
        .post("/clusters/c/updates", json!({ "version": "1.35" }))
        .expect("accepted");
}

#[test]
fn eks_looks_by_itself_once_a_day() {
    let mut bench = Bench::with_cluster(json!({}));
    let looked = |bench: &mut Bench| {
        bench.post(LIST, json!({})).expect("listed")["insights"][0]["lastRefreshTime"].as_f64()
    };
    let changed = |bench: &mut Bench| {
        bench.post(LIST, json!({})).expect("listed")["insights"][0]["lastTransitionTime"].as_f64()
    };
    let (first, since) = (looked(&mut bench), changed(&mut bench));
    bench.wait(SignedDuration::from_hours(23));
    assert_eq!(looked(&mut bench), first);
    bench.wait(SignedDuration::from_hours(27));
    assert_eq!(looked(&mut bench), first.map(|t| t + 2.0 * 86_400.0));
    assert_eq!(changed(&mut bench), since);
}

#[test]
fn an_upgraded_cluster_is_looked_at_for_the_version_after() {
    let mut bench = Bench::with_cluster(json!({ "version": "1.34" }));
    bench.region().findings.push(removed_api());
    let upgrade = json!({ "version": "1.35", "force": true });
    bench
        .post("/clusters/c/updates", upgrade)
        .expect("accepted");
    bench.wait(AN_HOUR);
    let next = json!({ "kubernetesVersions": ["1.36"], "statuses": ["ERROR"] });
    assert_eq!(statuses(&mut bench, next), ["ERROR"]);
    let next = bench.post("/clusters/c/updates", json!({ "version": "1.36" }));
    assert_eq!(code(next), "InvalidStateException");
}
