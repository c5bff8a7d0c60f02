//! Worlds that a test makes to its needs, serves, and looks at afterwards.

use std::future::Future;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use psk::aws::{Aws, Identity, Session, Target};
use psk_lab::faults::Faults;
use psk_lab::journal::Record;
use psk_lab::seed::{DEFAULT_HOME, circleci_organization};
use psk_lab::world::World;
use psk_lab::{Lab, Options, state};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use super::files::Files;
use super::psk::{CANARY, psk};

/// Seconds that pass in a fast world for each real one.
const FAST: f64 = 1200.0;

/// How long a test waits for something to happen before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The world that psk's lab makes for an inventory, with a canary in the place of every secret of
/// its vault. An account's number is none.
pub(crate) fn world_of(files: &Files, start: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    psk(["lab", "run", "--start", start])
        .arg("--lab-state")
        .arg(directory.path())
        .arg("--")
        .arg("true")
        .at(files)
        .run()
        .ended(0);
    let world = state::load(directory.path()).unwrap().unwrap();
    let items = world.connect.vaults.iter().flat_map(|vault| &vault.items);
    let fields = items.flat_map(|item| &item.fields);
    let secrets: Vec<_> = fields
        .filter(|field| !field.label.contains("account"))
        .map(|field| (field.value.clone(), format!("{CANARY}-{}", field.label)))
        .collect();
    // What a cluster has of a secret changes with it.
    let mut text = serde_json::to_string(&world).unwrap();
    for (value, canary) in secrets {
        text = text.replace(&format!("{value:?}"), &format!("{canary:?}"));
    }
    serde_json::from_str(&text).unwrap()
}

/// A world that is being served.
pub(crate) struct Served {
    lab: Lab,
    runtime: Runtime,
}

