//! `psk verify` against the lab: for every check a world in which it fails, and says why.

use jiff::Timestamp;
use psk_lab::kubernetes::Inside;
use psk_lab::world::World;
use serde_json::{Value as Json, json};

use crate::harness::{Files, Run, Served, psk, world_of};

const ACCOUNT: &str = "221155668855";
const REGION: &str = "us-east-1";
const CLUSTER: &str = "qa-i01-aws-us-east-1";

/// The small inventory, in which no check waits long for what won't come.
fn files() -> Files {
    Files::small().with("environments/qa.yaml", "verify: { deadline: 300ms }\n")
}

/// A world in which something of the cluster's account and region isn't as it should be.
fn broken(files: &Files, start: &str, breaks: impl FnOnce(&mut Json)) -> Served {
    let mut world = serde_json::to_value(world_of(files, start)).unwrap();
    let place = format!("/accounts/{ACCOUNT}");
    breaks(world.pointer_mut(&place).unwrap());
    let world: World = serde_json::from_value(world).unwrap();
    Served::start(world, r#"{"rules":[]}"#)
}

/// A world in which something inside the cluster isn't as it should be.
fn inside(files: &Files, breaks: impl FnOnce(&mut Inside)) -> Served {
    let lab = Served::start(world_of(files, "current"), r#"{"rules":[]}"#);
    change(&lab, breaks);
    lab
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab's time is made of real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn change(lab: &Served, breaks: impl FnOnce(&mut Inside)) {
    lab.with_world(|world| {
        let inside = world.kubernetes(ACCOUNT, REGION, CLUSTER, now());
        breaks(inside.unwrap());
    });
}

fn verify(files: &Files, lab: &Served, check: &str) -> Run {
    psk(["verify", "--output", "json", "--cluster", CLUSTER, "--only"])
        .arg(check)
        .at(files)
        .inside(lab)
        .run()
}

/// The check fails, and the message names the cause, in the report as in the failure.
fn fails(files: &Files, lab: &Served, check: &str, cause: &str) {
    let run = verify(files, lab, check).ended(10);
    let cluster = run.cluster(CLUSTER);
    let told = &cluster["checks"][0];
    assert_eq!(told["name"], check);
    assert_eq!(told["outcome"], "failed", "{told:#}");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains(cause), "no {cause:?} in {message:?}");
    assert_eq!(cluster["failure"]["step"], "verify");
    let first = cause.lines().next().unwrap();
    let failure = cluster["failure"]["cause"].as_str().unwrap();
    assert!(failure.contains(first), "no {first:?} in {failure:?}");
}

fn passes(files: &Files, lab: &Served, check: &str) {
    let run = verify(files, lab, check).ended(0);
    let told = run.cluster(CLUSTER)["checks"][0].clone();
    assert_eq!(
        (&told["name"], &told["outcome"]),
        (&json!(check), &json!("passed"))
    );
}

fn region(account: &mut Json) -> &mut Json {
    account.pointer_mut(&format!("/regions/{REGION}")).unwrap()
}

fn cluster(account: &mut Json) -> &mut Json {
    let path = format!("/eks/clusters/{CLUSTER}");
    region(account).pointer_mut(&path).unwrap()
}

fn without(of: &mut Json, path: &str, name: &str) {
    let all = of.pointer_mut(path).unwrap().as_object_mut().unwrap();
    assert!(
        all.remove(name).is_some(),
        "{path} has no {name}: {:?}",
        all.keys()
    );
}

#[test]
fn a_right_cluster_passes_the_checks_of_its_aws_side() {
    let files = files();
    let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
    for check in [
        "aws-cluster",
        "aws-roles",
        "aws-file-system",
        "aws-queue",
        "aws-node-group",
        "aws-addons",
    ] {
        passes(&files, &lab, check);
    }
}

#[test]
fn a_cluster_at_another_version_fails() {
    let files = files();
    let lab = broken(&files, "behind", |_| {});
    fails(
        &files,
        &lab,
        "aws-cluster",
        "it runs Kubernetes 1.34, not 1.35",
    );
}

#[test]
fn a_cluster_that_is_not_there_fails() {
    let files = files();
    let lab = broken(&files, "fresh", |_| {});
    fails(
        &files,
        &lab,
        "aws-cluster",
        "there is no cluster qa-i01-aws-us-east-1",
    );
}

#[test]
fn a_role_that_is_gone_fails() {
    let files = files();
    let role = format!("{CLUSTER}-efs-csi-controller-sa");
    let lab = broken(&files, "current", |account| {
        without(account, "/iam/roles", &role)
    });
    fails(
        &files,
        &lab,
        "aws-roles",
        "of service account kube-system/efs-csi-controller-sa doesn't exist",
    );
}

#[test]
fn a_file_system_that_is_gone_fails() {
    let files = files();
    let lab = broken(&files, "current", |account| {
        region(account)["efs"]["file_systems"] = json!({});
    });
    fails(
        &files,
        &lab,
        "aws-file-system",
        "there is no file system qa-i01-aws-us-east-1-efs-csi-storage",
    );
}

#[test]
fn a_queue_that_is_gone_fails() {
    let files = files();
    let queue = format!("Karpenter-{CLUSTER}");
    let lab = broken(&files, "current", |account| {
        without(region(account), "/sqs/queues", &queue);
    });
    fails(
        &files,
        &lab,
        "aws-queue",
        "there is no queue Karpenter-qa-i01-aws-us-east-1",
    );
}

#[test]
fn a_node_group_that_is_gone_fails() {
    let files = files();
    let lab = broken(&files, "current", |account| {
        without(cluster(account), "/nodegroups", "management");
    });
    fails(
        &files,
        &lab,
        "aws-node-group",
        "there is no node group management",
    );
}

#[test]
fn an_addon_that_is_gone_fails() {
    let files = files();
    let lab = broken(&files, "current", |account| {
        without(cluster(account), "/addons", "coredns");
    });
    fails(&files, &lab, "aws-addons", "there is no add-on coredns");
}

#[test]
fn namespaces_have_to_be_there() {
    let files = files();
    let lab = inside(&files, |inside| {
        inside.delete("namespaces", None, "psk-system");
        inside.delete("namespaces", None, "karpenter");
    });
    fails(
        &files,
        &lab,
        "namespaces",
        "there is no namespace psk-system\nthere is no namespace karpenter",
    );
    change(&lab, |inside| {
        for name in ["psk-system", "karpenter"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}});
            assert!(inside.put(namespace, now()));
        }
    });
    passes(&files, &lab, "namespaces");
}

