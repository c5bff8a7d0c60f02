//! Checks that what the base keeps in a cluster is there, and that what runs there is ready.

use std::sync::Arc;

use futures::FutureExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::api::storage::v1::StorageClass;
use serde_json::Value;
use tokio::time::Instant;

use super::Subject;
use super::check::{Checked, Finding};
use super::evidence;
use crate::calls;
use crate::kubernetes::baseline::names;
use crate::kubernetes::{Kind, Selection, Waited, Watched, kinds, typed};

/// The namespace of everything that runs the cluster.
const SYSTEM: &str = "kube-system";

/// There are nodes, at least as many as the management node group must have, and all are Ready.
pub(super) fn nodes(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let watched = Watched::new(&kinds::NODE, None, Selection::default());
        let least =
            usize::try_from(subject.settings.management_node_group_min_size.get()).unwrap_or(1);
        let access = subject.access()?;
        let waited = access
            .watch_until(&watched, deadline, |nodes| {
                let ready = nodes.values().all(|node| unready(node).is_none());
                (ready && nodes.len() >= least.max(1)).then_some(())
            })
            .await?;
        match waited {
            Waited::Met(()) => Ok(()),
            Waited::TooLate(nodes, trouble) => {
                let count = nodes.len();
                let unready = nodes.values().filter_map(unready);
                let mut wrong: Vec<_> = unready.collect();
                if count < least.max(1) {
                    let cause = format!("{count} nodes have joined, {} are wanted", least.max(1));
                    wrong.insert(0, cause);
                }
                Err(Finding(wrong).with(trouble.map(|e| e.to_string())))
            }
        }
    }
    .boxed()
}

/// Why a node isn't ready, if it isn't.
fn unready(object: &Value) -> Option<String> {
    let node: Node = typed(object).ok()?;
    let name = node.metadata.name.unwrap_or_default();
    let conditions = node.status.and_then(|status| status.conditions);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|c| c.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => None,
        Some(ready) => Some(format!(
            "node {name} isn't Ready: {}: {}",
            ready.reason.unwrap_or_default(),
            ready.message.unwrap_or_default()
        )),
        None => Some(format!(
            "node {name} isn't Ready: its kubelet hasn't said so yet"
        )),
    }
}

/// The namespaces of the base are there and Active.
pub(super) fn namespaces(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let checked = calls::join_all(names::NAMESPACES.map(|name| {
            let subject = subject.clone();
            async move {
                let found = subject.find::<Namespace>(&kinds::NAMESPACE, name).await?;
                let Some(namespace) = found else {
                    return Err(Finding::new(format!("there is no namespace {name}")));
                };
                let phase = namespace.status.and_then(|status| status.phase);
                match phase.as_deref() {
                    Some("Active") => Ok(()),
                    phase => Err(Finding::new(format!(
                        "namespace {name} is {}, not Active",
                        phase.unwrap_or("without a phase")
                    ))),
                }
            }
        }))
        .await;
        together(checked)
    }
    .boxed()
}

/// The admin group is bound to cluster-admin.
pub(super) fn admin_binding(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let name = names::ADMIN_BINDING;
        let found = subject
            .find::<ClusterRoleBinding>(&kinds::CLUSTER_ROLE_BINDING, name)
            .await?;
        let Some(binding) = found else {
            return Err(Finding::new(format!(
                "there is no ClusterRoleBinding {name}"
            )));
        };
        let group = &subject.settings.admin_group;
        let is_bound = binding
            .subjects
            .iter()
            .flatten()
            .any(|bound| bound.kind == "Group" && bound.name == *group);
        if binding.role_ref.name != "cluster-admin" {
            let role = binding.role_ref.name;
            return Err(Finding::new(format!(
                "{name} gives {role}, not cluster-admin"
            )));
        }
        if !is_bound {
            return Err(Finding::new(format!(
                "{name} doesn't name the group {group}"
            )));
        }
        Ok(())
    }
    .boxed()
}

/// Both storage classes are there, each of its driver.
pub(super) fn storage_classes(subject: Arc<Subject>, _: Instant) -> Checked {
    async move {
        let classes = [
            (names::ebs_class(subject.cluster()), "ebs.csi.aws.com"),
            (names::efs_class(subject.cluster()), "efs.csi.aws.com"),
        ];
        let checked = calls::join_all(classes.into_iter().map(|(name, driver)| {
            let subject = subject.clone();
            async move {
                let found = subject
                    .find::<StorageClass>(&kinds::STORAGE_CLASS, &name)
                    .await?;
                match found {
                    None => Err(Finding::new(format!("there is no StorageClass {name}"))),
                    Some(class) if class.provisioner != driver => Err(Finding::new(format!(
                        "StorageClass {name} is of {}, not {driver}",
                        class.provisioner
                    ))),
                    Some(_) => Ok(()),
                }
            }
        }))
        .await;
        together(checked)
    }
    .boxed()
}

/// Karpenter's node class and both node pools are there, and Karpenter finds nothing wrong in them.
pub(super) fn node_pools(subject: Arc<Subject>, deadline: Instant) -> Checked {
    async move {
        let pools = names::NODE_POOLS.map(|(_, pool)| (&kinds::NODE_POOL, pool));
        let all = std::iter::once((&kinds::NODE_CLASS, names::NODE_CLASS)).chain(pools);
        let checked = calls::join_all(all.map(|(kind, name)| {
            let subject = subject.clone();
            async move { karpenters(&subject, kind, name, deadline).await }
        }))
        .await;
        together(checked)
    }
    .boxed()
}

