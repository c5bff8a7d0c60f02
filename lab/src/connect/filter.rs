//! SCIM filters (RFC 7644, section 3.4.2.2), of which Connect knows one form: `attribute eq "value"`.

/// The value that an equality filter asks for.
///
/// Attribute and operator are case-insensitive; the value is a JSON string, so a quote or a
/// backslash in it is escaped by a backslash.
///
/// # Errors
/// What is wrong with the filter.
pub(super) fn equals(filter: &str, attribute: &str) -> Result<String, String> {
    let malformed =
        || format!("Invalid filter: expected `{attribute} eq \"value\"`, found `{filter}`");
    let (name, rest) = filter.trim().split_once(' ').ok_or_else(malformed)?;
    let (operator, value) = rest.trim_start().split_once(' ').ok_or_else(malformed)?;
    if !name.eq_ignore_ascii_case(attribute) {
        return Err(format!(
            "Invalid filter: cannot filter by attribute `{name}`"
        ));
    }
    if !operator.eq_ignore_ascii_case("eq") {
        return Err(format!(
            "Invalid filter: the operator `{operator}` is not supported"
        ));
    }
    serde_json::from_str(value.trim()).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::equals;

    #[test]
    fn values_are_json_strings() {
        let title = |filter: &str| equals(filter, "title");
        assert_eq!(title(r#"title eq "svc-auth0""#), Ok("svc-auth0".into()));
        assert_eq!(
            title(r#"Title EQ "a \"b\" \\ / é""#),
            Ok(r#"a "b" \ / é"#.into())
        );
        assert_eq!(
            title(r#"title  eq  "two  spaces""#),
            Ok("two  spaces".into())
        );
        assert_eq!(title(r#"title eq """#), Ok(String::new()));
    }

    #[test]
    fn other_filters_are_refused() {
        for filter in [
            "",
            "title",
            "title eq",
            "title eq x",
            r#"title eq "open"#,
            r#"title eq "a" or x"#,
            r#"name eq "a""#,
            r#"title co "a""#,
            "title eq 1",
        ] {
            assert!(equals(filter, "title").is_err(), "{filter}");
        }
    }
}