#[test]
fn the_binding_has_to_name_the_group_and_the_role() {
    let files = files();
    let binding = |role: &str, group: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "psk-admin-clusterrolebinding"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        })
    };
    let lab = inside(&files, |inside| {
        inside.delete(
            "clusterrolebindings.rbac.authorization.k8s.io",
            None,
            "psk-admin-clusterrolebinding",
        );
    });
    fails(
        &files,
        &lab,
        "admin-binding",
        "there is no ClusterRoleBinding psk-admin-clusterrolebinding",
    );
    let group = "ThoughtWorks-DPS/twdps-core-labs-team";
    change(&lab, |inside| {
        assert!(inside.put(binding("view", group), now()))
    });
    fails(
        &files,
        &lab,
        "admin-binding",
        "gives view, not cluster-admin",
    );
    change(&lab, |inside| {
        assert!(inside.put(binding("cluster-admin", "others"), now()))
    });
    fails(
        &files,
        &lab,
        "admin-binding",
        "doesn't name the group ThoughtWorks-DPS/twdps-core-labs-team",
    );
    change(&lab, |inside| {
        assert!(inside.put(binding("cluster-admin", group), now()))
    });
    passes(&files, &lab, "admin-binding");
}

#[test]
fn both_storage_classes_have_to_be_of_their_drivers() {
    let files = files();
    let class = |kind: &str, driver: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": format!("{CLUSTER}-{kind}-csi-storage-class")}, "provisioner": driver})
    };
    let lab = inside(&files, |inside| {
        for kind in ["ebs", "efs"] {
            let name = format!("{CLUSTER}-{kind}-csi-storage-class");
            inside.delete("storageclasses.storage.k8s.io", None, &name);
        }
    });
    fails(
        &files,
        &lab,
        "storage-classes",
        "there is no StorageClass qa-i01-aws-us-east-1-efs-csi-storage-class",
    );
    change(&lab, |inside| {
        assert!(inside.put(class("ebs", "ebs.csi.aws.com"), now()));
        assert!(inside.put(class("efs", "kubernetes.io/nfs"), now()));
    });
    fails(
        &files,
        &lab,
        "storage-classes",
        "is of kubernetes.io/nfs, not efs.csi.aws.com",
    );
}

