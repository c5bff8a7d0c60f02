//! What opens the gate, and what keeps it shut.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::release::graph::tests::roles;

const COMMIT: &str = "1111111111111111111111111111111111111111";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Time opens a gate that lacks nothing else, when the last of what is awaited is there.
#[test]
fn a_gate_that_lacks_time_alone_opens_by_itself() {
    let check = |met, until: Option<&str>| Check {
        requirement: String::new(),
        met,
        found: String::new(),
        next: Vec::new(),
        until: until.map(at),
    };
    let opens = |checks: Vec<Check>| {
        let gate = Gate {
            role: "qa".into(),
            checks,
            overridden: None,
        };
        gate.opens()
    };
    let (soon, later) = ("2026-11-26T12:30:00Z", "2026-11-26T13:00:00Z");
    let met = || check(Met::Yes, None);
    assert_eq!(opens(vec![met()]), None, "it is open");
    assert_eq!(
        opens(vec![
            met(),
            check(Met::No, Some(later)),
            check(Met::No, Some(soon))
        ]),
        Some(at(later))
    );
    for missing in [Met::No, Met::Unknown] {
        let lacking = vec![check(Met::No, Some(soon)), check(missing, None)];
        assert_eq!(opens(lacking), None);
    }
}

/// A tagged commit of the default branch that GitHub has, at noon on a Thursday.
struct Case {
    roles: Vec<Role>,
    release: Release,
    freezes: Vec<Freeze>,
    now: Timestamp,
    read: Read,
}

impl Case {
    fn new() -> Self {
        Self {
            roles: roles(),
            release: Release {
                commit: Some(COMMIT.into()),
                tag: Some("v1".into()),
                branch: Some("main".into()),
                repository: "acme/base".parse().ok(),
                ..Release::default()
            },
            freezes: Vec::new(),
            now: at("2026-11-26T12:00:00Z"),
            read: Read {
                statuses: Some(Vec::new()),
                default_branch: "main".into(),
                tagged: Some(COMMIT.into()),
                freeze: None,
                trusted: vec!["psk-release[bot]".into()],
                key: Some("a key".into()),
            },
        }
    }

    /// That role came to hold the release then.
    fn held(mut self, role: &str, since: &str) -> Self {
        let claim = Claim {
            repository: self.release.repository.as_ref().unwrap(),
            commit: COMMIT,
            role,
            digest: DIGEST,
            key: self.read.key.as_ref(),
        };
        let status = CommitStatus {
            context: format!("psk/{role}"),
            state: StatusState::Success,
            description: claim.text("1 changed in 9m", at(since)),
            creator: Some("psk-release[bot]".into()),
            created: at(since),
            url: None,
        };
        self.read.statuses.get_or_insert_default().insert(0, status);
        self
    }

    fn soak(mut self, role: &str, minutes: u64) -> Self {
        let soak = Duration::from_secs(minutes * 60);
        self.role(role).rollout.soak = soak;
        self
    }

    fn role(&mut self, name: &str) -> &mut Role {
        self.roles
            .iter_mut()
            .find(|role| role.name == name)
            .unwrap()
    }

    fn gate(&self, role: &str) -> Gate {
        self.gate_by(role, Evidence::Read(Box::new(self.read.clone())))
    }

    fn gate_by(&self, role: &str, evidence: Evidence) -> Gate {
        let graph = Graph::of(&self.roles);
        let question = Question {
            graph: &graph,
            release: &self.release,
            digest: DIGEST,
            prefix: "psk",
            freezes: &self.freezes,
            now: self.now,
            evidence: &evidence,
        };
        let role = self.roles.iter().find(|known| known.name == role).unwrap();
        question.gate(role, &question.standings())
    }

    /// What isn't met, as `requirement: found (next; next)`.
    fn refused(&self, role: &str) -> Vec<String> {
        told(&self.gate(role))
    }
}

