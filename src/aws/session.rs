//! One session per account and region, made from one assumed role per account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sts::types::Tag;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_types::region::Region;

use super::credentials::{self, AssumedRole};
use super::error::{CallError, Doing};
use super::http::{Http, Room};
use super::memo::Memo;
use super::pace::Pacer;
use super::presign::Signer;
use super::recorder::Recorder;
use crate::env::Env;
use crate::inventory::partition;

/// Attempts of a call where `AWS_MAX_ATTEMPTS` doesn't say another number: enough to outlast a
/// throttle or a restart of half a minute.
const MAX_ATTEMPTS: u32 = 8;

/// Where the time that requests are signed with comes from: the SDK's own time source.
#[derive(Clone)]
pub(super) struct TimeSource(pub(super) Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl TimeSource {
    pub(super) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl std::fmt::Debug for TimeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TimeSource").finish_non_exhaustive()
    }
}

/// Whose account, which region, by which role.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// AWS account, twelve digits.
    pub account: String,
    /// AWS region.
    pub region: String,
    /// Path and name of the role to assume (`PSKRoles/PSKControlPlaneBaseRole`).
    pub assume_role: String,
}

impl Target {
    /// The AWS partition that the region is in, the second part of every ARN (`aws`).
    pub fn partition(&self) -> &'static str {
        partition(&self.region)
    }

    /// The domain that the services of the region's partition are in.
    pub(crate) fn dns_suffix(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        }
    }

    /// ARN of the role to assume.
    pub fn role_arn(&self) -> String {
        role_arn(self)
    }

    /// ARN of a resource of this account and region (`service` as ARNs name it: `sqs`).
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:{}:{service}:{}:{}:{resource}",
            self.partition(),
            self.region,
            self.account
        )
    }
}

/// How psk's sessions are named and tagged, so that CloudTrail tells which run made a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The pipeline's name, from `psk.yaml`.
    pub pipeline: String,
    /// The role (release tier) that is run.
    pub role: String,
    /// The commit that is rolled out, where one is known.
    pub commit: Option<String>,
}

impl Identity {
    /// STS takes 2 to 64 of `[\w+=,.@-]` for a session's name.
    /// Source: STS API reference, AssumeRole, RoleSessionName.
    fn session_name(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or("local");
        let commit = commit.get(..12).unwrap_or(commit);
        format!("psk-{}-{commit}", self.role)
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .take(64)
            .collect()
    }

    fn tags(&self) -> Result<Arc<[Tag]>, CallError> {
        let pairs = [
            ("pipeline", Some(self.pipeline.as_str())),
            ("role", Some(self.role.as_str())),
            ("commit", self.commit.as_deref()),
        ];
        pairs
            .into_iter()
            .filter_map(|(key, value)| Some(Tag::builder().key(key).value(value?).build()))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                CallError::new(
                    "tagging psk's sessions",
                    error.to_string(),
                    "report this as a bug",
                )
            })
    }
}

/// AWS, for one run: hands out sessions and shares what they can share.
#[derive(Debug)]
pub struct Aws {
    config: SdkConfig,
    http: Http,
    room: Room,
    env: Env,
    base: SharedCredentialsProvider,
    identity: Identity,
    tags: Arc<[Tag]>,
    roles: Mutex<HashMap<(String, String), SharedCredentialsProvider>>,
    accounts: Memo<(String, String), String>,
    sessions: Mutex<HashMap<Target, Session>>,
}

