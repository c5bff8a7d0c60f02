//! Answers one request to a cluster's API.

use std::sync::Arc;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::apply::Manager;
use super::authorize::{self, Action, User};
use super::cause::Cause;
use super::facts::Facts;
use super::inside::Inside;
use super::kinds::{self, Kind};
use super::object::{self, Object};
use super::request::{ApiRequest, Path, Target};
use super::status::{self, ApiError};
use super::watch::Watch;
use super::write::{self, Deletion, Patch, Writing, Written};
use super::{admission, budgets, controllers, discovery, logs, page, table};

/// A cluster as a request finds it.
pub(crate) struct Here<'a> {
    pub(crate) inside: &'a mut Inside,
    pub(crate) facts: &'a Facts,
    pub(crate) now: Timestamp,
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    Object {
        status: StatusCode,
        content_type: &'static str,
        body: Value,
        warnings: Vec<String>,
    },
    Text(String),
    Watch(Box<Watch>),
}

impl Reply {
    fn ok(body: Value) -> Self {
        Self::Object {
            status: StatusCode::OK,
            content_type: "application/json",
            body,
            warnings: Vec::new(),
        }
    }

    fn written(written: Written) -> Self {
        Self::Object {
            status: if written.created {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            },
            content_type: "application/json",
            body: written.object,
            warnings: written.warnings,
        }
    }
}

/// What a request comes to.
pub(crate) type Answer = Result<Reply, ApiError>;

/// Answers one request.
///
/// # Errors
/// The API's own.
pub(crate) fn serve(here: &mut Here<'_>, user: &User, request: &ApiRequest) -> Answer {
    let segments = request.call.segments();
    match Path::read(&segments) {
        Path::Plain => plain(here, user, request, &segments),
        Path::Objects(target) => objects(here, user, request, &target),
    }
}

fn plain(here: &Here<'_>, user: &User, request: &ApiRequest, segments: &[String]) -> Answer {
    let path = &request.call.path;
    let action = Action {
        verb: request.call.method.as_str().to_lowercase(),
        path: Some(path.clone()),
        ..Action::default()
    };
    if !authorize::allows(here.inside, user, &action) {
        return Err(ApiError::forbidden_path(&user.name, &action.verb, path));
    }
    if matches!(path.as_str(), "/healthz" | "/livez" | "/readyz") {
        return Ok(Reply::Text("ok".to_owned()));
    }
    let (content_type, body) =
        discovery::answer(here.inside, here.facts, segments, &request.accept).ok_or_else(|| {
            let names: Vec<&str> = segments.iter().map(String::as_str).collect();
            match names.as_slice() {
                ["api", _, ..] => ApiError::no_resource(),
                ["apis", group, _, ..] if kinds::is_built_in(group) => ApiError::no_resource(),
                _ => ApiError::not_served(),
            }
        })?;
    Ok(Reply::Object {
        status: StatusCode::OK,
        content_type,
        body,
        warnings: Vec::new(),
    })
}

fn objects(here: &mut Here<'_>, user: &User, request: &ApiRequest, target: &Target) -> Answer {
    let verb = request.verb(target);
    let kind = target.kind(here.inside);
    // Who may not, isn't told whether there is such a kind either.
    let resource = match &target.subresource {
        Some(subresource) => format!("{}/{subresource}", target.plural),
        None => target.plural.clone(),
    };
    let action = Action {
        verb: verb.to_owned(),
        group: target.group.clone(),
        resource,
        namespace: target.namespace.clone(),
        name: target.name.clone().unwrap_or_default(),
        path: None,
    };
    if !authorize::allows(here.inside, user, &action) {
        let why = action.refusal(user);
        return Err(match kind {
            Ok(kind) => ApiError::forbidden(&kind, &action.name, &why),
            Err(_) => ApiError::any(StatusCode::FORBIDDEN, "Forbidden", &why),
        });
    }
    let kind = kind?;
    if kind.is_review() {
        let body = request.body(&kind.kind)?;
        return authorize::review(here.inside, user, &kind.kind, &body)
            .map(|answer| Reply::Object {
                status: StatusCode::CREATED,
                content_type: "application/json",
                body: answer,
                warnings: Vec::new(),
            })
            .ok_or_else(|| target.nothing());
    }
    match (&target.name, target.subresource.as_deref()) {
        (Some(name), Some(subresource)) => {
            self::subresource(here, request, target, &kind, name, subresource)
        }
        (Some(name), None) => one(here, request, target, &kind, name),
        (None, _) => many(here, request, target, &kind),
    }
}

