//! A client for the part of Connect's API that psk uses.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::access::{OnePassword, masked, pause};
use super::error::Error;
use super::model::{FieldChange, Item, ItemSummary, NewField, NewItem, Vault};
use crate::calls;
use crate::env::Env;
use crate::proxy;
use crate::web::{innermost, retry_after};

/// How often a request to read is sent at most. One to write is sent once: whether it was carried
/// out can't be told without reading.
const ATTEMPTS: u32 = 4;

/// A Connect server and the token that psk shows it.
#[derive(Debug, Clone)]
pub struct Connect {
    http: Client,
    host: Url,
    token: SecretString,
}

impl Connect {
    /// The server that the environment names.
    ///
    /// # Errors
    /// A variable that is missing, or a host that is no URL.
    pub fn from_env(env: &Env) -> Result<Self, Error> {
        let need = |variable| env.get(variable).ok_or(Error::NotConfigured { variable });
        let (host, token) = (need("OP_CONNECT_HOST")?, need("OP_CONNECT_TOKEN")?);
        let bad_host = |cause: String| Error::BadHost {
            host: host.to_owned(),
            cause,
        };
        let url: Url = host.parse().map_err(|error| bad_host(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad_host("it doesn't begin with http:// or https://".into()));
        }
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30));
        let http = proxy::through(client, env)?
            .build()
            .map_err(|error| bad_host(innermost(&error)))?;
        Ok(Self {
            http,
            host: url,
            token: token.into(),
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &[&str],
        equals: Option<(&str, &str)>,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<T, Error> {
        let mut url = self.url(path);
        if let Some((attribute, value)) = equals {
            url.query_pairs_mut()
                .append_pair("filter", &scim_equals(attribute, value));
        }
        let request = Request {
            operation,
            method: Method::GET,
            url,
            body: None,
        };
        self.call(&request, ATTEMPTS, doing).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.host.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Makes a call: sends a request, again after a pause where Connect is busy, failing or away, as
    /// far as there are attempts left.
    async fn call<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
        attempts: u32,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<T, Error> {
        let began = calls::begin();
        let (mut attempt, mut throttles) = (1, 0);
        let answer = loop {
            let error = match self.send(request, doing).await {
                Ok(response) => break self.read(response, doing).await,
                Err(error) => error,
            };
            throttles += u64::from(matches!(error, Error::Refused { status: 429, .. }));
            if attempt == attempts || !error.passes() {
                break Err(error);
            }
            tokio::time::sleep(error.retry_after().max(pause(attempt))).await;
            attempt += 1;
        };
        let operation = format!("connect:{}", request.operation);
        calls::record(&operation, began, attempt, throttles);
        answer
    }

    async fn send(
        &self,
        request: &Request<'_>,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<Response, Error> {
        let mut sending = self
            .http
            .request(request.method.clone(), request.url.clone())
            .bearer_auth(self.token.expose_secret());
        if let Some(body) = &request.body {
            sending = sending.json(body);
        }
        match sending.send().await {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(self.refused(response, doing()).await),
            Err(error) => Err(Error::Unreachable {
                doing: doing(),
                host: self.host(),
                cause: innermost(&error),
            }),
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        response: Response,
        doing: &(dyn Fn() -> String + Sync),
    ) -> Result<T, Error> {
        let unreadable = |cause| Error::Unreadable {
            doing: doing(),
            host: self.host(),
            cause,
        };
        let body = response
            .bytes()
            .await
            .map_err(|error| unreadable(innermost(&error)))?;
        // serde_json's message may quote a value; its place in the text can't.
        serde_json::from_slice(&body).map_err(|error| {
            unreadable(format!(
                "no valid answer at line {}, column {}",
                error.line(),
                error.column()
            ))
        })
    }

    async fn refused(&self, response: Response, doing: String) -> Error {
        #[derive(Deserialize)]
        struct ErrorResponse {
            message: String,
        }
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let message = match response.json::<ErrorResponse>().await {
            Ok(body) => body.message,
            Err(_) => status
                .canonical_reason()
                .unwrap_or("no reason given")
                .to_owned(),
        };
        Error::Refused {
            doing,
            host: self.host(),
            status: status.as_u16(),
            message,
            retry_after,
        }
    }

    /// The server for messages, without anything that the URL may carry besides.
    fn host(&self) -> String {
        self.host.origin().ascii_serialization()
    }
}

/// A request, as often as it is sent.
struct Request<'a> {
    /// Its operation, by its id in the API's description.
    operation: &'a str,
    method: Method,
    url: Url,
    body: Option<serde_json::Value>,
}

#[async_trait]
impl OnePassword for Connect {
    async fn vaults_named(&self, name: &str) -> Result<Vec<Vault>, Error> {
        let doing = || format!("looking for vault {name:?}");
        let equals = Some(("name", name));
        self.get("GetVaults", &["v1", "vaults"], equals, &doing)
            .await
    }

    async fn vault(&self, id: &str) -> Result<Vault, Error> {
        let doing = || format!("reading vault {id}");
        self.get("GetVaultById", &["v1", "vaults", id], None, &doing)
            .await
    }

    async fn items_titled(&self, vault: &str, title: &str) -> Result<Vec<ItemSummary>, Error> {
        let doing = || format!("looking for item {title:?}");
        let path = ["v1", "vaults", vault, "items"];
        self.get("GetVaultItems", &path, Some(("title", title)), &doing)
            .await
    }

    async fn item(&self, vault: &str, id: &str) -> Result<Item, Error> {
        let doing = || format!("reading item {id}");
        let path = ["v1", "vaults", vault, "items", id];
        self.get("GetVaultItemById", &path, None, &doing).await
    }

    async fn create(&self, vault: &str, item: &NewItem) -> Result<Item, Error> {
        // A field has to have an id, by Connect's description, and labels are good ones: each is there once.
        let identified = |field: &NewField| {
            let mut json = field.to_json();
            json["id"] = field.label.as_str().into();
            json
        };
        let fields: Vec<_> = item.fields.iter().map(identified).collect();
        let request = Request {
            operation: "CreateVaultItem",
            method: Method::POST,
            url: self.url(&["v1", "vaults", vault, "items"]),
            body: Some(json!({
                "vault": { "id": vault },
                "title": item.title,
                "category": item.category,
                "fields": fields,
            })),
        };
        let made = self
            .call(&request, 1, &|| format!("making item {:?}", item.title))
            .await;
        made.map_err(|error| masked(error, item.fields.iter().map(|field| &field.value)))
    }

    async fn change(&self, vault: &str, id: &str, changes: &[FieldChange]) -> Result<Item, Error> {
        let step = |change: &FieldChange| match change {
            FieldChange::Set { id, value } => json!({
                "op": "add",
                "path": format!("/fields/{}/value", pointer_segment(id)),
                "value": value.expose_secret(),
            }),
            FieldChange::Add(field) => {
                json!({ "op": "add", "path": "/fields", "value": field.to_json() })
            }
        };
        let request = Request {
            operation: "PatchVaultItem",
            method: Method::PATCH,
            url: self.url(&["v1", "vaults", vault, "items", id]),
            body: Some(changes.iter().map(step).collect()),
        };
        let changed = self
            .call(&request, 1, &|| format!("changing item {id}"))
            .await;
        changed.map_err(|error| masked(error, changes.iter().map(FieldChange::value)))
    }
}

/// A name as a segment of a JSON pointer. Source: RFC 6901, section 3.
fn pointer_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// An equality filter in SCIM's form, in which a quote or backslash in the value is escaped as in
/// JSON. Source: RFC 7644, section 3.4.2.2.
fn scim_equals(attribute: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{attribute} eq \"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn names_with_quotes_and_backslashes_are_escaped_in_filters() {
        assert_eq!(
            scim_equals("title", r#"a "b" \c"#),
            r#"title eq "a \"b\" \\c""#
        );
        assert_eq!(pointer_segment("a/b~c"), "a~1b~0c");
    }

    #[test]
    fn what_is_missing_or_wrong_in_the_environment_is_named() {
        let error = Connect::from_env(&env(&[("OP_CONNECT_HOST", "http://x")])).unwrap_err();
        assert_eq!(
            error,
            Error::NotConfigured {
                variable: "OP_CONNECT_TOKEN"
            }
        );
        for host in ["localhost", "ftp://x"] {
            let error = Connect::from_env(&env(&[
                ("OP_CONNECT_HOST", host),
                ("OP_CONNECT_TOKEN", "t"),
            ]));
            assert!(matches!(error, Err(Error::BadHost { .. })), "{host}");
        }
    }

    #[test]
    fn the_token_is_in_no_debug_output() {
        let connect = Connect::from_env(&env(&[
            ("OP_CONNECT_HOST", "http://x"),
            ("OP_CONNECT_TOKEN", "canary"),
        ]));
        assert!(!format!("{connect:?}").contains("canary"));
    }
}
