//! Kinds of objects, and where the API server has them.

use std::borrow::Cow;
use std::fmt;

/// A kind of object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The API group; empty for the core one.
    pub group: Cow<'static, str>,
    /// The version within the group.
    pub version: Cow<'static, str>,
    /// The kind as manifests have it (`StorageClass`).
    pub kind: Cow<'static, str>,
    /// The resource as paths have it (`storageclasses`).
    pub plural: Cow<'static, str>,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// The kinds that psk itself has to do with.
pub mod kinds {
    use super::Kind;

    macro_rules! kinds {
        ($($(#[$about:meta])* $name:ident = $group:literal / $version:literal $kind:literal $plural:literal $namespaced:literal;)*) => {
            $($(#[$about])* pub static $name: Kind = Kind::of($group, $version, $kind, $plural, $namespaced);)*
        };
    }

    kinds! {
        /// Namespaces.
        NAMESPACE = "" / "v1" "Namespace" "namespaces" false;
        /// Nodes.
        NODE = "" / "v1" "Node" "nodes" false;
        /// Pods.
        POD = "" / "v1" "Pod" "pods" true;
        /// Events, of the core group.
        EVENT = "" / "v1" "Event" "events" true;
        /// Service accounts.
        SERVICE_ACCOUNT = "" / "v1" "ServiceAccount" "serviceaccounts" true;
        /// Secrets.
        SECRET = "" / "v1" "Secret" "secrets" true;
        /// Configuration for pods, and what psk remembers of what it applied.
        CONFIG_MAP = "" / "v1" "ConfigMap" "configmaps" true;
        /// Claims of volumes.
        CLAIM = "" / "v1" "PersistentVolumeClaim" "persistentvolumeclaims" true;
        /// Volumes.
        VOLUME = "" / "v1" "PersistentVolume" "persistentvolumes" false;
        /// Deployments.
        DEPLOYMENT = "apps" / "v1" "Deployment" "deployments" true;
        /// Daemon sets.
        DAEMON_SET = "apps" / "v1" "DaemonSet" "daemonsets" true;
        /// Disruption budgets.
        DISRUPTION_BUDGET = "policy" / "v1" "PodDisruptionBudget" "poddisruptionbudgets" true;
        /// Bindings of roles that hold for the whole cluster.
        CLUSTER_ROLE_BINDING = "rbac.authorization.k8s.io" / "v1" "ClusterRoleBinding" "clusterrolebindings" false;
        /// Storage classes.
        STORAGE_CLASS = "storage.k8s.io" / "v1" "StorageClass" "storageclasses" false;
        /// Karpenter's description of EC2 nodes.
        NODE_CLASS = "karpenter.k8s.aws" / "v1" "EC2NodeClass" "ec2nodeclasses" false;
        /// Karpenter's pools of nodes.
        NODE_POOL = "karpenter.sh" / "v1" "NodePool" "nodepools" false;
        /// Karpenter's nodes to be.
        NODE_CLAIM = "karpenter.sh" / "v1" "NodeClaim" "nodeclaims" false;
    }

    /// All of them.
    pub(crate) static KNOWN: [&Kind; 17] = [
        &NAMESPACE,
        &NODE,
        &POD,
        &EVENT,
        &SERVICE_ACCOUNT,
        &SECRET,
        &CONFIG_MAP,
        &CLAIM,
        &VOLUME,
        &DEPLOYMENT,
        &DAEMON_SET,
        &DISRUPTION_BUDGET,
        &CLUSTER_ROLE_BINDING,
        &STORAGE_CLASS,
        &NODE_CLASS,
        &NODE_POOL,
        &NODE_CLAIM,
    ];

    /// One of them, as manifests have it.
    pub(crate) fn known(api_version: &str, kind: &str) -> Option<&'static Kind> {
        let mut known = KNOWN.into_iter();
        known.find(|known| known.kind == kind && known.api_version() == api_version)
    }
}

impl Kind {
    const fn of(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
        namespaced: bool,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
            plural: Cow::Borrowed(plural),
            namespaced,
        }
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        match &*self.group {
            "" => self.version.to_string(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `StorageClass.storage.k8s.io`: kind and group without the version.
    pub fn group_kind(&self) -> String {
        match &*self.group {
            "" => self.kind.to_string(),
            group => format!("{}.{group}", self.kind),
        }
    }

    /// The path of its objects, in one namespace or over all.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let base = match &*self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{base}/namespaces/{namespace}/{}", self.plural),
            None => format!("{base}/{}", self.plural),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::kinds::*;

    #[test]
    fn paths_are_those_of_the_api() {
        assert_eq!(
            POD.path(Some("kube-system")),
            "/api/v1/namespaces/kube-system/pods"
        );
        assert_eq!(DEPLOYMENT.path(None), "/apis/apps/v1/deployments");
        assert_eq!(NODE.path(Some("ignored")), "/api/v1/nodes");
        assert_eq!(NODE_POOL.group_kind(), "NodePool.karpenter.sh");
    }
}
