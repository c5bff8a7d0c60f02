//! What is believed, and what isn't.

use proptest::prelude::*;

use super::*;

const COMMIT: &str = "1111111111111111111111111111111111111111";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

struct Case {
    repository: Repository,
    key: Option<SecretString>,
}

impl Case {
    fn signed() -> Self {
        Self {
            repository: "acme/base".parse().unwrap(),
            key: Some("a key".into()),
        }
    }

    fn unsigned() -> Self {
        Self {
            key: None,
            ..Self::signed()
        }
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            repository: &self.repository,
            commit: COMMIT,
            role: "qa",
            digest: DIGEST,
            key: self.key.as_ref(),
        }
    }

    fn proof(&self, minute: i64) -> CommitStatus {
        status(
            minute,
            StatusState::Success,
            &self.claim().text("3 unchanged", at(minute)),
        )
    }

    /// `history` is told the earliest first, as one thinks of it.
    fn judge(&self, history: &[CommitStatus]) -> Result<Proof, Doubt> {
        let latest_first: Vec<_> = history.iter().rev().cloned().collect();
        judge(
            &latest_first,
            "psk/qa",
            &["psk-release[bot]".into()],
            &self.claim(),
        )
    }
}

fn at(minute: i64) -> Timestamp {
    "2026-11-26T12:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute)
}

fn status(minute: i64, state: StatusState, description: &str) -> CommitStatus {
    CommitStatus {
        context: "psk/qa".into(),
        state,
        description: description.into(),
        creator: Some("PSK-release[bot]".into()),
        created: at(minute),
        url: Some("https://ci.example/1".into()),
    }
}

fn by(creator: &str, status: CommitStatus) -> CommitStatus {
    CommitStatus {
        creator: Some(creator.into()),
        ..status
    }
}

/// A status of one cluster of the role.
fn of_cluster(minute: i64, state: StatusState) -> CommitStatus {
    CommitStatus {
        context: "psk/qa/qa-i01-aws-us-east-1".into(),
        ..status(minute, state, "verify failed")
    }
}

#[test]
fn a_cluster_that_is_not_well_since_then_speaks_against_its_role() {
    let case = Case::signed();
    let (failed, well) = (
        of_cluster(9, StatusState::Failure),
        of_cluster(12, StatusState::Success),
    );
    assert!(case.judge(&[failed.clone(), case.proof(10)]).is_ok());
    let told = case.judge(&[case.proof(5), failed.clone()]).unwrap_err();
    assert_eq!(
        told.to_string(),
        "after its proof psk/qa/qa-i01-aws-us-east-1 came to be failure: verify failed"
    );
    for state in [StatusState::Pending, StatusState::Error] {
        assert!(case.judge(&[case.proof(5), of_cluster(9, state)]).is_err());
    }
    let mended = [case.proof(5), failed.clone(), well.clone()];
    assert_eq!(case.judge(&mended).unwrap().since, at(5));
    // Whoever isn't trusted can't mend it, nor hold it up, but a failure counts whoever tells of it.
    let not_mended = [case.proof(5), failed, by("mallory", well)];
    assert!(case.judge(&not_mended).is_err());
    let held_up = by("mallory", of_cluster(9, StatusState::Pending));
    assert!(case.judge(&[case.proof(5), held_up]).is_ok());
}

#[test]
fn the_text_says_what_happened_for_which_inventory_when_and_is_signed() {
    let text = Case::signed()
        .claim()
        .text("4 changed, 2 unchanged in 12m; v1.35", at(0));
    // The signature was made by another implementation, Python's hmac, over the same lines.
    assert_eq!(
        text,
        "4 changed, 2 unchanged in 12m; v1.35 [inv=9f86d081884c7d65 at=2026-11-26T12:00:00Z \
         sig=nWWAqZUbZAio4Vut3v2NgQ]"
    );
    assert_eq!(words(&text), "4 changed, 2 unchanged in 12m; v1.35");
    assert_eq!(words("by hand [see wiki]"), "by hand [see wiki]");
}

