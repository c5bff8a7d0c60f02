//! What psk notes on a cluster once it has applied it: which settings, and what they came to for each
//! resource. A later run tells by it whether the settings have changed since or somebody changed AWS.
//!
//! psk keeps no state of its own, so the note is two tags of the EKS cluster, which every plan reads
//! anyway: digests, short enough for a tag's 256 characters, and what has no room in the one in the
//! other.
//! Source: EKS User Guide, "Organize Amazon EKS resources with tags", tag restrictions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::Tags;
use crate::aws::{CallError, Doing, Session};
use crate::reconcile::Intended;
use crate::reconcile::plan::Cause;

/// The tags' keys. The note begins in the first and goes on in the next.
pub const TAGS: [&str; 2] = ["psk-applied", "psk-applied-more"];

/// Version of the note's form.
const FORM: &str = "1";

/// Most characters of a tag's value.
const LONGEST: usize = 256;

/// Characters of a commit, and of the digest of all settings.
const LONG: usize = 12;

/// Characters of each resource's mark, and of the digest of what was wanted of it: 18 bits, so that
/// hardly two resources of a cluster share a mark.
const SHORT: usize = 3;

/// Sixty-four characters that a tag may have.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Digest of the cluster's settings.
    settings: String,
    /// The commit that was rolled out, shortened; empty where none was known.
    commit: String,
    /// Digest of what was wanted, by the mark of the resource. Empty where there are too many
    /// resources for the tags.
    wanted: BTreeMap<String, String>,
}

impl Stamp {
    /// The note of an apply of these settings, by their digest.
    pub fn of(settings: &str, commit: Option<&str>, intended: &[Intended]) -> Self {
        let wanted = intended.iter().filter_map(|intended| {
            let digest = intended.digest.as_ref()?;
            Some((mark(intended), short(digest)))
        });
        let mut stamp = Self {
            settings: settings.chars().take(LONG).collect(),
            commit: commit.unwrap_or_default().chars().take(LONG).collect(),
            wanted: wanted.collect(),
        };
        if stamp.to_string().len() > LONGEST * TAGS.len() {
            stamp.wanted.clear();
        }
        stamp
    }

    /// The note that a cluster's tags hold; `None` where they hold none that can be read.
    pub fn among(tags: &Tags) -> Option<Self> {
        let parts = TAGS.map(|key| tags.get(key).map_or("", String::as_str));
        parts.concat().parse().ok()
    }

    /// The note as tags, of which the later ones may be empty.
    fn to_tags(&self) -> Tags {
        let text = self.to_string();
        let mut rest = text.as_str();
        let mut next = || {
            let (part, more) = rest.split_at_checked(LONGEST).unwrap_or((rest, ""));
            rest = more;
            part.to_owned()
        };
        TAGS.map(|key| (key.to_owned(), next())).into()
    }

    /// Whether both say the same but for the commit.
    pub fn is_like(&self, other: &Self) -> bool {
        self.settings == other.settings && self.wanted == other.wanted
    }

    /// The commit that was rolled out, shortened, where it was known.
    pub fn commit(&self) -> Option<&str> {
        (!self.commit.is_empty()).then_some(self.commit.as_str())
    }

    /// Whether these are the settings, by their digest, that were applied.
    pub fn has_settings(&self, settings: &str) -> bool {
        settings.starts_with(&self.settings)
    }

    /// Why a resource differs from what its settings, by their digest, ask for now.
    pub fn cause(&self, settings: &str, intended: &Intended) -> Cause {
        let same_settings = self.has_settings(settings);
        let applied = self.wanted.get(&mark(intended));
        match (applied, intended.digest.as_deref().map(short)) {
            (Some(applied), Some(wanted)) if *applied == wanted => Cause::Aws,
            (Some(_), Some(_)) if same_settings => Cause::Offer,
            _ if same_settings => Cause::Aws,
            _ => Cause::Settings,
        }
    }

    /// Notes it on the cluster of that ARN.
    ///
    /// # Errors
    /// EKS refuses.
    pub async fn write(&self, session: &Session, cluster: &str) -> Result<(), CallError> {
        session
            .eks()
            .tag_resource()
            .resource_arn(cluster)
            .set_tags(Some(self.to_tags().into_iter().collect()))
            .send()
            .await
            .doing(|| format!("noting on {cluster} what was applied"))?;
        Ok(())
    }
}

