//! The kinds of objects that the API serves: those built in, and those that definitions add.

use std::sync::Arc;

use serde_json::Value;

use super::inside::Inside;
use super::object::{self, Object};

/// A kind of objects, in one version of its group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) short: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether the status is a subresource, which the object's own path doesn't change.
    pub(crate) status: bool,
    /// Whether it can be scaled.
    pub(crate) scale: bool,
    /// Verbs that clients may use.
    pub(crate) verbs: &'static [&'static str],
    /// What a definition says of it; none for what is built in.
    pub(crate) custom: Option<Custom>,
}

/// What a definition says of its kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Custom {
    definition: Arc<Value>,
    /// Which of its versions this is.
    version: usize,
}

impl Custom {
    /// `openAPIV3Schema`.
    pub(crate) fn schema(&self) -> &Value {
        &self.version()["schema"]["openAPIV3Schema"]
    }

    /// `additionalPrinterColumns`.
    pub(crate) fn columns(&self) -> &[Value] {
        let columns = self.version()["additionalPrinterColumns"].as_array();
        columns.map_or(&[], Vec::as_slice)
    }

    fn version(&self) -> &Value {
        &self.definition["spec"]["versions"][self.version]
    }
}

const ALL: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
/// The same of a kind that a definition adds, in the order in which such a one is told.
const DEFINED: &[&str] = &[
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];
/// Of namespaces, which can be deleted one by one only.
const SINGLY: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];
const CREATE: &[&str] = &["create"];

/// Group, version, plural, kind, namespaced, status, scale, short name.
type BuiltIn = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    bool,
    bool,
    bool,
    &'static str,
);

const RBAC: &str = "rbac.authorization.k8s.io";
const STORAGE: &str = "storage.k8s.io";

const BUILT_IN: &[BuiltIn] = &[
    (
        "",
        "v1",
        "namespaces",
        "Namespace",
        false,
        true,
        false,
        "ns",
    ),
    (
        "",
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        true,
        false,
        false,
        "sa",
    ),
    ("", "v1", "secrets", "Secret", true, false, false, ""),
    (
        "",
        "v1",
        "configmaps",
        "ConfigMap",
        true,
        false,
        false,
        "cm",
    ),
    ("", "v1", "pods", "Pod", true, true, false, "po"),
    ("", "v1", "services", "Service", true, true, false, "svc"),
    ("", "v1", "endpoints", "Endpoints", true, false, false, "ep"),
    ("", "v1", "nodes", "Node", false, true, false, "no"),
    (
        "",
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        false,
        true,
        false,
        "pv",
    ),
    (
        "",
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
        true,
        false,
        "pvc",
    ),
    ("", "v1", "events", "Event", true, false, false, "ev"),
    (
        "",
        "v1",
        "resourcequotas",
        "ResourceQuota",
        true,
        true,
        false,
        "quota",
    ),
    (
        "",
        "v1",
        "limitranges",
        "LimitRange",
        true,
        false,
        false,
        "limits",
    ),
    (
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        true,
        true,
        true,
        "rc",
    ),
    (
        "apps",
        "v1",
        "deployments",
        "Deployment",
        true,
        true,
        true,
        "deploy",
    ),
    (
        "apps",
        "v1",
        "daemonsets",
        "DaemonSet",
        true,
        true,
        false,
        "ds",
    ),
    (
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        true,
        true,
        true,
        "sts",
    ),
    (
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        true,
        true,
        true,
        "rs",
    ),
    (
        "apps",
        "v1",
        "controllerrevisions",
        "ControllerRevision",
        true,
        false,
        false,
        "",
    ),
    ("batch", "v1", "jobs", "Job", true, true, false, ""),
    (
        "batch", "v1", "cronjobs", "CronJob", true, true, false, "cj",
    ),
    (
        RBAC,
        "v1",
        "clusterroles",
        "ClusterRole",
        false,
        false,
        false,
        "",
    ),
    (
        RBAC,
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
        false,
        false,
        "",
    ),
    (RBAC, "v1", "roles", "Role", true, false, false, ""),
    (
        RBAC,
        "v1",
        "rolebindings",
        "RoleBinding",
        true,
        false,
        false,
        "",
    ),
    (
        STORAGE,
        "v1",
        "storageclasses",
        "StorageClass",
        false,
        false,
        false,
        "sc",
    ),
    (
        STORAGE,
        "v1",
        "csidrivers",
        "CSIDriver",
        false,
        false,
        false,
        "",
    ),
    (
        STORAGE, "v1", "csinodes", "CSINode", false, false, false, "",
    ),
    (
        STORAGE,
        "v1",
        "volumeattachments",
        "VolumeAttachment",
        false,
        true,
        false,
        "",
    ),
    (
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        true,
        true,
        false,
        "pdb",
    ),
    (
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        true,
        false,
        false,
        "",
    ),
    (
        "scheduling.k8s.io",
        "v1",
        "priorityclasses",
        "PriorityClass",
        false,
        false,
        false,
        "pc",
    ),
    (
        DEFINITIONS_GROUP,
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
        true,
        false,
        "crd",
    ),
    (
        CHARTS_GROUP,
        "v1",
        "releases",
        "Release",
        true,
        true,
        false,
        "",
    ),
];

