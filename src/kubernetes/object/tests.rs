use serde_json::json;

use super::*;

fn conflict(manager: &str) -> Conflict {
    Conflict {
        field: ".spec.replicas".into(),
        message: format!("conflict with \"{manager}\" using v1"),
    }
}

#[test]
fn only_those_who_apply_would_fight_back() {
    let live = json!({"metadata": {"managedFields": [
        {"manager": "psk", "operation": "Apply"},
        {"manager": "argocd-controller", "operation": "Apply"},
        {"manager": "kubectl-edit", "operation": "Update"},
    ]}});
    assert_eq!(appliers(&live), ["argocd-controller"]);
    let seen = Seen {
        appliers: appliers(&live),
        conflicts: vec![conflict("kubectl-edit"), conflict("argocd-controller")],
        ..Seen::default()
    };
    assert_eq!(seen.contested(), [&conflict("argocd-controller")]);
    let by_hand = Seen {
        conflicts: vec![conflict("kubectl-edit")],
        ..seen
    };
    assert!(by_hand.contested().is_empty());
}

#[test]
fn what_is_not_known_yet_stands_in_the_object_as_a_mark() {
    let scope = BTreeMap::from([("admin_group", Jinja::from("team"))]);
    let body = Body::Late {
        name: "admin-binding.yaml",
        template: include_str!("../manifests/admin-binding.yaml"),
        index: 0,
        scope,
        late: BTreeMap::new(),
    };
    let manifest = body.manifest().unwrap();
    assert_eq!(manifest.name(), "psk-admin-clusterrolebinding");
    assert_eq!(manifest.object["subjects"][0]["name"], "team");
}
