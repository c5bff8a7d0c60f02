//! Whether a cluster is still what it was when its plan was saved.

use std::collections::BTreeSet;
use std::fmt;

use super::SavedCluster;
use crate::reconcile::Fingerprint;
use crate::reconcile::plan::{AttributeChange, Plan, ResourceChange, Rung, Target};

/// One thing that isn't as it was when the plan was saved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// Kind and name of the resource (`eks_addon coredns`), or `settings`.
    pub what: String,
    /// Its attribute, or the setting's key; `None` where the whole came or went.
    pub attribute: Option<String>,
    /// What it was and is.
    pub how: String,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.attribute {
            Some(attribute) => write!(f, "{} {attribute}: {}", self.what, self.how),
            None => write!(f, "{}: {}", self.what, self.how),
        }
    }
}

/// What has moved of a cluster since its plan was saved, or would now be changed in another way;
/// empty where the plan still holds.
pub fn moved(saved: &SavedCluster, plan: &Plan, found: &[Fingerprint]) -> Vec<Moved> {
    let mut moved = BTreeSet::new();
    for before in &saved.found {
        let is_it = |f: &&Fingerprint| f.kind == before.kind && f.name == before.name;
        if let Some(now) = found.iter().find(is_it) {
            let planned = resource(&saved.plan.resources, &before.kind, &before.name);
            let fresh = resource(&plan.resources, &before.kind, &before.name);
            moved.extend(of_fingerprints(before, now, planned, fresh));
        }
    }
    moved.extend(of_changes(
        "",
        &saved.plan.resources,
        &plan.resources,
        &moved,
    ));
    let rungs = |plan: &Plan| {
        plan.rungs
            .iter()
            .map(|r| r.version.clone())
            .collect::<Vec<_>>()
    };
    let (before, now) = (rungs(&saved.plan), rungs(plan));
    if before == now {
        let pairs = saved.plan.rungs.iter().zip(&plan.rungs);
        for (Rung { version, resources }, now) in pairs {
            let at = format!(" at rung {version}");
            moved.extend(of_changes(&at, resources, &now.resources, &moved));
        }
    }
    moved.into_iter().collect()
}

fn of_fingerprints(
    before: &Fingerprint,
    now: &Fingerprint,
    planned: Option<&ResourceChange>,
    fresh: Option<&ResourceChange>,
) -> Vec<Moved> {
    let told = |attribute: Option<String>, how: &str| Moved {
        what: format!("{} {}", before.kind, before.name),
        attribute,
        how: how.to_owned(),
    };
    match (&before.attributes, &now.attributes) {
        (Some(_), None) => return vec![told(None, "it is gone")],
        (None, Some(_)) => return vec![told(None, "it has come to be")],
        _ => {}
    }
    let paths = before.moved(now).into_iter();
    paths
        .map(|path| {
            let how = format!("was {}, is {}", was(planned, &path), was(fresh, &path));
            told(Some(path), &how)
        })
        .collect()
}

/// What an attribute was found to be: what the plan says, or if the plan leaves it alone, what is
/// wanted.
fn was(change: Option<&ResourceChange>, path: &str) -> String {
    match change.and_then(|change| attribute(change, path)) {
        Some(AttributeChange {
            sensitive: true, ..
        }) => "another secret".to_owned(),
        Some(AttributeChange { old: Some(old), .. }) => old.to_string(),
        Some(AttributeChange { old: None, .. }) => "not set".to_owned(),
        None => "what the settings ask for".to_owned(),
    }
}

/// Where what would be done differs although what was found doesn't: AWS has published something
/// newer, or psk is another.
fn of_changes(
    at: &str,
    planned: &[ResourceChange],
    fresh: &[ResourceChange],
    known: &BTreeSet<Moved>,
) -> Vec<Moved> {
    let mut moved = Vec::new();
    let resources = planned.iter().chain(fresh);
    let resources: BTreeSet<_> = resources.map(|r| (&r.kind, &r.name)).collect();
    for (kind, name) in resources {
        let what = format!("{kind} {name}{at}");
        let (before, now) = (resource(planned, kind, name), resource(fresh, kind, name));
        let is_known = |path: Option<&str>| {
            let what = format!("{kind} {name}");
            let mut known = known.iter().filter(|moved| moved.what == what);
            known.any(|moved| moved.attribute.is_none() || moved.attribute.as_deref() == path)
        };
        let paths = [before, now].into_iter().flatten();
        let paths: BTreeSet<_> = paths.flat_map(|r| &r.attributes).map(|a| &a.path).collect();
        for path in paths {
            let (before, now) = (would(before, path), would(now, path));
            if before != now && !is_known(Some(path)) {
                let how = format!("the plan {before}, and now psk {now}");
                let (what, attribute) = (what.clone(), Some(path.clone()));
                moved.push(Moved {
                    what,
                    attribute,
                    how,
                });
            }
        }
        let action = |change: Option<&ResourceChange>| change.map(|change| change.action);
        let mut told = known.iter().chain(&moved);
        let is_told = told.any(|moved| moved.what == what);
        if at.is_empty() && action(before) != action(now) && !is_told {
            let how = "psk would now do something else with it".to_owned();
            let attribute = None;
            moved.push(Moved {
                what,
                attribute,
                how,
            });
        }
    }
    moved
}

