//! The known name that a wrong name was most likely meant to be.

/// The known name nearest to `given`, if one is near enough to be a likely slip of the pen.
pub(crate) fn nearest<'a, S: AsRef<str> + ?Sized + 'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a S>,
) -> Option<&'a str> {
    let given = given.to_lowercase();
    let likely = |name: &str| {
        let name = name.to_lowercase();
        let (one, other) = (given.chars().count(), name.chars().count());
        let far = (one.max(other) / 3).max(1);
        // No two words are nearer than their lengths or their letters, and most aren't near by these
        // alone.
        if one.abs_diff(other) > far {
            return None;
        }
        if letters_apart(&given, &name) > far {
            return None;
        }
        let distance = strsim::damerau_levenshtein(&given, &name);
        (distance <= far).then_some(distance)
    };
    known
        .into_iter()
        .map(AsRef::as_ref)
        .filter_map(|name| likely(name).map(|distance| (distance, name)))
        .min()
        .map(|(_, name)| name)
}

/// How many letters of one word the other lacks, at the least. An edit takes away one letter, brings one,
/// or both.
fn letters_apart(one: &str, other: &str) -> usize {
    // Letters that share a place may cancel each other out, which only makes the words seem nearer.
    let mut count = [0i32; 64];
    for (word, step) in [(one, 1), (other, -1)] {
        for letter in word.chars() {
            count[letter as usize % count.len()] += step;
        }
    }
    let surplus = |sign: i32| count.iter().map(|n| (n * sign).max(0)).sum::<i32>();
    usize::try_from(surplus(1).max(surplus(-1))).unwrap_or_default()
}

/// `did you mean "prod"?`, if a known name is near enough.
pub(crate) fn did_you_mean<'a, S: AsRef<str> + ?Sized + 'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a S>,
) -> Option<String> {
    nearest(given, known).map(|name| format!("did you mean \"{name}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_leaves_other_words_alone() {
        let roles = ["sandbox", "qa", "preview", "nonprod", "prod", "mapi"];
        assert_eq!(nearest("nonprd", roles), Some("nonprod"));
        assert_eq!(nearest("PROD", roles), Some("prod"));
        assert_eq!(nearest("pord", roles), Some("prod"));
        assert_eq!(nearest("prevwie", roles), Some("preview"));
        assert_eq!(nearest("qb", roles), Some("qa"));
        assert_eq!(nearest("development", roles), None);
    }
}
