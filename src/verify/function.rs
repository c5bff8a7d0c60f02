//! Checks that a cluster does its work: nodes come when pods need them, volumes are made, written,
//! shared and grown. Pods check themselves: they write, read and compare, and end with an exit code.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Subject;
use super::check::Finding;
use super::evidence;
use super::room::Room;
use crate::calls;
use crate::kubernetes::baseline::names;
use crate::kubernetes::{Access, Selection, Waited, Watched, kinds, typed};

type Checked = BoxFuture<'static, Result<(), Finding>>;

/// The label by which Karpenter says which pool a node is of.
const POOL: &str = "karpenter.sh/nodepool";

/// Where pods find their volume.
const DATA: &str = "/data";

/// Where the pod of the block check finds its device.
const DEVICE: &str = "/dev/psk";

/// Writes a file and reads it back, from the volume and not from memory alone.
const WRITES: &str = r#"
set -eu
echo "$POD_NAME" > /data/"$POD_NAME"
sync
[ "$(cat /data/"$POD_NAME")" = "$POD_NAME" ]
echo "$POD_NAME wrote and read"
"#;

/// Writes a file, waits until the file system under it has grown, and finds the file again.
const GROWS: &str = r#"
set -eu
echo "$POD_NAME" > /data/file
sync
until [ "$(df -P -k /data | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2)" -ge "$GROWN_KIB" ]; do sleep 1; done
[ "$(cat /data/file)" = "$POD_NAME" ]
echo "the file system has grown"
"#;

/// Writes to a device, not to a file in its place, and reads as much back.
const BLOCKS: &str = r#"
set -eu
blockdev --getsize64 /dev/psk
dd if=/dev/zero of=/dev/psk bs=1M count="$MIB" conv=fsync
[ "$(dd if=/dev/psk bs=1M count="$MIB" | wc -c)" -eq "$BYTES" ]
echo "$MIB MiB written and read"
"#;

/// Writes a file of its own and waits for the other pod's.
const SHARES: &str = r#"
set -eu
echo "$POD_NAME" > /data/"$POD_NAME"
sync
until [ -s /data/"$OTHER" ]; do sleep 1; done
[ "$(cat /data/"$OTHER")" = "$OTHER" ]
echo "$POD_NAME has read what $OTHER wrote"
"#;

/// A deployment for amd64 gets a node from Karpenter.
pub(super) fn node_amd64(subject: Arc<Subject>, deadline: Instant) -> Checked {
    node_for(subject, "amd64", deadline)
}

/// A deployment for arm64 gets a node from Karpenter.
pub(super) fn node_arm64(subject: Arc<Subject>, deadline: Instant) -> Checked {
    node_for(subject, "arm64", deadline)
}

fn node_for(subject: Arc<Subject>, arch: &'static str, deadline: Instant) -> Checked {
    async move {
        let settings = &subject.settings.verify;
        let mut selector = json!({ "kubernetes.io/arch": arch });
        if let Some(selector) = selector.as_object_mut() {
            let more = settings.node_selector.iter();
            selector.extend(more.map(|(k, v)| (k.clone(), v.clone().into())));
        }
        let mut pod = pod_spec(&subject, "exec sleep 3600", &[]);
        pod["nodeSelector"] = selector;
        pod["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [{ "key": POOL, "operator": "Exists" }] }] } } });
        // Its end is not waited for: it has nothing to lose.
        pod["terminationGracePeriodSeconds"] = json!(0);
        let labels = json!({ "app": "node" });
        let deployment = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "node" },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": labels },
                "template": { "metadata": { "labels": labels }, "spec": pod },
            },
        });
        in_a_room(&subject, &format!("node-{arch}"), "restricted", |access, room| async move {
            access.create(&kinds::DEPLOYMENT, Some(&room), &deployment).await?;
            let watched = of_room(&kinds::POD, &room);
            let waited = access
                .watch_until(&watched, deadline, |pods| {
                    let pods = pods.values().filter_map(|pod| typed::<Pod>(pod).ok());
                    let mut ready = pods.filter(evidence::is_ready);
                    ready.find_map(|pod| pod.spec?.node_name)
                })
                .await?;
            let Waited::Met(node) = waited else {
                return Err(Finding::new(format!("no {arch} pod became ready in time")));
            };
            let found: Node = access.get(&kinds::NODE, None, &node).await?;
            let labels = found.metadata.labels.unwrap_or_default();
            let runs = labels.get("kubernetes.io/arch").map_or("", String::as_str);
            if runs != arch || !labels.contains_key(POOL) {
                let cause = format!("the {arch} pod runs on {node}, which is no {arch} node of Karpenter's");
                return Err(Finding::new(cause));
            }
            Ok(())
        })
        .await
    }
    .boxed()
}

