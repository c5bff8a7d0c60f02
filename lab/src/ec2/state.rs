//! What EC2 keeps of one account in one region.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What EC2 keeps of one account in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Region {
    /// VPCs by their id.
    pub vpcs: BTreeMap<String, Vpc>,
    /// Subnets by their id.
    pub subnets: BTreeMap<String, Subnet>,
    /// Security groups by their id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// Network interfaces by their id.
    pub network_interfaces: BTreeMap<String, NetworkInterface>,
    /// Launch templates by their id.
    pub launch_templates: BTreeMap<String, LaunchTemplate>,
}

/// A virtual private cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id (`vpc-0…`).
    pub id: String,
    /// Its primary IPv4 block.
    pub cidr: String,
    /// Its tags, `Name` among them.
    pub tags: BTreeMap<String, String>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id (`subnet-0…`).
    pub id: String,
    /// The VPC that it is in.
    pub vpc_id: String,
    /// Its IPv4 block.
    pub cidr: String,
    /// The Availability Zone (`us-east-1a`).
    pub zone: String,
    /// The Availability Zone's id (`use1-az1`), which means the same in every account.
    pub zone_id: String,
    /// Addresses that are free.
    pub available_addresses: u32,
    /// Whether instances get a public address by default.
    pub map_public_ip: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id (`sg-0…`).
    pub id: String,
    /// Its name, unique in its VPC.
    pub name: String,
    /// For people; can't be changed.
    pub description: String,
    /// The VPC that it is in.
    pub vpc_id: String,
    /// What it lets in and out.
    pub rules: Vec<Rule>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A rule of a security group: one kind of traffic with one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id (`sgr-0…`).
    pub id: String,
    /// Whether it lets out; else it lets in.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol's number, or `-1` for all.
    pub protocol: String,
    /// First and last port (for ICMP, type and code); none where the protocol has none.
    pub ports: Option<(i32, i32)>,
    /// With whom.
    pub peer: Peer,
    /// For people.
    pub description: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    /// Those with an address in an IPv4 block.
    Ipv4(String),
    /// Those with an address in an IPv6 block.
    Ipv6(String),
    /// Those in a security group.
    Group {
        /// The group's id.
        id: String,
        /// The account that it is of.
        account: String,
    },
    /// Those in a managed prefix list.
    PrefixList(String),
}

impl SecurityGroup {
    /// A group that lets everything out and nothing in, as a new one does.
    pub fn new(id: String, name: &str, description: &str, vpc_id: &str) -> Self {
        let everything_out = Rule::new(&id, true, Peer::Ipv4("0.0.0.0/0".to_owned()));
        Self {
            rules: vec![everything_out],
            id,
            name: name.to_owned(),
            description: description.to_owned(),
            vpc_id: vpc_id.to_owned(),
            tags: BTreeMap::new(),
        }
    }

    /// Lets everything in that comes from the group itself.
    #[must_use]
    pub fn open_to_itself(mut self, account: &str) -> Self {
        let peer = Peer::Group {
            id: self.id.clone(),
            account: account.to_owned(),
        };
        self.rules.push(Rule::new(&self.id, false, peer));
        self
    }
}

impl Rule {
    /// A rule for all protocols. Its id follows from the group and what it says, of which a group
    /// has one.
    fn new(group: &str, egress: bool, peer: Peer) -> Self {
        let direction = if egress { "out" } else { "in" };
        let names = [group, direction, &format!("{peer:?}")];
        Self {
            id: format!("sgr-0{}", crate::ids::stable_hex(16, &names)),
            egress,
            protocol: "-1".to_owned(),
            ports: None,
            peer,
            description: None,
            tags: BTreeMap::new(),
        }
    }
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Its id (`eni-0…`).
    pub id: String,
    /// The subnet that it is in.
    pub subnet_id: String,
    /// Its address in the subnet.
    pub private_ip: String,
    /// For people; services say here what it is for.
    pub description: String,
    /// `interface`, `efs`, …
    pub interface_type: String,
    /// Ids of its security groups.
    pub groups: Vec<String>,
    /// The service that made it and manages it, if one does.
    pub requester: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A launch template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// Its id (`lt-0…`).
    pub id: String,
    /// Its name, unique in the region.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// ARN of who made it.
    pub created_by: String,
    /// The version that is used where none is named.
    pub default_version: u64,
    /// The newest version's number. Numbers aren't used again.
    pub latest_version: u64,
    /// Its versions by number.
    pub versions: BTreeMap<u64, LaunchTemplateVersion>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The token of the request that made it, if it had one.
    pub token: Option<ClientToken>,
}

/// A version of a launch template. It can't be changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchTemplateVersion {
    /// For people.
    pub description: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// ARN of who made it.
    pub created_by: String,
    /// What instances are launched with: the members as EC2's answers name them, where each list
    /// is an object with the elements under their name.
    pub data: Value,
    /// The token of the request that made it, if it had one.
    pub token: Option<ClientToken>,
}

/// A `ClientToken`, by which a repeated request is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientToken {
    /// The token itself.
    pub token: String,
    /// What else the request said.
    pub request: Vec<(String, String)>,
}

impl Region {
    /// The launch template of that name.
    pub fn launch_template_named(&self, name: &str) -> Option<&LaunchTemplate> {
        self.launch_templates
            .values()
            .find(|template| template.name == name)
    }
}
