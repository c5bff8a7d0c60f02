//! The proof that a role holds a release: the text of a commit status, and whether to believe it.
//!
//! A proof is a `success` status of the role's own context on the very commit. Its text ends in
//!
//! ```text
//! [inv=3f9a1b2c3d4e5f60 at=2026-11-26T18:00:05Z sig=q1Zb…]
//! ```
//!
//! - `inv`: the first 16 of the inventory digest's 64 hex digits. They only have to tell inventories
//!   of one repository apart, for which 64 bits are plenty; nobody gains by finding two that share
//!   them, since the signature covers the whole digest.
//! - `at`: when the run said so. It makes every text of a run another one, so that a copy is known
//!   for one.
//! - `sig`, where there is a key: the first 16 bytes of HMAC-SHA256, in base64url. RFC 2104, section
//!   5, asks for at least half of the hash's bytes; 140 characters have no room for more.

use std::collections::BTreeSet;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::github::{CommitStatus, Repository, StatusState};

/// The most characters that GitHub takes in a status's description.
pub const DESCRIPTION_LIMIT: usize = 140;
/// How much of the inventory digest a text carries, in hex digits.
const DIGEST_LENGTH: usize = 16;
/// How much of the signature a text carries, in bytes.
const SIGNATURE_LENGTH: usize = 16;

/// What a proof is about, and the key that it is signed with.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The commit, as a full SHA.
    pub commit: &'a str,
    /// The role, or one cluster of it as [`cluster_subject`] names it.
    pub role: &'a str,
    /// The inventory's digest, whole.
    pub digest: &'a str,
    /// The key; where there is none, proofs aren't signed.
    pub key: Option<&'a SecretString>,
}

/// The context of a role's status.
pub fn role_context(prefix: &str, role: &str) -> String {
    format!("{prefix}/{role}")
}

/// What the proof of one cluster of a role is about.
pub fn cluster_subject(role: &str, cluster: &str) -> String {
    format!("{role}/{cluster}")
}

impl Claim<'_> {
    /// The text of the proof: what happened in words, cut where there is no room for all of them.
    pub fn text(&self, words: &str, at: Timestamp) -> String {
        let at = seconds(at);
        let digest = short(self.digest);
        let seal = match self.signature(&at) {
            Some(mac) => {
                let mac = mac.finalize().into_bytes();
                let sig = BASE64URL_NOPAD.encode(&mac[..SIGNATURE_LENGTH]);
                format!(" [inv={digest} at={at} sig={sig}]")
            }
            None => format!(" [inv={digest} at={at}]"),
        };
        let room = DESCRIPTION_LIMIT.saturating_sub(seal.chars().count());
        format!("{}{seal}", cut(words, room))
    }

    /// The signature before its end; `None` without a key.
    fn signature(&self, at: &str) -> Option<Hmac<Sha256>> {
        let key = self.key?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).ok()?;
        // Owners, names and logins compare without regard to case at GitHub. No part can hold a
        // line break, so the parts can't run into one another.
        let repository = self.repository.to_string().to_ascii_lowercase();
        let parts = [
            "psk proof 1",
            &repository,
            self.commit,
            self.role,
            self.digest,
            "success",
            at,
        ];
        mac.update(parts.join("\n").as_bytes());
        Some(mac)
    }

    fn check(&self, text: &str) -> Result<(), Doubt> {
        let seal = Seal::read(text).ok_or(Doubt::NoSeal)?;
        if seal.digest != short(self.digest) {
            return Err(Doubt::OtherInventory {
                theirs: seal.digest.to_owned(),
                ours: short(self.digest).to_owned(),
            });
        }
        let Some(mac) = self.signature(seal.at) else {
            return Ok(());
        };
        let signature = seal.signature.ok_or(Doubt::Unsigned)?;
        BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .ok()
            .filter(|signature| signature.len() == SIGNATURE_LENGTH)
            .filter(|signature| mac.verify_truncated_left(signature).is_ok())
            .map(|_| ())
            .ok_or(Doubt::WrongSignature)
    }
}