/// A claim of EBS binds, a pod writes to it, and it grows under the pod.
pub(super) fn ebs_volume(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let settings = &subject.settings.verify;
        let (small, large) = (settings.ebs_size.clone(), settings.ebs_grown.clone());
        let class = names::ebs_class(subject.cluster());
        let claim = claim("data", &class, "ReadWriteOnce", "Filesystem", small.as_str());
        // A file system keeps some of its volume for itself.
        let grown = large.bytes() / 1024 / 10 * 9;
        let mut spec = pod_spec(&subject, GROWS, &[("GROWN_KIB", grown.to_string())]);
        mount(&mut spec, "data");
        let pod = pod("writer", spec, deadline);
        in_a_room(&subject, "ebs-volume", "restricted", |access, room| async move {
            access.create(&kinds::CLAIM, Some(&room), &claim).await?;
            access.create(&kinds::POD, Some(&room), &pod).await?;
            // It grows where it is mounted, so the pod must run.
            let started = running(&access, &room, "writer", deadline).await?;
            if !started {
                return Err(Finding::new("the pod that writes to an EBS claim didn't start in time"));
            }
            let bigger = json!({ "spec": { "resources": { "requests": { "storage": large.as_str() } } } });
            access.merge(&kinds::CLAIM, Some(&room), "data", &bigger).await?;
            let resized = resized(&access, &room, large.bytes(), deadline);
            let ended = ended(&access, &room, &["writer"], deadline);
            let (resized, ended) = calls::join(resized, ended).await;
            resized?;
            ended
        })
        .await
    }
    .boxed()
}

/// A claim of EBS in block mode takes a write.
pub(super) fn ebs_block(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let mib = subject.settings.verify.block_write_mib.get();
        let class = names::ebs_class(subject.cluster());
        let claim = claim("data", &class, "ReadWriteOnce", "Block", "1Gi");
        let sizes = [
            ("MIB", mib.to_string()),
            ("BYTES", (u64::from(mib) * 1024 * 1024).to_string()),
        ];
        let mut spec = pod_spec(&subject, BLOCKS, &sizes);
        // A device belongs to root. That alone is more than the restricted standard allows.
        spec["securityContext"] = json!({ "seccompProfile": { "type": "RuntimeDefault" } });
        spec["volumes"] =
            json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }]);
        spec["containers"][0]["volumeDevices"] = json!([{ "name": "data", "devicePath": DEVICE }]);
        let pod = pod("writer", spec, deadline);
        in_a_room(
            &subject,
            "ebs-block",
            "baseline",
            |access, room| async move {
                access.create(&kinds::CLAIM, Some(&room), &claim).await?;
                access.create(&kinds::POD, Some(&room), &pod).await?;
                ended(&access, &room, &["writer"], deadline).await
            },
        )
        .await
    }
    .boxed()
}

/// A claim of EFS binds, and a pod writes to it.
pub(super) fn efs_volume(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let class = names::efs_class(subject.cluster());
        let claim = claim("data", &class, "ReadWriteMany", "Filesystem", "1Gi");
        let mut spec = pod_spec(&subject, WRITES, &[]);
        mount(&mut spec, "data");
        let pod = pod("writer", spec, deadline);
        in_a_room(
            &subject,
            "efs-volume",
            "restricted",
            |access, room| async move {
                access.create(&kinds::CLAIM, Some(&room), &claim).await?;
                access.create(&kinds::POD, Some(&room), &pod).await?;
                ended(&access, &room, &["writer"], deadline).await
            },
        )
        .await
    }
    .boxed()
}

/// Two pods share one claim of EFS, and each reads what the other wrote.
pub(super) fn efs_shared(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let class = names::efs_class(subject.cluster());
        let claim = claim("data", &class, "ReadWriteMany", "Filesystem", "1Gi");
        let pods = [("first", "second"), ("second", "first")].map(|(name, other)| {
            let mut spec = pod_spec(&subject, SHARES, &[("OTHER", other.to_owned())]);
            mount(&mut spec, "data");
            // On two nodes, if there are two, the file has to go through the file system.
            spec["affinity"] = json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100, "podAffinityTerm": { "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": { "matchLabels": { "app": "psk-verify" } } } }] } });
            pod(name, spec, deadline)
        });
        in_a_room(&subject, "efs-shared", "restricted", |access, room| async move {
            access.create(&kinds::CLAIM, Some(&room), &claim).await?;
            for pod in &pods {
                access.create(&kinds::POD, Some(&room), pod).await?;
            }
            ended(&access, &room, &["first", "second"], deadline).await
        })
        .await
    }
    .boxed()
}

/// Runs a check in a namespace of its own. Whatever comes of it, the namespace goes; if it fails,
/// what can be seen there is told first.
async fn in_a_room<F>(
    subject: &Arc<Subject>,
    check: &str,
    security: &str,
    work: impl FnOnce(Access, String) -> F,
) -> Result<(), Finding>
where
    F: Future<Output = Result<(), Finding>>,
{
    let access = subject.access()?.clone();
    let room = Room::open(subject, check, security).await?;
    let name = room.name().to_owned();
    let outcome = tokio::select! {
        outcome = work(access.clone(), name.clone()) => outcome,
        () = subject.cancel.cancelled() => Err(Finding::new("the run was interrupted")),
    };
    let outcome = match outcome {
        Err(finding) if !subject.cancel.is_cancelled() => {
            let seen = evidence::of_namespace(&access, &name).await;
            Err(finding.with(seen))
        }
        outcome => outcome,
    };
    let closed = room.close(subject).await;
    outcome.and(closed)
}

