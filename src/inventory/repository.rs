//! The repository on GitHub that the pipeline's file names.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::decode::{Invalid, decode_from_str};
use super::identity::checked_text;

/// A repository on GitHub, as `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RepositoryName(
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"))] String,
);

impl FromStr for RepositoryName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && part.chars().all(plain)
        };
        match text.split_once('/') {
            Some((owner, name)) if fits(owner) && fits(name) => Ok(Self(text.to_owned())),
            _ => Err(Invalid::new("is not a repository")
                .maybe_help(Some("it takes OWNER/NAME".to_owned()))),
        }
    }
}

checked_text!(RepositoryName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_an_owner_and_a_name() {
        let name = "acme/base.git-ops".parse::<RepositoryName>().unwrap();
        assert_eq!(name.as_str(), "acme/base.git-ops");
        for text in [
            "base",
            "acme/",
            "/base",
            "acme/base/x",
            "https://github.com/acme/base",
        ] {
            assert!(text.parse::<RepositoryName>().is_err(), "{text}");
        }
    }
}
