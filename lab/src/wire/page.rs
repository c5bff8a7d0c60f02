//! Pages of lists, for services whose tokens are opaque.

use data_encoding::BASE64URL_NOPAD;
use thiserror::Error;

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask for to get the next page; `None` after the last one.
    pub next: Option<String>,
}

/// The token isn't one that a page gave out.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the token is not one that an earlier answer gave out")]
pub struct BadToken;

/// Cuts a page of at most `size` items out of a list that is ordered by its keys.
///
/// The token holds the last key that was given out, so that a page neither repeats nor skips an
/// item when others come and go meanwhile.
///
/// # Errors
/// If the token isn't one that a page gave out.
pub fn page<T>(
    items: impl IntoIterator<Item = (String, T)>,
    size: usize,
    token: Option<&str>,
) -> Result<Page<T>, BadToken> {
    let after = token.map(decode).transpose()?;
    let mut rest = items
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
        .peekable();
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    let mut last = String::new();
    while page.items.len() < size
        && let Some((key, item)) = rest.next()
    {
        last = key;
        page.items.push(item);
    }
    page.next = rest.peek().map(|_| BASE64URL_NOPAD.encode(last.as_bytes()));
    Ok(page)
}

fn decode(token: &str) -> Result<String, BadToken> {
    BASE64URL_NOPAD
        .decode(token.as_bytes())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(BadToken)
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
            let page = page(list(7), 3, token.as_deref()).unwrap();
            assert!(page.items.len() <= 3);
            seen.extend(page.items);
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        assert_eq!(page(list(3), 3, None).unwrap().next, None);
        assert_eq!(page(list(0), 3, None).unwrap().next, None);
        assert!(page(list(4), 3, None).unwrap().next.is_some());
    }

    #[test]
    fn refuses_a_token_of_its_own_making() {
        assert_eq!(page(list(1), 1, Some("!")), Err(BadToken));
    }
}
