use aws_sdk_efs::types::{FileSystemSize, PerformanceMode};
use aws_smithy_types::DateTime;

use super::*;

const NAME: &str = "qa-i01-aws-us-east-2-efs-csi-storage";

fn wanted() -> Wanted {
    Wanted {
        name: NAME.into(),
        tags: [("role".to_owned(), "qa".to_owned())].into(),
    }
}

fn right() -> Observed {
    Observed {
        id: "fs-1".into(),
        creation_token: NAME.into(),
        state: LifeCycleState::Available,
        encrypted: true,
        transitions: vec![LifecyclePolicy::builder().transition_to_ia(TO_IA).build()],
        backed_up: true,
        tags: wanted().all_tags(),
    }
}

fn described(id: &str, token: &str, name: &str, state: LifeCycleState) -> FileSystemDescription {
    FileSystemDescription::builder()
        .owner_id("111122223333")
        .creation_token(token)
        .file_system_id(id)
        .creation_time(DateTime::from_secs(0))
        .life_cycle_state(state)
        .number_of_mount_targets(0)
        .size_in_bytes(FileSystemSize::builder().value(0).build())
        .performance_mode(PerformanceMode::GeneralPurpose)
        .tags(Tag::builder().key("Name").value(name).build().unwrap())
        .build()
        .unwrap()
}

fn found(all: &[FileSystemDescription]) -> Result<Option<String>, Error> {
    choose("n", all).map(|found| found.map(|fs| fs.file_system_id.clone()))
}

#[test]
fn a_right_file_system_is_kept() {
    assert_eq!(
        diff(&wanted(), Some(&right())).unwrap().action,
        Action::Keep
    );
}

#[test]
fn every_part_that_a_killed_run_left_undone_is_told() {
    let half = Observed {
        state: LifeCycleState::Creating,
        transitions: vec![],
        backed_up: false,
        tags: Tags::new(),
        ..right()
    };
    let diff = diff(&wanted(), Some(&half)).unwrap();
    let paths: Vec<_> = diff.attributes.iter().map(|a| a.path.as_str()).collect();
    assert_eq!(
        paths,
        ["transition_to_ia", "backup", "tags.Name", "tags.role"]
    );
}

#[test]
fn one_without_encryption_is_refused_and_never_replaced() {
    let plain = Observed {
        encrypted: false,
        ..right()
    };
    assert_eq!(
        diff(&wanted(), Some(&plain)).unwrap_err().to_string(),
        "planning file system fs-1: it isn't encrypted, and EFS can't encrypt a file system that exists"
    );
}

#[test]
fn the_creation_token_decides_before_the_name() {
    let theirs = described("fs-2", "terraform-1", "n", LifeCycleState::Available);
    let ours = described("fs-1", "n", "n", LifeCycleState::Creating);
    assert_eq!(found(&[theirs.clone(), ours]), Ok(Some("fs-1".into())));
    assert_eq!(found(&[theirs]), Ok(Some("fs-2".into())));
    let other = described("fs-3", "o", "o", LifeCycleState::Available);
    assert_eq!(found(&[other]), Ok(None));
}

#[test]
fn one_that_is_going_is_not_there() {
    let going = described("fs-1", "n", "n", LifeCycleState::Deleting);
    assert_eq!(found(&[going]), Ok(None));
}

#[test]
fn two_of_the_same_name_are_too_many() {
    let named = |id| described(id, id, "n", LifeCycleState::Available);
    assert_eq!(
        found(&[named("fs-2"), named("fs-1")])
            .unwrap_err()
            .to_string(),
        "looking for file system n: several have the tag Name=n: fs-1, fs-2"
    );
}