impl Aws {
    /// Reads psk's own identity and endpoints from `env`. Calls nothing yet. Keeps its connections
    /// to what a process that may have this many files open can have.
    ///
    /// # Errors
    /// A pipeline, role or commit that can't be a session tag, or an `AWS_MAX_ATTEMPTS` that is no
    /// number.
    pub async fn new(env: Env, identity: Identity, open_files: u64) -> Result<Self, CallError> {
        let http = Http::new(open_files)?;
        let region = env
            .get("AWS_REGION")
            .or_else(|| env.get("AWS_DEFAULT_REGION"))
            .unwrap_or("us-east-1");
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .http_client(http.paced(Arc::new(Pacer::for_service("sts"))))
            // An attempt has its own timeout, and no answer is a long stream.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .no_credentials()
            .region(Region::new(region.to_owned()))
            .retry_config(
                // Jittered backoff per call; what calls learn from one another is the pacer's.
                RetryConfig::standard()
                    .with_max_attempts(max_attempts(&env)?)
                    .with_max_backoff(Duration::from_secs(20)),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(Duration::from_secs(30))
                    .build(),
            )
            .identity_cache(
                IdentityCache::lazy()
                    .load_timeout(Duration::from_secs(60))
                    .buffer_time(credentials::EXPIRES_SOON)
                    .build(),
            );
        if let Some(url) = endpoint(&env, "STS") {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let base = credentials::base(&env, &config).await;
        let tags = identity.tags()?;
        Ok(Self {
            config,
            http,
            room: Room::new(open_files),
            env,
            base,
            identity,
            tags,
            roles: Mutex::default(),
            accounts: Memo::default(),
            sessions: Mutex::default(),
        })
    }

    /// A session for `target`, after STS has confirmed that it is in the account that it should be
    /// in. One AssumeRole and one GetCallerIdentity are made per account and role, however many
    /// clusters ask.
    ///
    /// # Errors
    /// The role can't be assumed, or its session is in another account.
    pub async fn session(&self, target: &Target) -> Result<Session, CallError> {
        let credentials = self.role(target);
        let key = (target.account.clone(), target.assume_role.clone());
        let account = self
            .accounts
            .get(key, || async {
                let answer = self
                    .sts(target, credentials.clone())
                    .get_caller_identity()
                    .send()
                    .await
                    .doing(|| format!("asking STS which account {} is in", role_arn(target)))?;
                Ok(answer.account.unwrap_or_default())
            })
            .await?;
        if account != target.account {
            return Err(CallError::new(
                format!("checking that psk is in account {}", target.account),
                format!(
                    "the session of {} is in account {account}",
                    role_arn(target)
                ),
                "correct aws_account_id or aws_assume_role in the cluster's settings, or the credentials psk was started with",
            ));
        }
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(sessions
            .entry(target.clone())
            .or_insert_with(|| self.open(target, &credentials))
            .clone())
    }

    fn role(&self, target: &Target) -> SharedCredentialsProvider {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        roles
            .entry((target.account.clone(), target.assume_role.clone()))
            .or_insert_with(|| {
                SharedCredentialsProvider::new(AssumedRole::new(
                    &self.config,
                    &target.region,
                    self.base.clone(),
                    role_arn(target),
                    self.identity.session_name(),
                    self.tags.clone(),
                    self.time(),
                ))
            })
            .clone()
    }

    fn time(&self) -> TimeSource {
        let source = self.config.time_source().unwrap_or_default();
        TimeSource(Arc::new(move || source.now()))
    }

    fn sts(&self, target: &Target, credentials: SharedCredentialsProvider) -> aws_sdk_sts::Client {
        let config = self
            .config
            .to_builder()
            .region(Region::new(target.region.clone()))
            .build();
        credentials::sts(&config, Some(credentials))
    }

    fn open(&self, target: &Target, credentials: &SharedCredentialsProvider) -> Session {
        let base = self
            .config
            .to_builder()
            .region(Region::new(target.region.clone()))
            .credentials_provider(credentials.clone())
            .build();
        // The SDK's retry quota is kept per partition of this name, psk's pace per pacer: both are
        // shared by all clusters of an account and region.
        let config_for = |service: &'static str, id: &str| {
            let pacer = Arc::new(Pacer::for_service(service));
            let mut config = base
                .to_builder()
                .http_client(self.http.paced(pacer.clone()));
            config.set_endpoint_url(endpoint(&self.env, id));
            (config.build(), Recorder::new(service, pacer))
        };
        macro_rules! client {
            ($sdk:ident, $service:literal, $id:literal) => {{
                let (config, recorder) = config_for($service, $id);
                let partition = format!("{}/{}/{}", target.account, target.region, $service);
                $sdk::Client::from_conf(
                    $sdk::config::Builder::from(&config)
                        .interceptor(recorder)
                        .retry_partition($sdk::config::retry::RetryPartition::new(partition))
                        .build(),
                )
            }};
        }
        Session(Arc::new(Inner {
            target: target.clone(),
            identity: Signer {
                credentials: credentials.clone(),
                time: self.time(),
                endpoint: endpoint(&self.env, "STS"),
            },
            env: self.env.clone(),
            room: self.room.clone(),
            eks: client!(aws_sdk_eks, "eks", "EKS"),
            ec2: client!(aws_sdk_ec2, "ec2", "EC2"),
            ssm: client!(aws_sdk_ssm, "ssm", "SSM"),
            iam: client!(aws_sdk_iam, "iam", "IAM"),
            kms: client!(aws_sdk_kms, "kms", "KMS"),
            logs: client!(aws_sdk_cloudwatchlogs, "logs", "CLOUDWATCH_LOGS"),
            efs: client!(aws_sdk_efs, "elasticfilesystem", "EFS"),
            sqs: client!(aws_sdk_sqs, "sqs", "SQS"),
            events: client!(aws_sdk_eventbridge, "events", "EVENTBRIDGE"),
        }))
    }
}

