//! The parts that a managed node group is described by, and what they must look like.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::catalog;
use super::error::{invalid_parameter, invalid_request};
use crate::call::ServiceError;
use crate::ec2::{self, instance_types};
use crate::ids::stable_hex;

/// An AMI type that EKS publishes images for. Custom images, which come from a launch template,
/// aren't simulated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct AmiType(String);

impl AmiType {
    /// As on the wire.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The instance type of a node group that names none.
    pub(super) fn default_instance_type(&self) -> &'static str {
        if catalog::is_arm(&self.0) {
            "t4g.medium"
        } else {
            "t3.medium"
        }
    }

    /// Whether its nodes run Windows.
    pub(super) fn is_windows(&self) -> bool {
        self.0.starts_with("WINDOWS")
    }
}

impl Default for AmiType {
    fn default() -> Self {
        Self("AL2023_x86_64_STANDARD".to_owned())
    }
}

impl TryFrom<String> for AmiType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if catalog::is_ami_type(&text) {
            Ok(Self(text))
        } else {
            Err(format!("'{text}' is not an AMI type"))
        }
    }
}

impl From<AmiType> for String {
    fn from(ami_type: AmiType) -> Self {
        ami_type.0
    }
}

/// How a node group's instances are bought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum CapacityType {
    #[default]
    OnDemand,
    Spot,
}

/// `NodegroupScalingConfig` in a request.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ScalingConfig {
    min_size: Option<i32>,
    max_size: Option<i32>,
    desired_size: Option<i32>,
}

/// How many nodes a node group has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scaling {
    pub(super) min_size: i32,
    pub(super) max_size: i32,
    pub(super) desired_size: i32,
}

/// What a node group that says nothing of its size gets.
const DEFAULT_SCALING: Scaling = Scaling {
    min_size: 1,
    max_size: 2,
    desired_size: 2,
};

impl ScalingConfig {
    /// The sizes of a new node group, all or none of which are given, or what becomes of the
    /// `current` ones.
    pub(super) fn checked(
        self,
        current: Option<Scaling>,
        most: i32,
    ) -> Result<Scaling, ServiceError> {
        let given = [self.min_size, self.max_size, self.desired_size];
        let some_missing = given.iter().any(Option::is_some) && given.iter().any(Option::is_none);
        if current.is_none() && some_missing {
            return Err(invalid_parameter(
                "scalingConfig must name all of its sizes or none",
            ));
        }
        let current = current.unwrap_or(DEFAULT_SCALING);
        let sizes = Scaling {
            min_size: self.min_size.unwrap_or(current.min_size),
            max_size: self.max_size.unwrap_or(current.max_size),
            desired_size: self.desired_size.unwrap_or(current.desired_size),
        };
        let Scaling {
            min_size: min,
            max_size: max,
            desired_size: desired,
        } = sizes;
        if min < 0 || max < 1 {
            Err(invalid_parameter(
                "minSize must be at least 0 and maxSize at least 1",
            ))
        } else if min > max {
            Err(invalid_parameter(format!(
                "Minimum capacity {min} can't be greater than maximum size {max}"
            )))
        } else if desired < min || desired > max {
            Err(invalid_parameter(format!(
                "Desired capacity {desired} can't be less than minimum size {min} or greater than \
                 maximum size {max}"
            )))
        } else if max > most {
            Err(invalid_parameter(format!(
                "maxSize {max} is over the quota of {most} nodes a group"
            )))
        } else {
            Ok(sizes)
        }
    }
}

/// `NodegroupUpdateConfig`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UpdateConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_unavailable: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_unavailable_percentage: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) update_strategy: Option<UpdateStrategy>,
}

/// In which order nodes are replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum UpdateStrategy {
    /// The new ones first.
    #[default]
    Default,
    /// The old ones first.
    Minimal,
}

