//! `psk destroy`: what psk made goes, what it didn't make and what holds data stays.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::harness::{Files, Psk, Run, Served, psk, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// A world, and an inventory whose clusters aren't protected.
struct Scene {
    files: Files,
    lab: Served,
}

impl Scene {
    fn new(start: &str) -> Self {
        Self::of(start, Files::small())
    }

    fn of(start: &str, files: Files) -> Self {
        let files = unprotected(files);
        let lab = Served::fast(world_of(&files, start), r#"{"rules":[]}"#);
        Self { files, lab }
    }

    fn psk<'a, const N: usize>(&'a self, args: [&str; N]) -> Psk<'a> {
        psk(args)
            .arg("--cluster")
            .arg(CLUSTER)
            .at(&self.files)
            .inside(&self.lab)
    }

    fn apply(&self) -> Run {
        self.psk(["apply"]).run().ended(0)
    }

    fn destroy(&self) -> Psk<'_> {
        self.psk(["destroy", "--confirm", CLUSTER])
    }

    /// Everything that the world holds.
    fn things(&self) -> BTreeSet<String> {
        let whole = self
            .lab
            .with_world(|world| serde_json::to_value(&*world).unwrap());
        let mut things = BTreeSet::new();
        for (account, holds) in whole["accounts"].as_object().unwrap() {
            for kind in ["roles", "policies", "instance_profiles", "oidc_providers"] {
                collect(
                    &mut things,
                    &format!("{account} iam {kind}"),
                    &holds["iam"][kind],
                );
            }
            for (region, holds) in holds["regions"].as_object().unwrap() {
                for (service, kind) in KINDS {
                    let place = format!("{region} {service} {kind}");
                    collect(&mut things, &place, &holds[service][kind]);
                }
            }
        }
        things
    }

    /// What is there now and wasn't before, without ids.
    fn kinds_since(&self, before: &BTreeSet<String>) -> Vec<String> {
        let now = self.things();
        let added = now.difference(before);
        added
            .map(|thing| thing.rsplit_once(' ').unwrap().0.to_owned())
            .collect()
    }
}

fn unprotected(files: Files) -> Files {
    files.replace(
        "environments/default.yaml",
        "eks_version:",
        "deletion_protection: false\neks_version:",
    )
}

const KINDS: [(&str, &str); 11] = [
    ("eks", "clusters"),
    ("kms", "keys"),
    ("kms", "aliases"),
    ("logs", "groups"),
    ("efs", "file_systems"),
    ("efs", "mount_targets"),
    ("ec2", "security_groups"),
    ("ec2", "network_interfaces"),
    ("ec2", "launch_templates"),
    ("sqs", "queues"),
    ("events", "rules"),
];

fn collect(things: &mut BTreeSet<String>, place: &str, held: &Json) {
    let held = held.as_object().into_iter().flatten();
    // AWS makes roles for its services by itself, once an account.
    let held = held.filter(|(name, _)| !name.starts_with("AWSServiceRoleFor"));
    things.extend(held.map(|(name, _)| format!("{place} {name}")));
}

#[test]
fn all_goes_but_what_holds_data_and_a_second_time_there_is_nothing() {
    let scene = Scene::new("fresh");
    let before = scene.things();
    scene.apply();
    assert!(
        scene.things().len() > before.len() + 15,
        "{:?}",
        scene.things()
    );

    let run = scene.destroy().run().ended(0);
    let left =
        format!("left: efs_file_system {CLUSTER}-efs-csi-storage: it holds what pods have stored");
    assert!(run.stdout.contains(&left), "{}", run.stdout);
    let left =
        format!("left: kms_key eks/{CLUSTER}: without it nobody can read what it has encrypted");
    assert!(run.stdout.contains(&left), "{}", run.stdout);
    assert_eq!(
        scene.kinds_since(&before),
        [
            "us-east-1 efs file_systems",
            "us-east-1 kms aliases",
            "us-east-1 kms keys"
        ]
    );

    let again = scene.destroy().arg("--output").arg("json").run().ended(0);
    assert_eq!(again.outcomes(), [format!("{CLUSTER} unchanged")]);
    let plan = &again.cluster(CLUSTER)["plan"];
    assert_eq!(plan["warnings"][0], "nothing that psk made is there");
    assert_eq!(plan["left"].as_array().unwrap().len(), 2);

    // What was left is taken up again.
    let kept = scene.things();
    scene.apply();
    let plan = scene.psk(["plan", "--detailed-exitcode"]);
    plan.run().ended(0);
    let of = |things: &BTreeSet<String>, kind: &str| -> Vec<String> {
        things
            .iter()
            .filter(|thing| thing.contains(kind))
            .cloned()
            .collect()
    };
    for kind in ["efs file_systems", "kms keys"] {
        assert_eq!(of(&scene.things(), kind), of(&kept, kind));
    }
}

#[test]
fn data_goes_too_where_that_is_asked_for() {
    let scene = Scene::new("fresh");
    let before = scene.things();
    scene.apply();
    let run = scene.destroy().arg("--delete-data").run().ended(0);
    assert!(!run.stdout.contains("left: "), "{}", run.stdout);
    // KMS keeps a key that is to be deleted for thirty days.
    assert_eq!(scene.kinds_since(&before), ["us-east-1 kms keys"]);
}

