use super::*;

const CLUSTER: &str = "qa-i01-aws-us-east-2";

fn wanted() -> Wanted {
    Wanted {
        cluster: CLUSTER.into(),
        interruption: Interruption::SpotInterrupt,
        tags: [("role".to_owned(), "qa".to_owned())].into(),
    }
}

fn right(name: &str) -> Observed {
    Observed {
        name: name.into(),
        pattern: Some(Interruption::SpotInterrupt.pattern()),
        enabled: true,
        tells_queue: true,
    }
}

fn paths(is: Option<&Observed>) -> Vec<String> {
    let diff = diff(&wanted(), Fact::Known("arn:queue".into()), is);
    diff.attributes.into_iter().map(|a| a.path).collect()
}

#[test]
fn a_right_rule_is_kept_also_under_a_suffixed_name() {
    assert_eq!(paths(Some(&right("SpotInterrupt-2025"))), [""; 0]);
}

#[test]
fn a_rule_that_a_killed_run_left_without_its_target_gets_it() {
    let half = Observed {
        tells_queue: false,
        ..right("x")
    };
    assert_eq!(
        paths(Some(&half)),
        ["targets.KarpenterInterruptionQueueTarget"]
    );
}

#[test]
fn everything_else_that_differs_is_told() {
    let off = Observed {
        pattern: parse(r#"{"source": ["aws.s3"]}"#),
        enabled: false,
        ..right("x")
    };
    assert_eq!(paths(Some(&off)), ["event_pattern", "enabled"]);
    assert_eq!(
        paths(None),
        [
            "event_pattern",
            "enabled",
            "targets.KarpenterInterruptionQueueTarget",
            "tags.role"
        ]
    );
}

#[test]
fn names_fit_and_tell_the_rules_apart() {
    let longest = "x".repeat(42);
    let mut names = Interruption::ALL.map(|i| rule_name(&longest, i)).to_vec();
    assert!(names.iter().all(|name| name.len() <= 64));
    names.dedup();
    assert_eq!(names.len(), 4);
}

#[test]
fn only_rules_that_tell_the_queue_or_have_its_clusters_name_are_the_clusters() {
    let rule = |name: &str| {
        Rule::builder()
            .name(name)
            .state(RuleState::Disabled)
            .event_pattern("{}")
            .build()
    };
    let own = format!("{CLUSTER}-HealthEvent");
    let rules = [
        rule("SpotInterrupt-2025"),
        rule("SpotInterrupt-2024"),
        rule(&own),
        rule("other"),
    ];
    let found = of_cluster(CLUSTER, &rules, &["SpotInterrupt-2025".to_owned()]);
    let told: Vec<_> = found
        .iter()
        .map(|r| (r.name.as_str(), r.tells_queue, r.enabled))
        .collect();
    assert_eq!(
        told,
        [
            ("SpotInterrupt-2025", true, false),
            (own.as_str(), false, false)
        ]
    );
}

#[test]
fn ones_own_name_wins_over_an_adopted_rule() {
    let own = rule_name(CLUSTER, Interruption::SpotInterrupt);
    let choose = |rules: &[Observed]| {
        super::choose(&own, Interruption::SpotInterrupt, rules).map(|r| r.name.clone())
    };
    let adopted = right("KarpenterSpotInterrupt-2025");
    let other = right("InstanceRebalance-2025");
    assert_eq!(
        choose(&[other.clone(), adopted.clone()]),
        Some(adopted.name.clone())
    );
    assert_eq!(choose(&[adopted, right(&own)]), Some(own.clone()));
    assert_eq!(choose(&[other]), None);
    let elsewhere = Observed {
        tells_queue: false,
        ..right("SpotInterrupt-2025")
    };
    assert_eq!(choose(&[elsewhere]), None);
}
