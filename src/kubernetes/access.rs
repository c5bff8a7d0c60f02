//! The client of one cluster's Kubernetes API: trusts the cluster's own authority and no other, makes
//! its own tokens, repeats what may pass, and counts every call like those to AWS.

use std::sync::Arc;

use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;
use url::form_urlencoded::Serializer;

pub(super) use self::call::Call;
use super::connect;
use super::endpoint::Endpoint;
use super::kind::Kind;
use super::proxy::proxy_for;
use super::token::{Token, Tokens};
use super::{Error, MANAGER};
use crate::aws::Session;

/// Calls to one cluster that are under way at once. Watches are not counted among them.
const MOST_IN_FLIGHT: usize = 12;

/// Objects per page of a list.
const PAGE: &str = "500";

/// The client of one cluster. Clones share connections, token and count, which end with the last of
/// them.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    cluster: String,
    /// Where the API is, without a slash at its end.
    base: String,
    client: kube::Client,
    tokens: Tokens,
    places: Semaphore,
    _room: Option<OwnedSemaphorePermit>,
}

/// How an apply is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Apply {
    /// Only say what would come out.
    pub dry_run: bool,
    /// Take over fields that others own.
    pub force: bool,
}

/// A list, and the version of the past that it shows.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// The objects.
    pub items: Vec<T>,
    /// The version from which a watch goes on.
    pub version: String,
}

/// One page of a list.
#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: ListMeta,
    /// Go writes a list that holds nothing as null.
    items: Option<Vec<T>>,
}

impl Access {
    /// A client of `cluster`, as whom `session` is, once there is room for its connection. Calls
    /// nothing yet. Nobody may open a second one while holding a first.
    ///
    /// # Errors
    /// The endpoint, its authority or the proxy for it can't be understood.
    pub async fn open(
        session: &Session,
        cluster: &str,
        endpoint: &Endpoint,
    ) -> Result<Self, Error> {
        let refused = |cause: String| {
            let next = "check what DescribeCluster says of the cluster, and the proxy variables";
            Error::new(
                format!("preparing to reach the Kubernetes API of {cluster}"),
                cause,
                next,
            )
        };
        let server: Url = endpoint.url.parse().map_err(|error: url::ParseError| {
            refused(format!("{} is no URL: {error}", endpoint.url))
        })?;
        let authority = authority(&endpoint.certificate_authority).map_err(refused)?;
        let proxy = proxy_for(session.env(), &server);
        let client = connect::client(&authority, proxy).map_err(refused)?;
        Ok(Self(Arc::new(Inner {
            cluster: cluster.to_owned(),
            base: endpoint.url.trim_end_matches('/').to_owned(),
            client,
            tokens: Tokens::new(session.clone(), cluster),
            places: Semaphore::new(MOST_IN_FLIGHT),
            _room: session.room().take().await,
        })))
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.0.cluster
    }

    /// A token for programs that psk runs against the cluster.
    ///
    /// # Errors
    /// There are no credentials to sign it with.
    pub async fn token(&self) -> Result<Token, Error> {
        self.0.tokens.token().await
    }