impl UpdateConfig {
    /// What a new node group gets, or what becomes of the `current` configuration.
    pub(super) fn checked(self, current: Option<Self>) -> Result<Self, ServiceError> {
        let current = current.unwrap_or(Self {
            max_unavailable: Some(1),
            ..Self::default()
        });
        let strategy = self
            .update_strategy
            .or(current.update_strategy)
            .unwrap_or_default();
        let config = match (self.max_unavailable, self.max_unavailable_percentage) {
            (Some(_), Some(_)) => {
                return Err(invalid_parameter(
                    "updateConfig names both maxUnavailable and maxUnavailablePercentage",
                ));
            }
            (None, None) => Self {
                update_strategy: Some(strategy),
                ..current
            },
            (count, percentage) => Self {
                max_unavailable: count,
                max_unavailable_percentage: percentage,
                update_strategy: Some(strategy),
            },
        };
        let within = |value: Option<i32>| value.is_none_or(|n| (1..=100).contains(&n));
        if within(config.max_unavailable) && within(config.max_unavailable_percentage) {
            Ok(config)
        } else {
            Err(invalid_parameter(
                "updateConfig must let 1 to 100 nodes or percent be unavailable",
            ))
        }
    }
}

/// `NodeRepairConfig`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NodeRepair {
    #[serde(default)]
    pub(super) enabled: bool,
}

/// `Taint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Taint {
    pub(super) key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    pub(super) effect: Option<TaintEffect>,
}

/// What a taint does to pods that don't tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum TaintEffect {
    NoSchedule,
    NoExecute,
    PreferNoSchedule,
}

impl Taint {
    /// Two taints of one key and effect are the same taint.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.key == other.key && self.effect == other.effect
    }
}

const MOST_TAINTS: usize = 50;
const LONGEST_WORD: usize = 63;

/// Checks the taints of a node group.
pub(super) fn check_taints(taints: &[Taint]) -> Result<(), ServiceError> {
    if taints.len() > MOST_TAINTS {
        return Err(invalid_parameter(format!(
            "A node group has at most {MOST_TAINTS} taints"
        )));
    }
    let mut seen = BTreeSet::new();
    for taint in taints {
        let (Some(key), Some(effect)) = (&taint.key, taint.effect) else {
            return Err(invalid_parameter("A taint must have a key and an effect"));
        };
        let value = taint.value.as_deref().unwrap_or_default();
        if key.is_empty() || key.len() > LONGEST_WORD || value.len() > LONGEST_WORD {
            return Err(invalid_parameter(format!(
                "Taint {key}={value} is empty or too long"
            )));
        }
        if !seen.insert((key, effect)) {
            return Err(invalid_parameter(format!(
                "Taint {key} is given twice with one effect"
            )));
        }
    }
    Ok(())
}

/// Checks the Kubernetes labels of a node group.
pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    for (key, value) in labels {
        let name = key.rsplit('/').next().unwrap_or_default();
        let is_word = |text: &str| {
            text.len() <= LONGEST_WORD
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if name.is_empty() || !is_word(name) || !is_word(value) {
            return Err(invalid_parameter(format!(
                "Label {key}={value} is not a valid label"
            )));
        }
    }
    Ok(())
}

/// Checks that instance types exist and have the processors that the images are built for.
pub(super) fn check_instance_types(
    types: &[String],
    ami_type: &AmiType,
) -> Result<(), ServiceError> {
    let unknown: Vec<_> = types
        .iter()
        .filter(|t| instance_types::is_arm(t).is_none())
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(invalid_parameter(format!(
            "The following supplied instance types do not exist: [{}]",
            unknown.join(", ")
        )));
    }
    let arm = catalog::is_arm(ami_type.as_str());
    match types
        .iter()
        .find(|t| instance_types::is_arm(t) != Some(arm))
    {
        Some(wrong) => Err(invalid_parameter(format!(
            "[{wrong}] is not a valid instance type for requested amiType {}",
            ami_type.as_str()
        ))),
        None => Ok(()),
    }
}