fn mark(intended: &Intended) -> String {
    short(&format!("{} {}", intended.kind, intended.name))
}

fn short(text: &str) -> String {
    let digest = Sha256::digest(text);
    let letters = digest.iter().take(SHORT);
    letters
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 64)))
        .map(|letter| char::from(*letter))
        .collect()
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM}/{}/{}/", self.settings, self.commit)?;
        self.wanted
            .iter()
            .try_for_each(|(mark, digest)| write!(f, "{mark}{digest}"))
    }
}

impl FromStr for Stamp {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<_> = text.split('/').collect();
        let [FORM, settings, commit, wanted] = parts.as_slice() else {
            return Err(());
        };
        if wanted.len() % (2 * SHORT) != 0 || !wanted.is_ascii() || settings.len() != LONG {
            return Err(());
        }
        let mut pairs = BTreeMap::new();
        let mut rest = *wanted;
        while let Some((pair, more)) = rest.split_at_checked(2 * SHORT) {
            let (mark, digest) = pair.split_at(SHORT);
            pairs.insert(mark.to_owned(), digest.to_owned());
            rest = more;
        }
        Ok(Self {
            settings: (*settings).to_owned(),
            commit: (*commit).to_owned(),
            wanted: pairs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210";

    fn intended(name: &str, digest: Option<&str>) -> Intended {
        Intended {
            kind: "eks_addon".into(),
            name: name.into(),
            digest: digest.map(str::to_owned),
        }
    }

    fn stamp() -> Stamp {
        let all = [
            intended("coredns", Some("aaaa11")),
            intended("vpc-cni", Some("bbbb22")),
            intended("secret", None),
        ];
        Stamp::of(OLD, Some("c0ffee00c0ffee00"), &all)
    }

    #[test]
    fn it_survives_its_tags() {
        let text = stamp().to_string();
        assert!(text.starts_with("1/0123456789ab/c0ffee00c0ff/"), "{text}");
        assert_eq!(text.parse(), Ok(stamp()));
        let bare = Stamp::of(OLD, None, &[]);
        assert_eq!(bare.to_string().parse(), Ok(bare));
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for text in [
            "",
            "1/x/y/z",
            "2/0123456789ab//",
            "1/0123456789ab//abcd",
            "by hand",
        ] {
            assert_eq!(text.parse::<Stamp>(), Err(()), "{text}");
        }
    }

    #[test]
    fn the_cause_follows_from_what_was_applied_and_what_is_wanted() {
        let cause = |settings, digest| stamp().cause(settings, &intended("coredns", digest));
        assert_eq!(cause(OLD, Some("aaaa11")), Cause::Aws);
        assert_eq!(cause(NEW, Some("aaaa11")), Cause::Aws);
        assert_eq!(cause(NEW, Some("cccc99")), Cause::Settings);
        assert_eq!(cause(OLD, Some("cccc99")), Cause::Offer);
        assert_eq!(cause(OLD, None), Cause::Aws);
        assert_eq!(cause(NEW, None), Cause::Settings);
        let added = intended("new-addon", Some("dddd44"));
        assert_eq!(stamp().cause(NEW, &added), Cause::Settings);
    }

    #[test]
    fn what_is_too_long_for_the_tags_is_told_by_the_settings_alone() {
        let many = |n| -> Vec<_> {
            (0..n)
                .map(|i| intended(&format!("addon-{i}"), Some("aaaa11")))
                .collect()
        };
        for count in [30, 38, 39, 60, 78] {
            let fits = Stamp::of(OLD, Some(OLD), &many(count));
            assert_eq!(fits.wanted.len(), count);
            let tags = fits.to_tags();
            assert!(tags.values().all(|value| value.len() <= LONGEST), "{count}");
            assert_eq!(tags[TAGS[1]].is_empty(), count <= 38, "{count}");
            assert_eq!(Stamp::among(&tags), Some(fits));
        }
        assert_eq!(Stamp::among(&Tags::new()), None);
        let bare = Stamp::of(OLD, Some(OLD), &many(90));
        assert!(bare.wanted.is_empty());
        assert_eq!(bare.cause(OLD, &intended("x", Some("aaaa"))), Cause::Aws);
        assert_eq!(
            bare.cause(NEW, &intended("x", Some("aaaa"))),
            Cause::Settings
        );
    }
}