    /// One object.
    ///
    /// # Errors
    /// The call's own failure; also where the object isn't there.
    pub async fn get<T: DeserializeOwned>(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<T, Error> {
        let call = self.call(Method::GET, "get", kind, namespace, Some(name), &[]);
        self.read(call).await
    }

    /// All objects of a kind that the selectors pick, in a namespace or over all.
    ///
    /// # Errors
    /// The call's own failure.
    pub async fn list<T: DeserializeOwned>(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selection: &Selection,
    ) -> Result<List<T>, Error> {
        let mut items = Vec::new();
        let mut from = String::new();
        loop {
            let mut query = selection.query();
            query.push(("limit", PAGE.to_owned()));
            if !from.is_empty() {
                query.push(("continue", from));
            }
            let call = self.call(Method::GET, "list", kind, namespace, None, &query);
            let page: Page<T> = self.read(call).await?;
            items.extend(page.items.into_iter().flatten());
            let ListMeta {
                resource_version,
                continue_,
                ..
            } = page.metadata;
            match continue_.filter(|next| !next.is_empty()) {
                Some(next) => from = next,
                None => {
                    let version = resource_version.unwrap_or_default();
                    return Ok(List { items, version });
                }
            }
        }
    }

    /// Server-side apply in psk's name. Gives the object that came out, or would.
    ///
    /// # Errors
    /// The call's own failure, conflicts with other managers among them.
    pub async fn apply(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
        object: &Value,
        how: Apply,
    ) -> Result<Value, Error> {
        let mut query = vec![
            ("fieldManager", MANAGER.to_owned()),
            ("fieldValidation", "Strict".to_owned()),
        ];
        if how.dry_run {
            query.push(("dryRun", "All".to_owned()));
        }
        if how.force {
            query.push(("force", "true".to_owned()));
        }
        let mut call = self.call(Method::PATCH, "apply", kind, namespace, Some(name), &query);
        if how.dry_run {
            call.doing = format!("comparing {kind} {name} in {}", self.cluster());
        }
        call.content_type = Some("application/apply-patch+yaml");
        call.body = object.to_string().into_bytes();
        self.read(call).await
    }

    /// Makes an object, and gives it as it was made. One that psk made a moment ago, in an attempt whose
    /// answer was lost, is no error and given as it is now; so names must be one's own.
    ///
    /// # Errors
    /// The call's own failure.
    pub async fn create(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        object: &Value,
    ) -> Result<Value, Error> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.unwrap_or_default();
        let query = [("fieldManager", MANAGER.to_owned())];
        let mut call = self.call(Method::POST, "create", kind, namespace, None, &query);
        call.doing = format!("making {kind} {name} in {}", self.cluster());
        call.content_type = Some("application/json");
        call.body = object.to_string().into_bytes();
        match self.read(call).await {
            Err(error) if error.is_already_exists() => self.get(kind, namespace, name).await,
            made => made,
        }
    }

    /// Changes some fields of an object, by a JSON merge patch.
    ///
    /// # Errors
    /// The call's own failure.
    pub async fn merge(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
    ) -> Result<(), Error> {
        let query = [("fieldManager", MANAGER.to_owned())];
        let mut call = self.call(Method::PATCH, "patch", kind, namespace, Some(name), &query);
        call.content_type = Some("application/merge-patch+json");
        call.body = patch.to_string().into_bytes();
        self.send(call).await.map(drop)
    }