/// What stands in brackets at a text's end.
struct Seal<'a> {
    digest: &'a str,
    at: &'a str,
    signature: Option<&'a str>,
}

impl<'a> Seal<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (_, seal) = text.strip_suffix(']')?.rsplit_once('[')?;
        let mut parts = seal.split(' ');
        let digest = parts.next()?.strip_prefix("inv=")?;
        let at = parts.next()?.strip_prefix("at=")?;
        let signature = match parts.next() {
            Some(part) => Some(part.strip_prefix("sig=")?),
            None => None,
        };
        let whole = parts.next().is_none() && at.parse::<Timestamp>().is_ok();
        whole.then_some(Self {
            digest,
            at,
            signature,
        })
    }
}

/// The words of a status's text, without the seal of a proof.
pub fn words(text: &str) -> &str {
    match Seal::read(text) {
        Some(_) => text
            .rsplit_once('[')
            .map_or(text, |(words, _)| words.trim_end()),
        None => text,
    }
}

/// A proof that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What the run said.
    pub words: String,
    /// Who made the status.
    pub creator: String,
    /// Since when the role has held the release without a failure in between, by GitHub's clock.
    pub since: Timestamp,
    /// The page of the run.
    pub url: Option<String>,
}

impl Proof {
    /// For how long the role has held the release at a moment.
    pub fn age(&self, now: Timestamp) -> Duration {
        Duration::try_from(now.duration_since(self.since)).unwrap_or_default()
    }
}

/// Why a role isn't believed to hold a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// There is no status of the role.
    #[error("no status of it on this commit")]
    Missing,
    /// It is being rolled out.
    #[error("a run is under way since {since}: {words}", since = seconds(*.since))]
    UnderWay {
        /// Since when.
        since: Timestamp,
        /// What it said.
        words: String,
    },
    /// It failed, after all else.
    #[error("{creator} says {}: {words}", .state.as_str())]
    Failed {
        /// Failure or error.
        state: StatusState,
        /// Who says so.
        creator: String,
        /// What it said.
        words: String,
    },
    /// The status was made by someone whose word doesn't count.
    #[error("its status is by {creator}, who is not trusted (trusted: {})", .trusted.join(", "))]
    Untrusted {
        /// Who made it.
        creator: String,
        /// Whose word counts.
        trusted: Vec<String>,
    },
    /// The text is none of psk's.
    #[error("its status carries no proof: it was made by hand, or by another program")]
    NoSeal,
    /// It is for another inventory.
    #[error("it holds another inventory ({theirs}, not {ours})")]
    OtherInventory {
        /// The beginning of that inventory's digest.
        theirs: String,
        /// The beginning of this inventory's digest.
        ours: String,
    },
    /// It should be signed and isn't.
    #[error("its proof is not signed, and promotion.signing_key is set")]
    Unsigned,
    /// The signature isn't that of the key over this repository, commit, role and inventory.
    #[error("its proof's signature is wrong: it is of another repository, commit, role or key")]
    WrongSignature,
    /// A cluster of the role says otherwise, after the role's own status.
    #[error("after its proof {context} came to be {}: {words}", .state.as_str())]
    ClusterSince {
        /// The cluster's context.
        context: String,
        /// What it is.
        state: StatusState,
        /// What it said.
        words: String,
    },
    /// The text was there before, and a failure came after it.
    #[error("its proof is a copy of an earlier one, after which it failed")]
    Copied,
}

