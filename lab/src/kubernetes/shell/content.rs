//! What a file or a pipe holds. Long runs of the same are kept as such, so that 100 MiB of zeros
//! cost nothing.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::kubernetes) struct Content(Vec<Run>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Run {
    Bytes(Vec<u8>),
    Zeros(u64),
    /// Bytes that follow from the number, from some byte of theirs on.
    Random {
        seed: u64,
        from: u64,
        length: u64,
    },
}

impl Run {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(length) | Self::Random { length, .. } => *length,
        }
    }

    fn part(&self, from: u64, length: u64) -> Self {
        match self {
            Self::Bytes(bytes) => {
                let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(bytes.len());
                Self::Bytes(bytes[index(from)..index(from + length)].to_vec())
            }
            Self::Zeros(_) => Self::Zeros(length),
            Self::Random { seed, from: at, .. } => Self::Random {
                seed: *seed,
                from: at + from,
                length,
            },
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Zeros(length) => vec![0; usize::try_from(*length).unwrap_or_default()],
            Self::Random { seed, from, length } => (*from..from + length)
                .map(|at| at.wrapping_mul(seed | 1).to_le_bytes()[1])
                .collect(),
        }
    }
}

impl Content {
    pub(in crate::kubernetes) fn zeros(length: u64) -> Self {
        Self(vec![Run::Zeros(length)]).joined()
    }

    pub(in crate::kubernetes) fn random(seed: u64, length: u64) -> Self {
        let from = 0;
        Self(vec![Run::Random { seed, from, length }]).joined()
    }

    pub(in crate::kubernetes) fn len(&self) -> u64 {
        self.0.iter().map(Run::len).sum()
    }

    pub(in crate::kubernetes) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
        *self = std::mem::take(self).joined();
    }

    /// What begins at `from`, at most so long.
    pub(in crate::kubernetes) fn part(&self, from: u64, length: u64) -> Self {
        let end = from.saturating_add(length);
        let mut at = 0;
        let mut parts = Vec::new();
        for run in &self.0 {
            let next = at + run.len();
            let (first, last) = (at.max(from), next.min(end));
            if first < last {
                parts.push(run.part(first - at, last - first));
            }
            at = next;
        }
        Self(parts).joined()
    }

    /// With `other` written over it from a byte on.
    pub(in crate::kubernetes) fn overlaid(&self, from: u64, other: Self) -> Self {
        let mut all = self.part(0, from);
        if all.len() < from {
            all.extend(Self::zeros(from - all.len()));
        }
        let end = from + other.len();
        all.extend(other);
        all.extend(self.part(end, u64::MAX));
        all
    }

    /// As text. What isn't text, or is very long, isn't shown as it is.
    pub(in crate::kubernetes) fn text(&self) -> String {
        const MOST: u64 = 1 << 16;
        let bytes: Vec<u8> = self.part(0, MOST).0.iter().flat_map(Run::bytes).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The SHA-256 digest, in hexadecimal.
    pub(in crate::kubernetes) fn sha256(&self) -> String {
        const STEP: u64 = 1 << 20;
        let mut hash = Sha256::new();
        for run in &self.0 {
            let mut at = 0;
            while at < run.len() {
                hash.update(run.part(at, STEP.min(run.len() - at)).bytes());
                at += STEP;
            }
        }
        HEXLOWER.encode(&hash.finalize())
    }

    /// Neighbours of a kind put together, so that the same bytes written differently are equal.
    fn joined(self) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for run in self.0 {
            match (runs.last_mut(), run) {
                (_, run) if run.len() == 0 => {}
                (Some(Run::Bytes(bytes)), Run::Bytes(more)) => bytes.extend(more),
                (Some(Run::Zeros(length)), Run::Zeros(more)) => *length += more,
                (
                    Some(Run::Random { seed, from, length }),
                    Run::Random {
                        seed: s,
                        from: f,
                        length: more,
                    },
                ) if *seed == s && *from + *length == f => {
                    *length += more;
                }
                (_, run) => runs.push(run),
            }
        }
        Self(runs)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self(vec![Run::Bytes(text.as_bytes().to_vec())]).joined()
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self(vec![Run::Bytes(text.into_bytes())]).joined()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_equal_however_they_were_written() {
        let mut one = Content::zeros(10);
        one.extend(Content::zeros(90));
        assert_eq!(one, Content::zeros(100));
        assert_eq!(Content::zeros(100).overlaid(10, Content::zeros(5)), one);
        let random = Content::random(7, 100);
        let mut halves = random.part(0, 40);
        halves.extend(random.part(40, 60));
        assert_eq!(halves, random);
        assert_ne!(random.sha256(), one.sha256());
    }

    #[test]
    fn text_is_cut_and_laid_over() {
        let text = Content::from("hello world");
        assert_eq!(text.part(6, 100).text(), "world");
        assert_eq!(text.overlaid(6, "there".into()).text(), "hello there");
        assert_eq!(Content::from("a").overlaid(3, "b".into()).text(), "a\0\0b");
        // As `sha256sum` has it.
        assert_eq!(
            Content::from("abc").sha256(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