    /// Removes an object and all that it owns. One that isn't there is no error.
    ///
    /// # Errors
    /// The call's own failure.
    pub async fn delete(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), Error> {
        let mut call = self.call(Method::DELETE, "delete", kind, namespace, Some(name), &[]);
        call.content_type = Some("application/json");
        call.body =
            br#"{"apiVersion":"v1","kind":"DeleteOptions","propagationPolicy":"Background"}"#
                .to_vec();
        match self.send(call).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The last lines of a pod's log.
    ///
    /// # Errors
    /// The call's own failure.
    pub async fn log(&self, namespace: &str, pod: &str, lines: u32) -> Result<String, Error> {
        let query = [("tailLines", lines.to_string())];
        let mut call = self.call(
            Method::GET,
            "log",
            &super::kinds::POD,
            Some(namespace),
            Some(pod),
            &query,
        );
        call.target = call.target.replacen('?', "/log?", 1);
        call.doing = format!("reading the log of pod {pod} in {}", self.cluster());
        let text = self.send(call).await?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// What an API group version offers (`v1`, `apps/v1`), as discovery tells it.
    ///
    /// # Errors
    /// The call's own failure; also where the group version isn't there.
    pub(super) async fn discover(&self, api_version: &str) -> Result<Vec<Kind>, Error> {
        let target = match api_version.contains('/') {
            true => format!("/apis/{api_version}"),
            false => format!("/api/{api_version}"),
        };
        let call = Call {
            method: Method::GET,
            verb: "get",
            resource: target.clone(),
            target,
            content_type: None,
            body: Vec::new(),
            doing: format!("asking {} for what {api_version} holds", self.cluster()),
        };
        let answer: Value = self.read(call).await?;
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resources = answer.get("resources").and_then(Value::as_array);
        let kinds = resources.into_iter().flatten().filter_map(|resource| {
            let text = |key: &str| resource.get(key)?.as_str();
            let plural = text("name").filter(|name| !name.contains('/'))?;
            Some(Kind {
                group: group.to_owned().into(),
                version: version.to_owned().into(),
                kind: text("kind")?.to_owned().into(),
                plural: plural.to_owned().into(),
                namespaced: resource.get("namespaced")?.as_bool()?,
            })
        });
        Ok(kinds.collect())
    }

    /// The version of a group that the cluster prefers (`apps/v1`).
    ///
    /// # Errors
    /// The call's own failure; also where the group isn't there.
    pub(super) async fn preferred_version(&self, group: &str) -> Result<String, Error> {
        let target = format!("/apis/{group}");
        let call = Call {
            method: Method::GET,
            verb: "get",
            resource: target.clone(),
            target,
            content_type: None,
            body: Vec::new(),
            doing: format!("asking {} for the group {group}", self.cluster()),
        };
        let doing = call.doing.clone();
        let answer: Value = self.read(call).await?;
        let version = answer.pointer("/preferredVersion/groupVersion");
        version
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| Error::new(doing, "it names no version", "report this as a bug"))
    }

    pub(super) fn call(
        &self,
        method: Method,
        verb: &'static str,
        kind: &Kind,
        namespace: Option<&str>,
        name: Option<&str>,
        query: &[(&str, String)],
    ) -> Call {
        let mut target = kind.path(namespace);
        if let Some(name) = name {
            target.push('/');
            target.push_str(name);
        }
        target.push('?');
        let target = Serializer::new(target).extend_pairs(query).finish();
        let of = name.map(|name| format!(" {name}")).unwrap_or_default();
        let verb_ing = match verb {
            "get" => "reading",
            "list" => "listing",
            "watch" => "watching",
            "apply" => "applying",
            "delete" => "removing",
            _ => "changing",
        };
        Call {
            method,
            verb,
            resource: kind.plural.to_string(),
            target,
            content_type: None,
            body: Vec::new(),
            doing: match name {
                Some(_) => format!("{verb_ing} {kind}{of} in {}", self.cluster()),
                None => format!("{verb_ing} {} in {}", kind.plural, self.cluster()),
            },
        }
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("cluster", &self.0.cluster)
            .finish_non_exhaustive()
    }
}

/// Which objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Which labels they have (`app=karpenter`); all where empty.
    pub labels: String,
    /// What their fields say (`metadata.name=x`); anything where empty.
    pub fields: String,
}

impl Selection {
    /// Objects with these labels.
    pub fn labels(labels: impl Into<String>) -> Self {
        Self {
            labels: labels.into(),
            fields: String::new(),
        }
    }

    /// Objects whose fields say this.
    pub fn fields(fields: impl Into<String>) -> Self {
        Self {
            labels: String::new(),
            fields: fields.into(),
        }
    }

    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        [
            ("labelSelector", &self.labels),
            ("fieldSelector", &self.fields),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name, value.clone()))
        .collect()
    }
}

/// The certificates of an authority that is given as base64 of PEM.
fn authority(encoded: &str) -> Result<Vec<Vec<u8>>, String> {
    let text = data_encoding::BASE64
        .decode(encoded.trim().as_bytes())
        .map_err(|error| format!("the certificate authority is no base64: {error}"))?;
    let found = pem::parse_many(text)
        .map_err(|error| format!("the certificate authority is no PEM: {error}"))?;
    let certificates: Vec<_> = found
        .into_iter()
        .filter(|block| block.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .collect();
    if certificates.is_empty() {
        // Without one, the client would trust the system's.
        return Err("the certificate authority holds no certificate".to_owned());
    }
    Ok(certificates)
}

mod call;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_without_a_certificate_is_refused() {
        let encode = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
        assert!(authority("!").unwrap_err().contains("no base64"));
        assert!(
            authority(&encode("hello"))
                .unwrap_err()
                .contains("holds no certificate")
        );
        let key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        assert!(authority(&encode(key)).is_err());
        let two = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".repeat(2);
        assert_eq!(
            authority(&encode(&two)).unwrap(),
            [vec![0, 0, 0], vec![0, 0, 0]]
        );
    }
}
