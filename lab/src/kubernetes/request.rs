//! What a request asks for.

use http::Method;
use serde_json::Value;

use super::cause::Cause;
use super::inside::Inside;
use super::kinds::{self, Kind};
use super::protobuf;
use super::selectors::{Selection, fields_of};
use super::status::ApiError;
use crate::call::Call;

/// A request that was let in.
#[derive(Debug, Clone, Default)]
pub(crate) struct ApiRequest {
    pub(crate) call: Call,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    /// Something other than objects: discovery, the version, health.
    Plain,
    /// Objects.
    Objects(Target),
}

/// Objects that a path leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

impl Path {
    /// Reads a path.
    pub(crate) fn read(segments: &[String]) -> Self {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Self::Plain,
        };
        let own = |text: &str| text.to_owned();
        let (namespace, rest) = match rest {
            [] => return Self::Plain,
            // A namespace is an object itself.
            ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
                (Some(own(namespace)), rest)
            }
            _ => (None, rest),
        };
        let [plural, rest @ ..] = rest else {
            return Self::Plain;
        };
        let subresource = (rest.len() > 1).then(|| rest[1..].join("/"));
        Self::Objects(Target {
            group: own(group),
            version: own(version),
            plural: own(plural),
            namespace,
            name: rest.first().map(|name| own(name)),
            subresource,
        })
    }
}

impl ApiRequest {
    /// A query parameter; empty if it isn't given.
    pub(crate) fn query(&self, name: &str) -> &str {
        self.call.query(name).unwrap_or_default()
    }

    /// Whether a query parameter is true, in any of the ways that Go's `strconv.ParseBool` takes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.query(name), "1" | "t" | "T" | "true" | "TRUE" | "True")
    }

    /// Whether the objects at the path are to be watched.
    pub(crate) fn is_watch(&self) -> bool {
        self.call.method == Method::GET && self.flag("watch")
    }

    /// What is to be done with a target, in the words of access rules.
    pub(crate) fn verb(&self, target: &Target) -> &'static str {
        let named = target.name.is_some();
        match self.call.method.as_str() {
            "GET" | "HEAD" if self.is_watch() => "watch",
            "GET" | "HEAD" if named => "get",
            "GET" | "HEAD" => "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if named => "delete",
            "DELETE" => "deletecollection",
            _ => "",
        }
    }

    /// The operation's name in fault files and the journal.
    pub(crate) fn operation(&self) -> String {
        match Path::read(&self.call.segments()) {
            Path::Plain => format!("get {}", self.call.path),
            Path::Objects(target) => {
                let verb = self.verb(&target);
                let plural = &target.plural;
                match target.subresource.as_deref() {
                    Some("log") => format!("log {plural}"),
                    Some("eviction") => format!("evict {plural}"),
                    Some(sub) => format!("{verb} {plural}/{sub}"),
                    None if self.is_apply() => format!("apply {plural}"),
                    None => format!("{verb} {plural}"),
                }
            }
        }
    }

    /// Whether the body is to be applied on the server.
    pub(crate) fn is_apply(&self) -> bool {
        self.call.method == Method::PATCH && self.media_type() == "application/apply-patch+yaml"
    }

    /// The content type without its parameters.
    pub(crate) fn media_type(&self) -> &str {
        self.content_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
    }

    /// Who owns what the request writes.
    ///
    /// # Errors
    /// If the name is longer than the server takes.
    pub(crate) fn manager(&self) -> Result<&str, ApiError> {
        let given = self.query("fieldManager");
        if given.len() > 128 {
            return Err(self.wrong_option(Cause::too_long("fieldManager", 128)));
        }
        let by_agent = self.user_agent.split('/').next().unwrap_or_default();
        Ok([given, by_agent, "unknown"]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default())
    }

    /// Whether nothing is to be kept.
    ///
    /// # Errors
    /// If it asks for a kind of dry run that there isn't.
    pub(crate) fn is_dry_run(&self) -> Result<bool, ApiError> {
        match self.query("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                let given = format!("[{other:?}]");
                Err(self.wrong_option(Cause::not_supported_as("dryRun", &given, &["All"])))
            }
        }
    }

    /// The refusal of an option that isn't as it has to be.
    pub(crate) fn wrong_option(&self, cause: Cause) -> ApiError {
        let options = match self.call.method.as_str() {
            "POST" => "CreateOptions",
            "PUT" => "UpdateOptions",
            "PATCH" => "PatchOptions",
            _ => "DeleteOptions",
        };
        ApiError::invalid_options(options, &[cause])
    }

    /// The body as an object. YAML is taken where the content type says so.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn body(&self, kind: &str) -> Result<Value, ApiError> {
        let body = &self.call.body;
        let is_yaml = self.media_type().ends_with("yaml");
        if let Ok(value) = serde_json::from_slice(body) {
            return Ok(value);
        }
        if is_yaml {
            let text = String::from_utf8_lossy(body);
            return serde_saphyr::from_str(&text).map_err(|why| {
                let line = why.location().map_or(0, |at| at.line());
                ApiError::bad_request(format!(
                    "error decoding YAML: error converting YAML to JSON: yaml: line {line}: {why}"
                ))
            });
        }
        if self.media_type() == "application/vnd.kubernetes.protobuf" {
            let known = [
                "application/json",
                "application/yaml",
                "application/vnd.kubernetes.protobuf",
            ];
            let unknown = || ApiError::unsupported_media_type(&known);
            return protobuf::decode(body).ok_or_else(unknown);
        }
        serde_json::from_slice(body).map_err(|e| {
            let why = match e.is_eof() {
                true => "unexpected end of JSON input".to_owned(),
                false => e.to_string(),
            };
            let text = String::from_utf8_lossy(body);
            let most = 30;
            let more = if text.len() > most { " ..." } else { "" };
            let text: String = text.chars().take(most).collect();
            ApiError::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({text}{more})"
            ))
        })
    }

    /// What the request selects of a kind.
    ///
    /// # Errors
    /// If a selector can't be understood.
    pub(crate) fn selection(&self, kind: &Kind) -> Result<Selection, ApiError> {
        Selection::read(
            self.query("labelSelector"),
            self.query("fieldSelector"),
            fields_of(&kind.qualified()),
        )
    }
}