impl Served {
    /// The small inventory's world as it usually is.
    pub(crate) fn small() -> (Files, Self) {
        Self::small_with(r#"{"rules":[]}"#)
    }

    /// The same, with faults.
    pub(crate) fn small_with(faults: &str) -> (Files, Self) {
        let files = Files::small();
        let lab = Self::start(world_of(&files, "behind"), faults);
        (files, lab)
    }

    /// A session by the role that psk has in an account, in us-east-1, for what psk's own code is asked directly.
    /// `more` is its environment beside what leads into the lab.
    pub(crate) async fn session(&self, account: &str, more: &[(&str, String)]) -> Session {
        let more = more.iter();
        let more = more.map(|(name, value)| ((*name).to_owned(), value.clone()));
        let env = self.exports().into_iter().chain(more).collect();
        let identity = Identity {
            pipeline: "p".into(),
            role: "qa".into(),
            commit: None,
        };
        let target = Target {
            account: account.into(),
            region: "us-east-1".into(),
            assume_role: "PSKRoles/PSKControlPlaneBaseRole".into(),
        };
        let aws = Aws::new(env, identity, 1024).await.unwrap();
        aws.session(&target).await.unwrap()
    }

    /// A kubeconfig for a cluster, as psk writes it among these files.
    pub(crate) fn kubeconfig(&self, files: &Files, cluster: &str) -> PathBuf {
        let kubeconfig = files.root().join("kubeconfig");
        psk(["kube", "config", "--cluster", cluster, "--file"])
            .arg(&kubeconfig)
            .at(files)
            .inside(self)
            .run()
            .ended(0);
        kubeconfig
    }

    /// Serves a world with faults.
    pub(crate) fn start(world: World, faults: &str) -> Self {
        Self::at(world, faults, 1.0)
    }

    /// The same, in which a minute passes in a twentieth of a second.
    pub(crate) fn fast(world: World, faults: &str) -> Self {
        Self::at(world, faults, FAST)
    }

    /// The same, in which sessions may do only what IAM allows them.
    pub(crate) fn enforcing(world: World, faults: &str) -> Self {
        let options = Options {
            faults: Faults::parse(faults, Path::new("faults")).unwrap(),
            speed: FAST,
            enforce_iam: true,
            ..Options::default()
        };
        Self::with(world, options)
    }

    /// The same, in which an hour passes in a fifth of a second, so that nothing is waited for.
    pub(crate) fn rushing(world: World, faults: &str) -> Self {
        Self::at(world, faults, 20_000.0)
    }

    /// The same, in which that many seconds pass for each real one.
    pub(crate) fn at(world: World, faults: &str, speed: f64) -> Self {
        let options = Options {
            faults: Faults::parse(faults, Path::new("faults")).unwrap(),
            speed,
            ..Options::default()
        };
        Self::with(world, options)
    }

    /// Serves a world in a way of its own.
    pub(crate) fn with(world: World, options: Options) -> Self {
        let runtime = runtime();
        let lab = runtime.block_on(Lab::start(world, options)).unwrap();
        Self { lab, runtime }
    }

    /// The variables that point a client at it, and psk at what stands in for helm there.
    pub(crate) fn exports(&self) -> Vec<(String, String)> {
        let mut exports = self.lab.exports();
        exports.push(("PSK_HELM".to_owned(), helm().display().to_string()));
        exports
    }

    /// The same, and those of a job that rolls out what its GitHub has: the tagged head of the
    /// default branch.
    pub(crate) fn exports_of_a_job(&self) -> Vec<(String, String)> {
        let mut exports = self.exports();
        self.lab.with_world(|world| {
            if let Some(repository) = world.github.repositories.first() {
                let branch = &repository.default_branch;
                let told = [
                    ("PSK_COMMIT", Some(&repository.branches[branch])),
                    ("PSK_BRANCH", Some(branch)),
                    ("PSK_TAG", repository.tags.keys().next()),
                ];
                let told = told
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?.clone())));
                exports.extend(told.map(|(name, value)| (name.to_owned(), value)));
            }
        });
        exports
    }

    /// Keys and tokens that are in use in it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.lab.with_world(|world| secrets_of(world))
    }

    /// The calls that it was asked for, Connect's among them.
    pub(crate) fn calls(&self) -> Vec<Record> {
        self.lab.calls()
    }

    /// The calls to AWS as `service:Operation account region`.
    pub(crate) fn aws_calls(&self) -> Vec<String> {
        let calls = self.lab.calls();
        let others = ["connect", "github", "slack", "otlp", "kubernetes"];
        let calls = calls.iter().filter(|call| !others.contains(&call.service));
        calls
            .map(|call| {
                format!(
                    "{}:{} {} {}",
                    call.service, call.operation, call.account, call.region
                )
            })
            .collect()
    }

    /// How many calls it was asked for by AWS's names and in clusters.
    pub(crate) fn asked(&self) -> usize {
        let calls = self.lab.calls();
        let others = ["connect", "github", "slack", "otlp"];
        calls
            .iter()
            .filter(|call| !others.contains(&call.service))
            .count()
    }

    /// How often an operation was asked for.
    pub(crate) fn count(&self, operation: &str) -> usize {
        let calls = self.lab.calls();
        calls.iter().filter(|c| c.operation == operation).count()
    }

    /// Looks at the world.
    pub(crate) fn with_world<T>(&self, visit: impl FnOnce(&mut World) -> T) -> T {
        self.lab.with_world(visit)
    }

    /// Waits until a call has been asked for.
    pub(crate) fn wait_for(&self, is_it: impl Fn(&Record) -> bool) {
        let asked = async {
            while !self.lab.calls().iter().any(&is_it) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        self.patiently(asked);
    }

    /// Waits until something is so.
    pub(crate) fn wait_until(&self, mut is_so: impl FnMut() -> bool) {
        self.patiently(async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }

    fn patiently<T>(&self, something: impl Future<Output = T>) -> T {
        let waited = async { tokio::time::timeout(PATIENCE, something).await };
        self.runtime.block_on(waited).unwrap()
    }
}

/// What stands in for helm in the lab: a program that is there once for all tests.
fn helm() -> PathBuf {
    let psk = assert_cmd::cargo::cargo_bin!("psk");
    let script = format!("#!/bin/sh\nexec '{}' lab helm \"$@\"\n", psk.display());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let helm = folder.join("helm");
    if std::fs::read_to_string(&helm).is_ok_and(|there| there == script) {
        return helm;
    }
    // Put in place whole, whoever else is about to do so.
    let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
    file.write_all(script.as_bytes()).unwrap();
    let permissions = std::fs::Permissions::from_mode(0o755);
    file.as_file().set_permissions(permissions).unwrap();
    file.persist(&helm).unwrap();
    helm
}

/// Every key and token of a world.
pub(crate) fn secrets_of(world: &World) -> Vec<String> {
    let identity = &world.identity;
    let mut secrets = vec![
        identity.connect_token.clone(),
        identity.circleci_token.clone(),
        identity.continuation_key.clone(),
    ];
    secrets.extend(world.github.tokens.keys().cloned());
    secrets.extend(world.slack.bots.keys().cloned());
    for key in world.credentials.values() {
        secrets.push(key.secret.clone());
        secrets.extend(key.session.as_ref().map(|session| session.token.clone()));
    }
    secrets
}

/// An identity token as a CI job has it, good until the year 2100. `change` makes it a bad one.
pub(crate) fn identity_token(change: impl FnOnce(&mut Json)) -> String {
    let organization = circleci_organization(DEFAULT_HOME);
    let mut claims = json!({
        "iss": format!("https://oidc.circleci.com/org/{organization}"),
        "aud": organization,
        "sub": format!("org/{organization}/project/p/user/u"),
        "exp": 4_102_444_800_u64,
    });
    change(&mut claims);
    let part = |value: &Json| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&claims))
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}