fn role_arn(target: &Target) -> String {
    format!(
        "arn:{}:iam::{}:role/{}",
        target.partition(),
        target.account,
        target.assume_role.trim_start_matches('/')
    )
}

/// How often a call is sent before it fails.
/// Source: AWS SDKs and Tools Reference Guide, "Retry behavior".
fn max_attempts(env: &Env) -> Result<u32, CallError> {
    let Some(text) = env.get("AWS_MAX_ATTEMPTS") else {
        return Ok(MAX_ATTEMPTS);
    };
    let attempts = text.parse().ok().filter(|attempts| *attempts > 0);
    attempts.ok_or_else(|| {
        CallError::new(
            "reading AWS_MAX_ATTEMPTS",
            format!("{text:?} is no number of attempts"),
            "set it to 1 or more, or leave it unset",
        )
    })
}

/// The endpoint that the environment sets for a service, if it does.
/// Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
fn endpoint(env: &Env, service_id: &str) -> Option<String> {
    if env.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        return None;
    }
    env.get(&format!("AWS_ENDPOINT_URL_{service_id}"))
        .or_else(|| env.get("AWS_ENDPOINT_URL"))
        .map(str::to_owned)
}

/// The clients of one account and region, by one assumed role. Clones share them.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Target,
    identity: Signer,
    env: Env,
    room: Room,
    eks: aws_sdk_eks::Client,
    ec2: aws_sdk_ec2::Client,
    ssm: aws_sdk_ssm::Client,
    iam: aws_sdk_iam::Client,
    kms: aws_sdk_kms::Client,
    logs: aws_sdk_cloudwatchlogs::Client,
    efs: aws_sdk_efs::Client,
    sqs: aws_sdk_sqs::Client,
    events: aws_sdk_eventbridge::Client,
}

impl Session {
    /// The account, region and role that the session is for.
    pub fn target(&self) -> &Target {
        &self.0.target
    }

    /// What proves to others who the session is.
    pub(crate) fn identity(&self) -> &Signer {
        &self.0.identity
    }

    /// The environment that the run was started in.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// Room for connections to clusters' own APIs, shared by all sessions of a run.
    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    /// Elastic Kubernetes Service.
    pub fn eks(&self) -> &aws_sdk_eks::Client {
        &self.0.eks
    }

    /// Elastic Compute Cloud, VPCs included.
    pub fn ec2(&self) -> &aws_sdk_ec2::Client {
        &self.0.ec2
    }

    /// Identity and Access Management.
    pub fn iam(&self) -> &aws_sdk_iam::Client {
        &self.0.iam
    }

    /// Key Management Service.
    pub fn kms(&self) -> &aws_sdk_kms::Client {
        &self.0.kms
    }

    /// CloudWatch Logs.
    pub fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        &self.0.logs
    }

    /// Elastic File System.
    pub fn efs(&self) -> &aws_sdk_efs::Client {
        &self.0.efs
    }

    /// Simple Queue Service.
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        &self.0.sqs
    }

    /// EventBridge.
    pub fn events(&self) -> &aws_sdk_eventbridge::Client {
        &self.0.events
    }

    /// Systems Manager, for its public parameters.
    pub fn ssm(&self) -> &aws_sdk_ssm::Client {
        &self.0.ssm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_keep_to_what_sts_takes() {
        let identity = Identity {
            pipeline: "p".into(),
            role: "non prod/ü".into(),
            commit: Some("0123456789abcdef0123".into()),
        };
        assert_eq!(identity.session_name(), "psk-non-prod---0123456789ab");
        let long = Identity {
            role: "r".repeat(90),
            ..identity
        };
        assert_eq!(long.session_name().len(), 64);
    }

    #[test]
    fn an_endpoint_of_its_own_wins_over_the_one_for_all() {
        let env: Env = [
            ("AWS_ENDPOINT_URL", "http://all"),
            ("AWS_ENDPOINT_URL_EKS", "http://eks"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into_iter()
        .collect();
        assert_eq!(endpoint(&env, "EKS").as_deref(), Some("http://eks"));
        assert_eq!(endpoint(&env, "EC2").as_deref(), Some("http://all"));
        let ignored = env.with([(
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS".to_owned(),
            "true".to_owned(),
        )]);
        assert_eq!(endpoint(&ignored, "EKS"), None);
    }
}