#[test]
fn a_proof_is_believed_with_a_key_and_without() {
    for case in [Case::signed(), Case::unsigned()] {
        let history = [status(0, StatusState::Pending, "started"), case.proof(5)];
        let proof = case.judge(&history).unwrap();
        assert_eq!(proof.words, "3 unchanged");
        assert_eq!(proof.since, at(5));
        assert_eq!(proof.age(at(35)), Duration::from_secs(30 * 60));
    }
}

#[test]
fn a_role_holds_a_release_since_the_first_success_after_which_nothing_failed() {
    let case = Case::signed();
    let pending = |minute| status(minute, StatusState::Pending, "started");
    let history = [
        case.proof(0),
        pending(10),
        case.proof(15),
        pending(20),
        case.proof(25),
    ];
    assert_eq!(case.judge(&history).unwrap().since, at(0));
    let broken = [
        case.proof(0),
        status(5, StatusState::Failure, "1 failed"),
        case.proof(15),
        case.proof(25),
    ];
    assert_eq!(case.judge(&broken).unwrap().since, at(15));
}

#[test]
fn what_is_missing_or_of_another_context_proves_nothing() {
    let case = Case::signed();
    assert_eq!(case.judge(&[]), Err(Doubt::Missing));
    let clusters = [
        "psk/qa/qa-i01-aws-us-east-1",
        "psk/qa/qa-i02-aws-us-east-1",
        "psk/qa2",
    ];
    let history = clusters.map(|context| CommitStatus {
        context: context.into(),
        ..case.proof(0)
    });
    assert_eq!(
        case.judge(&history),
        Err(Doubt::Missing),
        "statuses of clusters are no proof"
    );
}

#[test]
fn a_later_failure_beats_an_earlier_success_whoever_says_so() {
    let case = Case::signed();
    for creator in ["psk-release[bot]", "mallory"] {
        let failure = by(creator, status(9, StatusState::Error, "cancelled"));
        let doubt = case.judge(&[case.proof(0), failure]).unwrap_err();
        assert_eq!(
            doubt.to_string(),
            format!("{creator} says error: cancelled")
        );
    }
}

#[test]
fn a_run_under_way_is_no_proof_but_anyones_pending_is_not_one() {
    let case = Case::signed();
    let pending = status(9, StatusState::Pending, "started");
    let told = case.judge(&[case.proof(0), pending.clone()]).unwrap_err();
    assert_eq!(
        told.to_string(),
        "a run is under way since 2026-11-26T12:09:00Z: started"
    );
    assert!(case.judge(&[case.proof(0), by("mallory", pending)]).is_ok());
}

#[test]
fn another_creators_success_is_not_believed_and_takes_nothing_away() {
    let case = Case::signed();
    let theirs = by("mallory", case.proof(9));
    let told = case.judge(std::slice::from_ref(&theirs)).unwrap_err();
    assert_eq!(
        told.to_string(),
        "its status is by mallory, who is not trusted (trusted: psk-release[bot])"
    );
    assert_eq!(case.judge(&[case.proof(0), theirs]).unwrap().since, at(0));
    let gone = CommitStatus {
        creator: None,
        ..case.proof(1)
    };
    assert!(matches!(case.judge(&[gone]), Err(Doubt::Untrusted { .. })));
}

#[test]
fn a_status_made_by_hand_is_not_believed() {
    let case = Case::unsigned();
    for text in [
        "",
        "done",
        "done [inv=9f86d081884c7d65]",
        "[inv=x at=yesterday]",
        "x [inv=a at=2026-11-26T12:00:00Z sig=a more=b]",
    ] {
        let told = case.judge(&[status(0, StatusState::Success, text)]);
        assert_eq!(told, Err(Doubt::NoSeal), "{text:?}");
    }
}

#[test]
fn a_proof_for_another_inventory_is_not_believed() {
    let case = Case::signed();
    let stale = Claim {
        digest: "0000d081884c7d65",
        ..case.claim()
    };
    let text = stale.text("3 unchanged", at(0));
    let told = case
        .judge(&[status(0, StatusState::Success, &text)])
        .unwrap_err();
    assert_eq!(
        told.to_string(),
        "it holds another inventory (0000d081884c7d65, not 9f86d081884c7d65)"
    );
}

