//! The inventories that the repository itself holds.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{AccountId, Approval, StatusPer, Trigger};
use super::*;

fn shipped() -> Inventory {
    Inventory::load(repository()).unwrap()
}

#[test]
fn the_shipped_inventory_has_every_role_in_promotion_order() {
    let inventory = shipped();
    let roles: Vec<(&str, usize, &str)> = inventory
        .roles()
        .iter()
        .map(|role| {
            (
                role.name.as_str(),
                role.clusters.len(),
                role.trigger.as_str(),
            )
        })
        .collect();
    assert_eq!(
        roles,
        [
            ("sandbox", 1, "push"),
            ("qa", 2, "tag"),
            ("mapi", 2, "tag"),
            ("preview", 4, "tag"),
            ("nonprod", 6, "tag"),
            ("prod", 6, "tag"),
        ]
    );
    let after: BTreeMap<&str, &[String]> = inventory
        .roles()
        .iter()
        .map(|role| (role.name.as_str(), role.after.as_slice()))
        .collect();
    assert_eq!(after["mapi"], ["qa"]);
    assert_eq!(after["prod"], ["nonprod"]);
    assert_eq!(inventory.role("prod").unwrap().approval, Approval::Required);
    assert_eq!(inventory.role("sandbox").unwrap().trigger, Trigger::Push);
    assert_eq!(inventory.pipeline().statuses.per, StatusPer::Auto);
}

#[test]
fn the_shipped_inventory_resolves_over_its_accounts_and_regions() {
    let inventory = shipped();
    let all = inventory.everything();
    let values: Secrets = inventory
        .references(&all)
        .into_iter()
        .map(|used| {
            let account = match used.reference.item.as_str() {
                "aws-sandbox" => "111122223333",
                "aws-nonprod" => "444455556666",
                "aws-prod" => "123456789012",
                _ => "a-client-id",
            };
            (used.reference, Ok(SecretString::from(account)))
        })
        .collect();
    let clusters = inventory.resolve(&all, &values).unwrap();
    assert_eq!(clusters.len(), 21);
    let accounts: BTreeSet<&AccountId> = clusters.iter().map(|cluster| &cluster.account).collect();
    let regions: BTreeSet<&str> = clusters
        .iter()
        .map(|cluster| cluster.region.as_str())
        .collect();
    assert_eq!(accounts.len(), 4);
    assert_eq!(
        regions.into_iter().collect::<Vec<_>>(),
        [
            "ap-southeast-2",
            "eu-central-1",
            "eu-west-1",
            "us-east-1",
            "us-east-2",
            "us-west-2"
        ]
    );
    let outputs = inventory.pipeline().outputs.as_ref().unwrap();
    assert_eq!(
        outputs.item.for_cluster(&clusters[0]).unwrap(),
        "psk-aws-sandbox-i01-aws-us-east-1"
    );
    let one = clusters
        .iter()
        .find(|cluster| cluster.name.as_str() == "prod-i01-aws-us-east-2");
    assert_eq!(
        one.unwrap().settings.management_node_group_max_size.get(),
        5
    );
}

#[test]
fn a_cluster_is_shown_with_where_each_value_came_from() {
    let inventory = shipped();
    let selection = inventory
        .select(&[], &names(&["prod-i01-aws-us-east-2"]))
        .unwrap();
    insta::assert_json_snapshot!(inventory.view(&selection));
}

#[test]
fn a_version_without_quotes_keeps_its_zero() {
    let common = format!(
        "\u{feff}{}",
        COMMON.replace("\"1.35\"", "1.30").trim_start()
    );
    let inventory = load(&[
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", &common),
    ])
    .unwrap();
    let all = inventory.everything();
    assert_eq!(inventory.view(&all)[0].settings["eks_version"], "1.30");
    let clusters = inventory
        .resolve(&all, &secrets(&inventory, &all, "x"))
        .unwrap();
    assert_eq!(clusters[0].settings.eks_version.to_string(), "1.30");
}

#[test]
fn roles_and_clusters_narrow_a_selection() {
    let inventory = shipped();
    let count = |roles: &[&str], clusters: &[&str]| {
        inventory
            .select(&names(roles), &names(clusters))
            .map(|some| some.clusters().len())
    };
    assert_eq!(count(&[], &[]), Ok(21));
    assert_eq!(count(&["nonprod", "qa"], &[]), Ok(8));
    assert_eq!(count(&["qa"], &["qa-i01-aws-us-east-1"]), Ok(1));
    assert_eq!(
        count(&["prod"], &["qa-i01-aws-us-east-1"])
            .unwrap_err()
            .to_string(),
        "cluster \"qa-i01-aws-us-east-1\" is in role \"qa\", which was not asked for"
    );
}

#[test]
fn files_written_for_terraform_load_unchanged() {
    let inventory = Inventory::load(&repository().join("tests/fixtures/seed")).unwrap();
    let all = inventory.everything();
    let clusters = inventory
        .resolve(&all, &secrets(&inventory, &all, "111122223333"))
        .unwrap();
    let told: Vec<String> = clusters
        .iter()
        .map(|cluster| {
            let settings = &cluster.settings;
            format!(
                "{} {} {} {} {} {} {}–{}",
                cluster.name,
                cluster.region,
                cluster.account,
                settings.eks_version,
                settings.auto_refresh_management_node_group,
                settings.management_node_group_disk_size.gib(),
                settings.management_node_group_min_size,
                settings.management_node_group_max_size,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "sbx-i01-aws-us-east-1 us-east-1 111122223333 1.32 true 50 1–3",
            "prod-i01-aws-us-east-2 us-east-2 111122223333 1.32 true 50 1–3",
        ]
    );
}
