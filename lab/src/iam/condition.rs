//! The conditions of a policy statement: operators over the values of condition keys.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::compare::{self, Order};
use super::policy::{Context, OneOrMany};
use super::variables::{self, Use};
use crate::pattern;

/// A statement's conditions; all have to hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, BTreeMap<String, OneOrMany<Scalar>>>")]
pub(super) struct Conditions(Vec<Condition>);

#[derive(Debug, Clone)]
struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

/// How a value may be written; all are compared as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

#[derive(Debug, Clone, Copy)]
struct Operator {
    compare: Compare,
    negated: bool,
    /// Whether a key without value fulfils the condition.
    if_exists: bool,
    quantifier: Quantifier,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Exactly,
    IgnoringCase,
    Like,
    Number(Order),
    Date(Order),
    Address,
    /// Whether the key has no value.
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    One,
    ForAnyValue,
    ForAllValues,
}

impl TryFrom<BTreeMap<String, BTreeMap<String, OneOrMany<Scalar>>>> for Conditions {
    type Error = String;

    fn try_from(
        blocks: BTreeMap<String, BTreeMap<String, OneOrMany<Scalar>>>,
    ) -> Result<Self, String> {
        let mut conditions = Vec::new();
        for (name, keys) in blocks {
            let operator = Operator::parse(&name)
                .ok_or_else(|| format!("the lab doesn't evaluate the condition operator {name}"))?;
            for (key, values) in keys {
                let values = values.as_slice().iter().map(Scalar::text).collect();
                conditions.push(Condition {
                    operator,
                    key,
                    values,
                });
            }
        }
        Ok(Self(conditions))
    }
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Operator {
    fn parse(name: &str) -> Option<Self> {
        let (quantifier, name) = match name.split_once(':') {
            Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
            Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
            Some(_) => return None,
            None => (Quantifier::One, name),
        };
        let (if_exists, name) = match name.strip_suffix("IfExists") {
            Some(name) => (true, name),
            None => (false, name),
        };
        let ordered = |kind: &str| {
            let order = name.strip_prefix(kind)?;
            match order {
                "NotEquals" => Some((Order::Equal, true)),
                order => Some((Order::parse(order)?, false)),
            }
        };
        let (compare, negated) = match name {
            "StringEquals" | "BinaryEquals" => (Compare::Exactly, false),
            "StringNotEquals" => (Compare::Exactly, true),
            "StringEqualsIgnoreCase" | "Bool" => (Compare::IgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Compare::IgnoringCase, true),
            "StringLike" | "ArnEquals" | "ArnLike" => (Compare::Like, false),
            "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => (Compare::Like, true),
            "IpAddress" => (Compare::Address, false),
            "NotIpAddress" => (Compare::Address, true),
            "Null" => (Compare::Null, false),
            _ => match (ordered("Numeric"), ordered("Date")) {
                (Some((order, negated)), _) => (Compare::Number(order), negated),
                (None, Some((order, negated))) => (Compare::Date(order), negated),
                (None, None) => return None,
            },
        };
        Some(Self {
            compare,
            negated,
            if_exists,
            quantifier,
        })
    }
}

impl Conditions {
    /// Whether all of them hold. Variables are put in place first if the document's version has
    /// them.
    pub(super) fn hold(&self, context: &Context, has_variables: bool) -> bool {
        self.0.iter().all(|condition| {
            let actual = context.get(&condition.key);
            if has_variables {
                condition.expanded(context).is_some_and(|c| c.holds(actual))
            } else {
                condition.holds(actual)
            }
        })
    }
}

impl Condition {
    fn expanded(&self, context: &Context) -> Option<Self> {
        let what_for = match self.operator.compare {
            Compare::Like => Use::Pattern,
            _ => Use::Text,
        };
        let values = self
            .values
            .iter()
            .map(|value| variables::expand(value, context, what_for))
            .collect::<Option<_>>()?;
        Some(Self {
            operator: self.operator,
            key: self.key.clone(),
            values,
        })
    }

