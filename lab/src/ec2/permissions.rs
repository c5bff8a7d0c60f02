//! `IpPermissions`: how requests and DescribeSecurityGroups write rules, several in one where they
//! are about the same traffic.

use serde::Serialize;

use super::error::{invalid_value, missing, no_group};
use super::state::{Peer, Region, Rule};
use crate::call::{Call, ServiceError};
use crate::wire::form::Form;
use crate::wire::xml::Items;

/// A rule that a request asks for or speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) protocol: String,
    pub(super) ports: Option<(i32, i32)>,
    pub(super) peer: Peer,
    pub(super) description: Option<String>,
}

impl Wanted {
    /// Whether a rule lets through the same traffic.
    pub(super) fn is(&self, rule: &Rule) -> bool {
        self.protocol == rule.protocol && self.ports == rule.ports && self.peer == rule.peer
    }
}

/// The rules in a request: in `IpPermissions`, or one in parameters of its own.
pub(super) fn read(
    form: &Form,
    call: &Call,
    region: &Region,
    vpc: &str,
) -> Result<Vec<Wanted>, ServiceError> {
    let mut wanted = Vec::new();
    for at in form.structures("IpPermissions") {
        let (protocol, ports) = traffic(form, &format!("{at}."))?;
        for (peer, description) in peers(form, &at, call)? {
            check_peer(&peer, call, region, vpc)?;
            wanted.push(Wanted {
                protocol: protocol.clone(),
                ports,
                peer,
                description,
            });
        }
    }
    if let Some(block) = form.get("CidrIp") {
        let (protocol, ports) = traffic(form, "")?;
        let peer = Peer::Ipv4(block.to_owned());
        check_peer(&peer, call, region, vpc)?;
        wanted.push(Wanted {
            protocol,
            ports,
            peer,
            description: None,
        });
    }
    if wanted.is_empty() {
        return Err(missing("ipPermissions"));
    }
    Ok(wanted)
}

/// Protocol and ports under a prefix.
fn traffic(form: &Form, prefix: &str) -> Result<(String, Option<(i32, i32)>), ServiceError> {
    let parameter = format!("{prefix}IpProtocol");
    let protocol = form.get(&parameter).ok_or_else(|| missing(&parameter))?;
    let protocol = match protocol.to_lowercase().as_str() {
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "58" => "icmpv6",
        "all" => "-1",
        _ => protocol,
    }
    .to_lowercase();
    let port = |name: &str| -> Result<Option<i32>, ServiceError> {
        let parameter = format!("{prefix}{name}");
        let Some(text) = form.get(&parameter) else {
            return Ok(None);
        };
        let number = text.parse().ok();
        let number = number.filter(|number| (-1..=65_535).contains(number));
        number.map(Some).ok_or_else(|| {
            invalid_value(format!(
                "Invalid value '{text}' for portRange. Must be -1 to 65535"
            ))
        })
    };
    let ports = port("FromPort")?.zip(port("ToPort")?);
    match (protocol.as_str(), ports) {
        ("-1", _) => Ok((protocol, None)),
        ("tcp" | "udp" | "icmp" | "icmpv6", None) => Err(invalid_value(format!(
            "Invalid value 'Must specify both from and to ports with TCP/UDP/ICMP.' for portRange: \
             {protocol}"
        ))),
        ("tcp" | "udp", Some((from, to))) if from > to || from < 0 => Err(invalid_value(format!(
            "Invalid TCP/UDP port range ({from}:{to})"
        ))),
        ("tcp" | "udp" | "icmp" | "icmpv6", ports) => Ok((protocol, ports)),
        (number, _) if number.parse::<u8>().is_ok() => Ok((protocol, None)),
        (unknown, _) => Err(invalid_value(format!(
            "Invalid value '{unknown}' for IP protocol. Unknown protocol."
        ))),
    }
}

/// A list of peers in a request, the member that names one, and what it makes.
type Kind = (&'static str, &'static str, fn(String) -> Peer);

/// The peers of one permission, with their descriptions.
fn peers(form: &Form, at: &str, call: &Call) -> Result<Vec<(Peer, Option<String>)>, ServiceError> {
    let mut peers = Vec::new();
    let kinds: [Kind; 3] = [
        ("IpRanges", "CidrIp", Peer::Ipv4),
        ("Ipv6Ranges", "CidrIpv6", Peer::Ipv6),
        ("PrefixListIds", "PrefixListId", Peer::PrefixList),
    ];
    let description = |at: &str| form.get(&format!("{at}.Description")).map(str::to_owned);
    for (list, member, peer) in kinds {
        for at in form.structures(&format!("{at}.{list}")) {
            let parameter = format!("{at}.{member}");
            let value = form.get(&parameter).ok_or_else(|| missing(&parameter))?;
            peers.push((peer(value.to_owned()), description(&at)));
        }
    }
    for at in form.structures(&format!("{at}.Groups")) {
        let parameter = format!("{at}.GroupId");
        let id = form.get(&parameter).ok_or_else(|| missing(&parameter))?;
        let account = form.get(&format!("{at}.UserId")).unwrap_or(&call.account);
        let peer = Peer::Group {
            id: id.to_owned(),
            account: account.to_owned(),
        };
        peers.push((peer, description(&at)));
    }
    Ok(peers)
}

