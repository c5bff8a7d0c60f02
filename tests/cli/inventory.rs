//! `psk inventory`: checking, showing and describing, without a call to anyone.

use insta::{assert_snapshot, with_settings};
use serde_json::Value as Json;

use crate::harness::{CANARY, Files, contents, psk, repository};

#[test]
fn the_shipped_inventory_is_valid() {
    let run = psk(["inventory", "check"]).run().ended(0);
    with_settings!({ filters => [("digest [0-9a-f]{64}", "digest [digest]")] }, {
        assert_snapshot!(run.stdout);
    });
}

#[test]
fn the_digest_follows_what_is_asked_for() {
    let digest = |files: Files| {
        let run = psk(["inventory", "check"]).at(&files).run().ended(0);
        run.stdout.lines().last().unwrap().to_owned()
    };
    let small = digest(Files::small());
    assert_eq!(digest(Files::small()), small);
    let comment = Files::small().replace("psk.yaml", "psk-test", "psk-test # the same");
    assert_eq!(digest(comment), small);
    let other = Files::small().replace("environments/default.yaml", "1.35", "1.34");
    assert_ne!(digest(other), small);
}

#[test]
fn clusters_are_shown_as_a_table() {
    assert_snapshot!(psk(["inventory", "show"]).run().ended(0).stdout);
    let run = psk(["inventory", "show", "--role", "mapi"]).run().ended(0);
    assert_eq!(run.stdout.lines().count(), 3, "{}", run.stdout);
}

#[test]
fn one_cluster_is_shown_with_where_each_setting_was_written() {
    let cluster = "prod-i01-aws-us-east-2";
    let run = psk(["inventory", "show", "--cluster", cluster]).run();
    assert_snapshot!(run.ended(0).stdout);
}

#[test]
fn machines_are_shown_json_or_yaml() {
    let show = |format: &str| {
        let run = psk(["inventory", "show", "--role", "sandbox", "--output", format]).run();
        run.ended(0).stdout
    };
    assert_snapshot!("show-yaml", show("yaml"));
    let json = show("json");
    assert_snapshot!("show-json", json);
    let clusters: Vec<Json> = serde_json::from_str(&json).unwrap();
    assert_eq!(
        clusters[0]["settings"]["management_node_group_disk_size"],
        "50"
    );
}

#[test]
fn a_secret_that_is_written_out_is_masked() {
    let literal = Files::small().with(
        "environments/qa.yaml",
        &format!("oidc_client_id: {CANARY}\n"),
    );
    for args in [
        ["--output", "json", "--role", "qa"],
        ["--output", "yaml", "--role", "qa"],
        ["--output", "table", "--cluster", "qa-i01-aws-us-east-1"],
    ] {
        let mut command = psk(["inventory", "show"]).at(&literal);
        for arg in args {
            command = command.arg(arg);
        }
        let run = command.run().ended(0);
        assert!(run.stdout.contains("(secret)"), "{}", run.stdout);
    }
}

#[test]
fn an_unknown_role_or_cluster_is_refused_with_the_nearest_name() {
    let refused = |what: &str, name: &str| psk(["inventory", "show", what, name]).run().refused(2);
    assert_eq!(
        refused("--role", "pord"),
        "error: no role \"pord\" in the inventory (did you mean \"prod\"?); its roles are sandbox, \
         qa, mapi, preview, nonprod, prod\n"
    );
    assert_eq!(
        refused("--cluster", "prod-i01-aws-us-east-3"),
        "error: no cluster \"prod-i01-aws-us-east-3\" in the inventory (did you mean \
         \"prod-i01-aws-us-east-1\"?); `psk inventory show` lists them\n"
    );
}

#[test]
fn schemas_are_those_that_the_repository_holds() {
    let held = contents(&repository().join("docs/schema"));
    let directory = tempfile::tempdir().unwrap();
    let write = psk(["inventory", "schema", "--write"]).arg(directory.path());
    assert_eq!(write.run().ended(0).stdout, "");
    let written = contents(directory.path());
    for kind in ["role", "environment", "psk"] {
        let printed = psk(["inventory", "schema", kind]).run().ended(0).stdout;
        let file = format!("{kind}.schema.json");
        let committed = &held[&repository().join("docs/schema").join(&file)];
        assert_eq!(printed.as_bytes(), committed, "{file} is stale");
        assert_eq!(&written[&directory.path().join(&file)], committed);
    }
    assert_eq!(written.len(), 3);
}
