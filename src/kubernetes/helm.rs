//! The helm CLI, which installs charts; and the state of releases, which helm keeps in the cluster.

use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use secrecy::ExposeSecret;
use semver::Version;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::access::Selection;
use super::kind::kinds;
use super::{Access, Endpoint, Error};
use crate::env::Env;
use crate::reconcile::Progress;

/// The variable that names another program than the `helm` on the PATH.
pub const PROGRAM: &str = "PSK_HELM";

/// The oldest helm that psk runs.
const OLDEST: Version = Version::new(3, 14, 0);

/// Where to get it.
const GET_IT: &str = "install helm 3.14 or newer (https://helm.sh/docs/intro/install/) and put it on the PATH, or name it in PSK_HELM; then run again";

/// How long helm waits for what it installed to be ready.
const READY: Duration = Duration::from_secs(600);

/// The first bytes of what gzip has compressed.
const GZIP: &[u8] = &[0x1f, 0x8b, 0x08];

/// Most lines of helm's that go into an error.
const LINES: usize = 12;

/// A chart, and how it should be installed.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The release's name.
    pub release: &'static str,
    /// The release's namespace.
    pub namespace: &'static str,
    /// Where the chart is: an OCI reference or a directory.
    pub chart: String,
    /// The chart's version.
    pub version: String,
    /// The values that differ from the chart's own.
    pub values: Value,
}

/// A release as helm keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The revision.
    pub revision: u64,
    /// Its state (`deployed`, `failed`, `pending-upgrade`, …).
    pub status: String,
    /// What helm says of it.
    pub description: String,
    /// The chart's version.
    pub version: String,
    /// The values that it was installed with.
    pub values: Value,
}

/// The helm CLI, run against one cluster.
#[derive(Debug, Clone)]
pub struct Helm {
    program: String,
    env: Env,
    checked: Arc<OnceCell<Result<Version, Error>>>,
}

impl Helm {
    /// The helm that the environment names, or has on its PATH.
    pub fn of(env: &Env) -> Self {
        Self {
            program: env.get(PROGRAM).unwrap_or("helm").to_owned(),
            env: env.clone(),
            checked: Arc::default(),
        }
    }

    /// Makes sure that there is a helm, and that it is new enough. Asks it once.
    ///
    /// # Errors
    /// There is none or an old one, and how to get one.
    pub async fn check(&self) -> Result<Version, Error> {
        let checked = self.checked.get_or_init(|| self.ask_for_its_version());
        checked.await.clone()
    }

