//! Label and field selectors.
//!
//! Source: "Labels and Selectors" and "Field Selectors" in the Kubernetes documentation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::Object;
use super::status::ApiError;
use super::validate;

/// What a label must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) key: String,
    pub(crate) operator: Operator,
    pub(crate) values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

impl Operator {
    /// The operator as objects write it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "In" => Self::In,
            "NotIn" => Self::NotIn,
            "Exists" => Self::Exists,
            "DoesNotExist" => Self::DoesNotExist,
            "Gt" => Self::Gt,
            "Lt" => Self::Lt,
            _ => return None,
        })
    }
}

impl Requirement {
    /// One as objects write it (`key`, `operator`, `values`).
    pub(crate) fn read(value: &Value) -> Option<Self> {
        Some(Self {
            key: value["key"].as_str()?.to_owned(),
            operator: Operator::named(value["operator"].as_str()?)?,
            values: value
                .list("/values")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Whether labels are like this.
    pub(crate) fn fits(&self, labels: &BTreeMap<&str, &str>) -> bool {
        let value = labels.get(self.key.as_str()).copied();
        let number = |text: &str| text.parse::<i64>().ok();
        let compare = |is: fn(i64, i64) -> bool| match (
            value.and_then(number),
            self.values.first().and_then(|v| number(v)),
        ) {
            (Some(have), Some(wanted)) => is(have, wanted),
            _ => false,
        };
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.iter().any(|w| w == v)),
            Operator::NotIn => value.is_none_or(|v| self.values.iter().all(|w| w != v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => compare(|have, wanted| have > wanted),
            Operator::Lt => compare(|have, wanted| have < wanted),
        }
    }
}

/// The requirements of a `LabelSelector` object. None of them is met if it is null.
pub(crate) fn of_object(selector: &Value) -> Option<Vec<Requirement>> {
    if selector.is_null() {
        return None;
    }
    let mut all: Vec<_> = selector
        .texts("/matchLabels")
        .into_iter()
        .map(|(key, value)| Requirement {
            key: key.to_owned(),
            operator: Operator::In,
            values: vec![value.to_owned()],
        })
        .collect();
    all.extend(
        selector
            .list("/matchExpressions")
            .iter()
            .filter_map(Requirement::read),
    );
    Some(all)
}

/// Whether a `LabelSelector` object selects something with these labels.
pub(crate) fn selects(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    of_object(selector).is_some_and(|all| all.iter().all(|r| r.fits(labels)))
}

/// What a request selects by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    labels: Vec<Requirement>,
    /// Path, wanted value, and whether it must be other than that.
    fields: Vec<(String, String, bool)>,
}

impl Selection {
    /// Reads both selectors of a request. `supported` are the field labels of its kind besides name
    /// and namespace.
    ///
    /// # Errors
    /// If one can't be understood.
    pub(crate) fn read(labels: &str, fields: &str, supported: &[&str]) -> Result<Self, ApiError> {
        Ok(Self {
            labels: label_selector(labels).map_err(|why| {
                ApiError::bad_request(format!("unable to parse requirement: {why}"))
            })?,
            fields: field_selector(fields, supported)?,
        })
    }

    /// Whether nothing is left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is selected.
    pub(crate) fn fits(&self, object: &Value) -> bool {
        let labels = object.labels();
        self.labels.iter().all(|r| r.fits(&labels))
            && self
                .fields
                .iter()
                .all(|(path, wanted, unlike)| (field(object, path) == *wanted) != *unlike)
    }
}

fn field(object: &Value, path: &str) -> String {
    let pointer = format!("/{}", path.replace('.', "/"));
    match object.pointer(&pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) if path == "spec.unschedulable" => "false".to_owned(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The field labels that a kind can be selected by.
pub(crate) fn fields_of(qualified: &str) -> &'static [&'static str] {
    match qualified {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        "namespaces" => &["status.phase"],
        "nodes" => &["spec.unschedulable"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        "jobs.batch" => &["status.successful"],
        "replicasets.apps" | "replicationcontrollers" => &["status.replicas"],
        _ => &[],
    }
}

fn field_selector(text: &str, supported: &[&str]) -> Result<Vec<(String, String, bool)>, ApiError> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (path, value, unlike) = if let Some((path, value)) = part.split_once("!=") {
                (path, value, true)
            } else if let Some((path, value)) = part.split_once("==") {
                (path, value, false)
            } else if let Some((path, value)) = part.split_once('=') {
                (path, value, false)
            } else {
                return Err(ApiError::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{part}'"
                )));
            };
            let path = path.trim();
            if !["metadata.name", "metadata.namespace"].contains(&path)
                && !supported.contains(&path)
            {
                return Err(ApiError::bad_request(if supported.is_empty() {
                    format!(
                        "{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
                    )
                } else {
                    format!("field label not supported: {path}")
                }));
            }
            Ok((path.to_owned(), value.trim().to_owned(), unlike))
        })
        .collect()
}

