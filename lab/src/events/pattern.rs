//! Which documents are event patterns, by the user guide's pages on event patterns and comparison
//! operators.

use serde_json::{Map, Value};

/// Longest pattern in characters.
pub(super) const LONGEST: usize = 4096;

/// Checks a pattern.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    let Ok(document) = serde_json::from_str::<Value>(pattern) else {
        return Err("Filter is not valid JSON".to_owned());
    };
    match document {
        Value::Object(fields) => check_fields(&fields),
        _ => Err("Filter is not an object".to_owned()),
    }
}

fn check_fields(fields: &Map<String, Value>) -> Result<(), String> {
    if fields.is_empty() {
        return Err("Empty objects are not allowed".to_owned());
    }
    for (name, value) in fields {
        match value {
            Value::Array(alternatives) if name == "$or" => check_or(alternatives)?,
            Value::Object(fields) => check_fields(fields)?,
            Value::Array(values) => check_values(values)?,
            _ => return Err(format!("\"{name}\" must be an object or an array")),
        }
    }
    Ok(())
}

/// `$or` holds at least two patterns.
fn check_or(alternatives: &[Value]) -> Result<(), String> {
    if alternatives.len() < 2 {
        return Err("There must have at least 2 Objects in $or relationship.".to_owned());
    }
    for alternative in alternatives {
        match alternative {
            Value::Object(fields) => check_fields(fields)?,
            _ => return Err("Only JSON object is allowed in array of $or relationship.".to_owned()),
        }
    }
    Ok(())
}

fn check_values(values: &[Value]) -> Result<(), String> {
    if values.is_empty() {
        return Err("Empty arrays are not allowed".to_owned());
    }
    for value in values {
        match value {
            Value::Object(comparison) => check_comparison(comparison)?,
            Value::Array(_) => {
                return Err("Match value must be String, number, true, false, or null".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

/// A comparison is an object whose only member is the operator.
fn check_comparison(comparison: &Map<String, Value>) -> Result<(), String> {
    let mut members = comparison.iter();
    let (Some((operator, operand)), None) = (members.next(), members.next()) else {
        return Err("Only one key allowed in match expression".to_owned());
    };
    let is_fine = match operator.as_str() {
        "prefix" | "suffix" => is_text(operand) || is_ignoring_case(operand),
        "equals-ignore-case" | "wildcard" => is_text(operand),
        "exists" => operand.is_boolean(),
        "cidr" => operand.as_str().is_some_and(|text| text.contains('/')),
        "numeric" => operand.as_array().is_some_and(|terms| is_numeric(terms)),
        "anything-but" => match operand {
            Value::Object(inner) => {
                !inner.is_empty()
                    && inner.iter().all(|(name, value)| {
                        ["prefix", "suffix", "equals-ignore-case", "wildcard"]
                            .contains(&name.as_str())
                            && is_text_or_texts(value)
                    })
            }
            Value::Array(values) => {
                !values.is_empty() && values.iter().all(|v| v.is_string() || v.is_number())
            }
            other => other.is_string() || other.is_number(),
        },
        other => return Err(format!("Unrecognized match type {other}")),
    };
    if is_fine {
        Ok(())
    } else {
        Err(format!("Value of {operator} is not one that it can have"))
    }
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

fn is_text_or_texts(value: &Value) -> bool {
    is_text(value)
        || value
            .as_array()
            .is_some_and(|texts| !texts.is_empty() && texts.iter().all(is_text))
}

fn is_ignoring_case(value: &Value) -> bool {
    value.as_object().is_some_and(|inner| {
        inner.len() == 1 && inner.get("equals-ignore-case").is_some_and(is_text)
    })
}

/// One comparison with a number, or a lower and an upper bound.
fn is_numeric(terms: &[Value]) -> bool {
    let compares = |pair: &[Value], operators: &[&str]| {
        matches!(pair, [Value::String(operator), Value::Number(_)]
            if operators.contains(&operator.as_str()))
    };
    match terms.len() {
        2 => compares(terms, &["=", "<", "<=", ">", ">="]),
        4 => compares(&terms[..2], &[">", ">="]) && compares(&terms[2..], &["<", "<="]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn patterns_of_the_user_guide_are_taken() {
        for pattern in [
            r#"{"source":["aws.ec2"],"detail-type":["EC2 Instance State-change Notification"]}"#,
            r#"{"detail":{"state":["terminated", null, 1, true]}}"#,
            r#"{"source":[{"prefix":"aws."}]}"#,
            r#"{"a":[{"prefix":{"equals-ignore-case":"x"}}]}"#,
            r#"{"a":[{"anything-but":["x",1]}]}"#,
            r#"{"a":[{"anything-but":{"prefix":"x"}}]}"#,
            r#"{"a":[{"numeric":["=",1]}]}"#,
            r#"{"a":[{"numeric":[">",0,"<=",5]}]}"#,
            r#"{"a":[{"exists":false}]}"#,
            r#"{"a":[{"cidr":"10.0.0.0/24"}]}"#,
            r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#,
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        for (pattern, reason) in [
            ("{", "not valid JSON"),
            ("[]", "not an object"),
            ("{}", "Empty objects"),
            (
                r#"{"source":"aws.ec2"}"#,
                r#""source" must be an object or an array"#,
            ),
            (r#"{"source":[]}"#, "Empty arrays"),
            (r#"{"source":[["x"]]}"#, "Match value"),
            (r#"{"a":[{"like":"x"}]}"#, "Unrecognized match type like"),
            (r#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "Only one key"),
            (r#"{"a":[{"exists":"yes"}]}"#, "Value of exists"),
            (r#"{"a":[{"numeric":["<",5,">",0]}]}"#, "Value of numeric"),
            (r#"{"a":[{"numeric":[">"]}]}"#, "Value of numeric"),
            (r#"{"a":[{"anything-but":{}}]}"#, "Value of anything-but"),
            (r#"{"$or":[{"a":["x"]}]}"#, "at least 2"),
            (r#"{"$or":["a","b"]}"#, "Only JSON object"),
        ] {
            let refused = check(pattern).expect_err(pattern);
            assert!(refused.contains(reason), "{pattern}: {refused}");
        }
    }
}
