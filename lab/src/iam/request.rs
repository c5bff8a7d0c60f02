//! One request to IAM: its parameters, checked as the API's model constrains them, and its answer.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use serde::Serialize;

use super::NAMESPACE;
use super::error::{invalid_input, validation};
use crate::call::{Answer, Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml;

/// A request.
#[derive(Debug)]
pub(super) struct Request<'a> {
    call: &'a Call,
    form: Form,
}

/// What a name or another short text may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    longest: usize,
    allowed: fn(char) -> bool,
    /// The same, as the model's regular expression says it.
    pattern: &'static str,
}

/// Names of roles.
pub(super) const ROLE_NAME: Text = name_of_up_to(64);
/// Names of managed and inline policies, and of instance profiles.
pub(super) const LONG_NAME: Text = name_of_up_to(128);
/// Descriptions of roles and policies.
pub(super) const DESCRIPTION: Text = Text {
    longest: 1000,
    allowed: |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{7e}' | '\u{a1}'..='\u{ff}'),
    pattern: r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*",
};
/// ARNs.
pub(super) const ARN: Text = Text {
    longest: 2048,
    allowed: |c| !c.is_control(),
    pattern: r"[\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD]+",
};

/// Principals of services.
pub(super) const SERVICE_NAME: Text = name_of_up_to(128);
/// URLs and audiences of identity providers.
pub(super) const SHORT_TEXT: Text = Text {
    longest: 255,
    ..ARN
};

const fn name_of_up_to(longest: usize) -> Text {
    Text {
        longest,
        allowed: |c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c),
        pattern: r"[\w+=,.@-]+",
    }
}

const MOST_TAGS: usize = 50;
const LONGEST_TAG_KEY: usize = 128;
const LONGEST_TAG_VALUE: usize = 256;
const DEFAULT_PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

impl<'a> Request<'a> {
    pub(super) fn new(call: &'a Call) -> Self {
        Self {
            call,
            form: Form::of(call),
        }
    }