fn writing<'a>(
    here: &Here<'_>,
    request: &'a ApiRequest,
    target: &'a Target,
    kind: &'a Kind,
    subresource: Option<&'a str>,
) -> Result<Writing<'a>, ApiError> {
    let validation = request.query("fieldValidation");
    if !matches!(validation, "" | "Strict" | "Warn" | "Ignore") {
        let known = ["Ignore", "Strict", "Warn"];
        return Err(request.wrong_option(Cause::not_supported(
            "fieldValidation",
            validation,
            &known,
        )));
    }
    Ok(Writing {
        kind,
        namespace: target.namespace.as_deref(),
        manager: Manager {
            name: request.manager()?,
            applies: request.is_apply(),
            subresource,
        },
        dry_run: request.is_dry_run()?,
        validation,
        now: here.now,
    })
}

fn one(
    here: &mut Here<'_>,
    request: &ApiRequest,
    target: &Target,
    kind: &Kind,
    name: &str,
) -> Answer {
    match request.verb(target) {
        "watch" => watch(here, request, target, kind),
        "get" => {
            let object = get(here, target, kind, name)?;
            Ok(Reply::ok(match table::wanted(&request.accept) {
                true => table::of_one(kind, object, here.now),
                false => as_version(kind, object),
            }))
        }
        "update" => {
            let body = request.body(&kind.kind)?;
            let writing = writing(here, request, target, kind, None)?;
            finish(kind, writing.update(here.inside, name, body)?)
        }
        "patch" => {
            let patch = patch(request, kind)?;
            let writing = writing(here, request, target, kind, None)?;
            finish(kind, writing.patch(here.inside, name, patch)?)
        }
        "delete" => delete(here, request, target, kind, name),
        _ => Err(ApiError::method_not_allowed()),
    }
}

fn finish(kind: &Kind, mut written: Written) -> Answer {
    written.object = as_version(kind, written.object);
    Ok(Reply::written(written))
}

fn get(here: &Here<'_>, target: &Target, kind: &Kind, name: &str) -> Result<Value, ApiError> {
    here.inside
        .get(&kind.qualified(), target.namespace.as_deref(), name)
        .cloned()
        .ok_or_else(|| ApiError::not_found(kind, name))
}

/// An object in the version that was asked for. Definitions here convert by name only.
fn as_version(kind: &Kind, mut object: Value) -> Value {
    if kind.custom.is_some() {
        object["apiVersion"] = kind.api_version().into();
    }
    object
}

fn patch(request: &ApiRequest, kind: &Kind) -> Result<Patch, ApiError> {
    if !request.is_apply() && !request.query("force").is_empty() {
        let why = "may not be specified for non-apply patch";
        return Err(request.wrong_option(Cause::forbidden("force", why)));
    }
    let body = request.body(&kind.kind)?;
    match request.media_type() {
        "application/json-patch+json" => Ok(Patch::Json(body)),
        "application/merge-patch+json" => Ok(Patch::Merge(body)),
        "application/strategic-merge-patch+json" if kind.custom.is_none() => {
            Ok(Patch::Strategic(body))
        }
        "application/apply-patch+yaml" => {
            if request.query("fieldManager").is_empty() {
                let why = "is required for apply patch";
                return Err(request.wrong_option(Cause::required("fieldManager", why)));
            }
            Ok(Patch::Apply {
                object: body,
                force: request.flag("force"),
            })
        }
        _ if kind.custom.is_none() => Err(ApiError::unsupported_patch()),
        _ => Err(ApiError::unsupported_media_type(&[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
        ])),
    }
}

fn deletion(request: &ApiRequest) -> Result<(Deletion, Value), ApiError> {
    let body = if request.call.body.is_empty() {
        json!({})
    } else {
        request.body("DeleteOptions")?
    };
    let text = |name: &str| match request.query(name) {
        "" => body[name].as_str().unwrap_or_default().to_owned(),
        given => given.to_owned(),
    };
    let mut propagation = text("propagationPolicy");
    let known = ["Foreground", "Background", "Orphan"];
    if !propagation.is_empty() && !known.contains(&propagation.as_str()) {
        let known = [known.as_slice(), &["nil"]].concat();
        let cause = Cause::not_supported("propagationPolicy", &propagation, &known);
        return Err(ApiError::invalid_options("DeleteOptions", &[cause]));
    }
    if request.query("orphanDependents") == "true" || body["orphanDependents"] == true {
        propagation = "Orphan".to_owned();
    }
    let grace = match request.query("gracePeriodSeconds") {
        "" => body["gracePeriodSeconds"].as_i64(),
        given => given.parse().ok(),
    };
    Ok((Deletion { grace, propagation }, body))
}

