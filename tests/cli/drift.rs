//! `psk drift`: what differs, and whether the settings changed or somebody changed AWS.

use serde_json::{Value as Json, json};

use crate::harness::{Files, Psk, Run, Served, psk, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

fn drift<'a>(files: &Files, lab: &'a Served) -> Psk<'a> {
    let command = psk(["drift", "--output", "json", "--cluster", CLUSTER]);
    command.at(files).inside(lab)
}

/// Why each resource differs.
fn causes(run: &Run) -> Vec<(String, String, String)> {
    let plan = run.cluster(CLUSTER)["plan"].clone();
    let drift = plan["drift"].as_array().cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    drift
        .iter()
        .map(|drift| {
            (
                text(&drift["kind"]),
                text(&drift["name"]),
                text(&drift["cause"]),
            )
        })
        .collect()
}

/// A world whose cluster psk has applied.
fn applied() -> (Files, Served) {
    let files = Files::small();
    let lab = Served::fast(world_of(&files, "current"), r#"{"rules":[]}"#);
    let apply = psk(["apply", "--cluster", CLUSTER]);
    apply.at(&files).inside(&lab).run().ended(0);
    (files, lab)
}

#[test]
fn a_right_cluster_has_not_drifted_and_its_note_is_written_once() {
    let (files, lab) = applied();
    let run = drift(&files, &lab).run().ended(0);
    assert!(causes(&run).is_empty());
    let noted = lab.count("TagResource");
    let apply = psk(["apply", "--cluster", CLUSTER]);
    apply.at(&files).inside(&lab).run().ended(0);
    assert_eq!(lab.count("TagResource"), noted);
}

#[test]
fn settings_that_changed_are_told_apart_from_what_somebody_changed() {
    let (files, lab) = applied();
    lab.with_world(|world| {
        let mut whole = serde_json::to_value(&*world).unwrap();
        let accounts = whole["accounts"].as_object_mut().unwrap().values_mut();
        let regions = accounts.filter_map(|account| account["regions"].get_mut("us-east-1"));
        let queues = regions.flat_map(|region| {
            let queues = region["sqs"]["queues"].as_object_mut();
            queues.into_iter().flatten()
        });
        for (name, queue) in queues {
            if name.contains(CLUSTER) {
                queue["attributes"]["MessageRetentionPeriod"] = json!("600");
            }
        }
        *world = serde_json::from_value(whole).unwrap();
    });
    let run = drift(&files, &lab).run().ended(20);
    let queue = format!("Karpenter-{CLUSTER}");
    let by_hand = ("sqs_queue".to_owned(), queue, "aws".to_owned());
    assert_eq!(causes(&run), vec![by_hand.clone()]);

    let from = "management_node_group_max_size: 3";
    let files = Files::small().replace(
        "environments/default.yaml",
        from,
        "management_node_group_max_size: 4",
    );
    let run = drift(&files, &lab).run().ended(20);
    let by_settings = ("eks_nodegroup", "management", "settings");
    let (kind, name, cause) = by_settings;
    let by_settings = (kind.to_owned(), name.to_owned(), cause.to_owned());
    assert_eq!(causes(&run), [by_settings, by_hand]);
    let warning = run.cluster(CLUSTER)["plan"]["warnings"][0].clone();
    let warning = warning.as_str().unwrap();
    assert!(
        warning.starts_with("the settings have changed since"),
        "{warning}"
    );

    let text = psk(["drift", "--role", "qa", "--cluster", CLUSTER]);
    let run = text.at(&files).inside(&lab).run().ended(20);
    assert!(
        run.stdout.contains("(somebody changed it in AWS)"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("(the settings changed)"),
        "{}",
        run.stdout
    );
}

#[test]
fn of_a_cluster_that_psk_never_applied_nobody_can_tell() {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "behind"), r#"{"rules":[]}"#);
    let run = drift(&files, &lab).run().ended(20);
    let causes = causes(&run);
    assert!(!causes.is_empty());
    assert!(
        causes.iter().all(|(_, _, cause)| cause == "unknown"),
        "{causes:?}"
    );
}
