//! `psk lab helm`: stands in for the helm CLI inside the lab, where charts can't be pulled. The lab
//! knows what Karpenter's charts would bring; this asks it to bring it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use http::Request;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{Context, Error};
use crate::env::Env;
use crate::exit::Exit;
use crate::kubernetes::helm;

/// Where the lab's API has what stands for releases.
const RELEASES: &str = "/apis/charts.psk-lab.internal/v1";

/// Says what helm's own version would be, so that nothing takes it for helm.
const VERSION: &str = "v4.0.0+psk-lab";

/// How often a request is sent before it fails.
const TRIES: u32 = 5;

/// The pause after the first try; those after it are longer.
const PAUSE: Duration = Duration::from_millis(50);

/// What is done to a release.
#[derive(Debug, PartialEq, Eq)]
enum Doing {
    Version,
    Upgrade {
        release: String,
        chart: String,
        version: String,
        namespace: String,
    },
    RollBack {
        release: String,
        revision: String,
        namespace: String,
    },
    Uninstall {
        release: String,
        namespace: String,
    },
}

impl Doing {
    /// What the arguments ask for, as far as psk gives them.
    fn read(arguments: &[String]) -> Option<Self> {
        let mut words = Vec::new();
        let mut options = std::collections::BTreeMap::new();
        let mut rest = arguments.iter().map(String::as_str).peekable();
        while let Some(argument) = rest.next() {
            match argument {
                "--install" | "--wait" => {}
                option if option.starts_with("--") => {
                    options.insert(option, rest.next().unwrap_or_default());
                }
                word => words.push(word.to_owned()),
            }
        }
        let option = |name: &str| options.get(name).map(|value| (*value).to_owned());
        let namespace = option("--namespace").unwrap_or_else(|| "default".to_owned());
        Some(match &words[..] {
            [version] if version == "version" => Self::Version,
            [upgrade, release, chart] if upgrade == "upgrade" => Self::Upgrade {
                release: release.clone(),
                chart: chart.clone(),
                version: option("--version")?,
                namespace,
            },
            [back, release, revision] if back == "rollback" => Self::RollBack {
                release: release.clone(),
                revision: revision.clone(),
                namespace,
            },
            [gone, release] if gone == "uninstall" => Self::Uninstall {
                release: release.clone(),
                namespace,
            },
            _ => return None,
        })
    }
}

pub(super) async fn run(arguments: &[String], context: &Context) -> Result<ExitCode, Error> {
    let Some(doing) = Doing::read(arguments) else {
        return Err(Error::usage(
            format!("the lab's helm doesn't know how to {}", arguments.join(" ")),
            "it knows what psk asks of helm: version, upgrade, rollback, uninstall",
        ));
    };
    let said = match doing {
        Doing::Version => VERSION.to_owned(),
        Doing::Upgrade {
            release,
            chart,
            version,
            namespace,
        } => {
            let mut values = String::new();
            std::io::stdin().read_to_string(&mut values)?;
            let values: Value = serde_json::from_str(&values).map_err(failed)?;
            let cluster = Cluster::of(&context.env)?;
            let chart = chart.rsplit('/').next().unwrap_or(&chart);
            cluster
                .apply(&namespace, &release, chart, &version, &values)
                .await?;
            format!("the lab stands in for helm: {chart} {version} is installed as {release}")
        }
        Doing::RollBack {
            release,
            revision,
            namespace,
        } => {
            let cluster = Cluster::of(&context.env)?;
            let path = format!(
                "/api/v1/namespaces/{namespace}/secrets/sh.helm.release.v1.{release}.v{revision}"
            );
            let secret = cluster.send("GET", &path, None).await?;
            let (_, was) = helm::release(&secret).map_err(failed)?;
            cluster
                .apply(&namespace, &release, &release, &was.version, &was.values)
                .await?;
            format!("the lab stands in for helm: {release} is back at revision {revision}")
        }
        Doing::Uninstall { release, namespace } => {
            let path = format!("{RELEASES}/namespaces/{namespace}/releases/{release}");
            Cluster::of(&context.env)?
                .send("DELETE", &path, None)
                .await?;
            format!("the lab stands in for helm: {release} is uninstalled")
        }
    };
    writeln!(std::io::stdout(), "{said}")?;
    Ok(Exit::Done.into())
}

/// The cluster that the environment names as it does for helm.
struct Cluster(kube::Client);