/// Reviews: what is posted is answered, and nothing is kept.
const REVIEWS: &[(&str, &str, &str)] = &[
    (
        "authentication.k8s.io",
        "selfsubjectreviews",
        "SelfSubjectReview",
    ),
    ("authentication.k8s.io", "tokenreviews", "TokenReview"),
    (
        "authorization.k8s.io",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
    ),
    (
        "authorization.k8s.io",
        "selfsubjectrulesreviews",
        "SelfSubjectRulesReview",
    ),
    (
        "authorization.k8s.io",
        "subjectaccessreviews",
        "SubjectAccessReview",
    ),
];

/// The group of definitions of further kinds.
const DEFINITIONS_GROUP: &str = "apiextensions.k8s.io";
/// Group of the objects that stand for what helm would install. Real clusters have no such group.
pub(crate) const CHARTS_GROUP: &str = "charts.psk-lab.internal";

/// How the store calls the definitions of further kinds.
pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

impl Kind {
    /// The kind in the words of the store: `deployments.apps`, `pods`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `apps/v1`, `v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether objects are answered rather than kept.
    pub(crate) fn is_review(&self) -> bool {
        self.verbs == CREATE
    }

    /// Whether the API server counts changes of what is asked for (`metadata.generation`).
    pub(crate) fn has_generation(&self) -> bool {
        self.custom.is_some()
            || self.status
                && !matches!(
                    self.plural.as_str(),
                    "namespaces"
                        | "nodes"
                        | "persistentvolumes"
                        | "persistentvolumeclaims"
                        | "services"
                        | "resourcequotas"
                        | "volumeattachments"
                )
            || matches!(self.plural.as_str(), "priorityclasses")
    }

    fn built_in(
        &(group, version, plural, kind, namespaced, status, scale, short): &BuiltIn,
    ) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_lowercase(),
            kind: kind.to_owned(),
            short: Some(short)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .into_iter()
                .collect(),
            categories: if matches!(
                plural,
                "pods"
                    | "services"
                    | "deployments"
                    | "daemonsets"
                    | "statefulsets"
                    | "replicasets"
                    | "jobs"
                    | "cronjobs"
            ) {
                vec!["all".to_owned()]
            } else {
                Vec::new()
            },
            namespaced,
            status,
            scale,
            verbs: if plural == "namespaces" { SINGLY } else { ALL },
            custom: None,
        }
    }

    fn review(&(group, plural, kind): &(&str, &str, &str)) -> Self {
        Self {
            verbs: CREATE,
            short: Vec::new(),
            ..Self::built_in(&("", "v1", "", "", false, false, false, ""))
        }
        .named(group, plural, kind)
    }

    fn named(mut self, group: &str, plural: &str, kind: &str) -> Self {
        self.group = group.to_owned();
        self.plural = plural.to_owned();
        self.singular = kind.to_lowercase();
        self.kind = kind.to_owned();
        self
    }

    /// Under which key an API server keeps an object of the kind in etcd.
    pub(crate) fn storage_key(&self, object: &Value) -> String {
        let prefix = match (self.group.as_str(), self.plural.as_str()) {
            ("", "nodes") => "minions".to_owned(),
            ("", "services") => "services/specs".to_owned(),
            ("", "endpoints") => "services/endpoints".to_owned(),
            ("apiextensions.k8s.io", plural) => format!("apiextensions.k8s.io/{plural}"),
            (group, plural) if self.custom.is_some() => format!("{group}/{plural}"),
            (_, plural) => plural.to_owned(),
        };
        format!("/registry/{prefix}/{}", object::key_of(object))
    }

    /// Whether an object of the kind can only be replaced by one that names the revision that it replaces.
    ///
    /// Source: the kinds' `AllowUnconditionalUpdate` in `k8s.io/kubernetes/pkg/registry`.
    pub(crate) fn is_replaced_by_version(&self) -> bool {
        self.custom.is_some()
            || matches!(
                self.plural.as_str(),
                "customresourcedefinitions"
                    | "poddisruptionbudgets"
                    | "csidrivers"
                    | "csinodes"
                    | "volumeattachments"
                    | "leases"
            )
    }

    /// Whether deleting an object of the kind answers with it, other than with a `Status`.
    ///
    /// Source: the kinds' `ReturnDeletedObject` in `k8s.io/kubernetes/pkg/registry`.
    pub(crate) fn answers_deletion_with_object(&self) -> bool {
        self.group == STORAGE
            || matches!(
                (self.group.as_str(), self.plural.as_str()),
                (
                    "",
                    "namespaces"
                        | "persistentvolumes"
                        | "persistentvolumeclaims"
                        | "pods"
                        | "resourcequotas"
                        | "serviceaccounts"
                )
            )
    }

    /// What a definition defines, one kind for each version that it serves; nothing before its
    /// names are accepted.
    fn defined(definition: &Arc<Value>) -> impl Iterator<Item = Self> + use<'_> {
        let versions = definition.list("/spec/versions").iter().enumerate();
        versions
            .filter(|(_, version)| version["served"] == true)
            .map(|(index, _)| Self::of_version(definition, index))
    }

    fn of_version(definition: &Arc<Value>, version: usize) -> Self {
        let text = |path: &str| definition.text(path).to_owned();
        let texts = |path: &str| -> Vec<String> {
            let all = definition.list(path).iter();
            all.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let custom = Custom {
            definition: definition.clone(),
            version,
        };
        let own = custom.version();
        Self {
            group: text("/spec/group"),
            version: own.text("/name").to_owned(),
            plural: text("/spec/names/plural"),
            singular: text("/spec/names/singular"),
            kind: text("/spec/names/kind"),
            short: texts("/spec/names/shortNames"),
            categories: texts("/spec/names/categories"),
            namespaced: text("/spec/scope") == "Namespaced",
            status: own.pointer("/subresources/status").is_some(),
            scale: own.pointer("/subresources/scale").is_some(),
            verbs: DEFINED,
            custom: Some(custom),
        }
    }
}

