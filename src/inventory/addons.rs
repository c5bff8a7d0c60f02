//! The EKS add-ons that a cluster gets.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::choice::choice;
use super::decode::{Decode, Decoder, Invalid, decode_from_str, mapping};
use super::node::{Kind, Node, Scalar, Value};
use super::problem::Problem;

/// An EKS add-on and how to keep it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Addon {
    /// The add-on's name, such as `vpc-cni`.
    pub name: String,
    /// Which version: `most_recent` (the default), `default` (the service's own choice for the
    /// cluster's version) or one version, such as `v1.20.1-eksbuild.3`.
    #[schemars(with = "Option<AddonVersion>")]
    pub version: AddonVersion,
    /// Configuration in the form of the add-on's own schema. Laid over what psk itself sets.
    pub configuration_values: Option<serde_json::Map<String, serde_json::Value>>,
    /// What happens to fields that someone changed in the cluster.
    #[schemars(with = "Option<ResolveConflicts>")]
    pub resolve_conflicts: ResolveConflicts,
}

/// Which version of an add-on to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddonVersion {
    /// The newest that is compatible with the cluster's version.
    MostRecent,
    /// The one that EKS would choose for the cluster's version.
    Default,
    /// This one.
    Exact(String),
}

impl FromStr for AddonVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "most_recent" => Ok(Self::MostRecent),
            "default" => Ok(Self::Default),
            _ if text
                .strip_prefix('v')
                .is_some_and(|rest| semver::Version::parse(rest).is_ok()) =>
            {
                Ok(Self::Exact(text.to_owned()))
            }
            _ => {
                let complaint = "is not most_recent, default or a version such as \
                                 v1.20.1-eksbuild.3";
                Err(Invalid::new(complaint))
            }
        }
    }
}

impl fmt::Display for AddonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MostRecent => "most_recent",
            Self::Default => "default",
            Self::Exact(version) => version,
        })
    }
}

impl Serialize for AddonVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for AddonVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AddonVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(most_recent|default|v[0-9]+\.[0-9]+\.[0-9]+.*)$",
        })
    }
}

choice! {
    /// What EKS does with an add-on's fields that were changed in the cluster.
    pub enum ResolveConflicts {
        /// Sets them back.
        Overwrite = "OVERWRITE",
        /// Leaves them as they are.
        Preserve = "PRESERVE",
        /// Fails the change.
        None = "NONE",
    }
}

decode_from_str!(AddonVersion);

/// A name, or a mapping with a name.
impl Decode for Addon {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        if matches!(node.value, Value::Scalar(_)) {
            return Some(Self {
                name: String::decode(node, path, problems)?,
                version: AddonVersion::MostRecent,
                configuration_values: None,
                resolve_conflicts: ResolveConflicts::Overwrite,
            });
        }
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, "the add-on", path, problems);
        let name = decoder.required("name");
        let version = decoder.or("version", AddonVersion::MostRecent);
        let values = decoder.optional::<Configuration>("configuration_values");
        let resolve_conflicts = decoder.or("resolve_conflicts", ResolveConflicts::Overwrite);
        decoder.finish();
        Some(Self {
            name: name?,
            version: version?,
            configuration_values: values?.map(|Configuration(values)| values),
            resolve_conflicts: resolve_conflicts?,
        })
    }
}

struct Configuration(serde_json::Map<String, serde_json::Value>);

/// A mapping, or the same as JSON in a string, which is how EKS itself takes it.
impl Decode for Configuration {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        refuse_references(node, path, problems)?;
        let values = match &node.value {
            Value::Scalar(Scalar {
                text,
                kind: Kind::String,
                ..
            }) => serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}")),
            _ => Ok(node.to_json()),
        };
        let complaint = match values {
            Ok(serde_json::Value::Object(values)) => return Some(Self(values)),
            Ok(_) => "is not a mapping".to_owned(),
            Err(complaint) => complaint,
        };
        problems.push(Problem::at(&node.at, format!("{path} {complaint}")));
        None
    }
}

/// Reports every value that comes from a vault, where values are shown to everyone.
pub(crate) fn refuse_references(
    node: &Node,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<()> {
    let mut found = false;
    node.scalars(&mut |at, scalar| {
        if !scalar.taint.references.is_empty() {
            found = true;
            let message = format!(
                "{path} can't hold {}: everyone can read it",
                scalar.quoted()
            );
            problems.push(Problem::at(at, message).help("write the value itself"));
        }
    });
    (!found).then_some(())
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::source::Source;
    use super::*;

    fn addons(text: &str) -> Result<Vec<Addon>, Vec<String>> {
        let source = Source::new("f.yaml", text);
        let mut problems = Vec::new();
        let map = parse::parse(&source, &mut problems).unwrap();
        let addons = Vec::decode(&map.get("addons").unwrap().node, "addons", &mut problems);
        addons.ok_or_else(|| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_addon_is_a_name_or_a_mapping() {
        let addons = addons(
            "addons:\n- coredns\n- name: vpc-cni\n  version: v1.20.1-eksbuild.3\n  \
             configuration_values: { env: { ENABLE_PREFIX_DELEGATION: \"true\" } }\n- \
             { name: kube-proxy, version: default, configuration_values: '{\"a\": 1}', \
             resolve_conflicts: PRESERVE }\n",
        )
        .unwrap();
        insta::assert_json_snapshot!(addons, @r#"
        [
          {
            "name": "coredns",
            "version": "most_recent",
            "configuration_values": null,
            "resolve_conflicts": "OVERWRITE"
          },
          {
            "name": "vpc-cni",
            "version": "v1.20.1-eksbuild.3",
            "configuration_values": {
              "env": {
                "ENABLE_PREFIX_DELEGATION": "true"
              }
            },
            "resolve_conflicts": "OVERWRITE"
          },
          {
            "name": "kube-proxy",
            "version": "default",
            "configuration_values": {
              "a": 1
            },
            "resolve_conflicts": "PRESERVE"
          }
        ]
        "#);
    }

    #[test]
    fn what_is_wrong_with_an_addon_is_told() {
        let problems = addons(
            "addons:\n- { name: a, version: newest, verison: x }\n- { version: default }\n- \
             { name: b, configuration_values: '[1]' }\n",
        );
        assert_eq!(
            problems.unwrap_err(),
            [
                "f.yaml:2:23: addons[0].version: \"newest\" is not most_recent, default or a \
                 version such as v1.20.1-eksbuild.3",
                "f.yaml:2:31: unknown key \"verison\" (did you mean \"version\"?)",
                "f.yaml:3:3: the add-on has no addons[1].name",
                "f.yaml:4:36: addons[2].configuration_values is not a mapping",
            ]
        );
    }
}
