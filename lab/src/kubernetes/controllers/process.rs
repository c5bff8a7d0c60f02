//! The processes of containers: what they are given, and how far they have come.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::super::files::Write;
use super::super::inside::Inside;
use super::super::object::Object;
use super::super::shell::{self, Mount, Outcome, Setting};
use super::super::troubles::Mishap;
use super::claims;

/// How a container's process is now.
pub(super) fn process(
    inside: &mut Inside,
    pod: &Value,
    container: &Value,
    start: Timestamp,
    run: i64,
    now: Timestamp,
) -> Outcome {
    let crash = inside.trouble(pod.name(), |m| matches!(m, Mishap::PodCrashes { .. }));
    if let Some(Mishap::PodCrashes { exit_code, log }) = crash {
        let lines = log.lines().map(|line| (start, line.to_owned())).collect();
        inside
            .logs
            .keep(pod.uid(), container.text("/name"), run, lines);
        return Outcome::Exited {
            code: exit_code,
            at: start,
        };
    }
    let words: Vec<String> = container
        .list("/command")
        .iter()
        .chain(container.list("/args"))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let writer = format!("{} {} {run}", pod.uid(), container.text("/name"));
    let mounts = mounts(inside, pod, container);
    let node = inside.get("nodes", None, pod.text("/spec/nodeName"));
    let arch = node
        .map_or("", |n| n.text("/status/nodeInfo/architecture"))
        .to_owned();
    let user = container
        .number("/securityContext/runAsUser")
        .or(pod.number("/spec/securityContext/runAsUser"))
        .unwrap_or(0);
    let setting = Setting {
        start,
        env: environment(inside, pod, container),
        hostname: pod.name().to_owned(),
        arch,
        user,
        mounts,
        files: &inside.files,
        writer: writer.clone(),
    };
    let done = shell::run(&words, &setting, now);
    let mut by_volume: BTreeMap<String, Vec<Write>> = BTreeMap::new();
    for (volume, write) in done.writes {
        by_volume.entry(volume).or_default().push(write);
    }
    for (volume, writes) in by_volume {
        // Others may be waiting for it.
        inside.stirred |= inside.files.volume(&volume).put(&writer, writes);
    }
    inside
        .logs
        .keep(pod.uid(), container.text("/name"), run, done.log);
    done.outcome
}

fn environment(inside: &Inside, pod: &Value, container: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([(
        "PATH".to_owned(),
        "/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    )]);
    for variable in container.list("/env") {
        let source = &variable["valueFrom"];
        let field = source.text("/fieldRef/fieldPath");
        let of_map = |kind: &str, reference: &str| {
            let object = inside.get(kind, pod.namespace(), source[reference].text("/name"));
            let data = object.map(|o| o["data"][source[reference].text("/key")].clone());
            data.and_then(|d| d.as_str().map(str::to_owned))
                .unwrap_or_default()
        };
        let value = if !field.is_empty() {
            let pointer = format!("/{}", field.replace('.', "/"));
            match field {
                "spec.serviceAccountName"
                | "spec.nodeName"
                | "metadata.name"
                | "metadata.namespace"
                | "metadata.uid" => pod.text(&pointer).to_owned(),
                "status.podIP" => pod.text("/status/podIP").to_owned(),
                _ => String::new(),
            }
        } else if source["configMapKeyRef"].is_object() {
            of_map("configmaps", "configMapKeyRef")
        } else if source["secretKeyRef"].is_object() {
            let encoded = of_map("secrets", "secretKeyRef");
            let bytes = data_encoding::BASE64
                .decode(encoded.as_bytes())
                .unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        } else {
            variable.text("/value").to_owned()
        };
        all.insert(variable.text("/name").to_owned(), value);
    }
    all
}

fn mounts(inside: &Inside, pod: &Value, container: &Value) -> Vec<Mount> {
    let plain = |path: &str, volume: String| Mount {
        path: path.to_owned(),
        volume,
        read_only: false,
        full: false,
        device: false,
    };
    let mut all = vec![plain(
        "/",
        format!("{}/root/{}", pod.uid(), container.text("/name")),
    )];
    all[0].read_only = container["securityContext"]["readOnlyRootFilesystem"] == true;
    for (list, place, device) in [
        ("/volumeMounts", "mountPath", false),
        ("/volumeDevices", "devicePath", true),
    ] {
        for mount in container.list(list) {
            let name = mount.text("/name");
            let volume = pod.list("/spec/volumes").iter().find(|v| v["name"] == name);
            let claim = volume.map_or("", |v| v.text("/persistentVolumeClaim/claimName"));
            let path = mount[place].as_str().unwrap_or_default();
            let mut at = plain(path, format!("{}/{name}", pod.uid()));
            at.read_only = mount["readOnly"] == true;
            at.device = device;
            if !claim.is_empty() {
                let claim_object = inside.get("persistentvolumeclaims", pod.namespace(), claim);
                let of = claim_object.map_or("", |c| c.text("/spec/volumeName"));
                let full_name = format!("{}/{claim}", pod.namespace().unwrap_or_default());
                let has = |is: fn(&Mishap) -> bool| inside.trouble(&full_name, is).is_some();
                at.volume = claims::files_of(of);
                if has(|m| matches!(m, Mishap::FilesNotShared)) {
                    at.volume = format!("{}/{name}", pod.uid());
                }
                at.read_only |= has(|m| matches!(m, Mishap::VolumeReadOnly));
                at.full = has(|m| matches!(m, Mishap::VolumeFull));
            }
            let sub = mount.text("/subPath");
            if !sub.is_empty() {
                at.volume = format!("{}/{sub}", at.volume);
            }
            all.push(at);
        }
    }
    all
}
