//! One request to EKS, taken apart: labels of the path, query parameters, body.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;

use super::error::invalid_parameter;
use super::state::Issue;
use crate::call::{Call, ServiceError};
use crate::{ec2, iam, kms};

/// What an operation answers before it is written out.
pub(super) type Served = Result<Value, ServiceError>;

/// A request whose operation is known.
#[derive(Debug)]
pub(super) struct Request<'a> {
    call: &'a Call,
    labels: Vec<(&'static str, String)>,
    /// EC2 in the request's account and region.
    pub(super) ec2: &'a ec2::Region,
    /// IAM in the request's account.
    pub(super) iam: &'a iam::Account,
    /// KMS in the request's account and region.
    pub(super) kms: &'a kms::Region,
}

/// The services that EKS looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) ec2: &'a ec2::Region,
    pub(super) iam: &'a iam::Account,
    pub(super) kms: &'a kms::Region,
}

impl<'a> Request<'a> {
    pub(super) fn new(
        call: &'a Call,
        labels: Vec<(&'static str, String)>,
        Around { ec2, iam, kms }: Around<'a>,
    ) -> Self {
        Self {
            call,
            labels,
            ec2,
            iam,
            kms,
        }
    }

    /// The call itself.
    pub(super) fn call(&self) -> &'a Call {
        self.call
    }

    /// The failure that awaits what the request begins, if one does.
    pub(super) fn fate(&self) -> Option<Issue> {
        self.call.fate.clone()
    }

    /// The world's time.
    pub(super) fn now(&self) -> Timestamp {
        self.call.now
    }

    /// The account that the request concerns.
    pub(super) fn account(&self) -> &str {
        &self.call.account
    }

    /// ARN of the caller.
    pub(super) fn principal(&self) -> &str {
        &self.call.principal
    }

    /// The label of that name in the path (`{name}`); empty if the route has none.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels
            .iter()
            .find(|(k, _)| *k == name)
            .map_or("", |(_, v)| v)
    }

    /// The name of the cluster in the path.
    pub(super) fn cluster(&self) -> &str {
        self.label("name")
    }

    /// An ARN of EKS in this request's account and region.
    pub(super) fn arn(&self, resource: &str) -> String {
        format!(
            "arn:aws:eks:{}:{}:{resource}",
            self.call.region, self.call.account
        )
    }

    /// The region that the request concerns.
    pub(super) fn region(&self) -> &str {
        &self.call.region
    }

    /// A query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.call.query(name)
    }

    /// Every value of a query parameter that may be repeated.
    pub(super) fn queries(&self, name: &str) -> Vec<&str> {
        self.call
            .query
            .iter()
            .filter(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// A query parameter that is true or false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ServiceError> {
        match self.query(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(invalid_parameter(format!(
                "{name} is neither true nor false: {other}"
            ))),
        }
    }

    /// The body's members. A member that the lab doesn't simulate is refused, never ignored.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(self.bytes()).map_err(|e| match e.classify() {
            Category::Data => invalid_parameter(e.to_string()),
            Category::Io | Category::Syntax | Category::Eof => {
                ServiceError::bad_request("SerializationException", e.to_string())
            }
        })
    }

    fn bytes(&self) -> &[u8] {
        if self.call.body.is_empty() {
            b"{}"
        } else {
            &self.call.body
        }
    }

    /// What this request says, to recognise it when it comes again with the same token.
    pub(super) fn token(&self, client_request_token: Option<String>) -> Option<Token> {
        Some(Token {
            token: client_request_token?,
            path: self.call.path.clone(),
            body: serde_json::from_slice(self.bytes()).ok()?,
        })
    }

    /// Cuts one page out of a list that is ordered by key, as `maxResults` and `nextToken` in the
    /// query say.
    pub(super) fn page<T>(&self, items: Vec<(String, T)>) -> Result<Page<T>, ServiceError> {
        let max = self
            .query("maxResults")
            .map(|text| {
                text.parse()
                    .map_err(|_| invalid_parameter("maxResults is not a number"))
            })
            .transpose()?;
        page(items, max, self.query("nextToken"))
    }
}

/// A page of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// What to ask for to get the next page; `None` after the last one.
    pub(super) next_token: Option<String>,
}

impl<T: Into<Value>> Page<T> {
    /// An answer with the items under this member.
    pub(super) fn answer(self, member: &str) -> Value {
        let mut answer = serde_json::Map::new();
        answer.insert(
            member.to_owned(),
            self.items.into_iter().map(Into::into).collect(),
        );
        if let Some(token) = self.next_token {
            answer.insert("nextToken".to_owned(), token.into());
        }
        Value::Object(answer)
    }
}

const MOST_RESULTS: u32 = 100;

