//! A cluster's API, asked by the `kube` crate.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use psk_lab::{Options, state};
use serde_json::json;

use crate::client::{Client, NONPROD, PROD};
use crate::kube::{self as cluster, CLUSTER, Kube};

fn config_map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "key": value },
    }))
    .unwrap()
}

fn status(error: kube::Error) -> (u16, String, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_api_is_the_clusters_own_and_known_by_its_authority() {
    let kube = Kube::start().await;
    let version = kube.client.apiserver_version().await.unwrap();
    assert_eq!(
        (version.major.as_str(), version.minor.as_str()),
        ("1", "35")
    );

    // Another cluster's authority doesn't vouch for it, nor is a token for that one taken.
    let prod = Client::base(&kube.lab).assume(PROD).await;
    let other = cluster::kubeconfig(&prod, "prod-i01-aws-us-east-1").await;
    let mut mixed = kube.kubeconfig.clone();
    mixed.clusters[0]
        .cluster
        .as_mut()
        .unwrap()
        .certificate_authority_data = other.clusters[0]
        .cluster
        .clone()
        .unwrap()
        .certificate_authority_data;
    let refused = cluster::client(&mixed).await.apiserver_version().await;
    assert!(
        matches!(
            refused,
            Err(kube::Error::Service(_) | kube::Error::HyperError(_))
        ),
        "{refused:?}"
    );

    let mut mixed = kube.kubeconfig.clone();
    mixed.auth_infos = other.auth_infos;
    let refused = cluster::client(&mixed)
        .await
        .apiserver_version()
        .await
        .unwrap_err();
    assert_eq!(
        status(refused),
        (401, "Unauthorized".into(), "Unauthorized".into())
    );
}

#[tokio::test]
async fn who_has_no_access_entry_is_not_let_in() {
    let kube = Kube::start().await;
    let home = Client::base(&kube.lab);
    let mut stranger = kube.kubeconfig.clone();
    let token = cluster::token(&home, CLUSTER);
    stranger.auth_infos[0].auth_info.as_mut().unwrap().token = Some(token.into());
    let refused = cluster::client(&stranger)
        .await
        .apiserver_version()
        .await
        .unwrap_err();
    assert_eq!(status(refused).0, 401);
}

#[tokio::test]
async fn objects_are_made_read_changed_and_deleted() {
    let kube = Kube::start().await;
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "default");
    let made = api
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    let again = api
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap_err();
    assert_eq!(
        status(again),
        (
            409,
            "AlreadyExists".into(),
            "configmaps \"a\" already exists".into()
        )
    );

    let mut changed = made.clone();
    changed.data = Some([("key".to_owned(), "2".to_owned())].into());
    let changed = api
        .replace("a", &PostParams::default(), &changed)
        .await
        .unwrap();
    assert_ne!(
        changed.metadata.resource_version,
        made.metadata.resource_version
    );
    let stale = api
        .replace("a", &PostParams::default(), &made)
        .await
        .unwrap_err();
    assert_eq!(
        (status(stale).0, api.get("a").await.unwrap().data),
        (409, changed.data)
    );

    api.delete("a", &DeleteParams::default()).await.unwrap();
    let gone = api.get("a").await.unwrap_err();
    assert_eq!(
        status(gone),
        (404, "NotFound".into(), "configmaps \"a\" not found".into())
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field() {
    let kube = Kube::start().await;
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "default");
    let (code, reason, message) = status(
        api.create(&PostParams::default(), &config_map("A_b", "1"))
            .await
            .unwrap_err(),
    );
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    assert!(message.starts_with("ConfigMap \"A_b\" is invalid: metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain"), "{message}");

    let nowhere: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "nowhere");
    let (code, _, message) = status(
        nowhere
            .create(&PostParams::default(), &config_map("a", "1"))
            .await
            .unwrap_err(),
    );
    assert_eq!(
        (code, message.as_str()),
        (404, "namespaces \"nowhere\" not found")
    );
}

#[tokio::test]
async fn lists_come_in_pages_that_agree_with_one_another() {
    let kube = Kube::start().await;
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "default");
    for name in ["a", "b", "c", "d", "e"] {
        api.create(&PostParams::default(), &config_map(name, "1"))
            .await
            .unwrap();
    }
    let params = ListParams::default()
        .limit(2)
        .fields("metadata.name!=kube-root-ca.crt");
    let first = api.list(&params).await.unwrap();
    api.delete("e", &DeleteParams::default()).await.unwrap();
    let mut names: Vec<_> = first
        .items
        .iter()
        .map(|c| c.metadata.name.clone().unwrap())
        .collect();
    let mut token = first.metadata.continue_.clone();
    while let Some(next) = token.filter(|t| !t.is_empty()) {
        let page = api
            .list(&params.clone().continue_token(&next))
            .await
            .unwrap();
        assert_eq!(
            page.metadata.resource_version,
            first.metadata.resource_version
        );
        names.extend(page.items.iter().map(|c| c.metadata.name.clone().unwrap()));
        token = page.metadata.continue_;
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);

    kube.inside(|inside| inside.compact());
    let token = first.metadata.continue_.unwrap();
    let expired = api.list(&params.continue_token(&token)).await.unwrap_err();
    assert_eq!((status(expired).0), 410);
}

