//! The attributes of queues: which there are, what they may be, and what they are unless set.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{contradiction, invalid_attribute, unknown_attribute};
use crate::call::ServiceError;

/// Attributes by name.
pub(super) type Attributes = BTreeMap<String, String>;

/// What an attribute may be.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// `true` or `false`.
    Flag,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A JSON object with these members at least.
    Document(&'static [&'static str]),
    /// Anything.
    Text,
}

/// An attribute that can be set.
struct Attribute {
    name: &'static str,
    form: Form,
    /// What a queue has if it isn't set; none if it then has no such attribute.
    default: Option<&'static str>,
    fifo: bool,
}

const fn standard(name: &'static str, form: Form, default: Option<&'static str>) -> Attribute {
    Attribute {
        name,
        form,
        default,
        fifo: false,
    }
}

const fn fifo(name: &'static str, form: Form, default: &'static str) -> Attribute {
    Attribute {
        name,
        form,
        default: Some(default),
        fifo: true,
    }
}

const KMS_KEY: &str = "KmsMasterKeyId";
const KMS_REUSE: &str = "KmsDataKeyReusePeriodSeconds";
const MANAGED_SSE: &str = "SqsManagedSseEnabled";
pub(super) const FIFO: &str = "FifoQueue";

/// Every attribute that can be set, with the limits and defaults that the reference of
/// SetQueueAttributes gives.
const SETTABLE: &[Attribute] = &[
    standard("DelaySeconds", Form::Number(0, 900), Some("0")),
    standard(
        "MaximumMessageSize",
        Form::Number(1024, 1_048_576),
        Some("1048576"),
    ),
    standard(
        "MessageRetentionPeriod",
        Form::Number(60, 1_209_600),
        Some("345600"),
    ),
    standard("Policy", Form::Document(&["Statement"]), None),
    standard(
        "ReceiveMessageWaitTimeSeconds",
        Form::Number(0, 20),
        Some("0"),
    ),
    standard(
        "RedrivePolicy",
        Form::Document(&["deadLetterTargetArn", "maxReceiveCount"]),
        None,
    ),
    standard(
        "RedriveAllowPolicy",
        Form::Document(&["redrivePermission"]),
        None,
    ),
    standard("VisibilityTimeout", Form::Number(0, 43_200), Some("30")),
    standard(KMS_KEY, Form::Text, None),
    standard(KMS_REUSE, Form::Number(60, 86_400), None),
    standard(MANAGED_SSE, Form::Flag, Some("true")),
    fifo(FIFO, Form::Flag, "true"),
    fifo("ContentBasedDeduplication", Form::Flag, "false"),
    fifo(
        "DeduplicationScope",
        Form::Choice(&["messageGroup", "queue"]),
        "queue",
    ),
    fifo(
        "FifoThroughputLimit",
        Form::Choice(&["perQueue", "perMessageGroupId"]),
        "perQueue",
    ),
];

/// Attributes that tell how a queue is and can't be set.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];

/// Whether there is an attribute of that name.
pub(super) fn is_known(name: &str) -> bool {
    READ_ONLY.contains(&name) || SETTABLE.iter().any(|attribute| attribute.name == name)
}

/// Checks attributes that are to be set.
///
/// # Errors
/// If one is unknown, can't be set on such a queue or can't have that value, or if two of them
/// contradict each other.
pub(super) fn check(given: &Attributes, is_fifo: bool) -> Result<(), ServiceError> {
    for (name, value) in given {
        let attribute = SETTABLE
            .iter()
            .find(|attribute| attribute.name == name)
            .filter(|attribute| is_fifo || !attribute.fifo)
            .ok_or_else(|| unknown_attribute(name))?;
        if !attribute.form.takes(value) {
            return Err(invalid_attribute(name));
        }
    }
    let is_set = |name: &str, what: &str| given.get(name).is_some_and(|value| value == what);
    if is_set(MANAGED_SSE, "true") && given.get(KMS_KEY).is_some_and(|key| !key.is_empty()) {
        return Err(contradiction(
            "You can use one type of server-side encryption (SSE) at one time. You can either \
             enable KMS SSE or SQS SSE.",
        ));
    }
    if is_set("FifoThroughputLimit", "perMessageGroupId")
        && !is_set("DeduplicationScope", "messageGroup")
    {
        return Err(invalid_attribute("FifoThroughputLimit"));
    }
    Ok(())
}

/// Sets attributes that were checked. An empty document or key takes the attribute away, and one
/// kind of encryption takes the place of the other.
pub(super) fn set(attributes: &mut Attributes, given: Attributes) {
    if given.get(MANAGED_SSE).is_some_and(|on| on == "true") {
        attributes.remove(KMS_KEY);
        attributes.remove(KMS_REUSE);
    }
    if given.get(KMS_KEY).is_some_and(|key| !key.is_empty()) {
        attributes.insert(MANAGED_SSE.to_owned(), "false".to_owned());
    }
    for (name, value) in given {
        if value.is_empty() {
            attributes.remove(&name);
        } else {
            attributes.insert(name, value);
        }
    }
}

