//! Several steps to one end, told step by step although only the first can be taken now.

use serde_json::Value;

use super::plan::{Action, AttributeChange, ResourceChange, Rung, Target};

/// The rungs of a climb. `stages` are plans for each version in turn, all of them made from what a
/// cluster is now; what a rung changes is what its plan differs in from the plan for the rung below.
pub fn climb(stages: Vec<(String, Vec<ResourceChange>)>) -> Vec<Rung> {
    let mut rungs = Vec::new();
    let mut below: Option<Vec<ResourceChange>> = None;
    for (version, plan) in stages {
        let changes = match &below {
            None => plan.clone(),
            Some(below) => plan.iter().map(|change| beyond(below, change)).collect(),
        };
        let changes = changes.into_iter().filter(|c| c.action != Action::Keep);
        rungs.push(Rung {
            version,
            resources: changes.collect(),
        });
        below = Some(plan);
    }
    rungs
}

/// What `change` does beyond what the rung below has done to the same resource.
fn beyond(below: &[ResourceChange], change: &ResourceChange) -> ResourceChange {
    let same = |other: &&ResourceChange| other.kind == change.kind && other.name == change.name;
    let Some(before) = below.iter().find(same) else {
        return change.clone();
    };
    let on_the_way = |path: &str| before.attributes.iter().find(|a| a.path == path);
    let mut attributes = Vec::new();
    for attribute in &change.attributes {
        match on_the_way(&attribute.path) {
            Some(done) if done.new == attribute.new => {}
            Some(done) => attributes.push(AttributeChange {
                old: value(&done.new),
                ..attribute.clone()
            }),
            None => attributes.push(attribute.clone()),
        }
    }
    let is_wanted = |path: &str| change.attributes.iter().any(|a| a.path == path);
    for done in before.attributes.iter().filter(|a| !is_wanted(&a.path)) {
        attributes.push(AttributeChange {
            old: value(&done.new),
            new: done.old.clone().map_or(Target::Unset, Target::Value),
            ..done.clone()
        });
    }
    let action = match before.action {
        _ if attributes.is_empty() => Action::Keep,
        Action::Keep => change.action,
        _ => Action::Update,
    };
    ResourceChange {
        action,
        attributes,
        ..change.clone()
    }
}

/// What an attribute is once it has become that.
fn value(target: &Target) -> Option<Value> {
    match target {
        Target::Value(value) => Some(value.clone()),
        Target::KnownAfterApply | Target::Unset => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::Diff;

    fn change(name: &str, diff: Diff) -> ResourceChange {
        ResourceChange {
            kind: "thing".into(),
            name: name.into(),
            action: diff.action,
            attributes: diff.attributes,
            reason: diff.reason,
        }
    }

    /// A cluster at 1.33 whose logs are wrong too, planned for a version.
    fn stage(version: &str) -> (String, Vec<ResourceChange>) {
        let plan = vec![
            change(
                "cluster",
                Diff::update()
                    .attribute("version", Some("1.33"), version)
                    .attribute("logs", Some("none"), "all")
                    .build(),
            ),
            change(
                "queue",
                Diff::update()
                    .attribute("retention", Some(300), 300)
                    .build(),
            ),
            change(
                "nodes",
                Diff::create()
                    .attribute("version", None::<()>, version)
                    .known_after_apply("arn")
                    .build(),
            ),
        ];
        (version.to_owned(), plan)
    }

    fn told(rung: &Rung) -> Vec<String> {
        let resources = rung.resources.iter();
        resources
            .flat_map(|r| {
                let attributes = r.attributes.iter();
                attributes.map(move |a| {
                    let old = a.old.clone().unwrap_or_default();
                    format!(
                        "{} {}.{} {old} {:?}",
                        r.action.sign(),
                        r.name,
                        a.path,
                        a.new
                    )
                })
            })
            .collect()
    }

    #[test]
    fn each_rung_goes_on_where_the_one_below_ends() {
        let rungs = climb(vec![stage("1.34"), stage("1.35")]);
        assert_eq!(rungs.len(), 2);
        assert_eq!(
            told(&rungs[0]),
            [
                r#"~ cluster.version "1.33" Value(String("1.34"))"#,
                r#"~ cluster.logs "none" Value(String("all"))"#,
                r#"+ nodes.version null Value(String("1.34"))"#,
                "+ nodes.arn null KnownAfterApply",
            ]
        );
        assert_eq!(
            told(&rungs[1]),
            [
                r#"~ cluster.version "1.34" Value(String("1.35"))"#,
                r#"~ nodes.version "1.34" Value(String("1.35"))"#,
            ]
        );
    }

    #[test]
    fn what_only_the_rung_below_wanted_is_set_back() {
        let at = |release: &str| {
            let diff = Diff::update().attribute("release", Some("a"), release);
            vec![change("addon", diff.build())]
        };
        let rungs = climb(vec![("1".into(), at("b")), ("2".into(), at("a"))]);
        assert_eq!(
            told(&rungs[1]),
            [r#"~ addon.release "b" Value(String("a"))"#]
        );
    }
}
