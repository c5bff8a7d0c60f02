//! Paging of EC2's Describe operations: `MaxResults` and `NextToken`.

use std::ops::RangeInclusive;

use data_encoding::BASE64URL_NOPAD;

use crate::call::ServiceError;
use crate::wire::form::Form;

/// Cuts one page out of items that are sorted by id. The token for the next page says where it
/// begins, so items that appear or vanish meanwhile do no harm. `sizes` are those that a client can
/// ask for; a page is as large as it can be unless one does.
pub(super) fn page<T>(
    form: &Form,
    items: Vec<T>,
    sizes: RangeInclusive<usize>,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, Option<String>), ServiceError> {
    let size = form
        .get("MaxResults")
        .map(|text| size(text, &sizes))
        .transpose()?
        .unwrap_or(*sizes.end());
    let from = form.get("NextToken").map(begin).transpose()?;
    let mut rest: Vec<T> = items
        .into_iter()
        .filter(|item| from.as_deref().is_none_or(|from| id(item) >= from))
        .collect();
    let next = rest
        .get(size)
        .map(|item| BASE64URL_NOPAD.encode(id(item).as_bytes()));
    rest.truncate(size);
    Ok((rest, next))
}

fn size(text: &str, sizes: &RangeInclusive<usize>) -> Result<usize, ServiceError> {
    let (fewest, most) = (sizes.start(), sizes.end());
    let wrong = |expected: String| {
        ServiceError::bad_request(
            "InvalidParameterValue",
            format!("Value ( {text} ) for parameter maxResults is invalid. {expected}"),
        )
    };
    match text.parse() {
        Ok(size) if sizes.contains(&size) => Ok(size),
        Ok(size) if size > *most => Err(wrong(format!(
            "Expecting a value less than or equal to {most}."
        ))),
        Ok(_) => Err(wrong(format!(
            "Expecting a value greater than or equal to {fewest}."
        ))),
        Err(_) => Err(wrong("Expecting a number.".to_owned())),
    }
}

fn begin(token: &str) -> Result<String, ServiceError> {
    BASE64URL_NOPAD
        .decode(token.as_bytes())
        .ok()
        .and_then(|id| String::from_utf8(id).ok())
        .ok_or_else(|| {
            ServiceError::bad_request("InvalidNextToken", "The specified NextToken is not valid.")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<String> {
        (10..22).map(|n| format!("subnet-{n}")).collect()
    }

    fn ask(body: &str) -> Result<(Vec<String>, Option<String>), String> {
        page(&Form::parse(body.as_bytes()), ids(), 5..=1000, |id| id).map_err(|error| error.code)
    }

    #[test]
    fn pages_follow_one_another_without_gap_or_overlap() {
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let (items, next) = ask(&format!("MaxResults=5&NextToken={token}")).unwrap();
            assert!(items.len() <= 5);
            seen.extend(items);
            match next {
                Some(next) => token = next,
                None => break,
            }
        }
        assert_eq!(seen, ids());
        assert_eq!(ask("").unwrap(), (ids(), None));
    }

    #[test]
    fn limits_are_as_documented() {
        for wrong in ["MaxResults=4", "MaxResults=1001", "MaxResults=x"] {
            assert_eq!(ask(wrong), Err("InvalidParameterValue".into()), "{wrong}");
        }
        assert_eq!(ask("NextToken=!"), Err("InvalidNextToken".into()));
    }
}
