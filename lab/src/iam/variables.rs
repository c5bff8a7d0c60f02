//! Policy variables: `${aws:PrincipalTag/team}` in a resource or a condition stands for the value
//! of that key in the request.

use super::policy::Context;

/// Whether a star in a variable's value is one, or would be taken for a wildcard and has to be
/// escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The text is compared as it is.
    Text,
    /// The text is a pattern.
    Pattern,
}

/// Puts values in place of variables. `None` if a variable has neither a value nor a default, in
/// which case the statement fits nothing.
pub(super) fn expand(text: &str, context: &Context, what_for: Use) -> Option<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        expanded.push_str(&rest[..start]);
        let variable = &rest[start + 2..start + length];
        put(&mut expanded, &value(variable, context)?, what_for);
        rest = &rest[start + length + 1..];
    }
    expanded.push_str(rest);
    Some(expanded)
}

fn value(variable: &str, context: &Context) -> Option<String> {
    // The characters that mean something in policies are themselves written as variables.
    if matches!(variable, "*" | "?" | "$") {
        return Some(variable.to_owned());
    }
    let (key, default) = match variable.split_once(',') {
        Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
        None => (variable, None),
    };
    match context.get(key) {
        Some([value]) => Some(value.clone()),
        _ => default.map(str::to_owned),
    }
}

fn put(expanded: &mut String, value: &str, what_for: Use) {
    for c in value.chars() {
        if what_for == Use::Pattern && matches!(c, '*' | '?' | '\\') {
            expanded.push('\\');
        }
        expanded.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_for_values_of_the_request() {
        let mut context = Context::default();
        context.set("aws:PrincipalTag/team", ["core"]);
        context.set("aws:username", ["a*b"]);
        context.set("aws:TagKeys", ["one", "two"]);
        for (text, pattern, expected) in [
            ("plain", Use::Text, Some("plain")),
            ("x/${AWS:principaltag/team}/y", Use::Text, Some("x/core/y")),
            ("${aws:username}", Use::Text, Some("a*b")),
            ("${aws:username}*", Use::Pattern, Some(r"a\*b*")),
            ("${*}", Use::Pattern, Some(r"\*")),
            ("${$}{x}", Use::Text, Some("${x}")),
            ("${absent, 'other'}", Use::Text, Some("other")),
            ("${absent}", Use::Text, None),
            ("${aws:TagKeys}", Use::Text, None),
            ("open ${end", Use::Text, Some("open ${end")),
        ] {
            assert_eq!(
                expand(text, &context, pattern).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