impl Cluster {
    fn of(env: &Env) -> Result<Self, Error> {
        let get = |name: &str| {
            let missing = || Error::usage(format!("{name} isn't set"), "let psk run it");
            env.get(name).ok_or_else(missing)
        };
        let url = get("HELM_KUBEAPISERVER")?.parse::<http::Uri>();
        let mut config = kube::Config::new(url.map_err(failed)?);
        let authority = std::fs::read(get("HELM_KUBECAFILE")?)?;
        let certificates = pem::parse_many(authority).map_err(failed)?;
        config.root_cert = Some(
            certificates
                .into_iter()
                .map(pem::Pem::into_contents)
                .collect(),
        );
        config.auth_info.token = Some(SecretString::from(get("HELM_KUBETOKEN")?));
        Ok(Self(kube::Client::try_from(config).map_err(failed)?))
    }

    async fn apply(
        &self,
        namespace: &str,
        release: &str,
        chart: &str,
        version: &str,
        values: &Value,
    ) -> Result<(), Error> {
        let path = format!("{RELEASES}/namespaces/{namespace}/releases/{release}");
        let before = match self.send("GET", &path, None).await {
            Ok(before) => before.pointer("/status/revision").and_then(Value::as_u64),
            // What isn't there has no revision; what else is wrong, the next call tells.
            Err(_) => None,
        };
        let object = json!({
            "apiVersion": "charts.psk-lab.internal/v1",
            "kind": "Release",
            "metadata": { "name": release, "namespace": namespace },
            // Like helm's, every call makes a revision, also where it asks for the same again.
            "spec": { "chart": chart, "version": version, "values": values, "after": before },
        });
        let target = format!("{path}?fieldManager=helm&force=true");
        self.send("PATCH", &target, Some(&object)).await?;
        // The lab installs once it has answered.
        let applied = self.send("GET", &path, None).await?;
        let status = |field: &str| {
            let value = applied.pointer(&format!("/status/{field}"));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        match status("status").as_str() {
            "deployed" => Ok(()),
            other => Err(Error::unexpected(
                format!("release {release} is {other}: {}", status("description")),
                "",
            )),
        }
    }

    /// Sends a request, again where that may help: helm keeps to what it was asked for, too.
    async fn send(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Value, Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.try_once(method, target, body).await {
                Err(error) if tries < TRIES && may_pass(&error) => {
                    tokio::time::sleep(PAUSE * tries).await;
                }
                answer => return answer.map_err(failed),
            }
        }
    }

    async fn try_once(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Value, kube::Error> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("content-type", "application/apply-patch+yaml")
            .body(
                body.map(|body| body.to_string().into_bytes())
                    .unwrap_or_default(),
            )
            .map_err(kube::Error::HttpError)?;
        self.0.request(request).await
    }
}

/// Whether a call that failed so may succeed if it is made again.
fn may_pass(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::unexpected(error.to_string(), "")
}

/// A program called `helm` that runs psk as its stand-in, in a directory of its own. Both go when it
/// is dropped.
#[derive(Debug)]
pub(super) struct StandIn {
    _folder: TempDir,
    program: PathBuf,
}

impl StandIn {
    /// The variable by which psk finds it.
    pub(super) fn export(&self) -> (String, String) {
        (helm::PROGRAM.to_owned(), self.program.display().to_string())
    }
}

pub(super) fn stand_in() -> std::io::Result<StandIn> {
    let folder = TempDir::new()?;
    let program = folder.path().join("helm");
    let psk = std::env::current_exe()?;
    let script = format!("#!/bin/sh\nexec {} lab helm \"$@\"\n", quoted(&psk));
    std::fs::write(&program, script)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(StandIn {
        _folder: folder,
        program,
    })
}

/// A path as a shell takes it, whatever is in it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Doing> {
        let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Doing::read(&arguments)
    }

    #[test]
    fn it_understands_what_psk_asks_of_helm() {
        assert_eq!(
            read("version --template {{.Version}}"),
            Some(Doing::Version)
        );
        assert_eq!(
            read(
                "upgrade karpenter oci://x/karpenter --install --version 1.11.1 --namespace kube-system --values - --history-max 5 --wait --timeout 600s"
            ),
            Some(Doing::Upgrade {
                release: "karpenter".into(),
                chart: "oci://x/karpenter".into(),
                version: "1.11.1".into(),
                namespace: "kube-system".into(),
            })
        );
        assert!(matches!(
            read("rollback karpenter 3 --namespace kube-system"),
            Some(Doing::RollBack { .. })
        ));
        assert!(matches!(
            read("uninstall karpenter --namespace kube-system"),
            Some(Doing::Uninstall { .. })
        ));
        assert_eq!(read("list"), None);
    }

    #[test]
    fn paths_survive_the_shell() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
