//! What comes out of a vault, or should have stayed in one, is never told.

use super::*;

const CANARY: &str = "canary-7f3a";

/// Every text that can be had from an inventory.
fn everything_told(inventory: &Inventory) -> String {
    let view = inventory.view(&inventory.everything());
    let mut told = format!(
        "{inventory:?}{view:?}{}",
        serde_json::to_string(&view).unwrap()
    );
    told += &format!("{:?}", inventory.references(&inventory.everything()));
    told += &format!(
        "{:?}{:?}",
        inventory.pipeline(),
        inventory.pipeline_references()
    );
    told + &inventory.digest()
}

fn everything_told_of(problems: &Problems) -> String {
    let drawn = problems.draw(false, 100).unwrap();
    format!(
        "{problems}{problems:?}{drawn}{}",
        serde_json::to_string(problems).unwrap()
    )
}

#[test]
fn every_reference_is_listed_once_with_its_uses() {
    let role = "clusters:\n  qa-i01-aws-us-east-1: { aws_region: us-east-1 }\n  \
                qa-i02-aws-us-east-1: { aws_region: us-east-1 }\n";
    let common = COMMON.replace(
        "\"111122223333\"",
        "\"{{ op://v/account/id }}{{ op://v/auth/client-id }}\"",
    );
    let inventory = load(&[
        ("roles/qa.yaml", role),
        ("environments/default.yaml", &common),
    ])
    .unwrap();
    let told: Vec<String> = inventory
        .references(&inventory.everything())
        .iter()
        .map(|used| format!("{} {:?} {:?}", used.reference, used.settings, used.used_at))
        .collect();
    assert_eq!(
        told,
        [
            "op://v/account/id {\"aws_account_id\"} {environments/default.yaml:2:21}",
            "op://v/auth/client-id {\"aws_account_id\", \"oidc_client_id\"} \
             {environments/default.yaml:2:44, environments/default.yaml:17:21}",
        ]
    );
}

#[test]
fn references_without_values_are_all_told_at_each_place() {
    let common = COMMON.replace("\"111122223333\"", "\"{{ op://v/account/id }}\"");
    let inventory = load(&[
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", &common),
    ])
    .unwrap();
    let reference = "op://v/account/id".parse().unwrap();
    let secrets = Secrets::from([(
        reference,
        Err("vault \"v\" has no item \"account\"".to_owned()),
    )]);
    let problems = inventory
        .resolve(&inventory.everything(), &secrets)
        .unwrap_err();
    assert_eq!(
        problems.to_string(),
        "environments/default.yaml:2:21: op://v/account/id has no value: vault \"v\" has no item \
         \"account\"\n\
         environments/default.yaml:17:21: op://v/auth/client-id has no value: it was not looked up"
    );
}

#[test]
fn values_take_their_references_places() {
    let common = COMMON.replace("\"111122223333\"", "\"{{ op://v/account/id }}\"")
        + "admin_group: \"org/{{ account }}\"\n";
    let inventory = load(&[
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", &common),
    ])
    .unwrap();
    let secrets = secrets(&inventory, &inventory.everything(), "444455556666");
    let clusters = inventory
        .resolve(&inventory.everything(), &secrets)
        .unwrap();
    assert_eq!(clusters[0].account.as_str(), "444455556666");
    assert_eq!(clusters[0].settings.admin_group, "org/444455556666");
}

#[test]
fn a_wrong_value_from_a_vault_is_told_by_its_reference() {
    let common = COMMON
        .replace("\"111122223333\"", "\"{{ op://v/account/id }}\"")
        .replace("Auth0", "\"x {{ account }}\"")
        .replace("https://issuer.example/", "\"{{ account | int }}\"")
        .replace("SPOT", "\"{{ op://v/account/id }}\"");
    let inventory = load(&[
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", &common),
    ])
    .unwrap();
    let secrets = secrets(&inventory, &inventory.everything(), CANARY);
    let problems = inventory
        .resolve(&inventory.everything(), &secrets)
        .unwrap_err();
    assert_eq!(
        problems.to_string(),
        "environments/default.yaml:2:17: aws_account_id: the value of op://v/account/id is not \
         twelve digits\n\
         environments/default.yaml:11:38: management_node_group_capacity_type: the value of \
         op://v/account/id is not one of ON_DEMAND, SPOT\n\
         environments/default.yaml:19:37: oidc_identity_provider_config_name: the value of \
         op://v/account/id is not a name of at most 100 letters, digits, - and _\n\
         environments/default.yaml:20:32: the template can't be rendered: invalid operation"
    );
    assert!(!everything_told_of(&problems).contains(CANARY));
}

