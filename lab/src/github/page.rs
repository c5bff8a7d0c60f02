//! Pages of lists, told by number and linked in a header.
//!
//! Source: GitHub docs, "Using pagination in the REST API".

use http::{HeaderValue, header};
use serde::Serialize;

use crate::call::{Answer, Call, Reply};

/// A page's size where none is asked for, and the largest.
const SIZE: usize = 30;
const LARGEST: usize = 100;

/// The part of a list that a request asks for.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    link: Option<String>,
}

/// Cuts the page that a request asks for out of a list.
pub(super) fn cut<T>(call: &Call, items: Vec<T>) -> Page<T> {
    let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page")
        .filter(|size| *size > 0)
        .unwrap_or(SIZE)
        .min(LARGEST);
    let page = number("page").unwrap_or(1).max(1);
    let last = items.len().div_ceil(size).max(1);
    let link = link(call, size, page, last);
    let items = items
        .into_iter()
        .skip((page - 1).saturating_mul(size))
        .take(size)
        .collect();
    Page { items, link }
}

impl<T> Page<T> {
    /// The answer with that body, and with the links to the other pages.
    pub(super) fn reply<B: Serialize>(self, body: &B) -> Answer {
        let mut reply = Reply::json(body)?;
        if let Some(link) = self.link
            && let Ok(link) = HeaderValue::from_str(&link)
        {
            reply.headers.insert(header::LINK, link);
        }
        Ok(reply)
    }
}

fn link(call: &Call, size: usize, page: usize, last: usize) -> Option<String> {
    let host = call.header("host")?;
    let to = |page: usize, rel: &str| {
        format!(
            "<http://{host}{}?per_page={size}&page={page}>; rel=\"{rel}\"",
            call.path
        )
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(to(page - 1, "prev"));
    }
    if page < last {
        links.push(to(page + 1, "next"));
        links.push(to(last, "last"));
    }
    if page > 1 {
        links.push(to(1, "first"));
    }
    (!links.is_empty()).then(|| links.join(", "))
}