fn label_selector(text: &str) -> Result<Vec<Requirement>, String> {
    split_outside_parentheses(text)
        .into_iter()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let requirement = requirement(part)?;
            validate::label_selector(&requirement.key, &requirement.values)?;
            Ok(requirement)
        })
        .collect()
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let one = |key: &str, operator, value: &str| Requirement {
        key: key.trim().to_owned(),
        operator,
        values: vec![value.trim().to_owned()],
    };
    let set = |key: &str, operator, rest: &str| {
        let inner = rest
            .trim()
            .strip_prefix('(')
            .and_then(|r| r.strip_suffix(')'))
            .ok_or_else(|| format!("found '{}' expected: '('", rest.trim()))?;
        Ok(Requirement {
            key: key.trim().to_owned(),
            operator,
            values: inner.split(',').map(|v| v.trim().to_owned()).collect(),
        })
    };
    if let Some((key, rest)) = text.split_once(" notin") {
        return set(key, Operator::NotIn, rest);
    }
    if let Some((key, rest)) = text.split_once(" in") {
        return set(key, Operator::In, rest);
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(one(key, Operator::NotIn, value));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(one(key, Operator::In, value));
    }
    for (sign, operator) in [('>', Operator::Gt), ('<', Operator::Lt)] {
        if let Some((key, value)) = text.split_once(sign) {
            return Ok(one(key, operator, value));
        }
    }
    let (key, operator) = match text.strip_prefix('!') {
        Some(key) => (key, Operator::DoesNotExist),
        None => (text, Operator::Exists),
    };
    let key = key.trim();
    let is_key = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if key.is_empty() || !key.chars().all(is_key) {
        return Err(format!("unable to parse '{text}'"));
    }
    Ok(Requirement {
        key: key.to_owned(),
        operator,
        values: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(labels: Value) -> Value {
        json!({
            "metadata": { "name": "a", "namespace": "n", "labels": labels },
            "spec": { "nodeName": "one" }, "status": { "phase": "Running" },
        })
    }

    fn fits(labels: &str, fields: &str, object: &Value) -> bool {
        Selection::read(labels, fields, fields_of("pods"))
            .unwrap()
            .fits(object)
    }

    #[test]
    fn labels_are_selected_in_every_way() {
        let it = pod(json!({ "app": "web", "tier": "front", "n": "5" }));
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (api, web)", true),
            ("app in (api,db),tier", false),
            ("app notin (api)", true),
            ("other notin (api)", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("n>4", true),
            ("n<5", false),
            ("other>1", false),
        ] {
            assert_eq!(fits(selector, "", &it), expected, "{selector}");
        }
    }

    #[test]
    fn fields_are_selected_by_those_that_the_kind_has() {
        let it = pod(json!({}));
        assert!(fits("", "metadata.name=a,spec.nodeName==one", &it));
        assert!(fits("", "status.phase!=Pending", &it));
        assert!(!fits("", "status.phase!=Running", &it));
        let error = Selection::read("", "spec.color=red", fields_of("pods")).unwrap_err();
        assert_eq!(error.message, "field label not supported: spec.color");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for wrong in ["app in web", "a b", "!"] {
            assert!(Selection::read(wrong, "", &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_selector_object_that_is_null_selects_nothing_and_an_empty_one_everything() {
        let labels = BTreeMap::from([("a", "b")]);
        assert!(!selects(&Value::Null, &labels));
        assert!(selects(&json!({}), &labels));
        let by_expression = json!({ "matchLabels": { "a": "b" },
            "matchExpressions": [{ "key": "c", "operator": "DoesNotExist" }] });
        assert!(selects(&by_expression, &labels));
    }
}