/// What EKS sets itself, so that a launch template may not, under the names of EC2's answers.
const NOT_IN_TEMPLATES: [&str; 4] = [
    "iamInstanceProfile",
    "instanceInitiatedShutdownBehavior",
    "hibernationOptions",
    "instanceMarketOptions",
];

/// `LaunchTemplateSpecification`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LaunchTemplate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

impl LaunchTemplate {
    /// The template as EKS answers it, with name, id and version, from what a request says: either
    /// a name or an id. Source: EKS User Guide, "Customize managed nodes with launch templates".
    pub(super) fn resolved(
        self,
        ec2: &ec2::Region,
        instance_types: &[String],
    ) -> Result<Self, ServiceError> {
        if self.name.is_some() == self.id.is_some() {
            return Err(invalid_parameter(
                "Exactly one of launch template name and launch template id must be given",
            ));
        }
        let template = self.find(ec2).ok_or_else(|| self.missing())?;
        let number = self.number(template);
        let data = self.data(template).ok_or_else(|| {
            invalid_request(format!(
                "Could not find the specified version {} for the launch template with ID {}.",
                self.version.as_deref().unwrap_or("$Default"),
                template.id
            ))
        })?;
        if data.get("instanceType").is_some() && !instance_types.is_empty() {
            return Err(invalid_request(
                "Cannot specify instance types in launch template and API Request",
            ));
        }
        if let Some(member) = NOT_IN_TEMPLATES.iter().find(|m| data.get(**m).is_some()) {
            return Err(invalid_parameter(format!(
                "Launch template should not specify {member}"
            )));
        }
        Ok(Self {
            name: Some(template.name.clone()),
            id: Some(template.id.clone()),
            version: number.map(|number| number.to_string()),
        })
    }

    fn missing(&self) -> ServiceError {
        let what = match (&self.name, &self.id) {
            (Some(name), _) => format!("name {name}"),
            (None, id) => format!("ID {}", id.as_deref().unwrap_or_default()),
        };
        invalid_request(format!(
            "The specified launch template, with template {what}, does not exist."
        ))
    }

    /// The template that is meant, if it exists.
    pub(super) fn find<'e>(&self, ec2: &'e ec2::Region) -> Option<&'e ec2::LaunchTemplate> {
        match (&self.name, &self.id) {
            (Some(name), _) => ec2.launch_template_named(name),
            (None, Some(id)) => ec2.launch_templates.get(id),
            (None, None) => None,
        }
    }

    fn number(&self, template: &ec2::LaunchTemplate) -> Option<u64> {
        match self.version.as_deref() {
            None | Some("$Default") => Some(template.default_version),
            Some("$Latest") => Some(template.latest_version),
            Some(number) => number.parse().ok(),
        }
    }

    /// What the version says that is meant, if it exists.
    pub(super) fn data<'e>(&self, template: &'e ec2::LaunchTemplate) -> Option<&'e Value> {
        let version = template.versions.get(&self.number(template)?)?;
        Some(&version.data)
    }

    /// Whether a request that names `other` means this template, whatever the version.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        match (&other.name, &other.id) {
            (Some(name), _) => self.name.as_ref() == Some(name),
            (None, id) => self.id == *id,
        }
    }
}