fn delete(
    here: &mut Here<'_>,
    request: &ApiRequest,
    target: &Target,
    kind: &Kind,
    name: &str,
) -> Answer {
    let there = get(here, target, kind, name)?;
    let (options, body) = deletion(request)?;
    for (member, told, has) in [
        ("uid", "UID", there.uid()),
        (
            "resourceVersion",
            "ResourceVersion",
            there.text("/metadata/resourceVersion"),
        ),
    ] {
        if let Some(wanted) = body["preconditions"][member].as_str()
            && wanted != has
        {
            return Err(ApiError::precondition(kind, name, told, wanted, has));
        }
    }
    protect_namespace(kind, name)?;
    if request.is_dry_run()? || body.list("/dryRun").iter().any(|d| d == "All") {
        let left = write::deleting(kind, &there, &options, here.now);
        return Ok(deleted(kind, &there, left));
    }
    let left = write::delete(here.inside, kind, &there, &options, here.now);
    Ok(deleted(kind, &there, left))
}

/// What deleting answers: what is left of the object, or that it is gone.
fn deleted(kind: &Kind, there: &Value, left: Option<Value>) -> Reply {
    Reply::ok(match left {
        Some(object) => as_version(kind, object),
        None if kind.answers_deletion_with_object() => as_version(kind, there.clone()),
        None => status::deleted(kind, there.name(), there.uid()),
    })
}

