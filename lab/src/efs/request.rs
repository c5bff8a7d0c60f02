//! One request to EFS, taken apart.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::bad_request;
use crate::call::{Answer, Call, Reply, ServiceError};
use crate::ec2;
use crate::wire::page::{Page, page};
use http::StatusCode;

/// Most items of a page, and how many there are if a request doesn't say.
const MOST_ITEMS: usize = 100;

/// A request whose operation is known.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) call: &'a Call,
    pub(super) labels: Vec<(&'static str, String)>,
    /// EC2 in the request's account and region.
    pub(super) ec2: &'a ec2::Region,
}

impl Request<'_> {
    /// The id that the path's only label names, whether it is given as such or in an ARN.
    ///
    /// # Errors
    /// `BadRequest` if it has none of these forms.
    pub(super) fn id(&self, kind: Kind) -> Result<&str, ServiceError> {
        let text = self.labels.first().map_or("", |(_, value)| value.as_str());
        self.read_id(kind, text)
    }

    /// The same for an id in the query string, if it is there.
    pub(super) fn query_id(&self, name: &str, kind: Kind) -> Result<Option<&str>, ServiceError> {
        self.call
            .query(name)
            .map(|text| self.read_id(kind, text))
            .transpose()
    }

    /// An id, given as such or in an ARN of this account and region.
    pub(super) fn read_id<'t>(&self, kind: Kind, text: &'t str) -> Result<&'t str, ServiceError> {
        let id = if text.starts_with("arn:") {
            text.strip_prefix(self.arn(kind, "").as_str()).unwrap_or("")
        } else {
            text
        };
        id.strip_prefix(kind.prefix())
            .filter(|rest| (8..=40).contains(&rest.len()))
            .filter(|rest| rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
            .map(|_| id)
            .ok_or_else(|| bad_request(format!("invalid {} ID: {text}", kind.words())))
    }

    /// An ARN of EFS in this request's account and region.
    pub(super) fn arn(&self, kind: Kind, id: &str) -> String {
        let Call {
            account, region, ..
        } = self.call;
        let kind = kind.words().replace(' ', "-");
        format!("arn:aws:elasticfilesystem:{region}:{account}:{kind}/{id}")
    }

    /// The body's members. A member that the lab doesn't simulate is refused, never ignored.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        let body: &[u8] = if self.call.body.is_empty() {
            b"{}"
        } else {
            &self.call.body
        };
        serde_json::from_slice(body).map_err(|e| bad_request(e.to_string()))
    }

    /// Cuts a page out of a list that is ordered by key; `size` and `token` are the names of the
    /// parameters that ask for it.
    pub(super) fn page<T>(
        &self,
        items: Vec<(String, T)>,
        size: &str,
        token: &str,
    ) -> Result<Page<T>, ServiceError> {
        let most = match self.call.query(size) {
            None => MOST_ITEMS,
            Some(text) => match text.parse::<usize>() {
                Ok(0) | Err(_) => {
                    return Err(bad_request(format!(
                        "{size} must be a number of at least 1, not '{text}'"
                    )));
                }
                Ok(most) => most.min(MOST_ITEMS),
            },
        };
        page(items, most, self.call.query(token)).map_err(|_| {
            bad_request(format!(
                "{token} is not one that an earlier answer gave out"
            ))
        })
    }
}

/// A kind of thing that EFS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    FileSystem,
    MountTarget,
    AccessPoint,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::FileSystem => "fs-",
            Self::MountTarget => "fsmt-",
            Self::AccessPoint => "fsap-",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::FileSystem => "file system",
            Self::MountTarget => "mount target",
            Self::AccessPoint => "access point",
        }
    }
}

/// An answer with another status than 200.
pub(super) fn answer_with<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    let mut reply = Reply::json(value)?;
    reply.status = status;
    Ok(reply)
}

/// The answer of a deletion.
pub(super) fn nothing() -> Answer {
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