#[tokio::test]
async fn applying_again_changes_nothing_and_conflicts_name_the_other() {
    let kube = Kube::start().await;
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "default");
    let psk = PatchParams::apply("psk");
    let wanted = Patch::Apply(
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "key": "1" } }),
    );
    let once = api.patch("a", &psk, &wanted).await.unwrap();
    let twice = api.patch("a", &psk, &wanted).await.unwrap();
    assert_eq!(once.metadata, twice.metadata);

    let by_hand = Patch::Merge(json!({ "data": { "key": "2", "other": "x" } }));
    let hand = PatchParams {
        field_manager: Some("kubectl-edit".into()),
        ..PatchParams::default()
    };
    let by_hand = api.patch("a", &hand, &by_hand).await.unwrap();
    let (code, reason, message) = status(api.patch("a", &psk, &wanted).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(
        message,
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1: .data.key"
    );

    let dry = api
        .patch("a", &psk.clone().force().dry_run(), &wanted)
        .await
        .unwrap();
    assert_eq!(dry.data.unwrap()["key"], "1");
    assert_eq!(
        api.get("a").await.unwrap().metadata.resource_version,
        by_hand.metadata.resource_version
    );

    let back = api.patch("a", &psk.force(), &wanted).await.unwrap();
    assert_eq!(
        back.data.unwrap(),
        [
            ("key".to_owned(), "1".to_owned()),
            ("other".to_owned(), "x".to_owned())
        ]
        .into()
    );
}

#[tokio::test]
async fn a_field_that_the_kind_lacks_is_refused_where_it_is_asked_to() {
    let kube = Kube::start().await;
    let api: Api<Deployment> = Api::namespaced(kube.client.clone(), "default");
    let wanted = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" }, "spec": { "replica": 1 } });
    let (code, _, message) = status(
        api.patch("a", &PatchParams::apply("psk"), &Patch::Apply(wanted))
            .await
            .unwrap_err(),
    );
    assert_eq!(code, 500);
    assert!(
        message.contains(".spec.replica: field not declared in schema"),
        "{message}"
    );
}

#[tokio::test]
async fn a_watch_tells_of_each_change_and_of_what_is_forgotten() {
    let kube = Kube::start().await;
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "default");
    let list = api.list(&ListParams::default()).await.unwrap();
    let from = list.metadata.resource_version.unwrap();
    let watching = api.watch(&WatchParams::default(), &from).await.unwrap();
    api.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    api.create(&PostParams::default(), &config_map("b", "1"))
        .await
        .unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let events: Vec<_> = watching.take(3).try_collect().await.unwrap();
    let told: Vec<String> = events
        .iter()
        .map(|event| match event {
            WatchEvent::Added(object) => {
                format!("added {}", object.metadata.name.as_deref().unwrap())
            }
            WatchEvent::Deleted(object) => {
                format!("deleted {}", object.metadata.name.as_deref().unwrap())
            }
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["added a", "added b", "deleted a"]);

    kube.inside(|inside| inside.compact());
    let mut late = std::pin::pin!(api.watch(&WatchParams::default(), &from).await.unwrap());
    let expired = late.next().await.unwrap();
    assert!(
        matches!(&expired, Ok(WatchEvent::Error(status)) if status.code == 410),
        "{expired:?}"
    );
}

#[tokio::test]
async fn faults_throttle_cut_and_expire() {
    let kube = Kube::with_faults(
        r#"{ "rules": [
            { "service": "kubernetes", "operation": "list namespaces", "at": 1, "effect": "throttle" },
            { "service": "kubernetes", "operation": "watch namespaces", "at": 1, "effect": { "cut_after_ms": 1 } },
            { "service": "kubernetes", "operation": "watch namespaces", "at": 2, "effect": { "expire_after_ms": 1 } },
            { "service": "kubernetes", "contains": "other-cluster", "effect": "reset" }
        ] }"#,
    )
    .await;
    let api: Api<Namespace> = Api::all(kube.client.clone());
    // The client waits as it is told to, and tries again.
    let list = api.list(&ListParams::default()).await.unwrap();
    let from = list.metadata.resource_version.unwrap();
    let lists: Vec<_> = kube
        .lab
        .calls()
        .into_iter()
        .filter(|call| call.operation == "list namespaces")
        .collect();
    assert_eq!(
        lists.iter().map(|call| call.status).collect::<Vec<_>>(),
        [Some(429), Some(200)]
    );

    let cut: Vec<_> = api
        .watch(&WatchParams::default(), &from)
        .await
        .unwrap()
        .collect()
        .await;
    assert!(matches!(cut.as_slice(), [] | [Err(_)]), "{cut:?}");
    let expired: Vec<_> = api
        .watch(&WatchParams::default(), &from)
        .await
        .unwrap()
        .collect()
        .await;
    assert!(
        matches!(expired.as_slice(), [Ok(WatchEvent::Error(status))] if status.code == 410),
        "{expired:?}"
    );
}