#[test]
fn values_that_contradict_one_another_are_told_by_their_references() {
    let own = "cluster_name: \"{{ op://v/i/name }}\"\n\
               management_node_group_min_size: \"{{ op://v/i/size }}\"\n\
               addons: [\"{{ op://v/i/addon }}\", \"{{ op://v/i/addon }}\"]\n";
    let files = [
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
        ("environments/qa.yaml", own),
    ];
    let inventory = load(&files).unwrap();
    let all = inventory.everything();
    let mut secrets = secrets(&inventory, &all, CANARY);
    for (reference, value) in [
        ("op://v/i/name", "canary-i01-aws-us-east-1"),
        ("op://v/i/size", "777"),
    ] {
        secrets.insert(reference.parse().unwrap(), Ok(SecretString::from(value)));
    }
    let problems = inventory.resolve(&all, &secrets).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "environments/qa.yaml:1:15: cluster_name is the value of op://v/i/name but these are \
         settings of qa-i01-aws-us-east-1\n\
         environments/qa.yaml:2:33: management_node_group_min_size is the value of op://v/i/size, \
         more than management_node_group_max_size, 3\n\
         environments/qa.yaml:3:34: addons names the value of op://v/i/addon twice"
    );
}

#[test]
fn no_text_of_an_inventory_holds_a_secret() {
    let written_out = COMMON.replace("{{ op://v/auth/client-id }}", CANARY);
    let inventory = load(&[
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", &written_out),
    ])
    .unwrap();
    let told = everything_told(&inventory);
    assert!(!told.contains(CANARY), "{told}");
    assert!(told.contains("(secret)"));

    let inventory = load(&[("roles/qa.yaml", QA), ("environments/default.yaml", COMMON)]).unwrap();
    let secrets = secrets(&inventory, &inventory.everything(), CANARY);
    let clusters = inventory
        .resolve(&inventory.everything(), &secrets)
        .unwrap();
    assert!(!format!("{clusters:?}").contains(CANARY));
    let told = everything_told(&inventory);
    assert!(told.contains("op://v/auth/client-id"));
}

#[test]
fn no_problem_tells_a_secret_that_is_written_out() {
    let literal = format!("oidc_client_id: {CANARY}\n");
    for own in [
        format!("eks_verison: x\n{literal}"),
        format!("oidc_clientid: {CANARY}\n"),
        format!("oidc_client_id: [\"{CANARY}\"]\n"),
        format!("oidc_client_id:\n  {CANARY}: x\n"),
        format!("oidc_client_id: \"{CANARY}{{{{ nope }}}}\"\n"),
        format!("admin_group: \"{{{{ oidc_client_id }}}}\"\n{literal}"),
        format!("{literal}broken: [\n"),
        format!("oidc_client_id: |\n  {CANARY}\neks_version: x\n"),
    ] {
        let files = [
            ("roles/qa.yaml", QA),
            ("environments/default.yaml", COMMON),
            ("environments/qa.yaml", own.as_str()),
        ];
        let problems = load(&files).unwrap_err();
        let told = everything_told_of(&problems);
        assert!(!told.contains(CANARY), "{told}");
    }
    let pipeline = format!("notify: {{ slack_channel: c, slack_token: {CANARY} }}\n");
    let files = [
        ("psk.yaml", pipeline.as_str()),
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
    ];
    let told = everything_told_of(&load(&files).unwrap_err());
    assert!(!told.contains(CANARY), "{told}");
}

#[test]
fn what_everyone_can_read_takes_no_reference() {
    let own = "tags: { owner: \"{{ op://v/i/f }}\" }\naddons:\n- { name: coredns, \
               configuration_values: { a: \"{{ op://v/i/f }}\" } }\n";
    let files = [
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
        ("environments/qa.yaml", own),
    ];
    assert_eq!(
        problems(&files),
        "environments/qa.yaml:1:16: a tag can't hold the value of op://v/i/f: everyone can read \
         it (write the value itself)\n\
         environments/qa.yaml:3:47: addons[0].configuration_values can't hold the value of \
         op://v/i/f: everyone can read it (write the value itself)"
    );
}