/// Cuts one page out of a list that is ordered by key. The token holds the last key that was
/// given out, so that a page neither repeats nor skips an item when others come and go.
pub(super) fn page<T>(
    items: Vec<(String, T)>,
    max_results: Option<u32>,
    next_token: Option<&str>,
) -> Result<Page<T>, ServiceError> {
    let max = max_results.unwrap_or(MOST_RESULTS);
    if !(1..=MOST_RESULTS).contains(&max) {
        return Err(invalid_parameter(format!(
            "maxResults must be 1 to {MOST_RESULTS}, not {max}"
        )));
    }
    let after = next_token.map(decode_token).transpose()?;
    let mut rest = items
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
        .peekable();
    let mut items = Vec::new();
    let mut last = String::new();
    while items.len() < max as usize {
        let Some((key, item)) = rest.next() else {
            break;
        };
        last = key;
        items.push(item);
    }
    let next_token = rest
        .peek()
        .map(|_| data_encoding::BASE64.encode(last.as_bytes()));
    Ok(Page { items, next_token })
}

fn decode_token(token: &str) -> Result<String, ServiceError> {
    data_encoding::BASE64
        .decode(token.as_bytes())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid_parameter("nextToken is not one that this operation gave out"))
}

/// A `clientRequestToken` and what it came with. It is kept with the resource or the update that
/// the request made, and lives as long as that does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Token {
    token: String,
    path: String,
    body: Value,
}

impl Token {
    /// The token itself.
    pub(super) fn as_str(&self) -> &str {
        &self.token
    }

    /// Whether `again` repeats the request that this token came with.
    ///
    /// # Errors
    /// `InvalidParameterException` if it reuses the token for another request.
    pub(super) fn is_repeated_by(&self, again: Option<&Self>) -> Result<bool, ServiceError> {
        match again {
            Some(again) if again.token == self.token => {
                if again == self {
                    Ok(true)
                } else {
                    Err(invalid_parameter(format!(
                        "clientRequestToken {} was used before with other parameters",
                        self.token
                    )))
                }
            }
            _ => Ok(false),
        }
    }
}

/// The tags of a resource.
pub(super) type Tags = BTreeMap<String, String>;

const MOST_TAGS: usize = 50;
const LONGEST_TAG_KEY: usize = 128;
const LONGEST_TAG_VALUE: usize = 256;

/// What is wrong with these tags, if anything.
pub(super) fn check_tags(tags: &Tags) -> Result<(), String> {
    if tags.len() > MOST_TAGS {
        return Err(format!(
            "a resource has at most {MOST_TAGS} tags, not {}",
            tags.len()
        ));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > LONGEST_TAG_KEY {
            return Err(format!(
                "tag key '{key}' must have 1 to {LONGEST_TAG_KEY} characters"
            ));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(format!(
                "tag key '{key}' begins with aws:, which is reserved"
            ));
        }
        if value.chars().count() > LONGEST_TAG_VALUE {
            return Err(format!(
                "tag '{key}' has more than {LONGEST_TAG_VALUE} characters"
            ));
        }
    }
    Ok(())
}

/// A time as EKS writes it: seconds since the epoch, with the milliseconds as a fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 fit a double's 53 bits"
)]
pub(super) fn epoch(time: Timestamp) -> Value {
    (time.as_millisecond() as f64 / 1000.0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(n: usize) -> Vec<(String, usize)> {
        (0..n).map(|i| (format!("{i:04}"), i)).collect()
    }

    #[test]
    fn pages_give_every_item_once() {
        let mut seen = Vec::new();
        let mut token = None;
        loop {
            let page = page(list(7), Some(3), token.as_deref()).expect("a page");
            assert!(page.items.len() <= 3);
            seen.extend(page.items);
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        assert_eq!(
            page(list(3), Some(3), None).expect("a page").next_token,
            None
        );
        assert_eq!(
            page(list(100), None, None).expect("a page").next_token,
            None
        );
        assert!(
            page(list(101), None, None)
                .expect("a page")
                .next_token
                .is_some()
        );
    }

    #[test]
    fn refuses_wrong_paging() {
        for max in [0, 101] {
            let refused = page(list(1), Some(max), None).expect_err("refused");
            assert_eq!(refused.code, "InvalidParameterException");
        }
        let refused = page(list(1), None, Some("not a token")).expect_err("refused");
        assert_eq!(refused.code, "InvalidParameterException");
    }

    #[test]
    fn tags_are_limited() {
        let tag = |k: &str, v: &str| Tags::from([(k.to_owned(), v.to_owned())]);
        assert!(check_tags(&tag("team", "")).is_ok());
        for wrong in [
            tag("", "x"),
            tag("AWS:x", "x"),
            tag(&"k".repeat(129), "x"),
            tag("k", &"v".repeat(257)),
        ] {
            assert!(check_tags(&wrong).is_err(), "{wrong:?}");
        }
        let many: Tags = (0..51).map(|i| (i.to_string(), String::new())).collect();
        assert!(check_tags(&many).is_err());
    }
}
