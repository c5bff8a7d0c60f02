//! Small pieces of English that the schedule and the reasons share.

/// At most this many names are spelled out in one line.
const NAMES_SHOWN: usize = 3;

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
pub(super) fn list<S: AsRef<str>>(names: &[S]) -> String {
    let more;
    let (mut shown, hidden) = match names.split_at_checked(NAMES_SHOWN) {
        Some((shown, hidden)) => (refs(shown), hidden.len()),
        None => (refs(names), 0),
    };
    if hidden > 0 {
        more = format!("{hidden} more");
        shown.push(&more);
    }
    match shown.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// `1 cluster`, `2 clusters`.
pub(super) fn count(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        _ => format!("{n} {noun}s"),
    }
}

fn refs<S: AsRef<str>>(names: &[S]) -> Vec<&str> {
    names.iter().map(AsRef::as_ref).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b"]), "a and b");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!(count(0, "failure"), "0 failures");
        assert_eq!(count(1, "failure"), "1 failure");
        assert_eq!(count(2, "failure"), "2 failures");
    }
}