/// Whether the statuses of a commit prove that the role holds it. `all` is every status of the
/// commit, the latest first; those of other roles don't matter.
///
/// A failure counts whoever says so. A success or a run under way counts only from someone whose
/// word does. A cluster of the role that was rolled out or destroyed by itself after the proof was
/// made, and isn't well, speaks against it.
///
/// # Errors
/// Why not.
pub fn judge(
    all: &[CommitStatus],
    context: &str,
    trusted: &[String],
    claim: &Claim<'_>,
) -> Result<Proof, Doubt> {
    let history: Vec<&CommitStatus> = all
        .iter()
        .filter(|status| status.context.eq_ignore_ascii_case(context))
        .collect();
    let mut doubt = Doubt::Missing;
    for (place, status) in history.iter().enumerate() {
        let creator = status
            .creator
            .clone()
            .unwrap_or_else(|| "nobody".to_owned());
        let counts = is_trusted(&creator, trusted);
        match status.state {
            StatusState::Failure | StatusState::Error => {
                return Err(Doubt::Failed {
                    state: status.state,
                    creator,
                    words: words(&status.description).to_owned(),
                });
            }
            StatusState::Pending if counts => {
                return Err(Doubt::UnderWay {
                    since: status.created,
                    words: status.description.clone(),
                });
            }
            StatusState::Success if counts => {
                claim.check(&status.description)?;
                since_then(all, status, trusted)?;
                let since = held_since(&history[place..], trusted, claim)?;
                return Ok(Proof {
                    words: words(&status.description).to_owned(),
                    creator,
                    since,
                    url: status.url.clone(),
                });
            }
            StatusState::Success => {
                let trusted = trusted.to_vec();
                doubt = Doubt::Untrusted { creator, trusted };
            }
            StatusState::Pending => {}
        }
    }
    Err(doubt)
}

/// Whether every cluster that has said anything after that success of its role is well.
fn since_then(
    all: &[CommitStatus],
    success: &CommitStatus,
    trusted: &[String],
) -> Result<(), Doubt> {
    let parts = format!("{}/", success.context.to_ascii_lowercase());
    let mut heard = BTreeSet::new();
    let later = all.iter().take_while(|status| *status != success);
    for status in later {
        let context = status.context.to_ascii_lowercase();
        let creator = status.creator.as_deref().unwrap_or_default();
        let counts = match status.state {
            StatusState::Failure | StatusState::Error => true,
            StatusState::Pending | StatusState::Success => is_trusted(creator, trusted),
        };
        let latest = context.starts_with(&parts) && counts && heard.insert(context);
        if latest && status.state != StatusState::Success {
            return Err(Doubt::ClusterSince {
                context: status.context.clone(),
                state: status.state,
                words: words(&status.description).to_owned(),
            });
        }
    }
    Ok(())
}

/// What else than a success a role has come to be since the latest success of one of its clusters.
pub fn told_since(all: &[CommitStatus], cluster: &str, role: &str) -> Option<StatusState> {
    let since = all.iter().take_while(|status| {
        status.state != StatusState::Success || !status.context.eq_ignore_ascii_case(cluster)
    });
    let mut of_role = since.filter(|status| status.context.eq_ignore_ascii_case(role));
    let latest = of_role.next()?.state;
    (latest != StatusState::Success).then_some(latest)
}

/// Since when the success that `history` begins with has held: from the earliest success like it
/// that no failure came after.
fn held_since(
    history: &[&CommitStatus],
    trusted: &[String],
    claim: &Claim<'_>,
) -> Result<Timestamp, Doubt> {
    let [latest, earlier @ ..] = history else {
        return Err(Doubt::Missing);
    };
    let failed =
        |status: &CommitStatus| matches!(status.state, StatusState::Failure | StatusState::Error);
    let unbroken = earlier.iter().take_while(|status| !failed(status)).count();
    let (unbroken, before) = earlier.split_at(unbroken);
    if before.iter().any(|status| {
        status.state == StatusState::Success && status.description == latest.description
    }) {
        return Err(Doubt::Copied);
    }
    let since = unbroken
        .iter()
        .filter(|status| status.state == StatusState::Success)
        .filter(|status| is_trusted(status.creator.as_deref().unwrap_or_default(), trusted))
        .filter(|status| claim.check(&status.description).is_ok())
        .map(|status| status.created)
        .min();
    Ok(since.unwrap_or(latest.created).min(latest.created))
}

/// GitHub's logins compare without regard to case.
pub fn is_trusted(creator: &str, trusted: &[String]) -> bool {
    trusted
        .iter()
        .any(|login| login.eq_ignore_ascii_case(creator))
}

/// The text, cut to that many characters.
pub fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_LENGTH).unwrap_or(digest)
}

/// The time to the second.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
