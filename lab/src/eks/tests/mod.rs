//! Requests served from beginning to end, on a world of two VPCs.

mod access;
mod addons;
mod catalog;
mod cluster_updates;
mod clusters;
mod identity_providers;
mod insights;
mod nodegroups;
mod pod_identity;
mod refusals;
mod seed;
mod tags;

use std::collections::BTreeMap;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::node_spec::launch_template_id;
use super::{Failure, Happening, Issue, Region, handle};
use crate::call::{Call, ServiceError};
use crate::world::World;
use crate::{ec2, iam};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const ROLE: &str = "arn:aws:iam::111122223333:role/c-cluster";
const NODE_ROLE: &str = "arn:aws:iam::111122223333:role/c-eks-node-group";
const TEN_MINUTES: SignedDuration = SignedDuration::from_mins(10);
const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A world to try requests on, and its time.
struct Bench {
    world: World,
    now: Timestamp,
}

type Served = Result<Value, ServiceError>;

impl Bench {
    fn new() -> Self {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().expect("a time");
        let mut world = World::empty(now, [7; 32]);
        *world.ec2(ACCOUNT, REGION) = network("c");
        let mut bench = Self { world, now };
        for name in [
            "c-cluster",
            "c-eks-node-group",
            "KarpenterController-c",
            "Other",
        ] {
            bench.role(name, &["eks", "ec2", "pods.eks"]);
        }
        bench
    }

    /// A role that trusts these services of AWS.
    fn role(&mut self, name: &str, trusted: &[&str]) {
        let trusted: Vec<_> = trusted
            .iter()
            .map(|service| format!("{service}.amazonaws.com"))
            .collect();
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": trusted },
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }] });
        let role = iam::Role::new("/", name, format!("AROA{name}"), trust, self.now);
        self.world.iam(ACCOUNT).roles.insert(name.to_owned(), role);
    }

    /// The ARN of a new key.
    fn key(&mut self) -> String {
        let call = Call {
            operation: "CreateKey".to_owned(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            now: self.now,
            ..Call::default()
        };
        let reply = crate::kms::handle(&mut self.world, &call).expect("a key");
        let made: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let arn = made["KeyMetadata"]["Arn"].as_str().expect("an ARN");
        arn.to_owned()
    }

    /// A launch template whose versions say this.
    fn template(&mut self, name: &str, versions: &[Value]) {
        let id = launch_template_id(name);
        let version = |data: &Value| ec2::LaunchTemplateVersion {
            description: None,
            created: self.now,
            created_by: String::new(),
            data: data.clone(),
            token: None,
        };
        let versions: BTreeMap<u64, _> = (1..).zip(versions.iter().map(version)).collect();
        let template = ec2::LaunchTemplate {
            id: id.clone(),
            name: name.to_owned(),
            created: self.now,
            created_by: String::new(),
            default_version: 1,
            latest_version: versions.len() as u64,
            versions,
            tags: BTreeMap::new(),
            token: None,
        };
        let templates = &mut self.world.ec2(ACCOUNT, REGION).launch_templates;
        templates.insert(id, template);
    }

    /// With the active cluster `c`.
    fn with_cluster(body: Value) -> Self {
        let mut bench = Self::new();
        let mut whole = creation("c");
        for (member, value) in body.as_object().expect("an object") {
            whole[member] = value.clone();
        }
        bench.post("/clusters", whole).expect("created");
        bench.wait(TEN_MINUTES);
        bench
    }

    fn send(&mut self, method: Method, target: &str, body: Option<Value>) -> Served {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let call = Call {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/psk"),
            method,
            path: path.to_owned(),
            query,
            body: body.map(|b| b.to_string().into_bytes()).unwrap_or_default(),
            now: self.now,
            ..Call::default()
        };
        let reply = handle(&mut self.world, &call)?;
        Ok(serde_json::from_slice(&reply.body).expect("JSON"))
    }

    fn get(&mut self, target: &str) -> Served {
        self.send(Method::GET, target, None)
    }

    fn post(&mut self, target: &str, body: Value) -> Served {
        self.send(Method::POST, target, Some(body))
    }

    fn delete(&mut self, target: &str) -> Served {
        self.send(Method::DELETE, target, None)
    }

    /// One member of what is at a path, told by a JSON pointer.
    fn read(&mut self, target: &str, pointer: &str) -> Value {
        let answer = self.get(target).expect(target);
        answer.pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    fn wait(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).expect("within time");
    }

    fn region(&mut self) -> &mut Region {
        self.world.eks(ACCOUNT, REGION)
    }

    fn fail_once(&mut self, of: Happening, code: &str) {
        self.region().failures.push(Failure {
            of,
            name_contains: String::new(),
            issue: Issue {
                code: code.to_owned(),
                message: format!("{code}, as rehearsed"),
                resource_ids: vec!["i-0".to_owned()],
            },
            times: Some(1),
        });
    }
}

/// Code and message of a refusal.
fn refusal(served: Served) -> (String, String) {
    let refused = served.expect_err("a refusal");
    (refused.code, refused.message)
}

fn code(served: Served) -> String {
    refusal(served).0
}

/// The id of the update that was begun.
fn update_id(served: Served) -> String {
    let answer = served.expect("an update");
    answer["update"]["id"].as_str().expect("an id").to_owned()
}

/// A VPC for this cluster, with two tiers of subnets in three zones, and another VPC.
fn network(cluster: &str) -> ec2::Region {
    let mut region = ec2::Region::default();
    let tags = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    for (vpc, name) in [
        ("vpc-1", format!("{cluster}-vpc")),
        ("vpc-2", "other-vpc".to_owned()),
    ] {
        let made = ec2::Vpc {
            id: vpc.to_owned(),
            cidr: "10.0.0.0/16".to_owned(),
            tags: tags(&[("Name", &name)]),
        };
        region.vpcs.insert(vpc.to_owned(), made);
        for tier in ["node", "intra"] {
            for zone in ["a", "b", "c"] {
                let id = format!("subnet-{}-{tier}-{zone}", &vpc[4..]);
                let subnet = ec2::Subnet {
                    id: id.clone(),
                    vpc_id: vpc.to_owned(),
                    cidr: "10.0.0.0/24".to_owned(),
                    zone: format!("{REGION}{zone}"),
                    zone_id: format!("use1-az-{zone}"),
                    available_addresses: 250,
                    map_public_ip: false,
                    tags: tags(&[("Tier", tier)]),
                };
                region.subnets.insert(id, subnet);
            }
        }
    }
    region
}

fn creation(name: &str) -> Value {
    json!({
        "name": name,
        "version": "1.35",
        "roleArn": ROLE,
        "resourcesVpcConfig": { "subnetIds": ["subnet-1-intra-a", "subnet-1-intra-b"] },
        "accessConfig": { "authenticationMode": "API" },
    })
}

fn group(name: &str) -> Value {
    json!({
        "nodegroupName": name,
        "subnets": ["subnet-1-node-a", "subnet-1-node-b"],
        "nodeRole": NODE_ROLE,
        "amiType": "BOTTLEROCKET_ARM_64",
        "instanceTypes": ["m7g.large"],
    })
}
