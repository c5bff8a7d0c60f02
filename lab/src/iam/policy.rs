//! Policy documents: who may do what, under which conditions.
//!
//! The rules are those of the IAM User Guide's "Policy evaluation logic": an explicit deny wins,
//! then any allow, else no. What the lab doesn't evaluate (`NotPrincipal`) is refused when the
//! document is read, so that it can't be ignored by mistake.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::condition::Conditions;
use super::variables::{self, Use};

/// A policy document.
#[derive(Debug, Clone, Deserialize)]
pub struct Document {
    #[serde(rename = "Version")]
    version: Option<String>,
    #[serde(rename = "Statement")]
    statements: OneOrMany<Statement>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: Effect,
    principal: Option<Principal>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    #[serde(default)]
    condition: Conditions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Principal {
    /// `"*"`, everyone.
    Everyone(String),
    /// Lists by kind.
    Named(BTreeMap<String, OneOrMany<String>>),
}

/// A value that a document may write as itself or as a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Caller<'a> {
    /// A user or the session of a role.
    Aws {
        /// The account.
        account: &'a str,
        /// ARN of the user or the session.
        arn: &'a str,
        /// ARN of the session's role.
        role: Option<&'a str>,
    },
    /// Somebody that an identity provider, named by its ARN, speaks for.
    Federated(&'a str),
    /// A service, named by its principal (`ec2.amazonaws.com`).
    Service(&'a str),
}

/// A question to a policy.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks. A document without principals (an identity's policy) fits anyone.
    pub caller: Caller<'a>,
    /// What for (`sts:AssumeRole`).
    pub action: &'a str,
    /// On which ARN. A document without resources (a trust policy) fits any.
    pub resource: &'a str,
    /// Values of condition keys.
    pub context: &'a Context,
}

/// Values of condition keys, whose names are case-insensitive.
#[derive(Debug, Clone, Default)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// Adds values of a key.
    pub fn set<V: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        self.0.insert(
            key.to_lowercase(),
            values.into_iter().map(Into::into).collect(),
        );
    }

    pub(super) fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_lowercase()).map(Vec::as_slice)
    }
}

/// What a policy says to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// A statement denies it.
    Denied,
    /// No statement speaks of it.
    Silent,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, for `MalformedPolicyDocument`.
    pub fn parse(document: &Value) -> Result<Self, String> {
        Self::deserialize(document).map_err(|e| e.to_string())
    }

    /// What it says to a question.
    pub fn verdict(&self, question: &Question<'_>) -> Verdict {
        // Variables came with this version of the language.
        let has_variables = self.version.as_deref() == Some("2012-10-17");
        let mut verdict = Verdict::Silent;
        for statement in self
            .statements
            .as_slice()
            .iter()
            .filter(|s| s.fits(question, has_variables))
        {
            match statement.effect {
                Effect::Deny => return Verdict::Denied,
                Effect::Allow => verdict = Verdict::Allowed,
            }
        }
        verdict
    }
}

impl Statement {
    fn fits(&self, question: &Question<'_>, has_variables: bool) -> bool {
        let action = |patterns: &OneOrMany<String>| {
            let mut patterns = patterns.as_slice().iter();
            patterns.any(|pattern| action_matches(pattern, question.action))
        };
        let resource = |patterns: &OneOrMany<String>| {
            let mut patterns = patterns.as_slice().iter();
            patterns.any(|pattern| {
                if has_variables {
                    variables::expand(pattern, question.context, Use::Pattern)
                        .is_some_and(|pattern| crate::pattern::matches(&pattern, question.resource))
                } else {
                    crate::pattern::matches(pattern, question.resource)
                }
            })
        };
        self.principal
            .as_ref()
            .is_none_or(|principal| principal.fits(question.caller))
            && self.action.as_ref().is_none_or(action)
            && !self.not_action.as_ref().is_some_and(action)
            && (self.action.is_some() || self.not_action.is_some())
            && self.resource.as_ref().is_none_or(resource)
            && !self.not_resource.as_ref().is_some_and(resource)
            && self.condition.hold(question.context, has_variables)
    }
}

/// Action names are case-insensitive.
fn action_matches(pattern: &str, action: &str) -> bool {
    crate::pattern::matches(&pattern.to_lowercase(), &action.to_lowercase())
}

