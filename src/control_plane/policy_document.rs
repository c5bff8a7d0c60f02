//! IAM policy documents: written once what they name is known, compared by what they mean.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::reconcile::{DiffBuilder, Fact, Handle};

/// A policy document that a role should have. It may name something that only another resource can
/// tell, such as the ARN of a key.
#[derive(Clone)]
pub struct Document {
    names: Option<usize>,
    write: Arc<dyn Fn() -> Fact<Value> + Send + Sync>,
}

impl Document {
    /// A document that `write` writes once `names` is known.
    pub fn naming<T>(names: &Handle<T>, write: impl Fn(T) -> Value + Send + Sync + 'static) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        let handle = names.clone();
        Self {
            names: Some(names.index()),
            write: Arc::new(move || handle.get().map(&write)),
        }
    }

    /// The document, as far as it is known now.
    pub fn get(&self) -> Fact<Value> {
        (self.write)()
    }

    /// Place in the graph of the resource that it names, if it names one.
    pub fn names(&self) -> Option<usize> {
        self.names
    }
}

impl From<Value> for Document {
    fn from(document: Value) -> Self {
        Self {
            names: None,
            write: Arc::new(move || Fact::Known(document.clone())),
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Document").field(&self.get()).finish()
    }
}

/// Reads a document as IAM returns it: URL-encoded by RFC 3986. What isn't JSON is kept as text: it
/// differs from everything that psk writes, so it is shown and put right.
pub(super) fn read(encoded: &str) -> Value {
    let text = percent_decode_str(encoded).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or_else(|_| text.into())
}

/// Compares one document of a resource; one that is written differently but means the same doesn't
/// differ.
pub(super) fn diff(
    diff: DiffBuilder,
    path: &str,
    old: Option<&Value>,
    new: Fact<Value>,
) -> DiffBuilder {
    match new {
        Fact::Known(new) => {
            let new = match old {
                Some(old) if mean_the_same(old, &new) => old.clone(),
                _ => new,
            };
            diff.values(path, old.cloned(), Some(new))
        }
        Fact::AfterApply => diff.fact(path, old, Fact::<Value>::AfterApply),
    }
}

fn mean_the_same(a: &Value, b: &Value) -> bool {
    Meaning::of(a) == Meaning::of(b)
}

/// What a piece of a document means, whichever of the allowed ways it is written in: one text or a
/// list of one, lists in any order, a boolean or its text. Ids mean nothing.
/// Source: IAM User Guide, "Grammar of the IAM JSON policy language".
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Meaning<'a> {
    Texts(BTreeSet<Cow<'a, str>>),
    Parts(BTreeMap<&'a str, Meaning<'a>>),
    Statements(BTreeSet<Meaning<'a>>),
}

impl<'a> Meaning<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Object(parts) => Self::Parts(
                parts
                    .iter()
                    .filter(|(key, _)| !["Id", "Sid"].contains(&key.as_str()))
                    .map(|(key, part)| (key.as_str(), Self::of_part(key, part)))
                    .collect(),
            ),
            Value::Array(items) => Self::Texts(items.iter().map(text).collect()),
            single => Self::Texts([text(single)].into()),
        }
    }

    fn of_part(key: &str, part: &'a Value) -> Self {
        match (key, part) {
            ("Statement", Value::Array(statements)) => {
                Self::Statements(statements.iter().map(Self::of).collect())
            }
            ("Statement", single) => Self::Statements([Self::of(single)].into()),
            // Everyone. Source: IAM User Guide, "AWS JSON policy elements: Principal".
            ("Principal" | "NotPrincipal", Value::String(all)) if all == "*" => {
                Self::Parts([("AWS", Self::of(part))].into())
            }
            _ => Self::of(part),
        }
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reconcile::plan::Action;
    use crate::reconcile::{Diff, Error, Graph, Lookup};

    fn trust(actions: Value) -> Value {
        json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "eks.amazonaws.com" },
                "Action": actions,
                "Condition": { "Bool": { "aws:SecureTransport": "true" } },
            }],
        })
    }

    #[test]
    fn a_document_written_in_another_way_means_the_same() {
        let same = json!({
            "Statement": {
                "Sid": "EKSClusterAssumeRole",
                "Action": ["sts:TagSession", "sts:AssumeRole"],
                "Principal": { "Service": ["eks.amazonaws.com"] },
                "Condition": { "Bool": { "aws:SecureTransport": [true] } },
                "Effect": "Allow",
            },
            "Version": "2012-10-17",
        });
        let ours = trust(json!(["sts:AssumeRole", "sts:TagSession"]));
        assert!(mean_the_same(&ours, &same));
        let kept = diff(Diff::update(), "p", Some(&same), Fact::Known(ours)).build();
        assert_eq!(kept.action, Action::Keep);
    }

    #[test]
    fn a_document_that_allows_something_else_differs() {
        let ours = trust(json!(["sts:AssumeRole", "sts:TagSession"]));
        let fewer = trust(json!("sts:AssumeRole"));
        assert!(!mean_the_same(&ours, &fewer));
        let mut wider = ours.clone();
        wider["Statement"][0]["Principal"] = json!("*");
        assert!(!mean_the_same(&ours, &wider));
        let mut everyone = ours.clone();
        everyone["Statement"][0]["Principal"] = json!({ "AWS": "*" });
        assert!(mean_the_same(&wider, &everyone));
        let mut more = ours.clone();
        more["Statement"] = json!([ours["Statement"][0], fewer["Statement"][0]]);
        assert!(!mean_the_same(&ours, &more));
    }

    #[test]
    fn documents_come_url_encoded() {
        assert_eq!(
            read("%7B%22Resource%22%3A%22a%2Bb%20c%22%7D"),
            json!({ "Resource": "a+b c" })
        );
        assert_eq!(read("not%20JSON"), json!("not JSON"));
    }

    #[tokio::test]
    async fn a_document_is_written_once_what_it_names_is_known() {
        struct Key;
        impl Lookup for Key {
            type Output = String;
            const GRANTS: &'static [crate::reconcile::Grant] = &[];
            async fn look_up(&self) -> Result<String, Error> {
                Ok("arn:key".into())
            }
        }
        let mut graph = Graph::new();
        let key = graph.look_up(Key);
        let document = Document::naming(&key, |arn| json!({ "Resource": arn }));
        assert_eq!(document.get(), Fact::AfterApply);
        graph.observe().await.unwrap();
        assert_eq!(
            document.get(),
            Fact::Known(json!({ "Resource": "arn:key" }))
        );
        assert_eq!(document.names(), Some(key.index()));
    }
}
