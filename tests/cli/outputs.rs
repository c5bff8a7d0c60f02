//! What others need to know of clusters is in 1Password after a rollout, whatever Connect did meanwhile.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use psk_lab::connect::{Field, FieldType, Item, Purpose};
use psk_lab::world::World;
use serde_json::{Value as Json, json};

use crate::harness::{Files, Psk, Served, fake_op, psk, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

fn files() -> Files {
    Files::small().with(
        "psk.yaml",
        "name: psk-test\noutputs: { vault: empc-lab, item: \"psk-aws-{{ cluster }}\" }\n",
    )
}

/// Every cluster as its settings ask for it, and nothing of it in the vault.
fn world() -> World {
    world_of(&files(), "current")
}

fn run<'a, const N: usize>(args: [&str; N], files: &Files, lab: &'a Served) -> Psk<'a> {
    psk(args).at(files).inside(lab)
}

/// The fields of a cluster's item; none if it has no item.
fn kept(lab: &Served, cluster: &str) -> BTreeMap<String, String> {
    lab.with_world(|world| {
        let items = world.connect.vaults.iter().flat_map(|vault| &vault.items);
        let titled = items.filter(|item| item.title == format!("psk-aws-{cluster}"));
        let fields = titled.flat_map(|item| &item.fields);
        fields
            .map(|field| (field.label.clone(), field.value.clone()))
            .collect()
    })
}

/// The commit that a job in the lab rolls out.
fn commit(lab: &Served) -> String {
    lab.with_world(|world| {
        let repository = &world.github.repositories[0];
        repository.branches[&repository.default_branch].clone()
    })
}

fn writes(lab: &Served) -> Vec<String> {
    let calls = lab.calls().into_iter();
    calls
        .filter(|call| call.service == "connect" && !call.operation.starts_with("Get"))
        .map(|call| call.operation)
        .collect()
}

