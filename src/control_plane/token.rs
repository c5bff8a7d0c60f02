//! Names for requests, so that a request repeated after a crash is the same request to AWS.

use sha2::{Digest, Sha256};

/// A `clientRequestToken`: the same for the same parts, another for any others.
pub(super) fn token(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ["ab", "c"] and ["a", "bc"] apart.
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(32)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn a_token_is_stable_and_tells_its_parts_apart() {
        assert_eq!(token(&["a", "b"]), token(&["a", "b"]));
        assert_eq!(token(&["a", "b"]).len(), 64);
        assert_ne!(token(&["ab", "c"]), token(&["a", "bc"]));
    }
}