fn told(gate: &Gate) -> Vec<String> {
    let unmet = gate.checks.iter().filter(|check| check.met != Met::Yes);
    unmet
        .map(|c| format!("{}: {} ({})", c.requirement, c.found, c.next.join("; ")))
        .collect()
}

#[test]
fn a_push_opens_the_first_role_and_a_tag_the_next() {
    let case = Case::new().held("sandbox", "2026-11-26T11:00:00Z");
    for role in ["sandbox", "qa"] {
        assert!(case.gate(role).is_open(), "{:?}", case.refused(role));
    }
    let found: Vec<String> = case
        .gate("qa")
        .checks
        .into_iter()
        .map(|c| format!("{}: {}", c.requirement, c.found))
        .collect();
    assert_eq!(
        found,
        [
            "started by a tag: tag v1",
            "sandbox holds this release: since 2026-11-26 11:00Z by psk-release[bot]: 1 changed in 9m",
            "no freeze: none",
        ]
    );
}

#[test]
fn what_is_missing_comes_with_the_commands_that_make_it() {
    let case = Case::new().held("qa", "2026-11-26T11:00:00Z");
    assert_eq!(
        case.refused("prod"),
        [
            "nonprod holds this release: no status of it on this commit \
          (psk fanout --role preview; psk fanout --role nonprod)"
        ]
    );
    assert_eq!(
        case.gate("prod").next(),
        ["psk fanout --role preview", "psk fanout --role nonprod"]
    );
    assert!(
        case.gate("mapi").is_open(),
        "mapi is beside preview, not behind it"
    );
}

#[test]
fn the_trigger_has_to_match_and_github_has_to_know_it() {
    let mut case = Case::new();
    case.release.branch = Some("feature".into());
    assert_eq!(
        case.refused("sandbox"),
        [
            "started by a push to the default branch: branch feature, not main (run it for a push to main)"
        ]
    );
    case.release.branch = None;
    assert_eq!(
        case.refused("sandbox"),
        [
            "started by a push to the default branch: tag v1 on no branch (run it for a push to main)"
        ]
    );

    let mut case = Case::new().held("sandbox", "2026-11-26T11:00:00Z");
    case.read.tagged = Some("2222222222222222222222222222222222222222".into());
    assert_eq!(
        case.refused("qa"),
        [
            "started by a tag: tag v1 is commit 2222222222 at GitHub, not 1111111111 \
          (run it for the commit that v1 means)"
        ]
    );
    case.read.tagged = None;
    assert_eq!(
        case.refused("qa"),
        ["started by a tag: GitHub has no tag v1 (git push origin v1)"]
    );
    case.release.tag = None;
    assert_eq!(
        case.refused("qa"),
        [
            "started by a tag: the commit bears no tag that is known here \
          (git tag VERSION && git push origin VERSION, then run it for the tag)"
        ]
    );
    case.read.statuses = None;
    assert_eq!(
        case.refused("sandbox"),
        ["started by a push to the default branch: GitHub has no commit 1111111111 (git push)"]
    );
}

#[test]
fn a_proof_has_to_be_as_old_as_the_soak() {
    let held = |since| Case::new().held("qa", since).soak("preview", 30);
    assert!(held("2026-11-26T11:30:00Z").gate("preview").is_open());
    assert_eq!(
        held("2026-11-26T11:30:01Z").refused("preview"),
        ["qa has held it for 30m: for 29m 59s (wait until 2026-11-26 12:00Z)"]
    );
    let unheld = Case::new().soak("preview", 30).refused("preview");
    assert_eq!(unheld.len(), 2, "{unheld:?}");
}

