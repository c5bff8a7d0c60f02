//! A cluster's own certificate authority, and the certificate of its API server.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{self, ServerConfig};

/// A certificate authority, in PEM. Its key never leaves the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// Its certificate.
    pub certificate: String,
    key: String,
}

/// A certificate can't be made.
#[derive(Debug, Error)]
pub enum TlsError {
    /// By the authority.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// For the server.
    #[error("preparing TLS: {0}")]
    Server(#[from] rustls::Error),
}

impl Authority {
    /// A new authority of a cluster.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new() -> Result<Self, TlsError> {
        let key = KeyPair::generate()?;
        let certificate = Self::params().self_signed(&key)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// As EKS's authorities are: called `kubernetes`, and good for signing only.
    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        // The one that is drawn from the key may begin with zeros, which no certificate may have.
        params.serial_number = Some(SerialNumber::from(1_u64));
        params
            .distinguished_name
            .push(DnType::CommonName, "kubernetes");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
        ];
        params
    }

    /// What a server needs that is reached at 127.0.0.1, or under these names.
    ///
    /// # Errors
    /// If no certificate can be made.
    pub(crate) fn server(&self, names: &[String]) -> Result<Arc<ServerConfig>, TlsError> {
        // Name and key are all that a signature takes from the authority's certificate.
        let issuer = Issuer::new(Self::params(), KeyPair::from_pem(&self.key)?);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.serial_number = Some(SerialNumber::from(2_u64));
        params
            .subject_alt_names
            .push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Python's strict checks want it.
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
