//! What stops a run before it starts: each way in which its input can be wrong, with the exact
//! words, and nothing called.

use insta::{assert_snapshot, with_settings};

use crate::harness::{CANARY, Files, Peer, Psk, Served, psk, world_of};

fn fanout() -> Psk<'static> {
    psk(["fanout", "--role", "qa", "--dry-run"])
}

/// What is told of an invalid inventory. Nothing can be called: the environment names no one.
fn invalid(files: &Files) -> String {
    fanout().at(files).run().refused(12)
}

#[test]
fn an_unknown_key() {
    let files = Files::small().with(
        "environments/qa.yaml",
        "# what qa has of its own\neks_verison: \"1.35\"\n",
    );
    assert_snapshot!(invalid(&files));
}

#[test]
fn a_missing_layer() {
    let files = Files::none().with("roles/qa.yaml", "clusters: [qa-i01-aws-us-east-1]\n");
    assert_snapshot!(invalid(&files));
}

#[test]
fn a_missing_setting() {
    let files = Files::small().replace("environments/default.yaml", "eks_version: \"1.35\"\n", "");
    assert_snapshot!(invalid(&files));
}

#[test]
fn a_cluster_in_two_roles() {
    let files = Files::small().replace(
        "roles/prod.yaml",
        "clusters:\n",
        "clusters:\n  qa-i01-aws-us-east-1: { aws_region: us-east-1 }\n",
    );
    assert_snapshot!(invalid(&files));
}

#[test]
fn a_cycle_in_after() {
    let files = Files::small().replace("roles/qa.yaml", "clusters:", "after: [prod]\nclusters:");
    assert_snapshot!(invalid(&files));
}

#[test]
fn an_unknown_role_in_after() {
    let files = Files::small().replace("roles/prod.yaml", "[qa]", "[qaa]");
    assert_snapshot!(invalid(&files));
}

#[test]
fn an_unknown_role_on_the_command_line() {
    let run = psk(["fanout", "--dry-run", "--role", "prd"])
        .at(&Files::small())
        .run();
    assert_eq!(
        run.refused(2),
        "error: no role \"prd\" in the inventory (did you mean \"prod\"?); its roles are qa, prod\n"
    );
}

#[test]
fn a_malformed_account_region_and_version() {
    let files = Files::small()
        .with(
            "environments/qa.yaml",
            "aws_account_id: \"11112222333\"\neks_version: \"1.x\"\n",
        )
        .replace(
            "roles/qa.yaml",
            "aws_region: eu-west-1",
            "aws_region: eu-wset-1",
        );
    assert_snapshot!(invalid(&files));
}

#[test]
fn a_least_size_above_the_greatest() {
    let files = Files::small().with(
        "environments/qa.yaml",
        "management_node_group_min_size: 4\n",
    );
    assert_snapshot!(invalid(&files));
}

#[test]
fn malformed_references_are_told_all_at_once() {
    let files = Files::small()
        .with(
            "environments/qa.yaml",
            "oidc_client_id: \"{{ op://empc-lab/svc-auth0 }}\"\n",
        )
        .with(
            "environments/prod.yaml",
            "aws_account_id: op://empc-lab/aws-prod/account-id\n",
        );
    assert_snapshot!(invalid(&files));
}

#[test]
fn a_template_that_can_not_be_rendered() {
    let files = Files::small().with(
        "environments/qa.yaml",
        "tags:\n  tier: \"{{ rolle }}\"\n  broken: \"{{ cluster | nope }}\"\n",
    );
    assert_snapshot!(invalid(&files));
}

#[test]
fn an_empty_role() {
    let files = Files::small().with("roles/qa.yaml", "clusters: {}\n");
    assert_snapshot!(invalid(&files));
}

#[test]
fn no_inventory_at_all() {
    let nothing = Files::none();
    assert_snapshot!(invalid(&nothing));
    let nowhere = fanout().arg("--root").arg("no/such/place").run();
    assert_snapshot!(nowhere.refused(12));
}

#[test]
fn mistakes_in_several_files_are_told_together() {
    let files = Files::small()
        .replace("psk.yaml", "name:", "nmae:")
        .replace(
            "roles/qa.yaml",
            "failure_tolerance: 100%",
            "failure_tolerance: 101%",
        )
        .with("environments/qa.yaml", "eks_version: [\n")
        .with("environments/prod.yaml", "log_retention_days: 91\n");
    assert_snapshot!(invalid(&files));
}

#[test]
fn problems_are_drawn_in_colour_where_it_is_asked_for() {
    let files = Files::small().with("environments/qa.yaml", "eks_verison: \"1.35\"\n");
    let told = fanout().arg("--color=always").at(&files).run().refused(12);
    assert!(told.contains("\u{1b}["), "{told}");
    let plain = console::strip_ansi_codes(&told).into_owned();
    assert_eq!(plain, invalid(&files));
}

#[test]
fn a_report_that_can_not_be_written() {
    let directory = tempfile::tempdir().unwrap();
    let told = fanout()
        .at(&Files::small())
        .arg("--report")
        .arg(directory.path())
        .run()
        .refused(2)
        .replace(&directory.path().display().to_string(), "[directory]");
    assert_snapshot!(told);
}

