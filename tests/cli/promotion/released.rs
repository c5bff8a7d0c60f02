//! A tag that prod holds becomes a release on GitHub, and whatever becomes of that fails no run.

use jiff::SignedDuration;
use psk_lab::github::{Commit, Release, Tag};

use super::{Promotion, fleet, repository, repository_mut};

const ROLES: [&str; 4] = ["sandbox", "qa", "preview", "nonprod"];

fn promotion(faults: &str) -> Promotion {
    let files = fleet()
        .replace(
            "psk.yaml",
            "name: psk-test\n",
            "name: psk-test\nrelease: { role: prod }\n",
        )
        .with("release.md", "What is new.\n");
    let promotion = Promotion::of(files, faults);
    // A release before this one, and a commit between the two.
    let head = promotion.commit.clone();
    promotion.lab.with_world(|world| {
        let now = world.clock.base();
        let id = world.github.next_id();
        let repository = repository_mut(world);
        let commit = |message: &str, parents: &[&str], hours: i64| Commit {
            message: message.into(),
            author: ("Ada".into(), "ada@example.com".into()),
            date: now - SignedDuration::from_hours(hours),
            parents: parents.iter().map(|sha| (*sha).to_owned()).collect(),
        };
        let (first, second) = ("a".repeat(40), "b".repeat(40));
        let later = commit("Let nodes live longer\n\nAt length.", &[&first], 2);
        repository
            .commits
            .insert(first.clone(), commit("First", &[], 3));
        repository.commits.insert(second.clone(), later);
        let last = commit("Begin", &[&second], 1);
        repository.commits.insert(head.clone(), last);
        let tag = Tag {
            commit: first,
            annotation: None,
        };
        repository.tags.insert("v0.0.0-before".into(), tag);
        repository.releases.push(Release {
            id,
            tag: "v0.0.0-before".into(),
            target: "main".into(),
            name: None,
            body: None,
            draft: false,
            prerelease: false,
            author: "ada".into(),
            created: now,
        });
    });
    promotion
}

fn releases(promotion: &Promotion) -> Vec<Release> {
    let releases = |world: &mut _| repository(world).releases.clone();
    promotion.lab.with_world(releases)
}

#[test]
fn a_tag_that_prod_holds_becomes_a_release() {
    let promotion = promotion("{}").held(&ROLES);
    assert_eq!(releases(&promotion).len(), 1, "only prod releases");
    promotion.fanout("prod").run().ended(0);
    let made = releases(&promotion)[1].clone();
    assert_eq!(
        (made.tag.as_str(), made.name.as_deref()),
        ("v0.0.0-lab", Some("v0.0.0-lab"))
    );
    let body = made.body.unwrap();
    assert!(
        body.starts_with("What is new.\n\n## Commits since v0.0.0-before\n\n- "),
        "{body}"
    );
    assert!(
        body.ends_with("\n- bbbbbbb Let nodes live longer (Ada)"),
        "{body}"
    );

    // What says so already is left alone; what doesn't is changed.
    promotion.fanout("prod").run().ended(0);
    assert_eq!(promotion.lab.count("repos/update-release"), 0);
    promotion
        .lab
        .with_world(|world| repository_mut(world).releases[1].body = None);
    promotion.fanout("prod").run().ended(0);
    assert_eq!(promotion.lab.count("repos/update-release"), 1);
    assert_eq!(promotion.lab.count("repos/create-release"), 1);
    assert_eq!(releases(&promotion)[1].body.as_ref(), Some(&body));
}

#[test]
fn a_release_that_cannot_be_made_fails_no_run() {
    let fault = r#"{"rules":[{"service":"github","operation":"repos/create-release","effect":
        {"error":{"status":403,"code":"","message":"Resource not accessible by integration"}}}]}"#;
    let promotion = promotion(fault).held(&ROLES);
    let run = promotion.fanout("prod").run().ended(0);
    let told =
        "warning: the release of v0.0.0-lab on GitHub wasn't made: making the release of tag";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    assert!(
        run.stderr
            .contains("Resource not accessible by integration"),
        "{}",
        run.stderr
    );
    assert_eq!(releases(&promotion).len(), 1);
}

#[test]
fn a_role_that_fails_releases_nothing() {
    let fault = r#"{"rules":[{"service":"eks","operation":"DescribeCluster","contains":"/prod-i01","effect":
        {"error":{"status":403,"code":"AccessDeniedException","message":"no"}}}]}"#;
    let promotion = promotion(fault).held(&ROLES);
    promotion.fanout("prod").run().ended(10);
    assert_eq!(releases(&promotion).len(), 1);
    assert_eq!(promotion.lab.count("repos/create-release"), 0);
}