    async fn ask_for_its_version(&self) -> Result<Version, Error> {
        let doing = || format!("asking {} for its version", self.program);
        let output = Command::new(&self.program)
            .args(["version", "--template", "{{.Version}}"])
            .env_clear()
            .envs(self.env.iter())
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| Error::new(doing(), error.to_string(), GET_IT))?;
        let told = String::from_utf8_lossy(&output.stdout);
        let told = told.trim();
        let version = told.trim_start_matches('v').parse::<Version>();
        match version {
            Ok(version) if version >= OLDEST => Ok(version),
            Ok(version) => Err(Error::new(
                doing(),
                format!("it is {version}, older than {OLDEST}"),
                GET_IT,
            )),
            Err(_) => Err(Error::new(doing(), format!("it answered {told:?}"), GET_IT)),
        }
    }

    /// Installs or upgrades the chart and waits until what it brings is ready.
    ///
    /// # Errors
    /// What helm says.
    pub async fn upgrade(
        &self,
        access: &Access,
        endpoint: &Endpoint,
        chart: &Chart,
        progress: &Progress,
    ) -> Result<(), Error> {
        let timeout = format!("{}s", READY.as_secs());
        let arguments = [
            "upgrade",
            chart.release,
            &chart.chart,
            "--install",
            "--version",
            &chart.version,
            "--namespace",
            chart.namespace,
            "--values",
            "-",
            "--history-max",
            "5",
            "--wait",
            "--timeout",
            &timeout,
        ];
        let values = chart.values.to_string();
        let said = self
            .run(access, endpoint, &arguments, values.as_bytes())
            .await?;
        if let Some(line) = said.lines().find(|line| !line.trim().is_empty()) {
            progress.say(line.trim().to_owned());
        }
        Ok(())
    }

    /// Brings back a revision of a release, after an upgrade that was broken off.
    ///
    /// # Errors
    /// What helm says.
    pub async fn roll_back(
        &self,
        access: &Access,
        endpoint: &Endpoint,
        chart: &Chart,
        revision: u64,
    ) -> Result<(), Error> {
        let revision = revision.to_string();
        let arguments = [
            "rollback",
            chart.release,
            &revision,
            "--namespace",
            chart.namespace,
        ];
        self.run(access, endpoint, &arguments, b"").await.map(drop)
    }

    /// Takes a release away that was never installed to the end.
    ///
    /// # Errors
    /// What helm says.
    pub async fn uninstall(
        &self,
        access: &Access,
        endpoint: &Endpoint,
        chart: &Chart,
    ) -> Result<(), Error> {
        let arguments = ["uninstall", chart.release, "--namespace", chart.namespace];
        self.run(access, endpoint, &arguments, b"").await.map(drop)
    }

    /// Runs helm against the cluster. The token goes through the environment, where other users of
    /// the machine can't see it, and into no file.
    async fn run(
        &self,
        access: &Access,
        endpoint: &Endpoint,
        arguments: &[&str],
        input: &[u8],
    ) -> Result<String, Error> {
        let doing = || {
            let said: Vec<_> = arguments.iter().take(3).copied().collect();
            format!("running helm {} for {}", said.join(" "), access.cluster())
        };
        let failed = |error: std::io::Error| Error::new(doing(), error.to_string(), GET_IT);
        let token = access.token().await?;
        let authority = BASE64
            .decode(endpoint.certificate_authority.trim().as_bytes())
            .map_err(|error| Error::new(doing(), error.to_string(), "report this as a bug"))?;
        let mut file = NamedTempFile::new().map_err(failed)?;
        file.write_all(&authority).map_err(failed)?;
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            // What the environment says of another cluster mustn't lead there.
            .envs(
                self.env
                    .iter()
                    .filter(|(name, _)| *name != "KUBECONFIG" && !name.starts_with("HELM_KUBE")),
            )
            .env("KUBECONFIG", "/dev/null")
            .env("HELM_KUBEAPISERVER", &endpoint.url)
            .env("HELM_KUBECAFILE", file.path())
            .env("HELM_KUBETOKEN", token.secret.expose_secret())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helm that ends before it has read all says why itself.
            drop(stdin.write_all(input).await);
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        Err(Error::new(
            doing(),
            match last {
                [] => format!("it ended with {}", output.status),
                last => last.join("\n"),
            },
            "mend what helm names, then run again: psk recovers a release that failed or was broken off",
        ))
    }
}

/// The current releases of a namespace, by name, each with its newest revision last; those that were
/// superseded aren't among them.
///
/// # Errors
/// The releases can't be listed, or one can't be read.
pub async fn releases(
    access: &Access,
    namespace: &str,
    names: &[&str],
) -> Result<Vec<(String, Release)>, Error> {
    let selection = Selection::labels(format!(
        "owner=helm,status!=superseded,name in ({})",
        names.join(",")
    ));
    let secrets = access
        .list::<Value>(&kinds::SECRET, Some(namespace), &selection)
        .await?;
    let mut found = Vec::new();
    for secret in &secrets.items {
        let (name, release) = release(secret).map_err(|cause| {
            let name = secret.pointer("/metadata/name").and_then(Value::as_str);
            Error::new(
                format!(
                    "reading helm's release {} in {}",
                    name.unwrap_or_default(),
                    access.cluster()
                ),
                cause,
                "look at it with `helm history`; delete the secret if it is broken, then run again",
            )
        })?;
        found.push((name, release));
    }
    found.sort_by_key(|(name, release)| (name.clone(), release.revision));
    Ok(found)
}

