//! `psk kube` against the lab, with psk and with kubectl.

use serde_json::Value as Json;

use crate::harness::{Files, Served, psk, world_of};

const CLUSTER: &str = "qa-i01-aws-us-east-1";

fn served() -> (Files, Served) {
    let files = Files::small();
    let lab = Served::start(world_of(&files, "current"), r#"{"rules":[]}"#);
    (files, lab)
}

#[test]
fn a_token_is_told_as_kubectl_asks_for_it() {
    let (files, lab) = served();
    let run = psk(["kube", "token", "--cluster", CLUSTER])
        .at(&files)
        .inside(&lab)
        .run()
        .ended(0);
    let credential: Json = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(credential["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(credential["kind"], "ExecCredential");
    let token = credential["status"]["token"].as_str().unwrap();
    assert!(token.starts_with("k8s-aws-v1."), "{token}");
    let role = "arn:aws:iam::221155668855:role/PSKRoles/PSKControlPlaneBaseRole";
    let by_role = psk([
        "kube",
        "token",
        "--cluster",
        CLUSTER,
        "--region",
        "us-east-1",
    ]);
    let run = by_role.arg("--role-arn").arg(role).inside(&lab).run();
    assert!(run.ended(0).stdout.contains("k8s-aws-v1."));
}

#[test]
fn a_role_that_is_none_is_told() {
    let run = psk([
        "kube",
        "token",
        "--cluster",
        CLUSTER,
        "--region",
        "us-east-1",
    ]);
    let told = run.arg("--role-arn").arg("PSKRole").run().refused(2);
    assert!(told.contains("is no role's ARN"), "{told}");
}

#[test]
fn a_kubeconfig_keeps_what_else_is_in_its_file() {
    let (files, lab) = served();
    let path = files.root().join("kubeconfig");
    for cluster in [CLUSTER, "qa-i01-aws-eu-west-1", CLUSTER] {
        psk(["kube", "config", "--cluster", cluster, "--file"])
            .arg(&path)
            .at(&files)
            .inside(&lab)
            .run()
            .ended(0);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("server: ").count(), 2, "{text}");
    assert!(
        text.contains("current-context: qa-i01-aws-us-east-1"),
        "{text}"
    );
    let aws = psk(["kube", "config", "--aws-cli", "--cluster", CLUSTER]);
    let run = aws.at(&files).inside(&lab).run().ended(0);
    assert!(run.stdout.contains("get-token"), "{}", run.stdout);
}
