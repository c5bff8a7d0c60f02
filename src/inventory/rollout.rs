//! How a release goes over the clusters of a role: how many at once, how many may fail, when.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::choice::choice;
use super::decode::{Decode, Decoder, Invalid, decode_from_str, mapping};
use super::identity::Region;
use super::node::Node;
use super::problem::Problem;
use super::window::Window;

/// How a release goes over the clusters of a role.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Rollout {
    /// How many clusters are worked on at once: a count or a percentage of the role's clusters,
    /// rounded down, at least one. All by default.
    pub max_concurrent: Quantity,
    /// How many clusters may fail before nothing new is started: a count or a percentage, rounded
    /// down. None by default.
    pub failure_tolerance: Quantity,
    /// What a failure does to how many are worked on at once.
    pub mode: Mode,
    /// How many clusters go first, and must verify, before the rest starts.
    pub canary: u32,
    /// Regions in the order in which their clusters start; others come after.
    pub region_order: Vec<Region>,
    /// How long the roles in `after` must have held the release, such as `30m` or `24h`.
    #[serde(serialize_with = "soak_in_words")]
    #[schemars(
        with = "String",
        regex(pattern = r"^[0-9]+ ?[a-z]+( ?[0-9]+ ?[a-z]+)*$")
    )]
    pub soak: Duration,
    /// The only times at which the role may be rolled out. At any time by default.
    pub windows: Vec<Window>,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            max_concurrent: Quantity::Percent(100),
            failure_tolerance: Quantity::Count(0),
            mode: Mode::Soft,
            canary: 0,
            region_order: Vec::new(),
            soak: Duration::ZERO,
            windows: Vec::new(),
        }
    }
}

impl Rollout {
    /// How many of `clusters` are worked on at once: at least one.
    pub fn width(&self, clusters: usize) -> usize {
        self.max_concurrent.of(clusters).max(1)
    }

    /// How many of `clusters` may fail before nothing new is started.
    pub fn tolerance(&self, clusters: usize) -> usize {
        self.failure_tolerance.of(clusters)
    }
}

/// A number of clusters, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// This many.
    Count(u32),
    /// This many of a hundred, rounded down.
    Percent(u8),
}

impl Quantity {
    /// How many of `total` it is; never more than there are.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX).min(total),
            Self::Percent(percent) => total.saturating_mul(percent.into()) / 100,
        }
    }
}

impl FromStr for Quantity {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let quantity = match text.strip_suffix('%') {
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        };
        quantity.ok_or_else(|| Invalid::new("is not a count nor a percentage up to 100%"))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^([0-9]+|([0-9]{1,2}|100)%)$" },
            ]
        })
    }
}

choice! {
    /// What a failure does to the width of a rollout.
    pub enum Mode {
        /// The width stays until the tolerance is passed.
        Soft = "soft",
        /// The width starts at tolerance + 1 and shrinks by one with each failure, so that no more
        /// clusters than the tolerance allows can ever fail.
        Strict = "strict",
    }
}

struct Soak(Duration);

impl FromStr for Soak {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let duration = text.parse::<jiff::SignedDuration>().ok();
        duration
            .and_then(|duration| Duration::try_from(duration).ok())
            .map(Self)
            .ok_or_else(|| {
                Invalid::new("is not a length of time")
                    .maybe_help(Some("such as 30m or 24h".to_owned()))
            })
    }
}

fn soak_in_words<S: serde::Serializer>(soak: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::SignedDuration::try_from(*soak) {
        Ok(soak) => serializer.collect_str(&format_args!("{soak:#}")),
        Err(error) => Err(serde::ser::Error::custom(error)),
    }
}

decode_from_str!(Quantity, Soak);