    fn holds(&self, actual: Option<&[String]>) -> bool {
        let Operator {
            compare,
            negated,
            if_exists,
            quantifier,
        } = self.operator;
        if compare == Compare::Null {
            let expected = actual.is_none().to_string();
            return self.values.contains(&expected);
        }
        let Some(actual) = actual else {
            return if_exists || negated || quantifier == Quantifier::ForAllValues;
        };
        let fulfils = |value: &String| self.matches(value) != negated;
        match quantifier {
            Quantifier::ForAllValues => actual.iter().all(fulfils),
            Quantifier::ForAnyValue => actual.iter().any(fulfils),
            Quantifier::One if negated => actual.iter().all(fulfils),
            Quantifier::One => actual.iter().any(fulfils),
        }
    }

    fn matches(&self, value: &str) -> bool {
        self.values
            .iter()
            .any(|expected| match self.operator.compare {
                Compare::Exactly => expected == value,
                Compare::IgnoringCase => expected.to_lowercase() == value.to_lowercase(),
                Compare::Like => pattern::matches(expected, value),
                Compare::Number(order) => compare::numbers(order, value, expected),
                Compare::Date(order) => compare::dates(order, value, expected),
                Compare::Address => compare::address(value, expected),
                Compare::Null => false,
            })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn holds(conditions: Value) -> bool {
        let mut context = Context::default();
        context.set("sts:ExternalId", ["Secret-1"]);
        context.set("aws:TagKeys", ["team", "commit"]);
        context.set("s3:max-keys", ["10"]);
        context.set("aws:CurrentTime", ["2026-11-23T08:00:00Z"]);
        context.set("aws:SourceIp", ["10.1.2.3"]);
        Conditions::deserialize(conditions)
            .unwrap()
            .hold(&context, true)
    }

    #[test]
    fn operators_compare_as_documented() {
        for (condition, expected) in [
            (
                json!({"StringEquals": {"STS:externalid": "Secret-1"}}),
                true,
            ),
            (
                json!({"StringEquals": {"sts:ExternalId": ["x", "Secret-1"]}}),
                true,
            ),
            (
                json!({"StringEquals": {"sts:ExternalId": "secret-1"}}),
                false,
            ),
            (
                json!({"StringEqualsIgnoreCase": {"sts:ExternalId": "secret-1"}}),
                true,
            ),
            (
                json!({"StringNotEquals": {"sts:ExternalId": ["x", "Secret-1"]}}),
                false,
            ),
            (json!({"StringLike": {"sts:ExternalId": "Secret-*"}}), true),
            (json!({"StringEquals": {"absent": "x"}}), false),
            (json!({"StringEqualsIfExists": {"absent": "x"}}), true),
            (json!({"StringNotEquals": {"absent": "x"}}), true),
            (json!({"Null": {"absent": "true"}}), true),
            (json!({"Null": {"sts:ExternalId": true}}), false),
            (
                json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team", "commit", "x"]}}),
                true,
            ),
            (
                json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}),
                false,
            ),
            (
                json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}}),
                true,
            ),
            (json!({"ForAllValues:StringEquals": {"absent": "x"}}), true),
            (json!({"NumericLessThan": {"s3:max-keys": 11}}), true),
            (json!({"NumericNotEquals": {"s3:max-keys": "10"}}), false),
            (
                json!({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}),
                true,
            ),
            (
                json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
                false,
            ),
            (
                json!({"StringEquals": {"sts:ExternalId": "${sts:externalid}"}}),
                true,
            ),
            (
                json!({"StringNotEquals": {"sts:ExternalId": "${absent}"}}),
                false,
            ),
            (
                json!({"StringEquals": {"sts:ExternalId": "Secret-1", "absent": "x"}}),
                false,
            ),
        ] {
            assert_eq!(holds(condition.clone()), expected, "{condition}");
        }
    }
}
