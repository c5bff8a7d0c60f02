//! Requests served from beginning to end, on a world of two VPCs.

mod access_points;
mod file_systems;
mod mount_targets;
mod policies;
mod tags;

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::handle;
use crate::call::{Call, ServiceError};
use crate::ec2;
use crate::seed::{ClusterSeed, Seed};
use crate::world::World;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const GROUP: &str = "sg-0123456789abcdef0";
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);
const TEN_MINUTES: SignedDuration = SignedDuration::from_mins(10);

/// A world to try requests on, and its time.
struct Bench {
    world: World,
    now: Timestamp,
}

type Served = Result<Value, ServiceError>;

impl Bench {
    fn new() -> Self {
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let cluster = |name: &str| ClusterSeed {
            name: name.to_owned(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            node_tier: "node".to_owned(),
            intra_tier: "intra".to_owned(),
            ..ClusterSeed::default()
        };
        let seed = Seed {
            clusters: vec![cluster("c"), cluster("other")],
            start: crate::seed::Start::Fresh,
            ..Seed::default()
        };
        let mut world = seed.build(now, [7; 32]).unwrap();
        let ec2 = world.ec2(ACCOUNT, REGION);
        let vpcs = ec2.vpcs.values();
        let vpc = vpcs.clone().find(|vpc| vpc.tags["Name"] == "c-vpc");
        let vpc = vpc.unwrap().id.clone();
        let group = ec2::SecurityGroup::new(GROUP.to_owned(), "nfs", "NFS", &vpc);
        ec2.security_groups.insert(GROUP.to_owned(), group);
        Self { world, now }
    }

    /// With a file system that is available, and its id.
    fn with_file_system() -> (Self, String) {
        let mut bench = Self::new();
        let id = bench.make_file_system(json!({ "CreationToken": "t" }));
        (bench, id)
    }

    fn make_file_system(&mut self, body: Value) -> String {
        let made = self.post("/file-systems", body).unwrap();
        self.wait(A_MINUTE);
        made["FileSystemId"].as_str().unwrap().to_owned()
    }

    fn mount(&mut self, file_system: &str, subnet: &str) -> Served {
        self.post(
            "/mount-targets",
            json!({ "FileSystemId": file_system, "SubnetId": subnet, "SecurityGroups": [GROUP] }),
        )
    }

    /// The subnets of a cluster's VPC, in the order of their zones.
    fn subnets(&mut self, cluster: &str, tier: &str) -> Vec<String> {
        let prefix = format!("{cluster}-vpc-{tier}-");
        let ec2 = self.world.ec2(ACCOUNT, REGION);
        let mut found: Vec<_> = ec2
            .subnets
            .values()
            .filter(|subnet| subnet.tags["Name"].starts_with(&prefix))
            .map(|subnet| (subnet.zone.clone(), subnet.id.clone()))
            .collect();
        found.sort();
        found.into_iter().map(|(_, id)| id).collect()
    }

    fn send(&mut self, method: Method, target: &str, body: Option<Value>) -> Served {
        self.answer(method, target, body).map(|(_, body)| body)
    }

    fn answer(
        &mut self,
        method: Method,
        target: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), ServiceError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let call = Call {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            method,
            path: format!("/2015-02-01{path}"),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            body: body.map(|b| b.to_string().into_bytes()).unwrap_or_default(),
            now: self.now,
            ..Call::default()
        };
        let reply = handle(&mut self.world, &call)?;
        let body = if reply.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&reply.body).unwrap()
        };
        Ok((reply.status, body))
    }

    fn get(&mut self, target: &str) -> Served {
        self.send(Method::GET, target, None)
    }

    fn post(&mut self, target: &str, body: Value) -> Served {
        self.send(Method::POST, target, Some(body))
    }

    fn put(&mut self, target: &str, body: Value) -> Served {
        self.send(Method::PUT, target, Some(body))
    }

    fn delete(&mut self, target: &str) -> Served {
        self.send(Method::DELETE, target, None)
    }

    /// One member of what is at a path, told by a JSON pointer.
    fn read(&mut self, target: &str, pointer: &str) -> Value {
        let answer = self.get(target).unwrap();
        answer.pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    fn wait(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).unwrap();
    }
}

/// Status and code of a refusal.
fn refusal(served: Served) -> (u16, String) {
    let error = served.expect_err("refused");
    assert_eq!(error.fields["ErrorCode"], error.code);
    assert_eq!(error.fields["Message"], error.message);
    (error.status.as_u16(), error.code)
}