/// Admission plugin `NamespaceLifecycle`.
fn protect_namespace(kind: &Kind, name: &str) -> Result<(), ApiError> {
    let kept = ["default", "kube-system", "kube-public"];
    if kind.kind == "Namespace" && kept.contains(&name) {
        return Err(ApiError::forbidden(
            kind,
            name,
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

fn many(here: &mut Here<'_>, request: &ApiRequest, target: &Target, kind: &Kind) -> Answer {
    match request.verb(target) {
        "watch" => watch(here, request, target, kind),
        "list" => {
            let namespace = target.namespace.as_deref();
            let page = page::list(here.inside, request, kind, namespace)?;
            Ok(Reply::ok(match table::wanted(&request.accept) {
                true => table::render(kind, &page.items, &page.metadata, here.now),
                false => page.view(kind),
            }))
        }
        "create" => {
            if kind.namespaced && target.namespace.is_none() {
                return Err(ApiError::method_not_allowed());
            }
            let body = request.body(&kind.kind)?;
            let writing = writing(here, request, target, kind, None)?;
            finish(kind, writing.create(here.inside, body)?)
        }
        "deletecollection" => {
            let selection = request.selection(kind)?;
            let (options, _) = deletion(request)?;
            let dry = request.is_dry_run()?;
            let all: Vec<Value> = here
                .inside
                .every(&kind.qualified())
                .filter(|o| {
                    target.namespace.is_none() || o.namespace() == target.namespace.as_deref()
                })
                .filter(|o| selection.fits(o))
                .cloned()
                .collect();
            for object in all.iter().filter(|_| !dry) {
                write::delete(here.inside, kind, object, &options, here.now);
            }
            let metadata = json!({ "resourceVersion": here.inside.revision.to_string() });
            let items = all;
            Ok(Reply::ok(page::Page { items, metadata }.view(kind)))
        }
        _ => Err(ApiError::method_not_allowed()),
    }
}

fn watch(here: &Here<'_>, request: &ApiRequest, target: &Target, kind: &Kind) -> Answer {
    Ok(Reply::Watch(Box::new(Watch::begin(
        here.inside,
        request,
        kind,
        target,
    )?)))
}

fn subresource(
    here: &mut Here<'_>,
    request: &ApiRequest,
    target: &Target,
    kind: &Kind,
    name: &str,
    subresource: &str,
) -> Answer {
    let there = get(here, target, kind, name)?;
    let verb = request.verb(target);
    match (kind.qualified().as_str(), subresource, verb) {
        (_, "status", _) if kind.status => match verb {
            "get" => Ok(Reply::ok(as_version(kind, there))),
            "update" => {
                let body = request.body(&kind.kind)?;
                let writing = writing(here, request, target, kind, Some("status"))?;
                finish(kind, writing.update(here.inside, name, body)?)
            }
            "patch" => {
                let patch = patch(request, kind)?;
                let writing = writing(here, request, target, kind, Some("status"))?;
                finish(kind, writing.patch(here.inside, name, patch)?)
            }
            _ => Err(ApiError::method_not_allowed()),
        },
        (_, "scale", _) if kind.scale => scale(here, request, target, kind, &there),
        ("pods", "log", "get") => logs::read(here.inside, request, &there).map(Reply::Text),
        ("pods", "eviction", "create") => evict(here, request, kind, &there),
        ("pods", "binding", "create") => {
            let body = request.body(&kind.kind)?;
            let node = body.text("/target/name").to_owned();
            if !there.text("/spec/nodeName").is_empty() {
                let why = format!(
                    "pod {name} is already assigned to node {:?}",
                    there.text("/spec/nodeName")
                );
                return Err(ApiError::conflict(kind, name, &why));
            }
            controllers::bind(here.inside, &there, &node, here.now);
            Ok(Reply::Object {
                status: StatusCode::CREATED,
                content_type: "application/json",
                body: json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }),
                warnings: Vec::new(),
            })
        }
        ("serviceaccounts", "token", "create") => {
            let body = request.body(&kind.kind)?;
            let seconds = body.number("/spec/expirationSeconds").unwrap_or(3600);
            let until = here
                .now
                .checked_add(SignedDuration::from_secs(seconds))
                .unwrap_or(here.now);
            Ok(Reply::Object {
                status: StatusCode::CREATED,
                content_type: "application/json",
                body: admission::service_account_token(&there, &body, object::time(until)),
                warnings: Vec::new(),
            })
        }
        ("namespaces", "finalize", "update") => {
            let body = request.body(&kind.kind)?;
            let finalizers = body["spec"]["finalizers"].clone();
            let changed = here.inside.change("namespaces", None, name, |namespace| {
                namespace["spec"]["finalizers"] = finalizers;
            });
            changed
                .map(|namespace| Reply::ok(Arc::unwrap_or_clone(namespace)))
                .ok_or_else(|| ApiError::not_found(kind, name))
        }
        _ if kind.custom.is_some() => Err(ApiError::not_found(kind, name)),
        _ => Err(target.nothing()),
    }
}

fn scale(
    here: &mut Here<'_>,
    request: &ApiRequest,
    target: &Target,
    kind: &Kind,
    there: &Value,
) -> Answer {
    let view = |object: &Value| {
        let selector: Vec<String> = object
            .texts("/spec/selector/matchLabels")
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let mut scale = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": object.name(), "namespace": object.namespace(), "uid": object.uid(),
                "resourceVersion": object["metadata"]["resourceVersion"],
                "creationTimestamp": object["metadata"]["creationTimestamp"],
            },
            "spec": { "replicas": object.number("/spec/replicas").unwrap_or(0) },
            "status": { "replicas": object.number("/status/replicas").unwrap_or(0) },
        });
        if kind.custom.is_none() {
            scale["status"]["selector"] = selector.join(",").into();
        }
        scale
    };
    let wanted = match request.verb(target) {
        "get" if kind.custom.is_some() && there.number("/spec/replicas").is_none() => {
            return Err(ApiError::no_replicas());
        }
        "get" => return Ok(Reply::ok(view(there))),
        "update" => request.body(&kind.kind)?,
        "patch" => {
            let mut scale = view(there);
            super::patch::merge(&mut scale, &request.body(&kind.kind)?);
            scale
        }
        _ => return Err(ApiError::method_not_allowed()),
    };
    let replicas = wanted.number("/spec/replicas").unwrap_or(0);
    let mut object = there.clone();
    object["spec"]["replicas"] = replicas.into();
    if let Some(version) = wanted["metadata"]["resourceVersion"].as_str() {
        object["metadata"]["resourceVersion"] = version.into();
    }
    let mut writing = writing(here, request, target, kind, Some("scale"))?;
    writing.manager.applies = false;
    let written = writing.update(here.inside, there.name(), object)?;
    Ok(Reply::ok(view(&written.object)))
}

/// Deletes a pod, unless a budget keeps it.
fn evict(here: &mut Here<'_>, request: &ApiRequest, kind: &Kind, pod: &Value) -> Answer {
    let body = request.body(&kind.kind)?;
    if let Some(budget) = budgets::keeping(here.inside, pod) {
        return Err(ApiError::disruption_budget(
            &budget.name,
            budget.healthy,
            budget.desired,
        ));
    }
    let options = Deletion {
        grace: body.number("/deleteOptions/gracePeriodSeconds"),
        propagation: String::new(),
    };
    if !request.is_dry_run()? {
        write::delete(here.inside, kind, pod, &options, here.now);
    }
    Ok(Reply::Object {
        status: StatusCode::CREATED,
        content_type: "application/json",
        body: json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }),
        warnings: Vec::new(),
    })
}