/// An object of Karpenter's whose condition Ready isn't False.
async fn karpenters(
    subject: &Subject,
    kind: &Kind,
    name: &str,
    deadline: Instant,
) -> Result<(), Finding> {
    let named = Selection::fields(format!("metadata.name={name}"));
    let watched = Watched::new(kind, None, named);
    let watching = subject
        .access()?
        .watch_until(&watched, deadline, |objects| {
            let object = objects.get(name)?;
            (condition(object, "Ready").is_none_or(|(status, _)| status == "True")).then_some(())
        });
    let waited = match watching.await {
        Err(error) if error.is_unknown_kind() => {
            let cause = format!("the cluster knows no {kind}: Karpenter's kinds aren't installed");
            return Err(Finding::new(cause));
        }
        waited => waited?,
    };
    match waited {
        Waited::Met(()) => Ok(()),
        Waited::TooLate(objects, trouble) => Err(match objects.get(name) {
            None => Finding::new(format!("there is no {kind} {name}")),
            Some(object) => {
                let why = condition(object, "Ready").map(|(_, why)| why);
                let cause = format!("{kind} {name} isn't Ready: {}", why.unwrap_or_default());
                Finding::new(cause).with(evidence::of_conditions(object))
            }
        }
        .with(trouble.map(|e| e.to_string()))),
    }
}

/// A condition's status, and its reason and message.
pub(super) fn condition(object: &Value, kind: &str) -> Option<(String, String)> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let text = |c: &Value, key: &str| c.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let found = conditions.iter().find(|c| text(c, "type") == kind)?;
    let why = format!("{}: {}", text(found, "reason"), text(found, "message"));
    Some((text(found, "status"), why))
}

/// Everything that a daemon set should run, runs and is ready.
fn daemon_set(subject: Arc<Subject>, name: &'static str, deadline: Instant) -> Checked {
    ready(subject, &kinds::DAEMON_SET, name, deadline, |object| {
        let set: DaemonSet = typed(object).ok()?;
        let status = set.status?;
        let behind = status.observed_generation < set.metadata.generation;
        let wanted = status.desired_number_scheduled;
        let updated = status.updated_number_scheduled.unwrap_or(0);
        (behind || wanted == 0 || status.number_ready < wanted || updated < wanted).then(|| {
            format!(
                "{} of {wanted} pods are ready, {updated} of them up to date",
                status.number_ready
            )
        })
    })
}

/// Everything that a deployment should run, runs and is ready.
fn deployment(subject: Arc<Subject>, name: &'static str, deadline: Instant) -> Checked {
    ready(subject, &kinds::DEPLOYMENT, name, deadline, |object| {
        let deployment: Deployment = typed(object).ok()?;
        let wanted = deployment.spec?.replicas.unwrap_or(1);
        let status = deployment.status.unwrap_or_default();
        let behind = status.observed_generation < deployment.metadata.generation;
        let (ready, updated) = (
            status.ready_replicas.unwrap_or(0),
            status.updated_replicas.unwrap_or(0),
        );
        (behind || wanted == 0 || ready < wanted || updated < wanted)
            .then(|| format!("{ready} of {wanted} pods are ready, {updated} of them up to date"))
    })
}

/// Waits until `lacking` finds nothing lacking in a workload of kube-system.
fn ready(
    subject: Arc<Subject>,
    kind: &'static Kind,
    name: &'static str,
    deadline: Instant,
    lacking: fn(&Value) -> Option<String>,
) -> Checked {
    async move {
        let access = subject.access()?;
        let named = Selection::fields(format!("metadata.name={name}"));
        let watched = Watched::new(kind, Some(SYSTEM), named);
        let key = format!("{SYSTEM}/{name}");
        let waited = access
            .watch_until(&watched, deadline, |objects| {
                let object = objects.get(&key)?;
                lacking(object).is_none().then_some(())
            })
            .await?;
        let Waited::TooLate(objects, trouble) = waited else {
            return Ok(());
        };
        let Some(object) = objects.get(&key) else {
            let cause = format!("there is no {kind} {SYSTEM}/{name}");
            return Err(Finding::new(cause).with(trouble.map(|e| e.to_string())));
        };
        let lacking = lacking(object).unwrap_or_else(|| "it became ready too late".to_owned());
        let seen = evidence::of_selected(access, SYSTEM, object).await;
        Err(Finding::new(format!("{kind} {SYSTEM}/{name}: {lacking}"))
            .with(trouble.map(|e| e.to_string()))
            .with(seen))
    }
    .boxed()
}

macro_rules! workloads {
    ($($function:ident $how:ident $name:literal;)*) => {
        $(pub(super) fn $function(subject: Arc<Subject>, deadline: Instant) -> Checked {
            $how(subject, $name, deadline)
        })*
    };
}

workloads! {
    kube_proxy daemon_set "kube-proxy";
    aws_node daemon_set "aws-node";
    coredns deployment "coredns";
    ebs_csi_node daemon_set "ebs-csi-node";
    ebs_csi_controller deployment "ebs-csi-controller";
    efs_csi_node daemon_set "efs-csi-node";
    efs_csi_controller deployment "efs-csi-controller";
    pod_identity_agent daemon_set "eks-pod-identity-agent";
    karpenter deployment "karpenter";
}

/// One finding of many.
fn together(checked: Vec<Result<(), Finding>>) -> Result<(), Finding> {
    let wrong: Vec<_> = checked
        .into_iter()
        .filter_map(Result::err)
        .flat_map(|finding| finding.0)
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Finding(wrong))
    }
}