/// All that can be set, as it is: what was set and the defaults of the rest.
pub(super) fn effective(set: &Attributes, is_fifo: bool) -> Attributes {
    let mut all: Attributes = SETTABLE
        .iter()
        .filter(|attribute| is_fifo || !attribute.fifo)
        .filter_map(|attribute| Some((attribute.name.to_owned(), attribute.default?.to_owned())))
        .collect();
    all.extend(set.clone());
    if all.contains_key(KMS_KEY) {
        all.entry(KMS_REUSE.to_owned())
            .or_insert_with(|| "300".to_owned());
    }
    all
}

/// The first attribute that a queue has another value of than is asked for, if there is one.
/// Documents are compared as what they say.
pub(super) fn difference<'a>(is: &Attributes, asked: &'a Attributes) -> Option<&'a str> {
    asked
        .iter()
        .find(|(name, value)| {
            let is = is.get(*name).map_or("", String::as_str);
            is != value.as_str() && !same_document(is, value)
        })
        .map(|(name, _)| name.as_str())
}

fn same_document(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    read(one).is_some_and(|one| one.is_object() && read(other) == Some(one))
}

impl Form {
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Number(least, most) => value
                .parse()
                .is_ok_and(|number: u32| (least..=most).contains(&number)),
            Self::Flag => matches!(value, "true" | "false"),
            Self::Choice(choices) => choices.contains(&value),
            Self::Document(members) => {
                value.is_empty()
                    || serde_json::from_str::<Value>(value).is_ok_and(|document| {
                        members.iter().all(|member| document.get(member).is_some())
                    })
            }
            Self::Text => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Attributes {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn checked(name: &str, value: &str, is_fifo: bool) -> Result<(), String> {
        check(&attributes(&[(name, value)]), is_fifo).map_err(|error| error.code)
    }

    #[test]
    fn limits_are_as_documented() {
        for (name, value, fine) in [
            ("MessageRetentionPeriod", "60", true),
            ("MessageRetentionPeriod", "59", false),
            ("MessageRetentionPeriod", "1209601", false),
            ("MessageRetentionPeriod", "5m", false),
            ("DelaySeconds", "900", true),
            ("DelaySeconds", "901", false),
            ("VisibilityTimeout", "-1", false),
            ("SqsManagedSseEnabled", "yes", false),
            ("Policy", "{}", false),
            ("Policy", "", true),
            ("Policy", r#"{"Statement":[]}"#, true),
            ("RedrivePolicy", r#"{"deadLetterTargetArn":"a"}"#, false),
        ] {
            let expected = if fine {
                Ok(())
            } else {
                Err("InvalidAttributeValue".to_owned())
            };
            assert_eq!(checked(name, value, false), expected, "{name}={value}");
        }
    }

    #[test]
    fn some_attributes_cannot_be_set_or_only_on_some_queues() {
        let unknown = Err("InvalidAttributeName".to_owned());
        assert_eq!(checked("QueueArn", "x", false), unknown);
        assert_eq!(checked("Colour", "x", false), unknown);
        assert_eq!(checked("ContentBasedDeduplication", "true", false), unknown);
        assert_eq!(checked("ContentBasedDeduplication", "true", true), Ok(()));
        assert_eq!(
            checked("FifoThroughputLimit", "perMessageGroupId", true),
            Err("InvalidAttributeValue".to_owned())
        );
    }

    #[test]
    fn one_kind_of_encryption_takes_the_place_of_the_other() {
        let both = attributes(&[(MANAGED_SSE, "true"), (KMS_KEY, "alias/aws/sqs")]);
        assert_eq!(
            check(&both, false).map_err(|error| error.code),
            Err("InvalidAttributeName".to_owned())
        );
        let mut is = Attributes::new();
        set(&mut is, attributes(&[(KMS_KEY, "alias/aws/sqs")]));
        let all = effective(&is, false);
        assert_eq!(
            (all[MANAGED_SSE].as_str(), all[KMS_REUSE].as_str()),
            ("false", "300")
        );
        set(&mut is, attributes(&[(MANAGED_SSE, "true")]));
        let all = effective(&is, false);
        assert_eq!(all[MANAGED_SSE], "true");
        assert!(!all.contains_key(KMS_KEY) && !all.contains_key(KMS_REUSE));
    }

    #[test]
    fn documents_are_compared_as_what_they_say() {
        let is = attributes(&[("Policy", r#"{"Statement": [], "Version": "2012-10-17"}"#)]);
        let same = attributes(&[("Policy", r#"{"Version":"2012-10-17","Statement":[]}"#)]);
        assert_eq!(difference(&is, &same), None);
        let other = attributes(&[("Policy", r#"{"Statement":[{}]}"#)]);
        assert_eq!(difference(&is, &other), Some("Policy"));
    }
}