/// A release by its name out of the secret that helm keeps it in: JSON, usually compressed, twice in
/// base64. Source: helm, `pkg/storage/driver/util.go`.
///
/// # Errors
/// It can't be read, and why.
pub fn release(secret: &Value) -> Result<(String, Release), String> {
    let data = secret.pointer("/data/release").and_then(Value::as_str);
    let outer = BASE64
        .decode(data.unwrap_or_default().as_bytes())
        .map_err(|error| format!("it is no base64: {error}"))?;
    let inner = BASE64
        .decode(&outer)
        .map_err(|error| format!("it is no base64 inside: {error}"))?;
    let text = if inner.starts_with(GZIP) {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&*inner)
            .read_to_end(&mut text)
            .map_err(|error| format!("it can't be decompressed: {error}"))?;
        text
    } else {
        inner
    };
    let kept: Value =
        serde_json::from_slice(&text).map_err(|error| format!("it is no JSON: {error}"))?;
    let text = |path: &str| {
        let value = kept.pointer(path).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let values = kept.get("config").filter(|values| !values.is_null());
    Ok((
        text("/name"),
        Release {
            revision: kept.get("version").and_then(Value::as_u64).unwrap_or(0),
            status: text("/info/status"),
            description: text("/info/description"),
            version: text("/chart/metadata/version"),
            values: values.cloned().unwrap_or_else(|| serde_json::json!({})),
        },
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept() -> Value {
        json!({"name": "karpenter", "version": 3, "namespace": "kube-system",
            "info": {"status": "deployed", "description": "Upgrade complete"},
            "chart": {"metadata": {"name": "karpenter", "version": "1.11.1"}},
            "config": {"replicas": 2}})
    }

    fn secret(inner: &[u8]) -> Value {
        let twice = BASE64.encode(BASE64.encode(inner).as_bytes());
        json!({"metadata": {"name": "sh.helm.release.v1.karpenter.v3"}, "data": {"release": twice}})
    }

    #[test]
    fn a_release_is_read_as_helm_keeps_it() {
        let plain = kept().to_string().into_bytes();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&plain).unwrap();
        for inner in [plain, encoder.finish().unwrap()] {
            let (name, release) = release(&secret(&inner)).unwrap();
            assert_eq!(name, "karpenter");
            assert_eq!(
                release,
                Release {
                    revision: 3,
                    status: "deployed".into(),
                    description: "Upgrade complete".into(),
                    version: "1.11.1".into(),
                    values: json!({"replicas": 2}),
                }
            );
        }
        assert!(release(&json!({"data": {"release": "?"}})).is_err());
        assert!(release(&secret(b"no json")).is_err());
    }

    /// A program that answers like helm does.
    #[cfg(unix)]
    fn stand_in(answer: &str) -> (tempfile::TempDir, Helm) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("helm");
        std::fs::write(&path, format!("#!/bin/sh\nprintf '{answer}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let env: Env = [("PSK_HELM".to_owned(), path.to_str().unwrap().to_owned())]
            .into_iter()
            .collect();
        let helm = Helm::of(&env);
        (folder, helm)
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_helm_that_is_too_old_or_none_is_told_with_how_to_get_one() {
        let (_folder, helm) = stand_in("v3.18.4");
        assert_eq!(helm.check().await.unwrap(), Version::new(3, 18, 4));
        let (_folder, helm) = stand_in("v4.0.1+g12345");
        assert!(helm.check().await.is_ok());
        let (_folder, helm) = stand_in("v3.13.9");
        let error = helm.check().await.unwrap_err();
        assert!(
            error.cause.contains("3.13.9, older than 3.14.0"),
            "{error:?}"
        );
        assert!(error.next.contains("helm.sh"));
        let (_folder, helm) = stand_in("what?");
        assert!(helm.check().await.is_err());
        let missing =
            Helm::of(&Env::default().with([("PSK_HELM".to_owned(), "/nowhere/helm".to_owned())]));
        assert!(missing.check().await.unwrap_err().next.contains("helm.sh"));
    }
}