#[test]
fn the_window_has_to_be_open() {
    let mut case = Case::new().held("nonprod", "2026-11-26T11:00:00Z");
    case.role("prod").rollout.windows = shipped_windows();
    // Noon is seven in the morning in New York.
    assert_eq!(
        case.refused("prod"),
        ["within mon, tue, wed, thu 08:00–18:00 America/New_York: \
          it is Thu 07:00 America/New_York (wait until 2026-11-26 13:00Z)"]
    );
    case.now = at("2026-11-26T13:00:00Z");
    assert!(case.gate("prod").is_open());
    case.now = at("2026-11-26T23:00:00Z");
    assert_eq!(case.gate("prod").next(), ["wait until 2026-11-30 13:00Z"]);
}

/// The windows of this repository's own prod.
fn shipped_windows() -> Vec<crate::inventory::Window> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let inventory = crate::inventory::Inventory::load(root).unwrap();
    inventory.role("prod").unwrap().rollout.windows.clone()
}

#[test]
fn a_freeze_shuts_the_gate_of_its_roles() {
    let mut case = Case::new().held("sandbox", "2026-11-26T11:00:00Z");
    case.freezes = vec![Freeze {
        from: at("2026-11-26T00:00:00Z"),
        to: at("2026-11-27T00:00:00Z"),
        reason: "Thanksgiving".into(),
        roles: vec!["qa".into()],
    }];
    assert_eq!(
        case.refused("qa"),
        [
            "no freeze: psk.yaml, until 2026-11-27 00:00Z: Thanksgiving (wait until 2026-11-27 00:00Z)"
        ]
    );
    assert!(case.gate("sandbox").is_open());
}

#[test]
fn a_status_on_the_default_branch_freezes_everything_until_it_is_lifted() {
    let mut case = Case::new();
    let mut freeze = CommitStatus {
        context: "psk/freeze".into(),
        state: StatusState::Failure,
        description: "incident 12".into(),
        creator: None,
        created: case.now,
        url: None,
    };
    case.read.freeze = Some(freeze.clone());
    assert_eq!(
        case.refused("sandbox"),
        ["no freeze: psk/freeze on main is failure: incident 12 \
          (have psk/freeze set to success by who froze it)"]
    );
    freeze.state = StatusState::Success;
    case.read.freeze = Some(freeze);
    assert!(case.gate("sandbox").is_open());
}

#[test]
fn where_github_can_not_be_asked_nothing_is_known() {
    let evidence = Evidence::None {
        why: "no GITHUB_TOKEN".into(),
        next: "set it".into(),
    };
    let gate = Case::new().gate_by("qa", evidence);
    assert!(!gate.is_open());
    assert!(gate.checks.iter().all(|check| check.met == Met::Unknown));
    assert_eq!(gate.next(), ["set it"]);
}

#[test]
fn time_is_told_in_its_two_largest_units() {
    let told = |seconds| span(Duration::from_secs(seconds));
    assert_eq!(
        [told(0), told(59), told(60), told(754)],
        ["0s", "59s", "1m", "12m 34s"]
    );
    assert_eq!(
        [told(3_600), told(3_660), told(90_000), told(86_460)],
        ["1h", "1h 1m", "1d 1h", "1d"]
    );
}

proptest! {
    /// Whatever is held, the gate of a role is open exactly where all roles before it hold the
    /// release for long enough.
    #[test]
    fn the_gate_is_open_where_all_before_hold_it(
        ages in prop::collection::btree_map(0usize..6, 0i64..60, 0..6),
        soak in 0u64..60,
        role in 0usize..6,
    ) {
        let mut case = Case::new();
        let names: Vec<String> = case.roles.iter().map(|role| role.name.clone()).collect();
        for (held, age) in &ages {
            let since = case.now - jiff::SignedDuration::from_mins(*age);
            case = case.held(&names[*held], &since.to_string());
        }
        case = case.soak(&names[role], soak);
        let after = case.roles[role].after.clone();
        let open = after.iter().all(|before| {
            let before = names.iter().position(|name| name == before).unwrap();
            ages.get(&before).is_some_and(|age| *age >= i64::try_from(soak).unwrap())
        });
        prop_assert_eq!(case.gate(&names[role]).is_open(), open);
    }
}