#[test]
fn a_protected_cluster_stays_whole() {
    let files = Files::small();
    let lab = Served::fast(world_of(&files, "current"), r#"{"rules":[]}"#);
    let scene = Scene { files, lab };
    let before = scene.things();
    let run = scene.destroy().run().ended(10);
    assert!(
        run.stdout.contains("its deletion protection is set"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("nothing had been changed"),
        "{}",
        run.stdout
    );
    assert_eq!(scene.things(), before);
    let writes = scene.lab.aws_calls();
    let writes: Vec<_> = writes
        .iter()
        .filter(|call| call.contains(":Delete"))
        .collect();
    assert_eq!(writes, [""; 0]);
}

#[test]
fn what_terraform_made_stays() {
    let scene = Scene::new("adopted");
    let before = scene.things();
    scene.apply();
    let run = scene.destroy().run().ended(0);
    let after = scene.things();
    let gone: Vec<_> = before.difference(&after).collect();
    assert_eq!(gone, [""; 0], "{}", run.stdout);
    for kind in [
        "eks_cluster",
        "eks_nodegroup",
        "sqs_queue",
        "efs_file_system",
        "kms_key",
    ] {
        assert!(
            run.stdout.contains(&format!("left: {kind} ")),
            "{kind}: {}",
            run.stdout
        );
    }
}

#[test]
fn a_destroy_that_was_killed_goes_on_where_it_stopped() {
    for operation in [
        "DeleteAddon",
        "DeleteNodegroup",
        "DeleteMountTarget",
        "DeleteCluster",
    ] {
        let scene = Scene::new("current");
        let kept = {
            let scene = Scene::new("current");
            scene.destroy().run().ended(0);
            scene.things().len()
        };
        let running = scene.destroy().start();
        scene.lab.wait_for(|call| call.operation == operation);
        running.signal("KILL");
        assert_eq!(running.finish().code, None);
        scene.destroy().run().ended(0);
        assert_eq!(
            scene.things().len(),
            kept,
            "{operation}: {:?}",
            scene.things()
        );
    }
}

#[test]
fn what_would_go_can_be_seen_first() {
    let scene = Scene::new("current");
    let before = scene.things();
    let run = scene.psk(["destroy", "--dry-run"]).run().ended(0);
    assert!(
        run.stdout.contains(&format!("  - eks_cluster {CLUSTER}")),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("left: efs_file_system"),
        "{}",
        run.stdout
    );
    assert_eq!(scene.things(), before);
}

#[test]
fn the_item_with_its_outputs_stays_and_is_told() {
    let account = "{{ op://empc-lab/aws-nonprod/aws-account-id }}";
    let client = "{{ op://empc-lab/svc-auth0/pskctl-cli-client-id }}";
    // Only a rollout needs a value of the vault.
    let token = "{{ op://empc-lab/svc-slack/post-bot-token }}";
    let keeping_outputs_in = |vault: &str| {
        let pipeline = format!(
            "name: psk-test\noutputs: {{ vault: {vault}, item: \"psk-aws-{{{{ cluster }}}}\" }}\n\
             notify: {{ slack_channel: lab-events, slack_token: \"{token}\" }}\n"
        );
        Files::small()
            .with("psk.yaml", &pipeline)
            .replace("environments/default.yaml", account, "221155668855")
            .replace("environments/default.yaml", client, "client")
    };
    let scene = Scene::of("current", keeping_outputs_in("empc-lab"));
    let left = |run: Run| -> Vec<String> {
        let left = run.cluster(CLUSTER)["plan"]["left"].clone();
        let left = left.as_array().unwrap().iter();
        left.map(|left| {
            format!(
                "{} {}",
                left["kind"].as_str().unwrap(),
                left["name"].as_str().unwrap()
            )
        })
        .filter(|left| left.starts_with("onepassword_item"))
        .collect()
    };
    let look = || {
        scene
            .psk(["destroy", "--dry-run"])
            .arg("--output")
            .arg("json")
    };
    assert!(left(look().run().ended(0)).is_empty());
    scene.psk(["outputs"]).run().ended(0);
    let item = format!("onepassword_item psk-aws-{CLUSTER}");
    assert_eq!(left(look().run().ended(0)), [item.as_str()]);

    // Whoever can't look there can destroy all the same.
    let run = look().without("OP_CONNECT_TOKEN").run().ended(0);
    let told = "warning: 1Password isn't asked for the cluster's outputs: ";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let elsewhere = unprotected(keeping_outputs_in("nobodys"));
    let run = look().at(&elsewhere).run().ended(0);
    let warnings = run.cluster(CLUSTER)["warnings"].to_string();
    assert!(
        warnings.contains("whether vault nobodys still has"),
        "{warnings}"
    );
    assert!(left(run).is_empty());
    let run = scene.destroy().run().ended(0);
    let told = format!("left: {item}: what others read of the cluster is in it");
    assert!(run.stdout.contains(&told), "{}", run.stdout);
    let titles = scene.lab.with_world(|world| {
        let items = world.connect.vaults.iter().flat_map(|vault| &vault.items);
        items.map(|item| item.title.clone()).collect::<Vec<_>>()
    });
    assert!(titles.contains(&format!("psk-aws-{CLUSTER}")), "{titles:?}");
}

#[test]
fn it_is_confirmed_by_name() {
    let files = Files::small();
    let other = psk([
        "destroy",
        "--cluster",
        CLUSTER,
        "--confirm",
        "qa-i02-aws-us-east-1",
    ]);
    let told = other.at(&files).run().refused(2);
    assert!(
        told.contains(&format!("--confirm doesn't name {CLUSTER}")),
        "{told}"
    );
    let none = psk(["destroy", "--cluster", CLUSTER])
        .at(&files)
        .run()
        .refused(2);
    assert!(none.contains("--confirm <CLUSTER>"), "{none}");
}
