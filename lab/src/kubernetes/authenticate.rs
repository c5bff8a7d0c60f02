//! Who sends a request: a presigned GetCallerIdentity as a bearer token.
//!
//! Source: `pkg/token` of kubernetes-sigs/aws-iam-authenticator, whose checks EKS's are.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use http::request::Parts;
use http::{Request, Uri};
use jiff::{SignedDuration, Timestamp};

use crate::front::sigv4::Signature;
use crate::world::World;

const SCHEME: &str = "Bearer ";
const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
const LONGEST: usize = 4096;
/// For how long a token is good, whatever `X-Amz-Expires` says.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(15);
/// How far in the future a token may be signed.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Parameters that the URL may have.
const PARAMETERS: [&str; 9] = [
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// An IAM principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Principal {
    /// ARN of the role or user, as access entries name it.
    pub(crate) arn: String,
    /// ARN of the session or user.
    pub(crate) caller: String,
    /// The unique id that GetCallerIdentity tells.
    pub(crate) user_id: String,
    pub(crate) account: String,
    pub(crate) access_key: String,
}

/// The principal behind an `Authorization` header.
///
/// `own_address` is where the lab listens (`127.0.0.1:4566`), which stands for STS as well.
///
/// # Errors
/// What is wrong with the token. The client learns only that it isn't let in.
pub(crate) fn principal(
    world: &World,
    authorization: Option<&str>,
    cluster: &str,
    region: &str,
    own_address: &str,
    now: Timestamp,
) -> Result<Principal, String> {
    let token = authorization
        .and_then(|header| header.strip_prefix(SCHEME))
        .ok_or("no bearer token")?;
    if token.len() > LONGEST {
        return Err("token is too large".to_owned());
    }
    let encoded = token
        .strip_prefix(PREFIX)
        .ok_or_else(|| format!("token is missing expected {PREFIX:?} prefix"))?;
    let url = BASE64URL_NOPAD
        .decode(encoded.as_bytes())
        .map_err(|e| e.to_string())?;
    let url = String::from_utf8(url).map_err(|e| e.to_string())?;
    let uri: Uri = url.parse().map_err(|e| format!("{url}: {e}"))?;
    check_address(&uri, region, own_address)?;
    let query: Vec<(String, String)> =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    check_query(&query)?;

    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let parts = parts(&uri, &host, cluster)?;
    let signature = Signature::read(&parts, &query)
        .map_err(|refusal| format!("{refusal:?}"))?
        .ok_or("the URL isn't signed")?;
    let age = now.duration_since(signature.signed_at);
    let good_for = world.token_limit.map(i64::from);
    let good_for = good_for.map_or(GOOD_FOR, SignedDuration::from_secs);
    if age > good_for || age < -SKEW {
        return Err(format!("X-Amz-Date parameter is expired ({age:#} old)"));
    }
    let credential = world
        .credentials
        .get(&signature.access_key)
        .ok_or("no such access key")?;
    let session = credential.session.as_ref();
    if session.map(|s| s.token.as_str()) != signature.token.as_deref() {
        return Err("the session token is missing or another's".to_owned());
    }
    if session.is_some_and(|s| s.expires <= now) {
        return Err("the session is over".to_owned());
    }
    signature
        .verify(&parts, &[], credential)
        .map_err(|refusal| format!("{refusal:?}: signed for another cluster?"))?;
    Ok(Principal {
        arn: session.map_or_else(|| credential.principal.clone(), |s| s.role.clone()),
        caller: credential.principal.clone(),
        user_id: credential.user_id.clone(),
        account: credential.account.clone(),
        access_key: signature.access_key,
    })
}

fn check_address(uri: &Uri, region: &str, own_address: &str) -> Result<(), String> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let host = uri.authority().map(|a| a.as_str()).unwrap_or_default();
    let is_own = host == own_address
        || host
            .strip_prefix("localhost:")
            .is_some_and(|port| own_address.ends_with(&format!(":{port}")));
    if scheme != "https" && !is_own {
        return Err(format!("unexpected scheme {scheme:?} in pre-signed URL"));
    }
    let of_sts = [
        "sts.amazonaws.com".to_owned(),
        format!("sts.{region}.amazonaws.com"),
        format!("sts-fips.{region}.amazonaws.com"),
        format!("sts.{region}.api.aws"),
        format!("sts.{region}.amazonaws.com.cn"),
    ];
    if !is_own && !of_sts.iter().any(|known| known == host) {
        return Err(format!("unexpected hostname {host:?} in pre-signed URL"));
    }
    if uri.path() != "/" {
        return Err("unexpected path in pre-signed URL".to_owned());
    }
    Ok(())
}