#[tokio::test]
async fn a_definition_serves_its_kind_and_takes_it_along() {
    let kube = Kube::start().await;
    let definitions: Api<DynamicObject> = Api::all_with(
        kube.client.clone(),
        &ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
            "customresourcedefinitions",
        ),
    );
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "things.example.com" },
        "spec": { "group": "example.com", "scope": "Cluster", "names": { "plural": "things", "kind": "Thing" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object",
                "properties": { "spec": { "type": "object", "required": ["size"], "properties": {
                    "size": { "type": "integer" }, "color": { "type": "string", "default": "red" } } } } } } }] },
    });
    definitions
        .patch(
            "things.example.com",
            &PatchParams::apply("t"),
            &Patch::Apply(definition),
        )
        .await
        .unwrap();
    let established = definitions.get("things.example.com").await.unwrap();
    assert_eq!(
        established.data["status"]["conditions"][1]["type"],
        "Established"
    );

    let gvk = GroupVersionKind::gvk("example.com", "v1", "Thing");
    let things: Api<DynamicObject> = Api::all_with(
        kube.client.clone(),
        &ApiResource::from_gvk_with_plural(&gvk, "things"),
    );
    let thing = |spec| json!({ "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "a" }, "spec": spec });
    let made = things
        .patch(
            "a",
            &PatchParams::apply("t"),
            &Patch::Apply(thing(json!({ "size": 1 }))),
        )
        .await
        .unwrap();
    assert_eq!(made.data["spec"], json!({ "size": 1, "color": "red" }));
    let wrong = json!({ "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "b" }, "spec": { "size": "big" } });
    let applied = things
        .patch("b", &PatchParams::apply("t"), &Patch::Apply(wrong.clone()))
        .await;
    let (code, _, message) = status(applied.unwrap_err());
    let why = "failed to create typed patch object (/b; example.com/v1, Kind=Thing): .spec.size: expected numeric (int or float), got string";
    assert_eq!((code, message.as_str()), (500, why));
    let wrong: DynamicObject = serde_json::from_value(wrong).unwrap();
    let made = things.create(&PostParams::default(), &wrong).await;
    assert_eq!(status(made.unwrap_err()).0, 422);

    definitions
        .delete("things.example.com", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(status(things.get("a").await.unwrap_err()).0, 404);
}

#[tokio::test]
async fn a_namespace_takes_all_that_is_in_it_along() {
    let kube = Kube::start().await;
    let namespaces: Api<Namespace> = Api::all(kube.client.clone());
    let namespace: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": "team" } })).unwrap();
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "team");
    api.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    namespaces
        .delete("team", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(status(api.get("a").await.unwrap_err()).0, 404);
    assert_eq!(status(namespaces.get("team").await.unwrap_err()).0, 404);
}

#[tokio::test]
async fn a_kept_world_serves_the_same_cluster_again() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        state: Some(directory.path().to_owned()),
        ..Options::default()
    };
    let kube = Kube::with(cluster::world(), options.clone()).await;
    let api: Api<ConfigMap> = Api::namespaced(kube.client.clone(), "default");
    api.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let before = kube.kubeconfig.clone();
    drop(api);
    drop(kube.client);
    kube.lab.stop().await.unwrap();

    let world = state::load(directory.path()).unwrap().unwrap();
    let again = psk_lab::Lab::start(world, options).await.unwrap();
    // Nobody has described the cluster yet: the kubeconfig alone finds it.
    let mut config = before.clone();
    let pipeline = Client::base(&again).assume(NONPROD).await;
    config.auth_infos[0].auth_info.as_mut().unwrap().token =
        Some(cluster::token(&pipeline, CLUSTER).into());
    let api: Api<ConfigMap> = Api::namespaced(cluster::client(&config).await, "default");
    assert_eq!(api.get("a").await.unwrap().data.unwrap()["key"], "1");
}

#[tokio::test]
async fn discovery_tells_of_every_kind_once() {
    let kube = Kube::start().await;
    let found = kube::discovery::Discovery::new(kube.client.clone())
        .run()
        .await
        .unwrap();
    let kinds: Vec<String> = found
        .groups()
        .flat_map(|group| group.recommended_resources())
        .map(|(resource, _)| format!("{}/{}", resource.group, resource.kind))
        .collect();
    let once: BTreeSet<_> = kinds.iter().collect();
    assert_eq!(once.len(), kinds.len());
    assert!(kinds.contains(&"apps/Deployment".to_owned()) && kinds.contains(&"/Pod".to_owned()));
    let nodes: Api<Node> = Api::all(kube.client.clone());
    nodes.list(&ListParams::default()).await.unwrap();
}
