//! What EKS and CloudWatch Logs take as values for a control plane, and Karpenter's charts.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::choice::choice;
use super::decode::{Invalid, decode_from_str};
use super::identity::checked_text;

/// A Kubernetes minor version as EKS names it, `1.35`. Newer is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
pub struct EksVersion(#[schemars(with = "String", regex(pattern = r"^1\.[1-9][0-9]{1,2}$"))] u16);

impl EksVersion {
    /// The number behind `1.`.
    pub fn minor(self) -> u16 {
        self.0
    }

    /// The version one minor higher, the only one that a control plane can be raised to.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version one minor lower.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl FromStr for EksVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let minor = text.strip_prefix("1.").filter(|minor| {
            (2..=3).contains(&minor.len())
                && !minor.starts_with('0')
                && minor.bytes().all(|byte| byte.is_ascii_digit())
        });
        minor
            .and_then(|minor| minor.parse().ok())
            .map(Self)
            .ok_or_else(|| {
                let help = "EKS names versions by major and minor number, such as \"1.35\"";
                Invalid::new("is not an EKS version").maybe_help(Some(help.to_owned()))
            })
    }
}

impl fmt::Display for EksVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("1.{}", self.0))
    }
}

impl Serialize for EksVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

choice! {
    /// Which versions a cluster may stay on, as EKS's upgrade policy names it.
    pub enum UpgradePolicy {
        /// Upgraded by EKS when standard support ends.
        Standard = "STANDARD",
        /// Kept, at a higher price, until extended support ends.
        Extended = "EXTENDED",
    }
}

choice! {
    /// A log that the control plane can write.
    pub enum LogType {
        /// API server.
        Api = "api",
        /// Audit.
        Audit = "audit",
        /// IAM authenticator.
        Authenticator = "authenticator",
        /// Controller manager.
        ControllerManager = "controllerManager",
        /// Scheduler.
        Scheduler = "scheduler",
    }
}

choice! {
    /// How pods of the cluster's service accounts come by an IAM role.
    pub enum WorkloadIdentity {
        /// Through the cluster's IAM OIDC provider (IAM roles for service accounts).
        Irsa = "irsa",
        /// Through EKS Pod Identity associations.
        PodIdentity = "pod_identity",
    }
}

/// A version of the Karpenter charts, `1.8.2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChartVersion(
    #[schemars(regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"))]
    String,
);

impl FromStr for ChartVersion {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match semver::Version::parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(Invalid::new("is not a chart version such as 1.11.1")),
        }
    }
}

checked_text!(ChartVersion);

/// The numbers of days that CloudWatch Logs can keep events for (`PutRetentionPolicy`).
const RETENTIONS: &[u16] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// For how many days a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogRetention(u16);

impl LogRetention {
    /// Days, as the API takes them.
    pub fn days(self) -> i32 {
        self.0.into()
    }
}

impl FromStr for LogRetention {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let days = text.parse().ok().filter(|days| RETENTIONS.contains(days));
        days.map(Self).ok_or_else(|| {
            let all: Vec<String> = RETENTIONS.iter().map(ToString::to_string).collect();
            let complaint = "is not a number of days that CloudWatch Logs can keep a log for";
            Invalid::new(complaint).maybe_help(Some(format!("one of {}", all.join(", "))))
        })
    }
}

impl JsonSchema for LogRetention {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LogRetention".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "enum": RETENTIONS })
    }
}

/// An OIDC issuer's address: `https`, without query and fragment, as EKS wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IssuerUrl(
    #[schemars(regex(pattern = r"^https://[^?#]+$"))]
    String,
);

impl FromStr for IssuerUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let complaint = match url::Url::parse(text) {
            Err(error) => format!("is not a URL: {error}"),
            Ok(url) if url.scheme() != "https" => "doesn't begin with https://".to_owned(),
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "has a query or a fragment, which an issuer's URL can't".to_owned()
            }
            // As it was given, since tokens must name the issuer in exactly these characters.
            Ok(_) => return Ok(Self(text.to_owned())),
        };
        Err(Invalid::new(complaint))
    }
}

/// The name of an identity provider configuration: letters, digits, `-` and `_`, at most 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProviderConfigName(
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$"))] String,
);

impl FromStr for ProviderConfigName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = text.len() <= 100
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            let complaint = "is not a name of at most 100 letters, digits, - and _";
            Err(Invalid::new(complaint))
        }
    }
}

checked_text!(IssuerUrl, ProviderConfigName);
decode_from_str!(EksVersion, LogRetention);

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint<T: FromStr<Err = Invalid> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().unwrap_err().to_string()
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<EksVersion>().unwrap();
        assert!(version("1.99") < version("1.100"));
        assert_eq!(version("1.34").next(), version("1.35"));
        assert_eq!(version("1.35").previous().to_string(), "1.34");
        for text in ["1.3", "1.035", "2.1", "1.35.1", "v1.35", "1.", ""] {
            assert_eq!(complaint::<EksVersion>(text), "is not an EKS version");
        }
    }

    #[test]
    fn a_log_is_kept_for_a_number_of_days_that_the_service_takes() {
        assert_eq!(
            complaint::<LogRetention>("91"),
            "is not a number of days that CloudWatch Logs can keep a log for"
        );
        assert_eq!("90".parse::<LogRetention>().unwrap().days(), 90);
    }

    #[test]
    fn names_and_addresses_are_checked() {
        assert_eq!(
            complaint::<ChartVersion>("1.2"),
            "is not a chart version such as 1.11.1"
        );
        assert_eq!(
            complaint::<ProviderConfigName>("a b"),
            "is not a name of at most 100 letters, digits, - and _"
        );
        assert_eq!(
            complaint::<IssuerUrl>("http://x.example/"),
            "doesn't begin with https://"
        );
        assert_eq!(
            complaint::<IssuerUrl>("https://x.example/?a=b"),
            "has a query or a fragment, which an issuer's URL can't"
        );
        let url = "https://x.example/";
        assert_eq!(url.parse::<IssuerUrl>().unwrap().as_str(), url);
    }
}
