//! Ids and keys: fresh ones drawn from a world's own seed, and stable ones derived from names.
//!
//! Two worlds with the same seed issue the same ids in the same order, so a test can be repeated;
//! a world that is really served gets a random seed, so its keys can't be guessed.

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Issues ids that are never repeated within one world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    seed: [u8; 32],
    issued: u64,
}

impl Ids {
    /// An issuer that draws from this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, issued: 0 }
    }

    /// Thirty-two fresh bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        self.issued += 1;
        Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.issued.to_be_bytes())
            .finalize()
            .into()
    }

    /// A fresh lowercase hexadecimal id of up to 64 characters.
    pub fn hex(&mut self, length: usize) -> String {
        cut(HEXLOWER.encode(&self.bytes()), length)
    }

    /// A fresh id of up to 51 uppercase letters and digits, as access keys and role ids have.
    pub fn base32(&mut self, length: usize) -> String {
        cut(BASE32_NOPAD.encode(&self.bytes()), length)
    }

    /// A fresh secret of up to 43 base64 characters.
    pub fn secret(&mut self, length: usize) -> String {
        cut(BASE64_NOPAD.encode(&self.bytes()), length)
    }

    /// A fresh UUID, version 4.
    pub fn uuid(&mut self) -> String {
        uuid_from(self.bytes())
    }
}

/// The digest of some names. The same names always give the same bytes.
pub fn digest(names: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in names {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
    }
    hash.finalize().into()
}

/// A lowercase hexadecimal id of up to 64 characters that these names always have.
pub fn stable_hex(length: usize, names: &[&str]) -> String {
    cut(HEXLOWER.encode(&digest(names)), length)
}

/// An id of up to 51 uppercase letters and digits that these names always have.
pub fn stable_base32(length: usize, names: &[&str]) -> String {
    cut(BASE32_NOPAD.encode(&digest(names)), length)
}

/// Formats the first half of these bytes as a UUID, version 4.
pub fn uuid_from(bytes: [u8; 32]) -> String {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    uuid::Builder::from_random_bytes(half)
        .into_uuid()
        .to_string()
}

fn cut(mut text: String, length: usize) -> String {
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_ids_and_another_has_others() {
        let mut one = Ids::new([1; 32]);
        let first = [one.hex(17), one.base32(16), one.secret(40), one.uuid()];
        let mut again = Ids::new([1; 32]);
        assert_eq!(
            first,
            [
                again.hex(17),
                again.base32(16),
                again.secret(40),
                again.uuid()
            ]
        );
        assert_ne!(one.hex(17), again.base32(17));
        assert_ne!(Ids::new([2; 32]).hex(17), first[0]);
        assert_eq!(first.each_ref().map(String::len), [17, 16, 40, 36]);
    }

    #[test]
    fn names_are_kept_apart() {
        assert_eq!(stable_hex(17, &["a", "b"]), stable_hex(17, &["a", "b"]));
        assert_ne!(stable_hex(17, &["ab", "c"]), stable_hex(17, &["a", "bc"]));
    }
}