impl Principal {
    fn fits(&self, caller: Caller<'_>) -> bool {
        let named = match self {
            Self::Everyone(text) => return text == "*",
            Self::Named(named) => named,
        };
        let list = |kind| named.get(kind).map_or(&[][..], OneOrMany::as_slice);
        match caller {
            Caller::Aws { account, arn, role } => list("AWS").iter().any(|name| {
                name == "*"
                    || name == account
                    || *name == format!("arn:aws:iam::{account}:root")
                    || name == arn
                    || Some(name.as_str()) == role
            }),
            Caller::Federated(provider) => list("Federated").iter().any(|name| name == provider),
            Caller::Service(service) => list("Service").iter().any(|name| name == service),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USER: Caller<'_> = Caller::Aws {
        account: "111122223333",
        arn: "arn:aws:iam::111122223333:user/ci",
        role: None,
    };

    fn ask(document: Value, caller: Caller<'_>, action: &str) -> Verdict {
        let mut context = Context::default();
        context.set("aws:RequestTag/Team", ["core"]);
        let resource = "arn:aws:iam::444455556666:role/PSKRoles/x";
        Document::parse(&document).unwrap().verdict(&Question {
            caller,
            action,
            resource,
            context: &context,
        })
    }

    #[test]
    fn an_account_a_session_and_a_role_can_be_named() {
        let trust = |principal: Value| {
            json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Principal": principal,
                "Action": ["sts:AssumeRole", "sts:Tag*"]}})
        };
        let session = Caller::Aws {
            account: "111122223333",
            arn: "arn:aws:sts::111122223333:assumed-role/ci/run",
            role: Some("arn:aws:iam::111122223333:role/PSKRoles/ci"),
        };
        for (principal, caller, expected) in [
            (
                json!({"AWS": "arn:aws:iam::111122223333:root"}),
                USER,
                Verdict::Allowed,
            ),
            (
                json!({"AWS": ["444455556666", "111122223333"]}),
                USER,
                Verdict::Allowed,
            ),
            (
                json!({"AWS": "arn:aws:iam::111122223333:user/other"}),
                USER,
                Verdict::Silent,
            ),
            (
                json!({"AWS": "arn:aws:iam::111122223333:role/PSKRoles/ci"}),
                session,
                Verdict::Allowed,
            ),
            (
                json!({"AWS": "arn:aws:iam::111122223333:role/PSKRoles/ci"}),
                USER,
                Verdict::Silent,
            ),
            (json!("*"), USER, Verdict::Allowed),
            (
                json!({"Service": "ec2.amazonaws.com"}),
                USER,
                Verdict::Silent,
            ),
            (
                json!({"Service": "ec2.amazonaws.com"}),
                Caller::Service("ec2.amazonaws.com"),
                Verdict::Allowed,
            ),
        ] {
            assert_eq!(
                ask(trust(principal.clone()), caller, "sts:assumerole"),
                expected,
                "{principal}"
            );
        }
    }

    #[test]
    fn a_deny_wins_and_what_is_not_mentioned_is_not_allowed() {
        let document = json!({"Statement": [
            {"Effect": "Allow", "Action": "sts:*", "Resource": "arn:aws:iam::*:role/PSKRoles/*"},
            {"Effect": "Deny", "NotAction": "sts:AssumeRole", "Resource": "*"}]});
        assert_eq!(
            ask(document.clone(), USER, "sts:AssumeRole"),
            Verdict::Allowed
        );
        assert_eq!(
            ask(document.clone(), USER, "sts:TagSession"),
            Verdict::Denied
        );
        let elsewhere = json!({"Statement": [
            {"Effect": "Allow", "Action": "sts:*", "NotResource": "*:role/PSKRoles/*"}]});
        assert_eq!(ask(elsewhere, USER, "sts:AssumeRole"), Verdict::Silent);
    }

    #[test]
    fn a_resource_may_depend_on_the_request() {
        let document = |version: &str| {
            json!({"Version": version, "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "arn:*:${aws:RequestTag/Team}"},
                {"Effect": "Allow", "Action": "*",
                 "Resource": "arn:aws:iam::*:role/${aws:RequestTag/Path, 'PSKRoles'}/*"}]})
        };
        let new = ask(document("2012-10-17"), USER, "sts:AssumeRole");
        assert_eq!(new, Verdict::Allowed);
        let old = ask(document("2008-10-17"), USER, "sts:AssumeRole");
        assert_eq!(old, Verdict::Silent);
    }

    #[test]
    fn what_cannot_be_evaluated_is_not_read() {
        for statement in [
            json!({"Effect": "Allow", "NotPrincipal": "*", "Action": "*"}),
            json!({"Effect": "Perhaps", "Action": "*"}),
            json!({"Effect": "Allow", "Action": "*", "Condition": {"DateAbout": {"x": "y"}}}),
        ] {
            let document = json!({"Statement": [statement]});
            assert!(Document::parse(&document).is_err(), "{document}");
        }
    }
}