    /// The account that the request concerns.
    pub(super) fn account(&self) -> &'a str {
        &self.call.account
    }

    /// The operation's name.
    pub(super) fn operation(&self) -> &'a str {
        &self.call.operation
    }

    /// The world's time, in whole seconds as IAM tells it.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.call.now.as_second()).unwrap_or(self.call.now)
    }

    /// A parameter that has to be there.
    pub(super) fn required(&self, name: &str, rule: Text) -> Result<&str, ServiceError> {
        self.optional(name, rule)?.ok_or_else(|| missing(name))
    }

    /// A parameter that may be missing.
    pub(super) fn optional(&self, name: &str, rule: Text) -> Result<Option<&str>, ServiceError> {
        let Some(text) = self.form.get(name) else {
            return Ok(None);
        };
        if text.chars().count() > rule.longest {
            let limit = format!(
                "Member must have length less than or equal to {}",
                rule.longest
            );
            return Err(broken(name, text, &limit));
        }
        if !text.chars().all(rule.allowed) {
            let pattern = format!(
                "Member must satisfy regular expression pattern: {}",
                rule.pattern
            );
            return Err(broken(name, text, &pattern));
        }
        Ok(Some(text))
    }

    /// A text of any kind that has to be there: a policy document, whose own rules are richer.
    pub(super) fn document(&self, name: &str) -> Result<&str, ServiceError> {
        self.form.get(name).ok_or_else(|| missing(name))
    }

    /// A parameter that may be empty as well as missing.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.form.raw(name)
    }

    /// A path, `/` unless the request says another.
    pub(super) fn path(&self, name: &str) -> Result<&str, ServiceError> {
        let Some(path) = self.form.get(name) else {
            return Ok("/");
        };
        let printable = path.chars().all(|c| ('\u{21}'..='\u{7e}').contains(&c));
        let well_formed = path == "/" || (path.starts_with('/') && path.ends_with('/'));
        if printable && well_formed && path.len() <= 512 {
            Ok(path)
        } else {
            Err(validation(format!(
                "The specified value for {} is invalid. It must begin and end with / and contain \
                 only alphanumeric characters and/or / characters.",
                lower_first(name)
            )))
        }
    }

    /// A number that may be missing.
    pub(super) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<u32>, ServiceError> {
        let Some(text) = self.form.get(name) else {
            return Ok(None);
        };
        let limit = |relation: &str, bound: u32| {
            broken(
                name,
                text,
                &format!("Member must have value {relation} {bound}"),
            )
        };
        match text.parse::<u32>() {
            Ok(number) if number < *range.start() => {
                Err(limit("greater than or equal to", *range.start()))
            }
            Ok(number) if number > *range.end() => {
                Err(limit("less than or equal to", *range.end()))
            }
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(ServiceError::bad_request(
                "MalformedInput",
                format!("{name} is not a number"),
            )),
        }
    }

    /// Whether a flag is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.form.get(name) == Some("true")
    }

    /// A list of plain values.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.form.list(&format!("{name}.member"))
    }

    /// The tags in the request, whose keys IAM tells apart without regard to case.
    pub(super) fn tags(&self) -> Result<BTreeMap<String, String>, ServiceError> {
        let mut tags: BTreeMap<String, String> = BTreeMap::new();
        for at in self.form.structures("Tags.member") {
            let key = self.form.get(&format!("{at}.Key"));
            let key = key.ok_or_else(|| missing(&format!("{at}.Key")))?;
            let value = self.form.raw(&format!("{at}.Value"));
            let value = value.ok_or_else(|| missing(&format!("{at}.Value")))?;
            if key.chars().count() > LONGEST_TAG_KEY || value.chars().count() > LONGEST_TAG_VALUE {
                return Err(validation(format!(
                    "A tag's key has at most {LONGEST_TAG_KEY} characters and its value at most \
                     {LONGEST_TAG_VALUE}: '{key}'"
                )));
            }
            let allowed = |c: char| c.is_alphanumeric() || " _.:/=+-@".contains(c);
            if !key.chars().chain(value.chars()).all(allowed) {
                return Err(broken(
                    "tags",
                    key,
                    r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+",
                ));
            }
            if key.to_lowercase().starts_with("aws:") {
                return Err(invalid_input(format!(
                    "Tag keys that begin with aws: are reserved: {key}"
                )));
            }
            if tags.keys().any(|other| other.eq_ignore_ascii_case(key)) {
                return Err(invalid_input(
                    "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
                ));
            }
            tags.insert(key.to_owned(), value.to_owned());
        }
        check_count(tags.len())?;
        Ok(tags)
    }

    /// Cuts one page out of items that are sorted by key, as `MaxItems` and `Marker` say.
    pub(super) fn page<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> &str,
    ) -> Result<Page<T>, ServiceError> {
        let size = self.number("MaxItems", 1..=LARGEST_PAGE as u32)?;
        let size = size.map_or(DEFAULT_PAGE, |size| size as usize);
        let from = self.form.get("Marker").map(begin).transpose()?;
        let mut items: Vec<T> = items
            .into_iter()
            .filter(|item| from.as_deref().is_none_or(|from| key(item) >= from))
            .collect();
        let marker = items
            .get(size)
            .map(|item| data_encoding::BASE64.encode(key(item).as_bytes()));
        items.truncate(size);
        Ok(Page { items, marker })
    }

    /// Answers with a result.
    pub(super) fn answer<T: Serialize>(&self, result: &T) -> Answer {
        xml::query(self.call, NAMESPACE, result)
    }

    /// Answers that it is done.
    pub(super) fn done(&self) -> Answer {
        Ok(xml::query_done(self.call, NAMESPACE))
    }
}

/// A page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub(super) marker: Option<String>,
}

/// Checks how many tags a resource has, or would have.
pub(super) fn check_count(tags: usize) -> Result<(), ServiceError> {
    if tags > MOST_TAGS {
        Err(super::error::limit_exceeded(format!(
            "The number of tags has reached the maximum limit of {MOST_TAGS}."
        )))
    } else {
        Ok(())
    }
}

fn begin(marker: &str) -> Result<String, ServiceError> {
    data_encoding::BASE64
        .decode(marker.as_bytes())
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| invalid_input(format!("Invalid Marker: {marker}")))
}

fn missing(name: &str) -> ServiceError {
    broken_as("null", name, "Member must not be null")
}

fn broken(name: &str, value: &str, constraint: &str) -> ServiceError {
    broken_as(format!("'{value}'"), name, constraint)
}

fn broken_as(value: impl Display, name: &str, constraint: &str) -> ServiceError {
    validation(format!(
        "1 validation error detected: Value {value} at '{}' failed to satisfy constraint: \
         {constraint}",
        lower_first(name)
    ))
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
