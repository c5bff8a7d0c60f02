//! Everything that exists in the simulated world.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::credentials::Credential;
use crate::ids::Ids;
use crate::{
    circleci, connect, ec2, efs, eks, events, github, iam, kms, kubernetes, logs, otlp, slack, sqs,
};

/// The world. All of it is data, so it can be kept in a file between runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// The world's time.
    pub clock: Clock,
    /// Where new ids and keys come from.
    pub ids: Ids,
    /// Access keys by their id, those of users and those of sessions.
    pub credentials: BTreeMap<String, Credential>,
    /// The credentials that the lab hands to its user.
    pub identity: Identity,
    /// AWS accounts by their number.
    pub accounts: BTreeMap<String, Account>,
    /// The 1Password Connect server.
    pub connect: connect::Server,
    /// CircleCI.
    #[serde(default)]
    pub circleci: circleci::Server,
    /// GitHub.
    #[serde(default)]
    pub github: github::GitHub,
    /// Slack.
    #[serde(default)]
    pub slack: slack::Workspace,
    /// A collector of traces.
    #[serde(default)]
    pub collector: otlp::Collector,
    /// Seconds after which every session ends at the latest. How a world is served, so not kept.
    #[serde(skip)]
    pub session_limit: Option<u32>,
    /// Seconds after which clusters take a token no more. How a world is served, so not kept.
    #[serde(skip)]
    pub token_limit: Option<u32>,
}

/// The credentials that the lab hands to its user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Id of an access key in [`World::credentials`].
    pub access_key: String,
    /// A token that the Connect server knows.
    pub connect_token: String,
    /// A personal token that CircleCI knows.
    #[serde(default)]
    pub circleci_token: String,
    /// The key that continues CircleCI's one setup pipeline.
    #[serde(default)]
    pub continuation_key: String,
    /// A token that GitHub knows.
    #[serde(default)]
    pub github_token: String,
    /// The repository at GitHub that the token is for, as `owner/name`.
    #[serde(default)]
    pub repository: String,
}

/// One AWS account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Account {
    /// IAM, which knows no regions.
    pub iam: iam::Account,
    /// What the regional services keep, by region.
    pub regions: BTreeMap<String, Region>,
}

/// What the regional services keep of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// Amazon EC2.
    pub ec2: ec2::Region,
    /// Amazon EKS.
    pub eks: eks::Region,
    /// AWS Key Management Service.
    pub kms: kms::Region,
    /// Amazon CloudWatch Logs.
    pub logs: logs::Region,
    /// Amazon EFS.
    pub efs: efs::Region,
    /// Amazon SQS.
    pub sqs: sqs::Region,
    /// Amazon EventBridge.
    pub events: events::Region,
    /// What is inside the clusters.
    pub kubernetes: kubernetes::Region,
}

impl World {
    /// A world with nothing in it, not even an account.
    pub fn empty(now: Timestamp, seed: [u8; 32]) -> Self {
        Self {
            clock: Clock::real(now),
            ids: Ids::new(seed),
            credentials: BTreeMap::new(),
            identity: Identity::default(),
            accounts: BTreeMap::new(),
            connect: connect::Server::default(),
            circleci: circleci::Server::default(),
            github: github::GitHub::default(),
            slack: slack::Workspace::default(),
            collector: otlp::Collector::default(),
            session_limit: None,
            token_limit: None,
        }
    }

    /// An account, made if it doesn't exist.
    pub fn account(&mut self, account: &str) -> &mut Account {
        self.accounts.entry(account.to_owned()).or_default()
    }

    /// What the regional services keep of an account in a region.
    pub fn region(&mut self, account: &str, region: &str) -> &mut Region {
        self.account(account)
            .regions
            .entry(region.to_owned())
            .or_default()
    }

    /// What IAM keeps of an account.
    pub fn iam(&mut self, account: &str) -> &mut iam::Account {
        &mut self.account(account).iam
    }

    /// What EC2 keeps of an account in a region.
    pub fn ec2(&mut self, account: &str, region: &str) -> &mut ec2::Region {
        &mut self.region(account, region).ec2
    }

    /// What EKS keeps of an account in a region.
    pub fn eks(&mut self, account: &str, region: &str) -> &mut eks::Region {
        &mut self.region(account, region).eks
    }

    /// What KMS keeps of an account in a region.
    pub fn kms(&mut self, account: &str, region: &str) -> &mut kms::Region {
        &mut self.region(account, region).kms
    }

    /// What CloudWatch Logs keeps of an account in a region.
    pub fn logs(&mut self, account: &str, region: &str) -> &mut logs::Region {
        &mut self.region(account, region).logs
    }
}