/// Whether a group is built in, under which every path is known.
pub(crate) fn is_built_in(group: &str) -> bool {
    BUILT_IN.iter().any(|kind| kind.0 == group) || REVIEWS.iter().any(|review| review.0 == group)
}

/// Every kind that the API serves now.
pub(crate) fn all(inside: &Inside) -> Vec<Kind> {
    let mut kinds: Vec<_> = BUILT_IN.iter().map(Kind::built_in).collect();
    kinds.extend(REVIEWS.iter().map(Kind::review));
    kinds.extend(inside.shared(DEFINITIONS).flat_map(Kind::defined));
    kinds
}

/// The kind at a path.
pub(crate) fn find(inside: &Inside, group: &str, version: &str, plural: &str) -> Option<Kind> {
    let built_in = BUILT_IN
        .iter()
        .find(|k| (k.0, k.1, k.2) == (group, version, plural))
        .map(Kind::built_in);
    built_in
        .or_else(|| {
            let review = REVIEWS.iter().find(|r| (r.0, r.1) == (group, plural));
            review.map(Kind::review).filter(|r| r.version == version)
        })
        .or_else(|| {
            let definition = inside.stored(DEFINITIONS, None, &format!("{plural}.{group}"))?;
            Kind::defined(definition).find(|k| k.version == version)
        })
}

/// The kind that an object says it is.
pub(crate) fn of(inside: &Inside, object: &Value) -> Option<Kind> {
    let api_version = object["apiVersion"].as_str()?;
    let kind = object["kind"].as_str()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let built_in = BUILT_IN
        .iter()
        .find(|k| (k.0, k.1, k.3) == (group, version, kind))
        .map(Kind::built_in);
    built_in
        .or_else(|| {
            let review = REVIEWS.iter().find(|r| (r.0, r.2) == (group, kind));
            review.map(Kind::review).filter(|r| r.version == version)
        })
        .or_else(|| {
            inside
                .shared(DEFINITIONS)
                .filter(|definition| definition.text("/spec/group") == group)
                .flat_map(Kind::defined)
                .find(|k| k.kind == kind && k.version == version)
        })
}

/// The kind that the store calls so, in the first version that is served.
pub(crate) fn stored(inside: &Inside, qualified: &str) -> Option<Kind> {
    let (plural, group) = qualified.split_once('.').unwrap_or((qualified, ""));
    let built_in = BUILT_IN
        .iter()
        .find(|k| (k.0, k.2) == (group, plural))
        .map(Kind::built_in);
    built_in.or_else(|| {
        let definition = inside.stored(DEFINITIONS, None, qualified)?;
        Kind::defined(definition).next()
    })
}