#[test]
fn what_should_run_has_to_be_there() {
    let files = files();
    for (check, kind, plural, name) in [
        ("kube-proxy", "DaemonSet", "daemonsets.apps", "kube-proxy"),
        ("aws-node", "DaemonSet", "daemonsets.apps", "aws-node"),
        ("coredns", "Deployment", "deployments.apps", "coredns"),
        (
            "ebs-csi-node",
            "DaemonSet",
            "daemonsets.apps",
            "ebs-csi-node",
        ),
        (
            "ebs-csi-controller",
            "Deployment",
            "deployments.apps",
            "ebs-csi-controller",
        ),
        (
            "efs-csi-node",
            "DaemonSet",
            "daemonsets.apps",
            "efs-csi-node",
        ),
        (
            "efs-csi-controller",
            "Deployment",
            "deployments.apps",
            "efs-csi-controller",
        ),
        (
            "eks-pod-identity-agent",
            "DaemonSet",
            "daemonsets.apps",
            "eks-pod-identity-agent",
        ),
        ("karpenter", "Deployment", "deployments.apps", "karpenter"),
    ] {
        let lab = inside(&files, |inside| {
            drop(inside.delete(plural, Some("kube-system"), name))
        });
        let cause = format!("there is no {kind} kube-system/{name}");
        fails(&files, &lab, check, &cause);
    }
}

#[test]
fn what_builds_on_a_check_that_failed_is_skipped_with_why() {
    let files = files();
    let lab = inside(&files, |inside| {
        let name = format!("{CLUSTER}-efs-csi-storage-class");
        inside.delete("storageclasses.storage.k8s.io", None, &name);
    });
    let run = psk([
        "verify",
        "--cluster",
        CLUSTER,
        "--only",
        "storage-classes",
        "--only",
    ])
    .arg("efs-shared")
    .at(&files)
    .inside(&lab)
    .run()
    .ended(10);
    let why = "check efs-shared skipped: it builds on storage-classes, which didn't pass";
    assert!(run.stdout.contains(why), "{}", run.stdout);
}

#[test]
fn an_api_server_that_does_not_know_psk_is_told_with_what_to_do() {
    let files = files();
    let lab = broken(&files, "current", |account| {
        let access = cluster(account).get_mut("access_entries").unwrap();
        *access = json!({});
    });
    fails(
        &files,
        &lab,
        "namespaces",
        "the API server doesn't know the role that psk assumes",
    );
}

#[test]
fn a_check_that_does_not_exist_is_named_with_those_that_do() {
    let run = psk(["verify", "--role", "qa", "--only", "node"]).run();
    let told = run.refused(2);
    assert!(told.contains("there is no check \"node\""), "{told}");
    assert!(told.contains("node-amd64"), "{told}");
}

#[test]
fn checks_are_written_as_junit_a_suite_for_each_cluster() {
    let files = files();
    let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
    let path = files.root().join("checks.xml");
    psk(["verify", "--role", "qa", "--only", "aws-queue", "--junit"])
        .arg(&path)
        .at(&files)
        .inside(&lab)
        .run()
        .ended(0);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("<testsuite ").count(), 3, "{text}");
    assert_eq!(
        text.matches("<testcase name=\"aws-queue\"").count(),
        3,
        "{text}"
    );
}
