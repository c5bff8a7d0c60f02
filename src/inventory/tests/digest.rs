//! The digest says whether two inventories ask for the same, and nothing else.

use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::*;

fn digest(files: &[(&str, &str)]) -> String {
    load(files).unwrap().digest()
}

fn common() -> String {
    digest(&[("roles/qa.yaml", QA), ("environments/default.yaml", COMMON)])
}

#[test]
fn format_quotes_comments_and_layers_dont_count() {
    let json = r#"{ "clusters": { "qa-i01-aws-us-east-1": { "aws_region": "us-east-1" } } }"#;
    assert_eq!(
        digest(&[
            ("roles/qa.json", json),
            ("environments/default.yaml", COMMON)
        ]),
        common()
    );

    let unquoted = COMMON
        .replace("\"50\"", "50  # GiB")
        .replace("\"true\"", "true");
    assert_eq!(
        digest(&[
            ("roles/qa.yaml", QA),
            ("environments/qa.yml.tpl", &unquoted)
        ]),
        common()
    );

    let templated = COMMON.replace("groups\n", "\"{{ 'gro' }}ups\"\n");
    assert_eq!(
        digest(&[
            ("roles/qa.yaml", QA),
            ("environments/default.yaml", &templated)
        ]),
        common()
    );
    // What psk takes by default may as well be said.
    let said = format!("{COMMON}log_retention_days: \"90\"\n");
    assert_eq!(
        digest(&[("roles/qa.yaml", QA), ("environments/default.yaml", &said)]),
        common()
    );
}

#[test]
fn what_is_asked_for_counts() {
    let mut seen = vec![common()];
    for (from, to) in [
        ("\"1.35\"", "\"1.34\""),
        ("op://v/auth/client-id", "op://v/auth/other-id"),
        ("[t4g.2xlarge]", "[t4g.2xlarge, m6g.2xlarge]"),
    ] {
        let changed = COMMON.replace(from, to);
        seen.push(digest(&[
            ("roles/qa.yaml", QA),
            ("environments/default.yaml", &changed),
        ]));
    }
    for role in [
        "rollout: { canary: 1 }\n",
        "trigger: push\n",
        "approval: required\n",
    ] {
        let role = format!("{role}{QA}");
        seen.push(digest(&[
            ("roles/qa.yaml", &role),
            ("environments/default.yaml", COMMON),
        ]));
    }
    let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len());
}

#[test]
fn a_secret_that_is_written_out_doesnt_count() {
    let with = |secret: &str| {
        let text = COMMON.replace("{{ op://v/auth/client-id }}", secret);
        digest(&[("roles/qa.yaml", QA), ("environments/default.yaml", &text)])
    };
    assert_eq!(with("one"), with("other"));
}

/// The same settings with their keys in another order.
fn shuffled() -> impl Strategy<Value = Map<String, Json>> {
    let source = crate::inventory::source::Source::new("", COMMON);
    let map = crate::inventory::parse::parse(&source, &mut Vec::new()).unwrap();
    let entries: Vec<(String, Json)> = map
        .iter()
        .map(|entry| (entry.key.clone(), entry.node.to_json()))
        .collect();
    Just(entries)
        .prop_shuffle()
        .prop_map(|entries| entries.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_keys_doesnt_count(settings in shuffled()) {
        let json = Json::Object(settings).to_string();
        let shuffled = digest(&[("roles/qa.yaml", QA), ("environments/default.json", &json)]);
        prop_assert_eq!(shuffled, common());
    }
}