#[test]
fn a_proof_copied_from_elsewhere_or_changed_is_not_believed() {
    let case = Case::signed();
    let other: Repository = "acme/other".parse().unwrap();
    let key: SecretString = "another key".into();
    let copies = [
        Claim {
            commit: "2222222222222222222222222222222222222222",
            ..case.claim()
        },
        Claim {
            role: "prod",
            ..case.claim()
        },
        Claim {
            repository: &other,
            ..case.claim()
        },
        Claim {
            key: Some(&key),
            ..case.claim()
        },
        // The same beginning of the digest, and another rest.
        Claim {
            digest: "9f86d081884c7d65ffff",
            ..case.claim()
        },
    ];
    for copy in copies {
        let text = copy.text("3 unchanged", at(0));
        let told = case.judge(&[status(0, StatusState::Success, &text)]);
        assert_eq!(told, Err(Doubt::WrongSignature), "{copy:?}");
    }
    let later = case.proof(0).description.replace("12:00:00", "13:00:00");
    let told = case.judge(&[status(0, StatusState::Success, &later)]);
    assert_eq!(told, Err(Doubt::WrongSignature));
    let plain = Claim {
        key: None,
        ..case.claim()
    }
    .text("3 unchanged", at(0));
    assert_eq!(
        case.judge(&[status(0, StatusState::Success, &plain)]),
        Err(Doubt::Unsigned)
    );
}

#[test]
fn a_copy_of_a_proof_that_a_failure_came_after_is_not_believed() {
    let case = Case::signed();
    let copy = CommitStatus {
        created: at(20),
        ..case.proof(0)
    };
    let failure = status(10, StatusState::Failure, "1 failed");
    assert_eq!(
        case.judge(&[case.proof(0), failure, copy.clone()]),
        Err(Doubt::Copied)
    );
    // Sent twice because the first answer was lost: the same proof, since the first time.
    assert_eq!(case.judge(&[case.proof(0), copy]).unwrap().since, at(0));
}

#[test]
fn the_repositorys_case_does_not_matter() {
    let case = Case::signed();
    let text = case.claim().text("x", at(0));
    let shouted = Case {
        repository: "ACME/Base".parse().unwrap(),
        ..Case::signed()
    };
    assert!(
        shouted
            .judge(&[status(0, StatusState::Success, &text)])
            .is_ok()
    );
}

proptest! {
    #[test]
    fn every_text_fits_and_is_believed_again(words in "\\PC{0,200}", minute in 0i64..1_000_000) {
        for case in [Case::signed(), Case::unsigned()] {
            let text = case.claim().text(&words, at(minute));
            prop_assert!(text.chars().count() <= DESCRIPTION_LIMIT);
            prop_assert!(case.judge(&[status(minute, StatusState::Success, &text)]).is_ok());
        }
    }

    #[test]
    fn no_change_of_a_signed_text_is_believed(place in 0usize..60, with in "[a-z0-9]") {
        let case = Case::signed();
        let text = case.claim().text("x", at(0));
        let seal = text.find('[').unwrap();
        let place = seal + 1 + place % (text.len() - seal - 2);
        let mut changed = text.clone();
        changed.replace_range(place..=place, &with);
        prop_assume!(changed != text);
        prop_assert!(case.judge(&[status(0, StatusState::Success, &changed)]).is_err());
    }

    #[test]
    fn after_a_failure_nothing_old_is_believed(
        states in prop::collection::vec((0u8..4, 0i64..3), 0..12)
    ) {
        let case = Case::signed();
        let mut history: Vec<_> = states.iter().enumerate().map(|(n, (kind, text))| {
            let minute = i64::try_from(n).unwrap();
            match kind {
                0 => status(minute, StatusState::Pending, "started"),
                1 => status(minute, StatusState::Failure, "failed"),
                2 => by("mallory", case.proof(minute)),
                _ => CommitStatus { created: at(minute), ..case.proof(*text) },
            }
        }).collect();
        history.push(status(99, StatusState::Failure, "failed"));
        let replayed: Vec<_> = history.iter().filter(|s| s.state == StatusState::Success).cloned().collect();
        for old in replayed {
            let mut again = history.clone();
            again.push(CommitStatus { created: at(100), ..old });
            prop_assert!(case.judge(&again).is_err());
        }
        prop_assert!(case.judge(&history).is_err());
    }
}