fn check_peer(peer: &Peer, call: &Call, region: &Region, vpc: &str) -> Result<(), ServiceError> {
    let malformed = |block: &str| invalid_value(format!("CIDR block {block} is malformed"));
    match peer {
        Peer::Ipv4(block) => {
            let (address, length) = block.split_once('/').ok_or_else(|| malformed(block))?;
            let address: std::net::Ipv4Addr = address.parse().map_err(|_| malformed(block))?;
            let length: u32 = length.parse().map_err(|_| malformed(block))?;
            let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
            if length > 32 || address.to_bits() & host_bits != 0 {
                return Err(malformed(block));
            }
            Ok(())
        }
        Peer::Ipv6(block) => {
            let (address, length) = block.split_once('/').ok_or_else(|| malformed(block))?;
            let address = address.parse::<std::net::Ipv6Addr>();
            match (address, length.parse::<u32>()) {
                (Ok(_), Ok(0..=128)) => Ok(()),
                _ => Err(malformed(block)),
            }
        }
        Peer::Group { id, account } if *account == call.account => {
            let group = region.security_groups.get(id);
            let group = group.ok_or_else(|| no_group(id))?;
            if group.vpc_id == vpc {
                Ok(())
            } else {
                Err(super::error::refusal(
                    "InvalidGroup.NotFound",
                    format!(
                        "You have specified two resources that belong to different networks: {id}"
                    ),
                ))
            }
        }
        Peer::Group { id, .. } => Err(no_group(id)),
        Peer::PrefixList(id) => Err(super::error::refusal(
            "InvalidPrefixListID.NotFound",
            format!("The prefix list ID '{id}' does not exist"),
        )),
    }
}

/// Rules about the same traffic as one permission.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionItem {
    ip_protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_port: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_port: Option<i32>,
    groups: Items<GroupPeer>,
    ip_ranges: Items<Ipv4Peer>,
    ipv6_ranges: Items<Ipv6Peer>,
    prefix_list_ids: Items<PrefixListPeer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupPeer {
    user_id: String,
    group_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ipv4Peer {
    cidr_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ipv6Peer {
    cidr_ipv6: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PrefixListPeer {
    prefix_list_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// Puts rules about the same traffic together.
pub(super) fn grouped<'r>(rules: impl Iterator<Item = &'r Rule>) -> Items<PermissionItem> {
    let mut permissions: Vec<Vec<&Rule>> = Vec::new();
    for rule in rules {
        let same = permissions.iter_mut().find(|permission| {
            permission
                .first()
                .is_some_and(|first| first.protocol == rule.protocol && first.ports == rule.ports)
        });
        match same {
            Some(permission) => permission.push(rule),
            None => permissions.push(vec![rule]),
        }
    }
    permissions
        .iter()
        .filter_map(|rules| PermissionItem::of(rules))
        .collect()
}

impl PermissionItem {
    fn of(rules: &[&Rule]) -> Option<Self> {
        let first = rules.first()?;
        let description = |rule: &Rule| rule.description.clone();
        Some(Self {
            ip_protocol: first.protocol.clone(),
            from_port: first.ports.map(|(from, _)| from),
            to_port: first.ports.map(|(_, to)| to),
            groups: collect(rules, |rule| match &rule.peer {
                Peer::Group { id, account } => Some(GroupPeer {
                    user_id: account.clone(),
                    group_id: id.clone(),
                    description: description(rule),
                }),
                _ => None,
            }),
            ip_ranges: collect(rules, |rule| match &rule.peer {
                Peer::Ipv4(block) => Some(Ipv4Peer {
                    cidr_ip: block.clone(),
                    description: description(rule),
                }),
                _ => None,
            }),
            ipv6_ranges: collect(rules, |rule| match &rule.peer {
                Peer::Ipv6(block) => Some(Ipv6Peer {
                    cidr_ipv6: block.clone(),
                    description: description(rule),
                }),
                _ => None,
            }),
            prefix_list_ids: collect(rules, |rule| match &rule.peer {
                Peer::PrefixList(id) => Some(PrefixListPeer {
                    prefix_list_id: id.clone(),
                    description: description(rule),
                }),
                _ => None,
            }),
        })
    }
}

fn collect<T>(rules: &[&Rule], view: impl Fn(&Rule) -> Option<T>) -> Items<T> {
    rules.iter().filter_map(|rule| view(rule)).collect()
}