impl Decode for Rollout {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let default = Self::default();
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let max_concurrent = decoder.or("max_concurrent", default.max_concurrent);
        let failure_tolerance = decoder.or("failure_tolerance", default.failure_tolerance);
        let mode = decoder.or("mode", default.mode);
        let canary = decoder.or("canary", default.canary);
        let region_order = decoder.or("region_order", default.region_order);
        let soak = decoder.or("soak", Soak(default.soak));
        let windows = decoder.or("windows", default.windows);
        if let (Some(Quantity::Count(0) | Quantity::Percent(0)), Some(node)) =
            (max_concurrent, decoder.node("max_concurrent"))
        {
            let message = format!("{path}.max_concurrent is none: nothing would ever start");
            decoder.problem(Problem::at(&node.at, message));
        }
        decoder.finish();
        Some(Self {
            max_concurrent: max_concurrent?,
            failure_tolerance: failure_tolerance?,
            mode: mode?,
            canary: canary?,
            region_order: region_order?,
            soak: soak?.0,
            windows: windows?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse;
    use super::super::source::Source;
    use super::*;

    fn rollout(text: &str) -> Result<Rollout, Vec<String>> {
        let source = Source::new("roles/qa.yaml", format!("rollout: {text}\n"));
        let mut problems = Vec::new();
        let map = parse::parse(&source, &mut problems).unwrap();
        let rollout = Rollout::decode(&map.get("rollout").unwrap().node, "rollout", &mut problems);
        match rollout {
            Some(rollout) if problems.is_empty() => Ok(rollout),
            _ => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn nothing_said_is_all_at_once_and_no_failure() {
        let rollout = rollout("{}").unwrap();
        assert_eq!(rollout, Rollout::default());
        assert_eq!((rollout.width(6), rollout.tolerance(6)), (6, 0));
    }

    #[test]
    fn parts_are_rounded_down_and_the_width_is_at_least_one() {
        let rollout = rollout(
            "{ max_concurrent: 30%, failure_tolerance: 50%, mode: strict, canary: \"1\", \
             region_order: [us-east-1], soak: 1h 30m }",
        )
        .unwrap();
        assert_eq!(rollout.width(6), 1);
        assert_eq!(rollout.width(7), 2);
        assert_eq!(rollout.width(2), 1);
        assert_eq!(rollout.tolerance(5), 2);
        assert_eq!(rollout.soak, Duration::from_secs(5400));
        assert_eq!(serde_json::to_value(&rollout).unwrap()["soak"], "1h 30m");
    }

    #[test]
    fn bad_values_are_told_together() {
        let problems = rollout(
            "{ max_concurrent: 0, failure_tolerance: 101%, mode: hard, canary: -1, \
             region_order: [us-esat-1], soak: soon, window: [] }",
        );
        assert_eq!(
            problems.unwrap_err(),
            [
                "roles/qa.yaml:1:50: rollout.failure_tolerance: \"101%\" is not a count nor a \
                 percentage up to 100%",
                "roles/qa.yaml:1:62: rollout.mode: \"hard\" is not one of soft, strict",
                "roles/qa.yaml:1:76: rollout.canary: \"-1\" is not a whole number",
                "roles/qa.yaml:1:95: rollout.region_order[0]: \"us-esat-1\" is not an AWS region \
                 (did you mean \"us-east-1\"?)",
                "roles/qa.yaml:1:113: rollout.soak: \"soon\" is not a length of time \
                 (such as 30m or 24h)",
                "roles/qa.yaml:1:28: rollout.max_concurrent is none: nothing would ever start",
                "roles/qa.yaml:1:119: unknown key \"window\" (did you mean \"windows\"?)",
            ]
        );
    }

    proptest! {
        #[test]
        fn a_quantity_is_never_more_than_there_is(percent in 0u8..=100, count: u32, total in 0usize..10_000) {
            prop_assert!(Quantity::Percent(percent).of(total) <= total);
            prop_assert!(Quantity::Count(count).of(total) <= total);
            prop_assert_eq!(Quantity::Percent(100).of(total), total);
        }
    }
}
