//! Every way in which an inventory can be wrong, with the exact words in which it is told.

use super::*;

#[test]
fn an_unknown_key_has_the_nearest_known_one_offered() {
    let files = [
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
        (
            "environments/qa.yaml",
            "eks_verison: \"1.35\"\nnonsense: 1\n",
        ),
    ];
    assert_eq!(
        problems(&files),
        "environments/qa.yaml:1:1: unknown key \"eks_verison\" (did you mean \"eks_version\"?)\n\
         environments/qa.yaml:2:1: unknown key \"nonsense\""
    );
}

#[test]
fn a_shared_layers_problem_is_told_once() {
    let role = "clusters:\n  qa-i01-aws-us-east-1: { aws_region: us-east-1 }\n  \
                qa-i02-aws-us-east-1: { aws_region: us-east-1 }\n";
    let bad = COMMON.replace("\"1.35\"", "latest");
    let files = [("roles/qa.yaml", role), ("environments/default.yaml", &bad)];
    assert_eq!(
        problems(&files),
        "environments/default.yaml:4:14: eks_version: \"latest\" is not an EKS version \
         (EKS names versions by major and minor number, such as \"1.35\")"
    );
}

#[test]
fn a_misspelt_key_is_not_told_as_a_missing_setting_too() {
    let role = "clusters:\n  qa-i01-aws-us-east-1: { aws_region: us-east-1 }\n  \
                qa-i02-aws-us-east-1: { aws_region: us-east-1 }\n";
    let bad = COMMON.replace("eks_version:", "eks_verison:");
    let files = [("roles/qa.yaml", role), ("environments/default.yaml", &bad)];
    assert_eq!(
        problems(&files),
        "environments/default.yaml:4:1: unknown key \"eks_verison\" \
         (did you mean \"eks_version\"?)"
    );
}

#[test]
fn a_missing_layer_says_where_psk_looked() {
    let files = [("roles/qa.yaml", "clusters: [qa-i01-aws-us-east-1]\n")];
    assert_eq!(
        problems(&files),
        "roles/qa.yaml:1:12: cluster \"qa-i01-aws-us-east-1\" has no settings in any layer (psk \
         looked for environments/default, environments/qa and \
         environments/qa-i01-aws-us-east-1 (.yaml, .yml or .json, and .tpl may follow), and for \
         keys of its own in roles/qa.yaml)"
    );
}

#[test]
fn missing_settings_say_which_layers_were_read() {
    let partial = COMMON
        .replace("eks_version: \"1.35\"\n", "")
        .replace("oidc_groups_claim: groups\n", "oidc_groups_claim: ~\n");
    let files = [
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", &partial),
    ];
    assert_eq!(
        problems(&files),
        "roles/qa.yaml:2:3: cluster \"qa-i01-aws-us-east-1\" has no eks_version, oidc_groups_claim \
         (add what is missing to one of its layers: environments/default.yaml, roles/qa.yaml)"
    );
}

#[test]
fn a_layer_of_nothing_is_told() {
    let files = [
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
        ("environments/qaa.json", "{}"),
        ("environments/qa.ymal", ""),
        ("environments/qa-i01-aws-us-east-2.json", "{}"),
        ("environments/README.md", "not a layer"),
    ];
    assert_eq!(
        problems(&files),
        "environments/qa.ymal has a name that psk doesn't read (a layer is called <layer>.yaml, \
         .yml or .json, and .tpl may follow)\n\
         environments/qa-i01-aws-us-east-2.json:1:1: \"qa-i01-aws-us-east-2\" is no role and no \
         cluster of one (did you mean \"qa-i01-aws-us-east-1\"?)\n\
         environments/qaa.json:1:1: \"qaa\" is no role and no cluster of one \
         (did you mean \"qa\"?)"
    );
}

#[test]
fn two_files_for_one_thing_are_told() {
    let files = [
        ("psk.yaml", ""),
        ("psk.yml", ""),
        ("roles/qa.yaml", QA),
        ("roles/qa.yml", QA),
        ("environments/default.yaml", COMMON),
        ("environments/default.yml.tpl", COMMON),
    ];
    assert_eq!(
        problems(&files),
        "the layer \"default\" is given by two files, environments/default.yaml and \
         environments/default.yml.tpl (keep one of them)\n\
         the pipeline is given by two files, psk.yaml and psk.yml (keep one of them)\n\
         the role \"qa\" is given by two files, roles/qa.yaml and roles/qa.yml (keep one of them)"
    );
}

