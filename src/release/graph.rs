//! The graph of roles: which come before which, and what has to run for one to be next.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::Role;

/// The roles, each after all that it comes after.
#[derive(Debug, Clone)]
pub struct Graph<'a> {
    roles: &'a [Role],
    after: BTreeMap<&'a str, &'a [String]>,
}

impl<'a> Graph<'a> {
    /// The graph of roles that are in promotion order, as the inventory has them.
    pub fn of(roles: &'a [Role]) -> Self {
        let after = roles
            .iter()
            .map(|role| (role.name.as_str(), role.after.as_slice()))
            .collect();
        Self { roles, after }
    }

    /// Every role, in promotion order.
    pub fn roles(&self) -> &'a [Role] {
        self.roles
    }

    /// The roles that come right before that one.
    pub fn after(&self, role: &str) -> &'a [String] {
        self.after.get(role).copied().unwrap_or_default()
    }

    /// What has to run, in this order, until that role holds a release: itself, and of the roles
    /// before it those that don't hold it. What comes before one that holds it isn't asked for.
    pub fn to_run(&self, role: &str, held: &BTreeSet<&str>) -> Vec<&'a str> {
        let mut needed = BTreeSet::new();
        let mut left = vec![role];
        while let Some(role) = left.pop() {
            if !held.contains(role)
                && let Some((name, after)) = self.after.get_key_value(role)
                && needed.insert(*name)
            {
                left.extend(after.iter().map(String::as_str));
            }
        }
        self.roles
            .iter()
            .map(|role| role.name.as_str())
            .filter(|name| needed.contains(name))
            .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::{Approval, Rollout, Trigger};

    pub(in crate::release) fn role(name: &str, after: &[&str]) -> Role {
        Role {
            name: name.to_owned(),
            description: None,
            trigger: if after.is_empty() {
                Trigger::Push
            } else {
                Trigger::Tag
            },
            after: after.iter().map(|name| (*name).to_owned()).collect(),
            clusters: Vec::new(),
            rollout: Rollout::default(),
            approval: Approval::None,
        }
    }

    /// The shipped order: sandbox → qa → preview → nonprod → prod, and mapi beside.
    pub(in crate::release) fn roles() -> Vec<Role> {
        vec![
            role("sandbox", &[]),
            role("qa", &["sandbox"]),
            role("mapi", &["qa"]),
            role("preview", &["qa"]),
            role("nonprod", &["preview"]),
            role("prod", &["nonprod"]),
        ]
    }

    #[test]
    fn what_has_to_run_ends_where_the_release_is_held() {
        let roles = roles();
        let graph = Graph::of(&roles);
        let to_run =
            |role, held: &[&'static str]| graph.to_run(role, &held.iter().copied().collect());
        assert_eq!(
            to_run("prod", &[]),
            ["sandbox", "qa", "preview", "nonprod", "prod"]
        );
        assert_eq!(to_run("prod", &["preview"]), ["nonprod", "prod"]);
        assert_eq!(to_run("mapi", &["sandbox", "preview"]), ["qa", "mapi"]);
        assert_eq!(to_run("qa", &["qa"]), <[&str; 0]>::default());
        assert_eq!(to_run("unknown", &[]), <[&str; 0]>::default());
    }

    proptest! {
        /// Running what is asked for, in that order, never runs a role before those it comes after.
        #[test]
        fn each_step_is_allowed_when_it_is_reached(
            edges in prop::collection::vec(prop::collection::vec(0usize..8, 0..3), 8),
            held in prop::collection::btree_set(0usize..8, 0..8),
            wanted in 0usize..8,
        ) {
            let names: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
            let roles: Vec<Role> = edges.iter().enumerate().map(|(n, after)| {
                let after: BTreeSet<&str> =
                    after.iter().filter(|m| **m < n).map(|m| names[*m].as_str()).collect();
                role(&names[n], &after.into_iter().collect::<Vec<_>>())
            }).collect();
            let graph = Graph::of(&roles);
            let mut holds: BTreeSet<&str> = held.iter().map(|n| names[*n].as_str()).collect();
            for step in graph.to_run(&names[wanted], &holds) {
                prop_assert!(!holds.contains(step));
                for before in graph.after(step) {
                    prop_assert!(holds.contains(before.as_str()), "{step} needs {before}");
                }
                holds.insert(step);
            }
            prop_assert!(holds.contains(names[wanted].as_str()));
        }
    }
}
