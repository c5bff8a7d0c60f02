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
fn what_is_told_later_takes_the_place_of_its_mark() {
    let mut object = json!({"a": UNKNOWN, "b": [{"c": format!("x/{UNKNOWN}"), "d": 1}], "e": "f"});
    tell(&mut object, "fs-1");
    assert_eq!(
        object,
        json!({"a": "fs-1", "b": [{"c": "x/fs-1", "d": 1}], "e": "f"})
    );
}
