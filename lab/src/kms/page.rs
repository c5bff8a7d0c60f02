//! Paging of KMS's lists: `Limit` and `Marker` in, `Truncated` and `NextMarker` out.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::validation;
use crate::call::ServiceError;

/// What a request says of paging.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Paging {
    limit: Option<i64>,
    marker: Option<String>,
}

const LARGEST: usize = 1000;

impl Paging {
    /// An answer with one page of items that are sorted by key. `default` is the page's size
    /// unless the request says another.
    pub(super) fn answer(
        self,
        member: &str,
        items: Vec<(String, Value)>,
        default: usize,
    ) -> Result<Value, ServiceError> {
        let size = match self.limit {
            None => default,
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=LARGEST).contains(limit))
                .ok_or_else(|| {
                    validation(format!(
                        "1 validation error detected: Value '{limit}' at 'limit' failed to \
                         satisfy constraint: Member must have value between 1 and {LARGEST}"
                    ))
                })?,
        };
        let from = self.marker.as_deref().map(begin).transpose()?;
        let mut rest: Vec<_> = items
            .into_iter()
            .filter(|(key, _)| from.as_ref().is_none_or(|from| key >= from))
            .collect();
        let next = rest
            .get(size)
            .map(|(key, _)| BASE64URL_NOPAD.encode(key.as_bytes()));
        rest.truncate(size);
        let page: Value = rest.into_iter().map(|(_, item)| item).collect();
        let mut answer = json!({ "Truncated": next.is_some() });
        answer[member] = page;
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        Ok(answer)
    }
}

fn begin(marker: &str) -> Result<String, ServiceError> {
    BASE64URL_NOPAD
        .decode(marker.as_bytes())
        .ok()
        .and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| {
            ServiceError::bad_request("InvalidMarkerException", "The marker is not valid.")
        })
}