#[test]
fn a_cluster_in_two_roles_names_both_places() {
    let files = [
        ("roles/prod.yaml", QA),
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
    ];
    assert_eq!(
        problems(&files),
        "roles/qa.yaml:2:3: cluster \"qa-i01-aws-us-east-1\" is in two roles, \"prod\" and \"qa\" \
         (the other one lists it at roles/prod.yaml:2:3)"
    );
}

#[test]
fn a_cycle_in_after_names_its_members() {
    let role = |after: &str, name: &str| {
        format!(
            "after: [{after}]\nclusters: {{ {name}-i01-aws-us-east-1: {{ aws_region: us-east-1 }} }}\n"
        )
    };
    let (a, b, c, d) = (
        role("b", "a"),
        role("a", "b"),
        role("b", "c"),
        role("d", "d"),
    );
    let files = [
        ("roles/a.yaml", a.as_str()),
        ("roles/b.yaml", &b),
        ("roles/c.yaml", &c),
        ("roles/d.yaml", &d),
        ("environments/default.yaml", COMMON),
    ];
    assert_eq!(
        problems(&files),
        "roles/a.yaml:1:9: the roles \"a\", \"b\" come after one another: a cycle in after\n\
         roles/d.yaml:1:9: role \"d\" comes after itself"
    );
}

#[test]
fn an_unknown_role_is_told_wherever_it_is_named() {
    let role = format!("after: [pord, sandbox]\n{QA}");
    let pipeline = "promotion:\n  freeze:\n  - { from: 2026-12-20T00:00:00Z, \
                    to: 2027-01-02T00:00:00Z, reason: x, roles: [qaa] }\n";
    let prod = QA.replace("qa-i01", "prod-i01");
    let files = [
        ("psk.yaml", pipeline),
        ("roles/qa.yaml", &role),
        ("roles/prod.yaml", &prod),
        ("environments/default.yaml", COMMON),
    ];
    assert_eq!(
        problems(&files),
        "psk.yaml:3:80: the freeze names an unknown role \"qaa\" (did you mean \"qa\"?)\n\
         roles/qa.yaml:1:9: after names an unknown role \"pord\" (did you mean \"prod\"?)\n\
         roles/qa.yaml:1:15: after names an unknown role \"sandbox\""
    );
    let inventory = load(&[("roles/qa.yaml", QA), ("environments/default.yaml", COMMON)]).unwrap();
    assert_eq!(
        inventory.role("aq").unwrap_err().to_string(),
        "no role \"aq\" in the inventory (did you mean \"qa\"?); its roles are qa"
    );
    assert_eq!(
        inventory
            .select(&[], &names(&["qa-i01-aws-us-east-2"]))
            .unwrap_err()
            .to_string(),
        "no cluster \"qa-i01-aws-us-east-2\" in the inventory (did you mean \
         \"qa-i01-aws-us-east-1\"?); `psk inventory show` lists them"
    );
}

#[test]
fn an_empty_inventory_says_what_one_needs() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("roles");
    assert_eq!(
        Inventory::load(root.path()).unwrap_err().to_string(),
        format!(
            "no role files in {} (an inventory has one file for each role, such as \
             roles/sandbox.yaml)",
            path.display()
        )
    );
    let missing = root.path().join("nowhere");
    assert!(
        Inventory::load(&missing)
            .unwrap_err()
            .to_string()
            .starts_with(&format!("can't read {}", missing.display()))
    );
}

#[test]
fn malformed_values_are_all_told_at_once() {
    let own = "
aws_account_id: \"12345\"
aws_assume_role: arn:aws:iam::111122223333:role/
aws_region: us-esat-1
eks_version: \"1.x\"
enable_log_types: [api, audits]
log_retention_days: 91
deletion_protection: on
upgrade_policy: standard
workload_identity: pod-identity
management_node_group_name: a-name-of-sixty-three-characters-which-is-one-more-than-eks-allows
management_node_group_ami_type: BOTTLEROCKET_ARM64
management_node_group_disk_size: 50GB
management_node_group_capacity_type: spot
management_node_group_desired_size: 0
management_node_group_instance_types: [t4g]
node_max_unavailable: 0%
karpenter_chart_version: latest
karpenter: { repository: public.ecr.aws/karpenter }
storage_classes: { efs: { directory_mode: 0o700 } }
oidc_issuer_url: http://issuer.example/
tags: [a]
";
    let role = "clusters: [qa-i01-aws-us-east-1]\n";
    let files = [
        ("roles/qa.yaml", role),
        ("environments/default.yaml", COMMON),
        ("environments/qa.yaml", own),
    ];
    insta::assert_snapshot!(problems(&files));
}

