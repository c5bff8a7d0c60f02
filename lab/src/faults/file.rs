//! The file of faults.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};
use thiserror::Error;

use crate::front::service::Service;

/// Latency of every call, and rules for some.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Milliseconds added to every call.
    pub latency_ms: u64,
    /// Seconds after which every session ends at the latest, whatever was asked for.
    pub session_seconds: Option<u32>,
    /// Seconds after which a cluster's API takes a token no more, in the place of fifteen minutes.
    pub token_seconds: Option<u32>,
    /// Which calls a rule with a `chance` hits. The same seed hits the same ones.
    pub seed: u64,
    /// The rules. Of those that hit a call, every latency counts, and the first other effect.
    pub rules: Vec<Rule>,
}

/// Which calls, and what happens to them. A rule with no condition hits every call.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The service, by its name in credential scopes (`eks`), or `kubernetes` or `connect`.
    #[serde(default, deserialize_with = "service")]
    pub service: Option<Service>,
    /// The operation's name; `*` and `?` are wildcards. Those of Kubernetes are a verb and a plural:
    /// `list pods`, `watch nodes`, `apply storageclasses`, `log pods`, `get /version`.
    #[serde(default)]
    pub operation: Option<String>,
    /// The caller's account.
    #[serde(default)]
    pub account: Option<String>,
    /// The region that the call is for.
    #[serde(default)]
    pub region: Option<String>,
    /// Text that occurs in the path, the query or the body (a cluster's name).
    #[serde(default)]
    pub contains: Option<String>,
    /// Whether the call may change something, or may not.
    #[serde(default)]
    pub writes: Option<bool>,
    /// Whether only the first of several equal calls fits, as a client's retries are.
    #[serde(default)]
    pub first: bool,
    /// Of the calls that the conditions above fit: these, counted from 1. A number or a list.
    #[serde(default, deserialize_with = "counts")]
    pub at: Option<Vec<u64>>,
    /// Of those calls: this one, counted from 1, and all after it.
    #[serde(default)]
    pub from: Option<u64>,
    /// Of those calls: this share, from 0 to 1.
    #[serde(default, deserialize_with = "chance")]
    pub chance: Option<f64>,
    /// What happens.
    pub effect: Effect,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The service's own answer to a client that calls too often. Nothing is done.
    Throttle,
    /// This answer, in the service's format. Nothing is done.
    Error {
        /// HTTP status, from 400 to 599.
        #[serde(deserialize_with = "status")]
        status: u16,
        /// The service's error code.
        code: String,
        /// The message for people.
        message: String,
    },
    /// The connection is closed without an answer. Nothing is done.
    Reset,
    /// The call is carried out, then the connection is closed without an answer.
    ResetAfter,
    /// There is no answer until the client gives up or the lab is stopped. Nothing is done.
    Hang,
    /// The call takes this many milliseconds longer.
    LatencyMs(u64),
    /// A watch of a cluster's API is broken off this many milliseconds after it began.
    CutAfterMs(u64),
    /// A watch of a cluster's API is told that its revision has expired this many milliseconds
    /// after it began.
    ExpireAfterMs(u64),
    /// From this call on, the cluster's API server takes no connection for this many seconds of the
    /// world's time, and its watches are broken off.
    AwaySeconds(u64),
    /// The call is accepted, and what it began fails: the creation or the update of a cluster, a
    /// node group or an add-on. Other calls are carried out.
    Fails {
        /// What kind of problem EKS tells of (`NodeCreationFailure`).
        code: String,
        /// The message for people.
        message: String,
        /// The resources concerned.
        #[serde(default)]
        resource_ids: Vec<String>,
    },
}

/// A file of faults that can't be used.
#[derive(Debug, Error)]
pub enum FaultsError {
    /// It can't be read.
    #[error("can't read the faults file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It isn't JSON, or not what a faults file holds.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

impl Faults {
    /// Reads a file.
    ///
    /// # Errors
    /// If it can't be read or isn't a file of faults; names file, line and column.
    pub fn read(path: &Path) -> Result<Self, FaultsError> {
        let text = std::fs::read_to_string(path).map_err(|source| FaultsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Faults::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, FaultsError> {
        serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let told = error.to_string();
            let place = format!(" at line {line} column {column}");
            FaultsError::Invalid {
                path: path.to_owned(),
                line,
                column,
                message: told.strip_suffix(&place).unwrap_or(&told).to_owned(),
            }
        })
    }
}

fn service<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Service>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Service::named(&name).map(Some).ok_or_else(|| {
        let known = Service::AWS.map(Service::name).join(", ");
        de::Error::custom(format!(
            "no service `{name}`; the lab has {known}, kubernetes and connect"
        ))
    })
}

fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u64>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "`at` is a number from 1, or a list of such numbers"
    )]
    enum Counts {
        One(u64),
        Many(Vec<u64>),
    }
    let counts = match Counts::deserialize(deserializer)? {
        Counts::One(count) => vec![count],
        Counts::Many(counts) => counts,
    };
    if counts.contains(&0) {
        return Err(de::Error::custom(
            "calls are counted from 1, so `at` can't be 0",
        ));
    }
    Ok(Some(counts))
}

fn chance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let chance = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&chance) {
        Ok(Some(chance))
    } else {
        Err(de::Error::custom(format!(
            "`chance` is a share from 0 to 1, not {chance}"
        )))
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let status = u16::deserialize(deserializer)?;
    if (400..600).contains(&status) {
        Ok(status)
    } else {
        Err(de::Error::custom(format!(
            "an error's `status` is from 400 to 599, not {status}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Faults, String> {
        Faults::parse(text, Path::new("faults.json")).map_err(|e| e.to_string())
    }

    #[test]
    fn every_effect_can_be_written() {
        let faults = parse(
            r#"{
              "latency_ms": 5, "session_seconds": 60, "token_seconds": 2, "seed": 7,
              "rules": [
                { "service": "eks", "operation": "Describe*", "chance": 0.02, "effect": "throttle" },
                { "at": 3, "effect": "reset" },
                { "at": [1, 2], "effect": "reset_after" },
                { "from": 4, "effect": "hang" },
                { "contains": "c", "effect": { "latency_ms": 10 } },
                { "effect": { "fails": { "code": "NodeCreationFailure", "message": "m" } } },
                { "effect": { "error": { "status": 500, "code": "X", "message": "m" } } }
              ]
            }"#,
        )
        .unwrap();
        assert_eq!((faults.latency_ms, faults.session_seconds), (5, Some(60)));
        assert_eq!(faults.token_seconds, Some(2));
        assert_eq!(faults.rules[1].at, Some(vec![3]));
        assert_eq!(
            faults
                .rules
                .iter()
                .map(|rule| rule.effect.clone())
                .collect::<Vec<_>>(),
            [
                Effect::Throttle,
                Effect::Reset,
                Effect::ResetAfter,
                Effect::Hang,
                Effect::LatencyMs(10),
                Effect::Fails {
                    code: "NodeCreationFailure".into(),
                    message: "m".into(),
                    resource_ids: Vec::new(),
                },
                Effect::Error {
                    status: 500,
                    code: "X".into(),
                    message: "m".into()
                },
            ]
        );
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let told = |text: &str| parse(text).unwrap_err();
        assert_eq!(
            told("{\n  \"latency\": 5\n}"),
            "faults.json:2:11: unknown field `latency`, expected one of `latency_ms`, `session_seconds`, `token_seconds`, `seed`, `rules`"
        );
        assert_eq!(
            told(r#"{"rules":[{"chance":2,"effect":"reset"}]}"#),
            "faults.json:1:21: `chance` is a share from 0 to 1, not 2"
        );
        assert_eq!(
            told(r#"{"rules":[{"at":0,"effect":"reset"}]}"#),
            "faults.json:1:17: calls are counted from 1, so `at` can't be 0"
        );
        assert_eq!(
            told(r#"{"rules":[{"at":"x","effect":"reset"}]}"#),
            "faults.json:1:19: `at` is a number from 1, or a list of such numbers"
        );
        assert_eq!(
            told(r#"{"rules":[{"effect":{"error":{"status":200,"code":"","message":""}}}]}"#),
            "faults.json:1:42: an error's `status` is from 400 to 599, not 200"
        );
        assert!(
            told("{").starts_with("faults.json:1:1: EOF while parsing"),
            "{}",
            told("{")
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Faults::read(Path::new("no/such.json"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("can't read the faults file no/such.json: "),
            "{error}"
        );
    }
}