#[test]
fn references_without_a_value_are_told_all_at_once() {
    let files = Files::small()
        .with(
            "environments/qa.yaml",
            "oidc_groups_claim: \"{{ op://empc-lab/svc-auth0/claim }}\"\n",
        )
        .with(
            "environments/qa-i01-aws-us-east-1.yaml",
            "oidc_issuer_url: \"{{ op://nowhere/svc-auth0/url }}\"\n",
        );
    let mut world = world_of(&files, "fresh");
    world.connect.vaults.retain(|vault| vault.name != "nowhere");
    for item in &mut world.connect.vaults[0].items {
        item.fields.retain(|field| field.label != "claim");
    }
    world.connect.vaults[0]
        .items
        .retain(|item| item.title != "aws-nonprod");
    let lab = Served::start(world, "{}");
    assert_snapshot!(fanout().at(&files).inside(&lab).run().refused(12));
    assert_eq!(lab.aws_calls(), <[&str; 0]>::default());
}

#[test]
fn a_value_that_can_not_be_right_is_told_by_its_reference() {
    let files = Files::small();
    let mut world = world_of(&files, "fresh");
    let items = world
        .connect
        .vaults
        .iter_mut()
        .flat_map(|vault| &mut vault.items);
    for field in items.flat_map(|item| &mut item.fields) {
        field.value = CANARY.to_owned();
    }
    let lab = Served::start(world, "{}");
    assert_snapshot!(fanout().at(&files).inside(&lab).run().refused(12));
    assert_eq!(lab.aws_calls(), <[&str; 0]>::default());
}

/// What is told of a Connect server that doesn't answer as it should, with its address taken out.
fn connect(lab: &Served, change: impl FnOnce(Psk<'_>) -> Psk<'_>) -> String {
    let files = Files::small();
    let told = change(fanout().at(&files).inside(lab)).run().refused(12);
    assert_eq!(lab.aws_calls(), <[&str; 0]>::default());
    told
}

macro_rules! assert_told {
    ($told:expr) => {
        with_settings!({ filters => [(r"127\.0\.0\.1:\d+", "[address]")] }, {
            assert_snapshot!($told)
        })
    };
}

#[test]
fn connect_is_not_configured() {
    let (_, lab) = Served::small();
    assert_told!(connect(&lab, |psk| psk.without("OP_CONNECT_HOST")));
    assert_told!(connect(&lab, |psk| psk.without("OP_CONNECT_TOKEN")));
    assert_told!(connect(&lab, |psk| psk
        .env("OP_CONNECT_HOST", "connect.example.com")));
}

#[test]
fn connect_does_not_know_the_token() {
    let (_, lab) = Served::small();
    assert_told!(connect(&lab, |psk| psk
        .env("OP_CONNECT_TOKEN", "not-the-token")
        .hiding("not-the-token")));
    assert_eq!(lab.calls().len(), 1, "a refusal is not asked for again");
}

#[test]
fn connect_opens_another_vault_only() {
    let files = Files::small();
    let mut world = world_of(&files, "fresh");
    for token in world.connect.tokens.values_mut() {
        token.vaults = Some(Vec::new());
    }
    let lab = Served::start(world, "{}");
    assert_told!(connect(&lab, |psk| psk));
}

#[test]
fn connect_is_away() {
    let (_, lab) = Served::small();
    // A port that was free a moment ago, and that no one listens on.
    let gone = Peer::start(|_| ("200 OK", "text/plain", String::new())).url();
    assert_told!(connect(&lab, |psk| psk.env("OP_CONNECT_HOST", &gone)));
}

#[test]
fn connect_fails_again_and_again() {
    let fault = r#"{"rules":[{"service":"connect","effect":
        {"error":{"status":503,"code":"","message":"the sync server is starting"}}}]}"#;
    let (_, lab) = Served::small_with(fault);
    assert_told!(connect(&lab, |psk| psk));
    assert_eq!(lab.calls().len(), 4, "it was asked four times");
}

#[test]
fn connect_is_asked_again_where_it_is_busy_failing_or_away_for_a_moment() {
    let fault = r#"{"rules":[
        {"service":"connect","operation":"GetVaults","at":1,"effect":"throttle"},
        {"service":"connect","operation":"GetVaultItems","at":1,"effect":"reset"},
        {"service":"connect","operation":"GetVaultItemById","at":1,"effect":
          {"error":{"status":500,"code":"","message":"not now"}}}]}"#;
    let (files, lab) = Served::small_with(fault);
    fanout().at(&files).inside(&lab).run().ended(0);
    let calls = lab.calls();
    let of_connect = calls.iter().filter(|call| call.service == "connect");
    let refused = of_connect.filter(|call| call.status != Some(200)).count();
    assert_eq!(refused, 3);
}

#[test]
fn connect_answers_what_it_should_not() {
    let (_, lab) = Served::small();
    let page = format!("<html>{CANARY}</html>");
    let other = Peer::start(move |_| ("200 OK", "text/html", page.clone()));
    assert_told!(connect(&lab, |psk| psk.env("OP_CONNECT_HOST", &other.url())));
}