fn check_query(query: &[(String, String)]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (name, _) in query {
        let name = name.to_lowercase();
        if !PARAMETERS.contains(&name.as_str()) {
            return Err(format!("non-whitelisted query parameter {name:?}"));
        }
        if !seen.insert(name) {
            return Err("query parameter with multiple values not supported".to_owned());
        }
    }
    let find = |name: &str| {
        query
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value.as_str())
    };
    if find("action") != "GetCallerIdentity" {
        return Err("unexpected action parameter in pre-signed URL".to_owned());
    }
    if find("x-amz-algorithm") != "AWS4-HMAC-SHA256" {
        return Err("unexpected algorithm".to_owned());
    }
    if !find("x-amz-signedheaders")
        .split(';')
        .any(|h| h.eq_ignore_ascii_case(CLUSTER_HEADER))
    {
        return Err(format!(
            "client did not sign the {CLUSTER_HEADER} header in the pre-signed URL"
        ));
    }
    match find("x-amz-expires").parse::<i64>() {
        Ok(seconds) if (0..=900).contains(&seconds) => Ok(()),
        _ => Err("invalid X-Amz-Expires parameter in pre-signed URL".to_owned()),
    }
}

/// The request that the URL was signed for.
fn parts(uri: &Uri, host: &str, cluster: &str) -> Result<Parts, String> {
    let target = uri.path_and_query().map_or("/", |p| p.as_str());
    let request = Request::get(target)
        .header(http::header::HOST, host)
        .header(CLUSTER_HEADER, cluster)
        .body(())
        .map_err(|e| e.to_string())?;
    Ok(request.into_parts().0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
    };
    use aws_sigv4::sign::v4;

    use super::*;
    use crate::credentials::Credential;

    const HOST: &str = "https://sts.us-east-1.amazonaws.com/";

    fn now() -> Timestamp {
        "2026-11-23T08:00:00Z".parse().unwrap()
    }

    fn world() -> World {
        let mut world = World::empty(now(), [1; 32]);
        let credential = Credential {
            account: "111122223333".into(),
            secret: "secret".into(),
            principal: "arn:aws:iam::111122223333:user/someone".into(),
            user_id: "AIDA".into(),
            session: None,
        };
        world.credentials.insert("AKIA".into(), credential);
        world
    }

    fn token(url: &str, cluster: &str, secret: &str, at: Timestamp, expires: u64) -> String {
        let identity = Credentials::new("AKIA", secret, None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(expires));
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("sts")
            .time(SystemTime::from(at))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = [("x-k8s-aws-id", cluster)].into_iter();
        let request = SignableRequest::new("GET", url, headers, SignableBody::Bytes(&[])).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let mut request = Request::get(url).body(()).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        let encoded = BASE64URL_NOPAD.encode(request.uri().to_string().as_bytes());
        format!("Bearer k8s-aws-v1.{encoded}")
    }

    fn good_url() -> String {
        format!("{HOST}?Action=GetCallerIdentity&Version=2011-06-15")
    }

    fn told(token: &str) -> Result<String, String> {
        principal(
            &world(),
            Some(token),
            "c",
            "us-east-1",
            "127.0.0.1:1",
            now(),
        )
        .map(|p| p.arn)
    }

    #[test]
    fn a_token_for_this_cluster_is_whose_key_signed_it() {
        let token = token(&good_url(), "c", "secret", now(), 60);
        assert_eq!(
            told(&token).unwrap(),
            "arn:aws:iam::111122223333:user/someone"
        );
    }

    #[test]
    fn a_token_is_good_for_fifteen_minutes_and_not_before_its_time() {
        let at = |minutes: i64| {
            let signed = now() - SignedDuration::from_mins(minutes);
            told(&token(&good_url(), "c", "secret", signed, 60))
        };
        assert!(at(14).is_ok());
        assert!(at(16).unwrap_err().contains("expired"));
        assert!(at(-6).is_err());
    }

    #[test]
    fn what_is_not_such_a_token_is_refused() {
        let refused = |url: &str, cluster: &str, secret: &str, expires: u64| {
            told(&token(url, cluster, secret, now(), expires)).unwrap_err()
        };
        assert!(refused(&good_url(), "other", "secret", 60).contains("WrongSignature"));
        assert!(refused(&good_url(), "c", "guess", 60).contains("WrongSignature"));
        assert!(refused(&good_url(), "c", "secret", 901).contains("Expires"));
        let other_host = good_url().replace("sts.us-east-1", "sts.eu-west-1");
        assert!(refused(&other_host, "c", "secret", 60).contains("hostname"));
        let other_action = good_url().replace("GetCallerIdentity", "GetSessionToken");
        assert!(refused(&other_action, "c", "secret", 60).contains("action"));
        let more = format!("{}&Extra=1", good_url());
        assert!(refused(&more, "c", "secret", 60).contains("whitelisted"));
        assert!(told("Bearer abc").unwrap_err().contains("prefix"));
        assert!(told("Basic abc").is_err());
    }
}