#[test]
fn a_rollout_ends_with_each_clusters_outputs() {
    let (files, lab) = (files(), Served::rushing(world(), r#"{"rules":[]}"#));
    let report = run(["apply", "--role", "qa", "--output", "json"], &files, &lab)
        .run()
        .ended(0);
    let kept = kept(&lab, CLUSTER);
    let (id, efs) = lab.with_world(|world| {
        let region = world.region("221155668855", "us-east-1");
        let eks = serde_json::to_value(&region.eks).unwrap();
        let efs = serde_json::to_value(&region.efs).unwrap();
        (eks["clusters"][CLUSTER]["id"].clone(), efs)
    });
    let id = id.as_str().unwrap();
    assert_eq!(
        kept["cluster-oidc-issuer-url"],
        format!("https://oidc.eks.us-east-1.amazonaws.com/id/{id}")
    );
    // What another way of asking EKS gives.
    let config = run(["kube", "config", "--cluster", CLUSTER], &files, &lab);
    let config = config.run().ended(0).stdout;
    for label in ["cluster-url", "base64-certificate-authority-data"] {
        assert!(config.contains(kept[label].as_str()), "{label} {config}");
    }
    let file_system = &kept["eks-efs-csi-storage-id"];
    assert!(
        efs.to_string().contains(&format!("\"{file_system}\"")),
        "{file_system}"
    );
    assert_eq!(
        kept["cluster-arn"],
        format!("arn:aws:eks:us-east-1:221155668855:cluster/{CLUSTER}")
    );
    assert_eq!(kept["eks-version"], "1.35");
    assert_eq!(
        kept["karpenter-node-role-name"],
        format!("Karpenter-{CLUSTER}")
    );
    assert_eq!(kept["release-sha"], commit(&lab));
    let kubeconfig = BASE64.decode(kept["kubeconfig-base64"].as_bytes()).unwrap();
    let kubeconfig = String::from_utf8(kubeconfig).unwrap();
    assert!(
        kubeconfig.contains(kept["cluster-url"].as_str()),
        "{kubeconfig}"
    );
    assert!(kubeconfig.contains("get-token"), "{kubeconfig}");
    assert_eq!(kept.len(), 9);

    let told = report.cluster(CLUSTER);
    assert_eq!(told["outputs"]["written"], "made");
    assert_eq!(
        told["outputs"]["fields"]["cluster-url"],
        *kept["cluster-url"]
    );
    assert_eq!(told["outputs"]["fields"]["kubeconfig-base64"], "***");
    assert_eq!(writes(&lab), ["CreateVaultItem"; 3]);

    // What is there already is read, and not written.
    run(["apply", "--role", "qa"], &files, &lab).run().ended(0);
    assert_eq!(writes(&lab).len(), 3);
}

#[test]
fn fields_that_psk_does_not_know_stay_as_they_are() {
    let mut world = world();
    let (now, field) = (
        world.clock.base(),
        |id: &str, kind, label: &str, value: &str| Field {
            id: id.into(),
            section: None,
            kind,
            purpose: Purpose::None,
            label: label.into(),
            value: value.into(),
        },
    );
    let vault = &mut world.connect.vaults[0];
    let item = Item {
        id: "abcdefghijklmnopqrstuvwxyz".into(),
        title: format!("psk-aws-{CLUSTER}"),
        tags: vec!["mine".into()],
        favorite: true,
        created: now,
        updated: now,
        version: 4,
        fields: vec![
            field(
                "a",
                FieldType::Totp,
                "one-time password",
                "otpauth://totp/x",
            ),
            field("b", FieldType::String, "eks-version", "1.34"),
            field("c", FieldType::Concealed, "notes", ""),
        ],
        ..vault.items[0].clone()
    };
    vault.items.push(item.clone());
    let (files, lab) = (files(), Served::start(world, r#"{"rules":[]}"#));
    let one = ["outputs", "--cluster", CLUSTER];
    let text = run(one, &files, &lab).run().ended(0).stdout;
    assert!(
        text.contains("outputs: item psk-aws-qa-i01-aws-us-east-1 of vault empc-lab changed"),
        "{text}"
    );
    assert!(
        text.contains("kubeconfig-base64                  ***\n"),
        "{text}"
    );
    assert_eq!(writes(&lab), ["PatchVaultItem"]);
    let after = lab.with_world(|world| {
        let items = &world.connect.vaults[0].items;
        items.iter().find(|i| i.id == item.id).unwrap().clone()
    });
    assert_eq!(after.version, 5);
    assert_eq!((&after.tags, after.favorite), (&item.tags, true));
    assert_eq!(after.fields[0], item.fields[0]);
    assert_eq!(after.fields[2], item.fields[2]);
    assert_eq!(after.fields[1].value, "1.35");
    assert_eq!(after.fields[1].id, "b");
}

#[test]
fn a_dry_run_tells_what_would_be_written() {
    let (files, lab) = (files(), Served::start(world(), r#"{"rules":[]}"#));
    let run = run(
        ["outputs", "--role", "prod", "--dry-run", "--output", "json"],
        &files,
        &lab,
    )
    .run()
    .ended(0);
    let told = run.cluster("prod-i01-aws-us-west-2");
    assert_eq!(
        (&told["outcome"], &told["outputs"]["written"]),
        (&json!("changed"), &json!("made"))
    );
    assert_eq!(told["steps"][2]["step"], "outputs");
    assert_eq!(writes(&lab), [""; 0]);
}

#[test]
fn with_connect_away_at_the_start_nothing_is_touched() {
    let faults = r#"{"rules":[{"service":"connect","operation":"GetVaults","effect":"reset"}]}"#;
    let (files, lab) = (files(), Served::start(world(), faults));
    let told = run(["apply", "--role", "qa"], &files, &lab)
        .run()
        .refused(12);
    assert!(
        told.contains("1Password Connect at http://127.0.0.1"),
        "{told}"
    );
    assert_eq!(lab.aws_calls(), [""; 0]);
}

#[test]
fn a_vault_that_is_not_there_stops_a_rollout_before_anything_is_touched() {
    let files = files().replace("psk.yaml", "vault: empc-lab", "vault: absent");
    let lab = Served::start(world(), r#"{"rules":[]}"#);
    let told = run(["apply", "--role", "qa"], &files, &lab)
        .run()
        .refused(12);
    assert!(
        told.contains("looking where outputs are kept: the token sees no vault \"absent\""),
        "{told}"
    );
    assert_eq!(lab.aws_calls(), [""; 0]);

    let files = files.replace("psk.yaml", "psk-aws-{{ cluster }}", "psk-aws-{{ role }}");
    let told = run(["apply", "--role", "qa"], &files, &lab)
        .run()
        .refused(12);
    assert!(told.contains("is \"psk-aws-qa\" for both "), "{told}");
}

#[test]
fn with_connect_away_at_the_end_nothing_is_lost_and_outputs_repairs_it() {
    // It is away from the first item of a cluster on that is asked for.
    let faults = r#"{"rules":[{"service":"connect","contains":"psk-aws-","effect":
        {"error":{"status":503,"code":"","message":"sync is down"}}}]}"#;
    let (files, lab) = (
        files(),
        Served::rushing(world_of(&files(), "behind"), faults),
    );
    let failed = run(
        ["apply", "--cluster", CLUSTER, "--output", "json"],
        &files,
        &lab,
    )
    .run()
    .ended(10);
    let failure = failed.cluster(CLUSTER)["failure"].clone();
    assert_eq!(failure["step"], "outputs");
    assert!(
        failure["cause"]
            .as_str()
            .unwrap()
            .contains("answered 503: sync is down"),
        "{failure}"
    );
    let changed = failure["already_changed"].as_array().unwrap();
    assert!(!changed.is_empty(), "{failure}");
    let next = failure["next"].as_str().unwrap();
    let command = format!("psk outputs --cluster {CLUSTER}");
    assert!(next.contains(&command), "{next}");

    let world = lab.with_world(|world| world.clone());
    let lab = Served::rushing(world, r#"{"rules":[]}"#);
    run(["outputs", "--cluster", CLUSTER], &files, &lab)
        .run()
        .ended(0);
    assert_eq!(kept(&lab, CLUSTER)["eks-version"], "1.35");
    let again = run(
        ["apply", "--cluster", CLUSTER, "--output", "json"],
        &files,
        &lab,
    )
    .run()
    .ended(0);
    let again = again.cluster(CLUSTER);
    assert_eq!(
        (&again["outcome"], &again["outputs"]["written"]),
        (&json!("unchanged"), &json!("unchanged"))
    );
}

#[test]
fn conflicts_limits_and_lost_answers_in_the_middle_are_got_over() {
    let faults = r#"{"rules":[
        {"service":"connect","operation":"CreateVaultItem","at":1,"effect":"reset_after"},
        {"service":"connect","operation":"CreateVaultItem","at":2,"effect":"throttle"},
        {"service":"connect","operation":"CreateVaultItem","at":3,"effect":
          {"error":{"status":409,"code":"","message":"Internal server conflict"}}},
        {"service":"connect","operation":"GetVaultItem*","at":5,"effect":"reset"}]}"#;
    let (files, lab) = (files(), Served::start(world(), faults));
    run(["outputs", "--role", "qa"], &files, &lab)
        .run()
        .ended(0);
    let titles = lab.with_world(|world| {
        let items = world.connect.vaults.iter().flat_map(|vault| &vault.items);
        let titles = items.map(|item| item.title.clone());
        titles
            .filter(|title| title.starts_with("psk-aws-"))
            .collect::<Vec<_>>()
    });
    assert_eq!(titles.len(), 3, "no item is made twice: {titles:?}");
    assert_eq!(kept(&lab, CLUSTER).len(), 8);
}

#[test]
fn two_runs_at_once_into_one_vault_keep_all_values() {
    let faults = r#"{"rules":[{"service":"connect","operation":"CreateVaultItem","effect":{"latency_ms":30}}]}"#;
    let (files, lab) = (files(), Served::start(world(), faults));
    let qa = run(["outputs", "--role", "qa"], &files, &lab).start();
    let prod = run(["outputs", "--role", "prod"], &files, &lab).start();
    qa.finish().ended(0);
    prod.finish().ended(0);
    for cluster in [
        "qa-i01-aws-us-east-1",
        "qa-i02-aws-us-east-1",
        "qa-i01-aws-eu-west-1",
        "prod-i01-aws-us-east-1",
        "prod-i01-aws-us-west-2",
    ] {
        let kept = kept(&lab, cluster);
        assert_eq!(kept.len(), 8, "{cluster}");
        assert!(kept["cluster-arn"].ends_with(cluster));
    }
}

#[test]
fn clusters_are_found_by_what_is_kept_of_them() {
    let (files, lab) = (files(), Served::rushing(world(), r#"{"rules":[]}"#));
    run(["apply", "--cluster", CLUSTER], &files, &lab)
        .run()
        .ended(0);
    let before = lab.aws_calls().len();
    let list = run(["clusters", "--output", "json"], &files, &lab)
        .run()
        .ended(0);
    let list: Json = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 5);
    let all = list.as_array().unwrap();
    let found = all.iter().find(|found| found["name"] == CLUSTER).unwrap();
    let kept = kept(&lab, CLUSTER);
    assert_eq!(
        *found,
        json!({
            "name": CLUSTER, "role": "qa", "region": "us-east-1", "account": "221155668855",
            "item": format!("psk-aws-{CLUSTER}"), "eks_version": "1.35",
            "cluster_url": kept["cluster-url"], "efs_id": kept["eks-efs-csi-storage-id"],
            "release_sha": commit(&lab),
        })
    );
    let text = run(["clusters", "--role", "qa"], &files, &lab)
        .run()
        .ended(0)
        .stdout;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(
        text.contains(&format!("{}\n", &commit(&lab)[..10])),
        "{text}"
    );
    assert_eq!(lab.aws_calls().len(), before, "only 1Password is asked");
}

#[test]
fn with_a_service_account_outputs_go_through_the_cli() {
    let (files, lab) = (files(), Served::start(world(), r#"{"rules":[]}"#));
    let files = files
        .replace(
            "environments/default.yaml",
            "\"{{ op://empc-lab/aws-nonprod/aws-account-id }}\"",
            "\"221155668855\"",
        )
        .replace(
            "environments/default.yaml",
            "\"{{ op://empc-lab/svc-auth0/pskctl-cli-client-id }}\"",
            "\"id\"",
        );
    let op = fake_op(
        "'vault list') echo '[{\"id\":\"v1\",\"name\":\"empc-lab\"}]';;\n\
         'item list') [ -f item ] && echo '[{\"id\":\"i1\",\"title\":\"psk-aws-qa-i01-aws-us-east-1\"}]' || echo '[]';;\n\
         'item create') sed 's/^{/{\"id\":\"i1\",/; s/\"label\":\"\\([^\"]*\\)\"/\"id\":\"\\1\",&/g' > item; cat item;;\n\
         'item edit') cat > next; mv next item; cat item;;\n\
         'item get') cat item;;",
    );
    let outputs = || {
        run(["outputs", "--cluster", CLUSTER], &files, &lab)
            .without("OP_CONNECT_HOST")
            .without("OP_CONNECT_TOKEN")
            .env("PATH", &op.path())
            .env("OP_SERVICE_ACCOUNT_TOKEN", "ops_secret")
            .hiding("ops_secret")
            .run()
            .ended(0)
    };
    outputs();
    let made = op.file("item");
    assert!(made.contains(&format!("cluster/{CLUSTER}")), "{made}");
    op.keep("item", &made.replace("\"1.35\"", "\"1.34\""));
    outputs();
    assert_eq!(op.file("item").matches("\"1.35\"").count(), 1);
    outputs();
    let runs = op.runs();
    let edits: Vec<_> = runs
        .iter()
        .filter(|run| !run.contains(" get ") && !run.contains(" list"))
        .collect();
    assert_eq!(
        edits,
        [
            "item create - --vault v1 --format json",
            "item edit i1 --vault v1 --format json",
        ]
    );
}
