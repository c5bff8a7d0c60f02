//! A lab with a small fleet in it, and a client that signs what it sends.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use psk_lab::seed::{ClusterSeed, Secret, Seed, Start};
use psk_lab::world::World;
use psk_lab::{Lab, Options};
use tokio::net::TcpStream;

pub(crate) const HOME: &str = "555566667777";
pub(crate) const NONPROD: &str = "111122223333";
pub(crate) const PROD: &str = "444455556666";
pub(crate) const ROLE: &str = "PSKRoles/PSKControlPlaneBaseRole";

pub(crate) fn seed() -> Seed {
    let cluster = |name: &str, role: &str, account: &str, region: &str| ClusterSeed {
        name: name.into(),
        role: role.into(),
        account: account.into(),
        region: region.into(),
        assume_role: ROLE.into(),
        node_tier: "node".into(),
        intra_tier: "intra".into(),
        ..ClusterSeed::default()
    };
    Seed {
        home: Some(HOME.into()),
        start: Start::Fresh,
        clusters: vec![
            cluster("nonprod-i01-aws-us-east-1", "nonprod", NONPROD, "us-east-1"),
            cluster("prod-i01-aws-us-east-1", "prod", PROD, "us-east-1"),
        ],
        secrets: vec![Secret {
            vault: "empc-lab".into(),
            item: "aws-nonprod".into(),
            section: None,
            field: "aws-account-id".into(),
            value: NONPROD.into(),
        }],
        repository: None,
        slack: None,
    }
}

pub(crate) fn world() -> World {
    seed()
        .build(Timestamp::try_from(now()).unwrap(), [7; 32])
        .unwrap()
}

pub(crate) async fn lab() -> Lab {
    Lab::start(world(), Options::default()).await.unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client signs with the time of day"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// A caller with keys. Fields may be changed to send what shouldn't be let in.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) endpoint: String,
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
    /// When it believes it to be.
    pub(crate) time: SystemTime,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Response {
    /// The text of the first element of that name.
    pub(crate) fn element(&self, name: &str) -> &str {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let from = self
            .body
            .find(&open)
            .unwrap_or_else(|| panic!("no {open} in {}", self.body));
        let rest = &self.body[from + open.len()..];
        &rest[..rest.find(&close).unwrap()]
    }

    /// Status and code of an XML error.
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.element("Code"))
    }
}

impl Client {
    /// The identity that the lab hands out.
    pub(crate) fn base(lab: &Lab) -> Self {
        let exports = lab.exports();
        let get = |name: &str| exports.iter().find(|(n, _)| n == name).unwrap().1.clone();
        Self {
            endpoint: get("AWS_ENDPOINT_URL"),
            key: get("AWS_ACCESS_KEY_ID"),
            secret: get("AWS_SECRET_ACCESS_KEY"),
            token: None,
            region: get("AWS_REGION"),
            time: now(),
        }
    }

    /// The session in an answer of AssumeRole.
    pub(crate) fn session(&self, answer: &Response) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self {
            key: answer.element("AccessKeyId").into(),
            secret: answer.element("SecretAccessKey").into(),
            token: Some(answer.element("SessionToken").into()),
            ..self.clone()
        }
    }

    /// A session of the pipeline's role in an account.
    pub(crate) async fn assume(&self, account: &str) -> Self {
        self.session(&self.assume_role(account, &[]).await)
    }

    pub(crate) async fn assume_role(&self, account: &str, more: &[(&str, &str)]) -> Response {
        let arn = format!("arn:aws:iam::{account}:role/{ROLE}");
        let mut parameters = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
        parameters.extend(more);
        self.query("sts", "AssumeRole", &parameters).await
    }

    /// A request of the Query protocols.
    pub(crate) async fn query(
        &self,
        service: &str,
        action: &str,
        form: &[(&str, &str)],
    ) -> Response {
        let body = form_body(action, form);
        let headers = [(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )];
        self.send(service, Method::POST, "/", &headers, body.as_bytes())
            .await
            .unwrap()
    }

    /// Signs and sends. `None` if the connection is closed without an answer.
    pub(crate) async fn send(
        &self,
        service: &str,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Response> {
        let uri = format!("{}{target}", self.endpoint);
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::Headers;
        let identity = self.credentials().into();
        let params = self.params(service, &identity, settings);
        let signable = SignableRequest::new(
            method.as_str(),
            &uri,
            headers.iter().copied(),
            SignableBody::Bytes(body),
        );
        let signed = sign(signable.unwrap(), &params.into()).unwrap();
        let mut request = Request::builder().method(method).uri(&uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.to_vec()).unwrap();
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        exchange(request).await
    }

    /// A URL that anyone may GET for a minute.
    pub(crate) fn presign(&self, service: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let uri = format!("{}{target}", self.endpoint);
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(60));
        let identity = self.credentials().into();
        let params = self.params(service, &identity, settings);
        let signable = SignableRequest::new(
            "GET",
            &uri,
            headers.iter().copied(),
            SignableBody::Bytes(b""),
        );
        let signed = sign(signable.unwrap(), &params.into()).unwrap();
        let mut request = Request::builder().uri(&uri).body(()).unwrap();
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        request.uri().to_string()
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.key, &self.secret, self.token.clone(), None, "test")
    }

    fn params<'a>(
        &'a self,
        service: &'a str,
        identity: &'a aws_smithy_runtime_api::client::identity::Identity,
        settings: SigningSettings,
    ) -> v4::SigningParams<'a, SigningSettings> {
        v4::SigningParams::builder()
            .identity(identity)
            .region(&self.region)
            .name(service)
            .time(self.time)
            .settings(settings)
            .build()
            .unwrap()
    }
}

pub(crate) fn form_body(action: &str, form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", action)
        .extend_pairs(form)
        .finish()
}

/// Sends without signing.
pub(crate) async fn plain(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Response> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    exchange(request.body(body.as_bytes().to_vec()).unwrap()).await
}

async fn exchange(request: Request<Vec<u8>>) -> Option<Response> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().unwrap().to_string();
    parts.headers.insert("host", authority.parse().unwrap());
    parts.uri = parts
        .uri
        .path_and_query()
        .map(|p| Uri::from(p.clone()))
        .unwrap();

    let stream = TcpStream::connect(&authority).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let sent = Request::from_parts(parts, Full::new(Bytes::from(body)));
    let response = sender.send_request(sent).await.ok()?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    Some(Response {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    })
}
