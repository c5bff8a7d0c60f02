//! A GitHub App that psk can be in the place of a token.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use psk_lab::github::{AccountType, App};

use super::Served;

/// Makes the app `acme-releases`, whose id is 12, with an installation on the repository's owner; its
/// private key as PEM.
pub(crate) fn github_app(lab: &Served) -> String {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    lab.with_world(|world| {
        let owner = world.github.repositories[0].owner.clone();
        let app = App {
            slug: "acme-releases".into(),
            key: key.public_key().as_ref().to_vec(),
            installation: 7,
            owner,
        };
        world.github.apps.insert(12, app);
        world.github.account("acme-releases[bot]", AccountType::Bot);
    });
    let der = key.as_der().unwrap();
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("PRIVATE KEY", der.as_ref()), lines)
}