fn of_room(kind: &crate::kubernetes::Kind, room: &str) -> Watched {
    Watched {
        kind: kind.clone(),
        namespace: Some(room.to_owned()),
        selection: Selection::default(),
    }
}

/// Waits until a pod runs, or has run.
async fn running(
    access: &Access,
    room: &str,
    name: &str,
    deadline: Instant,
) -> Result<bool, Finding> {
    let key = format!("{room}/{name}");
    let waited = access
        .watch_until(&of_room(&kinds::POD, room), deadline, |pods| {
            let phase = pods.get(&key)?.pointer("/status/phase")?.as_str()?;
            matches!(phase, "Running" | "Succeeded" | "Failed").then_some(())
        })
        .await?;
    Ok(matches!(waited, Waited::Met(())))
}

/// Waits until the claim is as large as it was asked to be, by its own word.
async fn resized(
    access: &Access,
    room: &str,
    bytes: u64,
    deadline: Instant,
) -> Result<(), Finding> {
    let key = format!("{room}/data");
    let waited = access
        .watch_until(&of_room(&kinds::CLAIM, room), deadline, |claims| {
            let claim: PersistentVolumeClaim = typed(claims.get(&key)?).ok()?;
            let capacity = claim.status?.capacity?.get("storage")?.0.clone();
            let capacity = crate::inventory::Storage::parse(&capacity)?;
            (capacity.bytes() >= bytes).then_some(())
        })
        .await?;
    match waited {
        Waited::Met(()) => Ok(()),
        Waited::TooLate(..) => Err(Finding::new("the EBS claim didn't grow in time")),
    }
}

/// Waits until pods have ended, all well or one badly.
async fn ended(
    access: &Access,
    room: &str,
    names: &[&str],
    deadline: Instant,
) -> Result<(), Finding> {
    let keys: Vec<_> = names.iter().map(|name| format!("{room}/{name}")).collect();
    let phase = |pod: &Value| {
        pod.pointer("/status/phase")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let waited = access
        .watch_until(&of_room(&kinds::POD, room), deadline, |pods| {
            let phases: Vec<_> = keys.iter().map(|key| phase(pods.get(key)?)).collect();
            if let Some(failed) = phases.iter().position(|p| p.as_deref() == Some("Failed")) {
                return Some(Err(failed));
            }
            let all_well = phases.iter().all(|p| p.as_deref() == Some("Succeeded"));
            all_well.then_some(Ok(()))
        })
        .await?;
    match waited {
        Waited::Met(Ok(())) => Ok(()),
        Waited::Met(Err(failed)) => {
            let name = names.get(failed).copied().unwrap_or_default();
            Err(Finding::new(format!("pod {name} failed")))
        }
        Waited::TooLate(pods, trouble) => {
            let late: Vec<_> = names
                .iter()
                .zip(&keys)
                .filter(|(_, key)| pods.get(*key).and_then(phase).as_deref() != Some("Succeeded"))
                .map(|(name, _)| *name)
                .collect();
            let cause = format!("pod {} didn't end in time", late.join(" and "));
            Err(Finding::new(cause).with(trouble.map(|e| e.to_string())))
        }
    }
}

/// A pod's spec: one container that runs a script, as the restricted pod security standard has it.
fn pod_spec(subject: &Subject, script: &str, variables: &[(&str, String)]) -> Value {
    let settings = &subject.settings.verify;
    let mut env = vec![json!({
        "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } }
    })];
    env.extend(
        variables
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value })),
    );
    json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "nodeSelector": settings.node_selector,
        // The management nodes are there before Karpenter has made any.
        "tolerations": [{ "key": "dedicated", "operator": "Exists" }],
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [{
            "name": "check",
            "image": settings.image,
            "command": ["sh", "-c", script],
            "env": env,
            "resources": { "requests": { "cpu": "50m", "memory": "32Mi" }, "limits": { "memory": "256Mi" } },
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        }],
    })
}

fn mount(spec: &mut Value, claim: &str) {
    spec["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }]);
    spec["containers"][0]["volumeMounts"] = json!([{ "name": "data", "mountPath": DATA }]);
}

/// A pod that ends by itself when no one waits for it any more.
fn pod(name: &str, mut spec: Value, deadline: Instant) -> Value {
    let left = deadline.saturating_duration_since(Instant::now()).as_secs();
    spec["activeDeadlineSeconds"] = json!(left + 60);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": "psk-verify" } },
        "spec": spec,
    })
}

fn claim(name: &str, class: &str, access: &str, mode: &str, size: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": name },
        "spec": {
            "storageClassName": class,
            "accessModes": [access],
            "volumeMode": mode,
            "resources": { "requests": { "storage": size } },
        },
    })
}
