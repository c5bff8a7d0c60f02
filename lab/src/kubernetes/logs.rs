//! What containers have said.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::inside::Inside;
use super::object::Object;
use super::request::ApiRequest;
use super::status::ApiError;

/// The lines of every container, by the pod's uid, the container's name and how often it had been
/// started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Logs(BTreeMap<String, Vec<(Timestamp, String)>>);

impl Logs {
    fn name(uid: &str, container: &str, run: i64) -> String {
        format!("{uid} {container} {run}")
    }

    /// Keeps what a run of a container said.
    pub(super) fn keep(
        &mut self,
        uid: &str,
        container: &str,
        run: i64,
        lines: Vec<(Timestamp, String)>,
    ) {
        self.0.insert(Self::name(uid, container, run), lines);
    }

    /// What a run of a container said.
    pub(super) fn of(&self, uid: &str, container: &str, run: i64) -> &[(Timestamp, String)] {
        self.0
            .get(&Self::name(uid, container, run))
            .map_or(&[], Vec::as_slice)
    }

    /// Forgets what a pod said.
    pub(super) fn forget(&mut self, uid: &str) {
        let prefix = format!("{uid} ");
        self.0.retain(|name, _| !name.starts_with(&prefix));
    }
}

/// Answers `pods/log`.
///
/// # Errors
/// If the container isn't said where there are several, or hasn't begun.
pub(super) fn read(inside: &Inside, request: &ApiRequest, pod: &Value) -> Result<String, ApiError> {
    let names: Vec<&str> = pod
        .list("/spec/containers")
        .iter()
        .chain(pod.list("/spec/initContainers"))
        .map(|c| c.text("/name"))
        .collect();
    let container = match (request.query("container"), names.as_slice()) {
        ("", [one]) => one,
        ("", _) if pod.list("/spec/containers").len() == 1 => names[0],
        ("", _) => {
            return Err(ApiError::bad_request(format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                pod.name(),
                names.join(" ")
            )));
        }
        (given, _) if names.contains(&given) => given,
        (given, _) => {
            return Err(ApiError::bad_request(format!(
                "container {given} is not valid for pod {}",
                pod.name()
            )));
        }
    };
    let statuses = pod
        .list("/status/containerStatuses")
        .iter()
        .chain(pod.list("/status/initContainerStatuses"));
    let status = statuses.into_iter().find(|s| s["name"] == container);
    let started = status.is_some_and(|s| {
        s["state"].get("running").is_some()
            || s["state"].get("terminated").is_some()
            || s["lastState"].get("terminated").is_some()
    });
    if !started {
        let waiting = status.map_or("", |s| s.text("/state/waiting/reason"));
        let why = match waiting {
            "" => "is waiting to start".to_owned(),
            "ContainerCreating" => "is waiting to start: ContainerCreating".to_owned(),
            reason => format!("is waiting to start: {reason}"),
        };
        return Err(ApiError::bad_request(format!(
            "container {container:?} in pod {:?} {why}",
            pod.name()
        )));
    }
    let restarts = status.and_then(|s| s.number("/restartCount")).unwrap_or(0);
    // While it waits to be started again, its last run's are its lines.
    let waits = status.is_some_and(|s| s["state"].get("waiting").is_some());
    let run = match request.flag("previous") {
        true if restarts == 0 => {
            return Err(ApiError::bad_request(format!(
                "previous terminated container {container:?} in pod {:?} not found",
                pod.name()
            )));
        }
        true => restarts - 1,
        false if waits => (restarts - 1).max(0),
        false => restarts,
    };
    let mut lines: Vec<&(Timestamp, String)> =
        inside.logs.of(pod.uid(), container, run).iter().collect();
    if let Ok(seconds) = request.query("sinceSeconds").parse::<i64>() {
        let from = request
            .call
            .now
            .checked_sub(SignedDuration::from_secs(seconds));
        lines.retain(|(at, _)| from.as_ref().is_ok_and(|from| at >= from));
    }
    if let Ok(last) = request.query("tailLines").parse::<usize>() {
        lines.drain(..lines.len().saturating_sub(last));
    }
    let stamped = request.flag("timestamps");
    let mut text: String = lines
        .into_iter()
        .map(|(at, line)| match stamped {
            true => format!("{at} {line}\n"),
            false => format!("{line}\n"),
        })
        .collect();
    if let Ok(limit) = request.query("limitBytes").parse::<usize>() {
        let mut end = limit.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    Ok(text)
}