/// The id of the launch template of that name.
pub(crate) fn launch_template_id(name: &str) -> String {
    format!("lt-0{}", stable_hex(16, &["launch template", name]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaling(min: i32, max: i32, desired: i32) -> ScalingConfig {
        ScalingConfig {
            min_size: Some(min),
            max_size: Some(max),
            desired_size: Some(desired),
        }
    }

    #[test]
    fn sizes_must_be_in_order() {
        assert!(scaling(1, 3, 2).checked(None, 450).is_ok());
        assert!(scaling(0, 1, 0).checked(None, 450).is_ok());
        for wrong in [
            scaling(3, 1, 2),
            scaling(1, 3, 4),
            scaling(2, 3, 1),
            scaling(0, 0, 0),
            scaling(1, 451, 1),
        ] {
            assert!(wrong.checked(None, 450).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_creation_names_all_sizes_or_none_and_an_update_any() {
        let only_max = ScalingConfig {
            max_size: Some(5),
            ..ScalingConfig::default()
        };
        assert!(only_max.checked(None, 450).is_err());
        assert_eq!(
            ScalingConfig::default().checked(None, 450),
            Ok(DEFAULT_SCALING)
        );
        let updated = only_max.checked(Some(DEFAULT_SCALING), 450).expect("valid");
        assert_eq!(
            updated,
            Scaling {
                max_size: 5,
                ..DEFAULT_SCALING
            }
        );
    }

    #[test]
    fn instance_types_must_suit_the_image() {
        let arm = AmiType::try_from("BOTTLEROCKET_ARM_64".to_owned()).expect("known");
        let check = |types: &[&str]| {
            let types: Vec<_> = types.iter().map(|t| (*t).to_owned()).collect();
            check_instance_types(&types, &arm).map_err(|e| e.message)
        };
        assert_eq!(check(&["t4g.2xlarge", "m7g.2xlarge"]), Ok(()));
        assert_eq!(
            check(&["t4g.2xlarge", "m7g.hugest"]),
            Err("The following supplied instance types do not exist: [m7g.hugest]".to_owned())
        );
        assert!(check(&["m5.large"]).is_err_and(|m| m.contains("BOTTLEROCKET_ARM_64")));
    }

    #[test]
    fn unavailability_is_a_count_or_a_percentage() {
        let count = |n| UpdateConfig {
            max_unavailable: Some(n),
            ..UpdateConfig::default()
        };
        let percent = |n| UpdateConfig {
            max_unavailable_percentage: Some(n),
            ..UpdateConfig::default()
        };
        let default = UpdateConfig::default().checked(None).expect("valid");
        assert_eq!(default.max_unavailable, Some(1));
        let third = percent(33).checked(Some(default)).expect("valid");
        assert_eq!(
            (third.max_unavailable, third.max_unavailable_percentage),
            (None, Some(33))
        );
        assert!(count(0).checked(None).is_err());
        assert!(percent(101).checked(None).is_err());
        let both = UpdateConfig {
            max_unavailable: Some(1),
            ..percent(33)
        };
        assert!(both.checked(None).is_err());
    }

    #[test]
    fn labels_and_taints_are_kubernetes_words() {
        let label = |k: &str, v: &str| BTreeMap::from([(k.to_owned(), v.to_owned())]);
        assert!(check_labels(&label("karpenter.sh/controller", "true")).is_ok());
        assert!(check_labels(&label("a", &"v".repeat(64))).is_err());
        assert!(check_labels(&label("a/", "v")).is_err());
        let taint = Taint {
            key: Some("dedicated".to_owned()),
            value: Some("management".to_owned()),
            effect: Some(TaintEffect::NoSchedule),
        };
        assert!(check_taints(std::slice::from_ref(&taint)).is_ok());
        assert!(check_taints(&[taint.clone(), taint.clone()]).is_err());
        assert!(
            check_taints(&[Taint {
                effect: None,
                ..taint
            }])
            .is_err()
        );
    }

    #[test]
    fn a_launch_template_is_named_one_way() {
        let template = |name: Option<&str>, id: Option<&str>| LaunchTemplate {
            name: name.map(str::to_owned),
            id: id.map(str::to_owned),
            version: None,
        };
        let ec2 = ec2::Region::default();
        let refusal = |asked: LaunchTemplate| asked.resolved(&ec2, &[]).expect_err("refused");
        for wrong in [template(None, None), template(Some("n"), Some("lt-1"))] {
            assert_eq!(refusal(wrong).code, "InvalidParameterException");
        }
        let missing = refusal(template(Some("n"), None));
        assert_eq!(
            missing.message,
            "The specified launch template, with template name n, does not exist."
        );
    }
}