#[test]
fn settings_that_contradict_one_another_are_told() {
    let own = "
cluster_name: qa-i02-aws-us-east-1
aws_region: us-east-2
management_node_group_min_size: 4
addons: [coredns, vpc-cni, coredns]
enable_log_types: [api, api]
management_node_group_instance_types: []
tags: { \"aws:x\": y }
";
    let role = "clusters: [qa-i01-aws-us-east-1]\n";
    let files = [
        ("roles/qa.yaml", role),
        ("environments/default.yaml", COMMON),
        ("environments/qa.yaml", own),
    ];
    assert_eq!(
        problems(&files),
        "environments/qa.yaml:2:15: cluster_name is qa-i02-aws-us-east-1 but these are settings of \
         qa-i01-aws-us-east-1\n\
         environments/qa.yaml:3:13: aws_region is us-east-2 but the name of \
         qa-i01-aws-us-east-1 says otherwise\n\
         environments/qa.yaml:4:33: management_node_group_min_size is 4, more than \
         management_node_group_max_size, 3\n\
         environments/qa.yaml:5:28: addons names coredns twice\n\
         environments/qa.yaml:6:25: enable_log_types names api twice\n\
         environments/qa.yaml:7:39: management_node_group_instance_types is empty\n\
         environments/qa.yaml:8:7: the tag \"aws:x\" begins with aws:, which is AWS's own"
    );
}

#[test]
fn malformed_references_and_templates_have_their_place_in_the_string() {
    let own = "
aws_account_id: \"{{ op://vault/item }}\"
oidc_client_id: \"{{ op://vault/it:em/field }}\"
oidc_groups_claim: \"a {{ clustre }}\"
admin_group: \"{{ cluster | nope }}\"
tags:
  note: |
    first line
    {{ cluster
node_subnet_identifier: op://vault/item/field
";
    let files = [
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
        ("environments/qa.yaml", own),
    ];
    assert_eq!(
        problems(&files),
        "environments/qa.yaml:2:21: op://vault/item is not a reference: it names 2 parts where \
         op://vault/item[/section]/field has three or four\n\
         environments/qa.yaml:3:21: op://vault/it:em/field is not a reference: its item holds \
         ':', which a reference can't; use the item's id instead\n\
         environments/qa.yaml:4:26: the template names \"clustre\", which is not set \
         (did you mean \"cluster\"?)\n\
         environments/qa.yaml:5:28: the template can't be rendered: unknown filter: filter nope \
         is unknown\n\
         environments/qa.yaml:9:8: the template can't be rendered: syntax error: unexpected end \
         of input, expected end of variable block\n\
         environments/qa.yaml:10:25: an op:// reference stands outside {{ }} \
         (write {{ op://vault/item/field }})"
    );
}

#[test]
fn a_broken_file_is_told_without_blaming_others() {
    let files = [
        ("roles/qa.yaml", QA),
        ("roles/prod.yaml", "clusters: [\n"),
        ("environments/default.yaml", "a: [\nb: c\n"),
    ];
    let told = problems(&files);
    let places: Vec<&str> = told
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(places.len(), 2, "{told}");
    assert!(
        places[0].starts_with("environments/default.yaml:"),
        "{told}"
    );
    assert!(places[1].starts_with("roles/prod.yaml:"), "{told}");
}

#[test]
fn problems_are_drawn_with_their_lines() {
    let files = [
        ("roles/qa.yaml", QA),
        ("environments/default.yaml", COMMON),
        ("environments/qa.yaml", "# comment\neks_verison: \"1.35\"\n"),
    ];
    insta::assert_snapshot!(load(&files).unwrap_err().draw(false, 100).unwrap());
}
