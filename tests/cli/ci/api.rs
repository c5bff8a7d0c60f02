//! What CircleCI is told over its API, against the lab's.

use crate::harness::{Served, psk};

#[test]
fn a_setup_pipeline_is_continued_once() {
    let (files, lab) = Served::small();
    let files = files.with("config.yml", "version: 2.1\n");
    let continue_it = || {
        psk([
            "pipeline",
            "continue",
            "--config-file=config.yml",
            "--parameter=deep=true",
            "--parameter=tag=v1",
        ])
        .at(&files)
        .inside(&lab)
        .run()
    };
    assert_eq!(continue_it().ended(0).stdout, "continued with config.yml\n");
    let kept = lab.with_world(|world| {
        world
            .circleci
            .pipelines
            .values()
            .next()
            .cloned()
            .flatten()
            .unwrap()
    });
    assert_eq!(kept.configuration, "version: 2.1\n");
    assert_eq!(
        serde_json::to_string(&kept.parameters).unwrap(),
        r#"{"deep":true,"tag":"v1"}"#
    );
    let told = continue_it().refused(1);
    assert!(
        told.contains("CircleCI answered 400 Bad Request: Pipeline has already been continued."),
        "{told}"
    );
    let told = psk(["pipeline", "continue", "--config-file=config.yml"])
        .at(&files)
        .run()
        .refused(2);
    assert!(
        told.contains("CIRCLE_CONTINUATION_KEY is not set"),
        "{told}"
    );
}

#[test]
fn schedules_are_kept_and_never_two() {
    let (_files, lab) = Served::small();
    let schedule = |branch: &'static str| {
        psk([
            "pipeline",
            "schedule",
            "--project=gh/org/repo",
            "--branch",
            branch,
        ])
        .inside(&lab)
        .run()
    };
    let first = schedule("main").ended(0).stdout;
    assert_eq!(
        first,
        "created \"psk-aws-control-plane-base: verify\"\n\
         created \"psk-aws-control-plane-base: drift\"\n2 schedules in gh/org/repo\n"
    );
    assert!(schedule("main").ended(0).stdout.starts_with("unchanged "));
    assert!(schedule("next").ended(0).stdout.starts_with("updated "));
    // Two runs at once have made a second one.
    lab.with_world(|world| {
        let mut twin = world.circleci.schedules[0].clone();
        twin.id = "twin".to_owned();
        world.circleci.schedules.push(twin);
    });
    assert!(schedule("next").ended(0).stdout.starts_with("unchanged "));
    lab.with_world(|world| {
        assert_eq!(world.circleci.schedules.len(), 2);
        assert_eq!(world.circleci.schedules[0].parameters["branch"], "next");
        // Somebody else's two are left alone.
        for id in ["a", "b"] {
            let mut other = world.circleci.schedules[0].clone();
            other.id = id.to_owned();
            other.description = Some("by hand".to_owned());
            world.circleci.schedules.push(other);
        }
    });
    let told = schedule("next").refused(1);
    assert!(told.contains("there are 3 schedules called"), "{told}");
    let told = psk(["pipeline", "schedule", "--project=gh/org/repo"])
        .inside(&lab)
        .env("CIRCLE_TOKEN", "wrong")
        .run()
        .refused(1);
    assert!(
        told.contains("401 Unauthorized: You must log in first."),
        "{told}"
    );
}
