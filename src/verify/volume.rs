//! Checks that volumes are made, written, shared and grown. Pods check themselves: they write, read and
//! compare, and end with an exit code.

use std::sync::Arc;

use futures::FutureExt;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Subject;
use super::check::{Checked, Finding};
use super::pods::{self, ended, in_a_room, of_room, running};
use crate::calls;
use crate::inventory::Storage;
use crate::kubernetes::baseline::names;
use crate::kubernetes::{Access, Waited, Watched, kinds, typed};

/// The name of the claim, and of the volume that it is to a pod.
const CLAIM: &str = "data";

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

/// One claim, and the pods that use it: what every check of volumes makes.
struct Trial {
    check: &'static str,
    /// The pod security standard that its pods satisfy.
    security: &'static str,
    class: String,
    /// The claim's access mode.
    access: &'static str,
    /// The claim's volume mode.
    mode: &'static str,
    size: String,
    /// The pods' names and specs.
    pods: Vec<(&'static str, Value)>,
    /// The size to which the claim is grown under the pods.
    grows_to: Option<Storage>,
}

impl Trial {
    /// A claim of EBS, and the one pod that can use it.
    fn of_ebs(subject: &Subject, check: &'static str, pod: Value) -> Self {
        Self {
            check,
            security: "restricted",
            class: names::ebs_class(subject.cluster()),
            access: "ReadWriteOnce",
            mode: "Filesystem",
            size: "1Gi".to_owned(),
            pods: vec![("writer", pod)],
            grows_to: None,
        }
    }

    /// A claim of EFS, and the pods that use it.
    fn of_efs(subject: &Subject, check: &'static str, pods: Vec<(&'static str, Value)>) -> Self {
        Self {
            check,
            security: "restricted",
            class: names::efs_class(subject.cluster()),
            access: "ReadWriteMany",
            mode: "Filesystem",
            size: "1Gi".to_owned(),
            pods,
            grows_to: None,
        }
    }

    /// Makes claim and pods in a namespace of their own, and waits until every pod has ended well.
    async fn run(self, subject: &Arc<Subject>, deadline: Instant) -> Result<(), Finding> {
        in_a_room(
            subject,
            self.check,
            self.security,
            deadline,
            |access, room| async move {
                let claim = self.claim();
                access.create(&kinds::CLAIM, Some(&room), &claim).await?;
                let pods = pods::make(&access, &room, &self.pods).await?;
                let ended = ended(&access, &pods, deadline);
                match &self.grows_to {
                    None => ended.await,
                    // A pod that fails sees no growth, so the first failure is told at once.
                    Some(size) => {
                        let grown = grow(&access, &room, &pods, size, deadline);
                        calls::try_join(ended, grown).await.map(|_| ())
                    }
                }
            },
        )
        .await
    }

    fn claim(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": CLAIM },
            "spec": {
                "storageClassName": self.class,
                "accessModes": [self.access],
                "volumeMode": self.mode,
                "resources": { "requests": { "storage": self.size } },
            },
        })
    }
}

/// A claim of EBS binds, a pod writes to it, and it grows under the pod.
pub(super) fn ebs_volume(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let settings = &subject.settings.verify;
        let grown = settings.ebs_grown.clone();
        // A file system keeps some of its volume for itself.
        let seen = grown.bytes() / 1024 / 10 * 9;
        let pod = mounting(pods::spec(
            &subject,
            GROWS,
            &[("GROWN_KIB", seen.to_string())],
        ));
        let trial = Trial {
            size: settings.ebs_size.as_str().to_owned(),
            grows_to: Some(grown),
            ..Trial::of_ebs(&subject, "ebs-volume", pod)
        };
        trial.run(&subject, deadline).await
    }
    .boxed()
}

/// A claim of EBS in block mode takes a write.
pub(super) fn ebs_block(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let mib = subject.settings.verify.block_write_mib.get();
        let sizes = [
            ("MIB", mib.to_string()),
            ("BYTES", (u64::from(mib) * 1024 * 1024).to_string()),
        ];
        let mut pod = using(pods::spec(&subject, BLOCKS, &sizes));
        // A device belongs to root. That alone is more than the restricted standard allows.
        pod["securityContext"] = json!({ "seccompProfile": { "type": "RuntimeDefault" } });
        pod["containers"][0]["volumeDevices"] = json!([{ "name": CLAIM, "devicePath": DEVICE }]);
        let trial = Trial {
            security: "baseline",
            mode: "Block",
            ..Trial::of_ebs(&subject, "ebs-block", pod)
        };
        trial.run(&subject, deadline).await
    }
    .boxed()
}

/// A claim of EFS binds, and a pod writes to it.
pub(super) fn efs_volume(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let pod = mounting(pods::spec(&subject, WRITES, &[]));
        let trial = Trial::of_efs(&subject, "efs-volume", vec![("writer", pod)]);
        trial.run(&subject, deadline).await
    }
    .boxed()
}

/// Two pods share one claim of EFS, and each reads what the other wrote.
pub(super) fn efs_shared(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let pods = [("first", "second"), ("second", "first")].map(|(name, other)| {
            let mut pod = mounting(pods::spec(&subject, SHARES, &[("OTHER", other.to_owned())]));
            // On two nodes, if there are two, the file has to go through the file system.
            pod["affinity"] = json!({ "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100, "podAffinityTerm": { "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": { "matchLabels": pods::labels() } } }] } });
            (name, pod)
        });
        let trial = Trial::of_efs(&subject, "efs-shared", pods.into());
        trial.run(&subject, deadline).await
    }
    .boxed()
}

/// The pod with the claim at hand.
fn using(mut pod: Value) -> Value {
    pod["volumes"] = json!([{ "name": CLAIM, "persistentVolumeClaim": { "claimName": CLAIM } }]);
    pod
}

/// The pod with the claim mounted.
fn mounting(pod: Value) -> Value {
    let mut pod = using(pod);
    pod["containers"][0]["volumeMounts"] = json!([{ "name": CLAIM, "mountPath": DATA }]);
    pod
}

/// Grows the claim once its pod runs, as it grows where it is mounted, and waits until it is as large as
/// it was asked to be, by its own word.
async fn grow(
    access: &Access,
    room: &str,
    pods: &Watched,
    size: &Storage,
    deadline: Instant,
) -> Result<(), Finding> {
    running(access, pods, deadline).await?;
    let bigger = json!({ "spec": { "resources": { "requests": { "storage": size.as_str() } } } });
    access
        .merge(&kinds::CLAIM, Some(room), CLAIM, &bigger)
        .await?;
    let key = format!("{room}/{CLAIM}");
    let waited = access
        .watch_until(&of_room(&kinds::CLAIM, room), deadline, |claims| {
            let claim: PersistentVolumeClaim = typed(claims.get(&key)?).ok()?;
            let capacity = claim.status?.capacity?.get("storage")?.0.clone();
            (Storage::parse(&capacity)?.bytes() >= size.bytes()).then_some(())
        })
        .await?;
    match waited {
        Waited::Met(()) => Ok(()),
        Waited::TooLate(_, trouble) => {
            let cause = format!("the claim didn't grow to {} in time", size.as_str());
            Err(Finding::new(cause).with(trouble.map(|e| e.to_string())))
        }
    }
}
