//! AWS Signature Version 4, from the server's side: reads what a client says that it signed, signs
//! the same with the key's secret, and compares.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use http::HeaderMap;
use http::request::Parts;
use jiff::Timestamp;

use super::refusal::Refusal;
use crate::credentials::Credential;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE_HEADER: &str = "x-amz-date";
const TOKEN_HEADER: &str = "x-amz-security-token";

/// A signature as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Id of the access key.
    pub access_key: String,
    /// The region in the credential scope.
    pub region: String,
    /// The service in the credential scope.
    pub service: String,
    /// When the request was signed.
    pub signed_at: Timestamp,
    /// The session token, if there is one.
    pub token: Option<String>,
    /// For how long a presigned URL is good; a header's signature has none.
    pub expires_in: Option<Duration>,
    signed_headers: Vec<String>,
    digest: String,
}

impl Signature {
    /// Reads the signature of a request, from its `Authorization` header or, for a presigned URL,
    /// from its query. `None` if it has neither.
    ///
    /// # Errors
    /// [`Refusal::Incomplete`] if there is one that can't be read.
    pub fn read(parts: &Parts, query: &[(String, String)]) -> Result<Option<Self>, Refusal> {
        if let Some(header) = header(&parts.headers, "authorization")
            && header.starts_with(ALGORITHM)
        {
            return Self::from_header(header, &parts.headers).map(Some);
        }
        if query.iter().any(|(name, _)| name == "X-Amz-Signature") {
            return Self::from_query(query).map(Some);
        }
        Ok(None)
    }

    fn from_header(authorization: &str, headers: &HeaderMap) -> Result<Self, Refusal> {
        let part = |name: &str| {
            authorization
                .trim_start_matches(ALGORITHM)
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| missing(&format!("'{name}' parameter"), authorization))
        };
        let date = header(headers, DATE_HEADER)
            .ok_or_else(|| missing("'X-Amz-Date' header", authorization))?;
        let scope = Scope::parse(part("Credential")?)?;
        Ok(Self {
            access_key: scope.access_key,
            region: scope.region,
            service: scope.service,
            signed_at: time(date)?,
            token: header(headers, TOKEN_HEADER).map(str::to_owned),
            expires_in: None,
            signed_headers: part("SignedHeaders")?
                .split(';')
                .map(str::to_owned)
                .collect(),
            digest: part("Signature")?.to_owned(),
        })
    }

    fn from_query(query: &[(String, String)]) -> Result<Self, Refusal> {
        let find = |name: &str| {
            query
                .iter()
                .find(|(k, _)| k == name)
                .map(|(_, v)| v.as_str())
        };
        let part =
            |name: &str| find(name).ok_or_else(|| missing(&format!("'{name}'"), "the query"));
        let scope = Scope::parse(part("X-Amz-Credential")?)?;
        let expires = part("X-Amz-Expires")?;
        let seconds = expires.parse().map_err(|_| {
            Refusal::Incomplete(format!(
                "X-Amz-Expires is not a number of seconds: '{expires}'"
            ))
        })?;
        Ok(Self {
            access_key: scope.access_key,
            region: scope.region,
            service: scope.service,
            signed_at: time(part("X-Amz-Date")?)?,
            token: find("X-Amz-Security-Token").map(str::to_owned),
            expires_in: Some(Duration::from_secs(seconds)),
            signed_headers: part("X-Amz-SignedHeaders")?
                .split(';')
                .map(str::to_owned)
                .collect(),
            digest: part("X-Amz-Signature")?.to_owned(),
        })
    }

    /// Whether the key's secret makes this signature for this request.
    ///
    /// # Errors
    /// [`Refusal::WrongSignature`] if it doesn't, [`Refusal::Incomplete`] if what was signed can't
    /// be signed.
    pub fn verify(
        &self,
        parts: &Parts,
        body: &[u8],
        credential: &Credential,
    ) -> Result<(), Refusal> {
        let host = header(&parts.headers, "host").unwrap_or_default();
        let in_query = self.expires_in.is_some();
        // The signer adds these two itself, from the time and the credentials that it is given.
        let token_signed = in_query || self.signed_headers.iter().any(|h| h == TOKEN_HEADER);
        let headers = self
            .signed_headers
            .iter()
            .filter(|name| in_query || (*name != DATE_HEADER && *name != TOKEN_HEADER))
            .flat_map(|name| {
                parts
                    .headers
                    .get_all(name)
                    .iter()
                    .map(move |v| (name.as_str(), v))
            })
            .filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
        let uri = format!("http://{host}{}", unsigned_target(parts));
        let request = SignableRequest::new(
            parts.method.as_str(),
            uri,
            headers,
            SignableBody::Bytes(body),
        )
        .map_err(|e| Refusal::Incomplete(e.to_string()))?;

        let token = self.token.clone().filter(|_| token_signed);
        let identity =
            Credentials::new(&self.access_key, &credential.secret, token, None, "lab").into();
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        settings.expires_in = self.expires_in;
        settings.signature_location = if in_query {
            SignatureLocation::QueryParams
        } else {
            SignatureLocation::Headers
        };
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::from(self.signed_at))
            .settings(settings)
            .build()
            .map_err(|e| Refusal::Incomplete(e.to_string()))?
            .into();
        let signed = sign(request, &params).map_err(|e| Refusal::Incomplete(e.to_string()))?;
        if signed.signature() == self.digest {
            Ok(())
        } else {
            Err(Refusal::WrongSignature)
        }
    }
}

struct Scope {
    access_key: String,
    region: String,
    service: String,
}

impl Scope {
    fn parse(credential: &str) -> Result<Self, Refusal> {
        match credential.split('/').collect::<Vec<_>>()[..] {
            [access_key, _date, region, service, "aws4_request"] => Ok(Self {
                access_key: access_key.to_owned(),
                region: region.to_owned(),
                service: service.to_owned(),
            }),
            _ => Err(Refusal::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            ))),
        }
    }
}

/// Path and query without what a presigned URL adds to them.
fn unsigned_target(parts: &Parts) -> String {
    let path = parts.uri.path();
    let kept: Vec<&str> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !SIGNING_PARAMETERS.contains(&name_of(pair)))
        .collect();
    if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    }
}

const SIGNING_PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

fn name_of(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn missing(what: &str, place: &str) -> Refusal {
    Refusal::Incomplete(format!(
        "Authorization requires {what}. Authorization={place}"
    ))
}

/// Reads a time like `20130524T000000Z`.
fn time(text: &str) -> Result<Timestamp, Refusal> {
    text.parse()
        .ok()
        .filter(|_| text.len() == "20130524T000000Z".len())
        .ok_or_else(|| {
            Refusal::Incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{text}'."
            ))
        })
}