fn would(change: Option<&ResourceChange>, path: &str) -> String {
    match change.and_then(|change| attribute(change, path)) {
        None => "leaves it alone".to_owned(),
        Some(AttributeChange {
            sensitive: true, ..
        }) => "sets it".to_owned(),
        Some(change) => match &change.new {
            Target::Value(value) => format!("sets {value}"),
            Target::KnownAfterApply => "sets what is known after apply".to_owned(),
            Target::Unset => "unsets it".to_owned(),
        },
    }
}

fn resource<'a>(
    changes: &'a [ResourceChange],
    kind: &str,
    name: &str,
) -> Option<&'a ResourceChange> {
    changes.iter().find(|c| c.kind == kind && c.name == name)
}

fn attribute<'a>(change: &'a ResourceChange, path: &str) -> Option<&'a AttributeChange> {
    change.attributes.iter().find(|a| a.path == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::reconcile::Diff;
    use crate::reconcile::plan::PLAN_SCHEMA_VERSION;

    fn plan(resources: Vec<(&str, Diff)>) -> (Plan, Vec<Fingerprint>) {
        let prints = resources.iter().map(|(name, diff)| {
            let digests = diff.found.iter().map(|(k, v)| (k.clone(), v.to_string()));
            let exists = diff.action != crate::reconcile::plan::Action::Create;
            Fingerprint {
                kind: "thing".into(),
                name: (*name).into(),
                attributes: exists.then(|| digests.collect()),
            }
        });
        let prints = prints.collect();
        let resources = resources.into_iter().map(|(name, diff)| ResourceChange {
            kind: "thing".into(),
            name: name.into(),
            action: diff.action,
            attributes: diff.attributes,
            reason: diff.reason,
        });
        let plan = Plan {
            schema_version: PLAN_SCHEMA_VERSION,
            cluster: "c".into(),
            region: "us-east-2".into(),
            account: "111122223333".into(),
            resources: resources.collect(),
            rungs: Vec::new(),
            drift: Vec::new(),
            left: Vec::new(),
            warnings: Vec::new(),
        };
        (plan, prints)
    }

    fn told(before: Vec<(&str, Diff)>, now: Vec<(&str, Diff)>) -> Vec<String> {
        let (was, found) = plan(before);
        let saved = SavedCluster {
            plan: was,
            settings: BTreeMap::new(),
            found,
        };
        let (is, found) = plan(now);
        let moved = moved(&saved, &is, &found);
        moved.iter().map(ToString::to_string).collect()
    }

    fn version(old: &str, new: &str) -> Diff {
        Diff::update().attribute("version", Some(old), new).build()
    }

    #[test]
    fn what_stayed_the_same_has_not_moved() {
        let things = || {
            let made = Diff::create().attribute("a", None::<u8>, 1).build();
            vec![
                ("x", version("1", "2")),
                ("y", version("2", "2")),
                ("z", made),
            ]
        };
        assert_eq!(told(things(), things()), [""; 0]);
    }

    #[test]
    fn what_moved_is_told_once_with_what_it_was_and_is() {
        assert_eq!(
            told(
                vec![("x", version("1", "2"))],
                vec![("x", version("2", "2"))]
            ),
            [r#"thing x version: was "1", is what the settings ask for"#]
        );
        assert_eq!(
            told(
                vec![("x", version("2", "2"))],
                vec![("x", version("3", "2"))]
            ),
            [r#"thing x version: was what the settings ask for, is "3""#]
        );
    }

    #[test]
    fn what_came_or_went_is_told_as_a_whole() {
        let made = || Diff::create().attribute("version", None::<()>, "2").build();
        assert_eq!(
            told(vec![("x", made())], vec![("x", version("2", "2"))]),
            ["thing x: it has come to be"]
        );
        assert_eq!(
            told(vec![("x", version("1", "2"))], vec![("x", made())]),
            ["thing x: it is gone"]
        );
    }

    #[test]
    fn what_would_now_be_done_otherwise_is_told_although_nothing_moved() {
        assert_eq!(
            told(
                vec![("x", version("1", "2"))],
                vec![("x", version("1", "3"))]
            ),
            [r#"thing x version: the plan sets "2", and now psk sets "3""#]
        );
        assert_eq!(
            told(
                vec![("x", version("1", "1"))],
                vec![("x", version("1", "3"))]
            ),
            [r#"thing x version: the plan leaves it alone, and now psk sets "3""#]
        );
    }

    #[test]
    fn a_rung_is_held_to_as_well() {
        let climb = |to: &str| {
            let (mut plan, found) = plan(vec![("x", version("1", to))]);
            let resources = plan.resources.clone();
            plan.rungs.push(Rung {
                version: "1.35".into(),
                resources,
            });
            (plan, found)
        };
        let ((mut before, found), (now, fresh)) = (climb("2"), climb("3"));
        before.resources.clone_from(&now.resources);
        let saved = SavedCluster {
            plan: before,
            settings: BTreeMap::new(),
            found,
        };
        let moved = moved(&saved, &now, &fresh);
        assert_eq!(
            moved[0].to_string(),
            r#"thing x at rung 1.35 version: the plan sets "2", and now psk sets "3""#
        );
    }
}
