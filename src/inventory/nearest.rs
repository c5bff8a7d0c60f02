//! The known name that a wrong name was most likely meant to be.

/// The known name nearest to `given`, if one is near enough to be a likely slip of the pen.
pub(crate) fn nearest<'a, S: AsRef<str> + ?Sized + 'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a S>,
) -> Option<&'a str> {
    let likely = |name: &str| {
        let (one, other) = (given.chars().count(), name.chars().count());
        let far = (one.max(other) / 3).max(1);
        // No two words are nearer than their lengths, and most aren't near by these alone.
        if one.abs_diff(other) > far {
            return None;
        }
        let distance = strsim::damerau_levenshtein(&given.to_lowercase(), &name.to_lowercase());
        (distance <= far).then_some(distance)
    };
    known
        .into_iter()
        .map(AsRef::as_ref)
        .filter_map(|name| likely(name).map(|distance| (distance, name)))
        .min()
        .map(|(_, name)| name)
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
        assert_eq!(nearest("development", roles), None);
    }
}
