//! A plan as data: what would change in one cluster, resource by resource, attribute by attribute.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the plan's JSON form. It rises when a reader of the old form could be misled.
pub const PLAN_SCHEMA_VERSION: u32 = 1;

/// The differences between what one cluster is and what its settings ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Version of this form, [`PLAN_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The cluster's name.
    pub cluster: String,
    /// AWS region.
    pub region: String,
    /// AWS account, twelve digits.
    pub account: String,
    /// Every resource that was looked at, unchanged ones included, in the order in which changes
    /// are made.
    pub resources: Vec<ResourceChange>,
    /// How the changes are made where a control plane climbs several minor versions: one version
    /// after the other. Empty where it climbs one or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Rung>,
    /// Why each resource that differs does, as far as that can be told. Only of `psk drift`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// What is left as it is by a destroy, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
    /// What a person should know before applying, a line each.
    pub warnings: Vec<String>,
}

impl Plan {
    /// The resources that would change.
    pub fn changes(&self) -> impl Iterator<Item = &ResourceChange> {
        self.resources.iter().filter(|r| r.action != Action::Keep)
    }

    /// How many resources each action concerns.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for resource in &self.resources {
            match resource.action {
                Action::Keep => counts.keep += 1,
                Action::Create => counts.create += 1,
                Action::Update => counts.update += 1,
                Action::Replace => counts.replace += 1,
                Action::Delete => counts.delete += 1,
            }
        }
        counts
    }
}

/// One minor version of a climb, and what changes for it. The rungs above the first are as things
/// stand now; what AWS publishes until they are reached isn't known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rung {
    /// Kubernetes version of the control plane at the rung's end.
    pub version: String,
    /// The resources that change for it.
    pub resources: Vec<ResourceChange>,
}

/// Why a resource isn't what its settings ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The resource's kind.
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// Why it differs.
    pub cause: Cause,
}

/// What came about since psk last applied a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its settings ask for something else now.
    Settings,
    /// Somebody changed it in AWS.
    Aws,
    /// AWS offers something newer, which the settings ask to follow.
    Offer,
    /// It can't be told: psk has never applied the cluster, or the mark that it left is gone.
    Unknown,
}

impl Cause {
    /// The cause in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "the settings changed",
            Self::Aws => "somebody changed it in AWS",
            Self::Offer => "AWS offers something newer",
            Self::Unknown => "nobody can tell since when",
        }
    }
}

/// A resource that a destroy leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Left {
    /// The resource's kind.
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// Why it is left.
    pub why: String,
}

/// How many resources of a plan are kept, made, changed, replaced and removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Already right.
    pub keep: usize,
    /// To be made.
    pub create: usize,
    /// To be changed in place.
    pub update: usize,
    /// To be removed and made again.
    pub replace: usize,
    /// To be removed.
    pub delete: usize,
}

impl Counts {
    /// How many resources change in any way.
    pub fn changed(&self) -> usize {
        self.create + self.update + self.replace + self.delete
    }
}

/// What would happen to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceChange {
    /// The resource's kind, in the service's words (`eks_cluster`, `eks_nodegroup`, `eks_addon`).
    pub kind: String,
    /// The resource's name, unique among its kind in one cluster.
    pub name: String,
    /// What would be done to it.
    pub action: Action,
    /// The attributes that differ; for a resource to be made, all that are set.
    pub attributes: Vec<AttributeChange>,
    /// Why, where the attributes alone don't say it ("AMI release 1.51.0-… is out").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing: it is what it should be.
    Keep,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is removed and made again.
    Replace,
    /// It is removed.
    Delete,
}

impl Action {
    /// The sign that people know from other tools: `+`, `~`, `-/+`, `-`, and a blank for no change.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Keep => " ",
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Delete => "-",
        }
    }
}

/// One attribute's way from what it is to what it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributeChange {
    /// The attribute, with dots between levels (`scaling_config.max_size`).
    pub path: String,
    /// What it is; `None` where it isn't set or the resource doesn't exist.
    pub old: Option<Value>,
    /// What it should be.
    pub new: Target,
    /// The values are secret: `old` and `new` hold no value but this says that they differ.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// What an attribute should become.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This value.
    Value(Value),
    /// A value that only the service can tell, once the resource exists.
    KnownAfterApply,
    /// No value: the attribute is taken away.
    Unset,
}