impl Target {
    /// The kind of its objects.
    ///
    /// # Errors
    /// If the API doesn't serve it, or not under such a path.
    pub(crate) fn kind(&self, inside: &Inside) -> Result<Kind, ApiError> {
        let kind = kinds::find(inside, &self.group, &self.version, &self.plural)
            .ok_or_else(|| self.nothing())?;
        let fits = kind.namespaced || self.namespace.is_none();
        // A named object of a kind that has namespaces needs one.
        let is_whole = !kind.namespaced || self.namespace.is_some() || self.name.is_none();
        if fits && is_whole {
            Ok(kind)
        } else {
            Err(self.nothing())
        }
    }

    /// The refusal of a path that leads to no objects.
    pub(crate) fn nothing(&self) -> ApiError {
        match kinds::is_built_in(&self.group) {
            true => ApiError::no_resource(),
            false => ApiError::not_served(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> String {
        let call = Call {
            path: path.to_owned(),
            ..Call::default()
        };
        match Path::read(&call.segments()) {
            Path::Plain => "plain".to_owned(),
            Path::Objects(t) => format!(
                "{}/{} {} ns={} name={} sub={}",
                t.group,
                t.version,
                t.plural,
                t.namespace.unwrap_or_default(),
                t.name.unwrap_or_default(),
                t.subresource.unwrap_or_default()
            ),
        }
    }

    #[test]
    fn paths_lead_to_objects() {
        assert_eq!(read("/api/v1"), "plain");
        assert_eq!(read("/apis/apps/v1/"), "plain");
        assert_eq!(read("/api/v1/pods"), "/v1 pods ns= name= sub=");
        assert_eq!(read("/api/v1/namespaces"), "/v1 namespaces ns= name= sub=");
        assert_eq!(
            read("/api/v1/namespaces/a"),
            "/v1 namespaces ns= name=a sub="
        );
        assert_eq!(
            read("/api/v1/namespaces/a/status"),
            "/v1 namespaces ns= name=a sub=status"
        );
        assert_eq!(
            read("/api/v1/namespaces/a/pods/b/log"),
            "/v1 pods ns=a name=b sub=log"
        );
        assert_eq!(
            read("/apis/apps/v1/namespaces/a/deployments/b/scale"),
            "apps/v1 deployments ns=a name=b sub=scale"
        );
    }

    #[test]
    fn operations_are_named_for_fault_files() {
        let name = |method: Method, path: &str, query: &str, content_type: &str| {
            ApiRequest {
                call: Call {
                    method,
                    path: path.to_owned(),
                    query: form_urlencoded::parse(query.as_bytes())
                        .into_owned()
                        .collect(),
                    ..Call::default()
                },
                content_type: content_type.to_owned(),
                ..ApiRequest::default()
            }
            .operation()
        };
        let pods = "/api/v1/namespaces/a/pods";
        assert_eq!(name(Method::GET, pods, "watch=true", ""), "watch pods");
        assert_eq!(name(Method::GET, pods, "", ""), "list pods");
        assert_eq!(
            name(Method::POST, &format!("{pods}/b/eviction"), "", ""),
            "evict pods"
        );
        assert_eq!(
            name(
                Method::PATCH,
                &format!("{pods}/b"),
                "",
                "application/apply-patch+yaml"
            ),
            "apply pods"
        );
        assert_eq!(
            name(
                Method::PATCH,
                &format!("{pods}/b/status"),
                "",
                "application/merge-patch+json"
            ),
            "patch pods/status"
        );
        assert_eq!(name(Method::GET, "/version", "", ""), "get /version");
    }
}
