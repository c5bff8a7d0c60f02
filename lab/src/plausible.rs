//! Plausible values for any reference into a vault, for a fleet whose real vault isn't at hand.
//!
//! A value depends on the reference alone, so two worlds of one fleet hold the same.

use data_encoding::{BASE64, HEXLOWER};

use crate::ids::{digest, stable_base32, stable_hex};

/// A value that looks like what a field of that name holds: twelve digits for an account id, a web
/// address for a URL, and so on; for any other name, letters and digits.
///
/// ```
/// use psk_lab::plausible::plausible;
/// let account = plausible("empc-lab", "aws-nonprod", "aws-account-id");
/// assert!(account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()));
/// ```
pub fn plausible(vault: &str, item: &str, field: &str) -> String {
    let reference = [vault, item, field];
    let name = field.to_lowercase().replace(['_', ' ', '.'], "-");
    let is = |words: &[&str]| {
        words
            .iter()
            .any(|word| name.split('-').any(|part| part == *word))
    };
    let host = || format!("{}.example.com", label(item));
    if is(&["account"]) && (is(&["id", "number"]) || name.ends_with("account")) {
        account_number(&reference)
    } else if is(&["url", "uri", "issuer", "endpoint"]) {
        format!("https://{}/", host())
    } else if is(&["host", "hostname", "domain", "server"]) {
        host()
    } else if is(&["email", "mail"]) {
        format!("{}@example.com", label(item))
    } else if is(&["user", "username", "login"]) {
        label(item)
    } else if is(&["region"]) {
        "us-east-1".to_owned()
    } else if name.contains("client-id") {
        stable_base32(32, &reference)
    } else if is(&["key"]) {
        BASE64.encode(&digest(&reference))
    } else if is(&["token", "secret", "password", "credential"]) {
        HEXLOWER.encode(&digest(&reference))
    } else {
        stable_hex(20, &reference)
    }
}

/// A number in the manner of those in AWS's documentation (`111122223333`): six digits, each
/// twice, the first not zero.
fn account_number(reference: &[&str]) -> String {
    digest(reference)
        .iter()
        .take(6)
        .enumerate()
        .flat_map(|(index, byte)| {
            let digit = if index == 0 { byte % 9 + 1 } else { byte % 10 };
            [char::from(b'0' + digit); 2]
        })
        .collect()
}

/// A name as one label of a host name.
fn label(name: &str) -> String {
    let label: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    label.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_field_gets_what_its_name_promises() {
        let value = |field: &str| plausible("empc-lab", "svc-Auth0", field);
        for field in ["aws-account-id", "account_id", "AWS Account ID", "account"] {
            let account = value(field);
            assert_eq!(account.len(), 12, "{field}: {account}");
            assert!(account.bytes().all(|b| b.is_ascii_digit()) && !account.starts_with('0'));
        }
        assert_eq!(value("oidc-issuer-url"), "https://svc-auth0.example.com/");
        assert_eq!(value("pskctl-cli-client-id").len(), 32);
        assert_eq!(value("promotion-key").len(), 44);
        assert_eq!(value("post-bot-token").len(), 64);
        assert_eq!(value("anything").len(), 20);
    }

    #[test]
    fn a_reference_always_has_the_same_value_and_accounts_differ() {
        let accounts: BTreeSet<String> = (0..100)
            .map(|n| plausible("empc-lab", &format!("aws-{n}"), "aws-account-id"))
            .collect();
        assert_eq!(accounts.len(), 100);
        assert_eq!(plausible("v", "i", "f"), plausible("v", "i", "f"));
        assert_ne!(plausible("v", "i", "f"), plausible("v", "i", "g"));
    }
}
