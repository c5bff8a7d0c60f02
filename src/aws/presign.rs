//! Proof of who a session is, for those who aren't AWS: a request to STS that is signed here and sent
//! by them.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;

use super::error::{CallError, credentials_error};
use super::session::{Target, TimeSource};

/// The operation, as the Query protocol has it.
const QUERY: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// What Signature Version 4 leaves as it is in a query: the unreserved characters of RFC 3986.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Signs in the name of a session.
pub(crate) struct Signer {
    pub(super) credentials: SharedCredentialsProvider,
    pub(super) time: TimeSource,
    /// The endpoint that the environment sets for STS, if it does.
    pub(super) endpoint: Option<String>,
}

impl Signer {
    /// The time by which requests are signed.
    pub(crate) fn now(&self) -> SystemTime {
        self.time.now()
    }

    /// The URL of a GetCallerIdentity that also carries `header`, signed by the session in `target`,
    /// and good for `valid`. It is a secret: whoever has it can prove to be the session.
    ///
    /// # Errors
    /// There are no credentials.
    pub(crate) async fn caller_identity(
        &self,
        target: &Target,
        header: (&str, &str),
        valid: Duration,
    ) -> Result<SecretString, CallError> {
        let doing = || format!("signing a request for a token of {}", header.1);
        let credentials = self.credentials.provide_credentials().await;
        let credentials = credentials.map_err(|error| credentials_error(doing(), &error))?;
        let endpoint = match &self.endpoint {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("https://sts.{}.{}", target.region, target.dns_suffix()),
        };
        let url = format!("{endpoint}/?{QUERY}");
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(valid);
        let bug = |error: String| CallError::new(doing(), error, "report this as a bug");
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&target.region)
            .name("sts")
            .time(self.now())
            .settings(settings)
            .build()
            .map_err(|error| bug(error.to_string()))?
            .into();
        let headers = std::iter::once(header);
        let request = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[]))
            .map_err(|error| bug(error.to_string()))?;
        let (instructions, _) = sign(request, &parameters)
            .map_err(|error| bug(error.to_string()))?
            .into_parts();
        let signed = instructions.params().iter();
        Ok(signed
            .fold(url, |url, (name, value)| {
                let value = utf8_percent_encode(value, QUERY_VALUE);
                format!("{url}&{name}={value}")
            })
            .into())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_credential_types::Credentials;
    use secrecy::ExposeSecret;

    use super::*;

    fn signer(endpoint: Option<&str>) -> Signer {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            Some("to/ken+=".into()),
            None,
            "test",
        );
        Signer {
            credentials: SharedCredentialsProvider::new(credentials),
            time: TimeSource(Arc::new(|| {
                SystemTime::UNIX_EPOCH + Duration::from_secs(1_770_000_000)
            })),
            endpoint: endpoint.map(str::to_owned),
        }
    }

    async fn signed(endpoint: Option<&str>, region: &str) -> url::Url {
        let target = Target {
            account: "111122223333".into(),
            region: region.into(),
            assume_role: "PSKRoles/R".into(),
        };
        let header = ("x-k8s-aws-id", "qa-i01-aws-us-east-2");
        let url = signer(endpoint)
            .caller_identity(&target, header, Duration::from_secs(60))
            .await
            .unwrap();
        url.expose_secret().parse().unwrap()
    }

    #[tokio::test]
    async fn the_cluster_is_signed_into_the_url_and_no_header_is_needed_beside_it() {
        let url = signed(None, "us-east-2").await;
        assert_eq!(url.host_str(), Some("sts.us-east-2.amazonaws.com"));
        let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["Action"], "GetCallerIdentity");
        assert_eq!(query["X-Amz-SignedHeaders"], "host;x-k8s-aws-id");
        assert_eq!(query["X-Amz-Expires"], "60");
        assert_eq!(query["X-Amz-Security-Token"], "to/ken+=");
        assert_eq!(query["X-Amz-Date"], "20260202T024000Z");
        assert!(url.as_str().contains("to%2Fken%2B%3D"), "{url}");
        assert_eq!(query["X-Amz-Signature"].len(), 64);
    }

    #[tokio::test]
    async fn the_environments_endpoint_is_the_one_that_is_signed_for() {
        let url = signed(Some("http://127.0.0.1:4566/"), "us-east-2").await;
        assert!(
            url.as_str()
                .starts_with("http://127.0.0.1:4566/?Action=GetCallerIdentity&")
        );
    }

    #[tokio::test]
    async fn china_has_a_domain_of_its_own() {
        let url = signed(None, "cn-north-1").await;
        assert_eq!(url.host_str(), Some("sts.cn-north-1.amazonaws.com.cn"));
    }
}
