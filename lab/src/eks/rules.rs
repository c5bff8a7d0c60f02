//! What names, ARNs and address blocks must look like. Pure checks, each with the service's error.

use std::net::Ipv4Addr;

use super::error::invalid_parameter;
use crate::call::ServiceError;

/// A cluster's name: up to 100 letters, digits, hyphens and underscores, first a letter or digit.
pub(super) fn cluster_name(name: &str) -> Result<(), ServiceError> {
    named(name, 100).ok_or_else(|| {
        invalid_parameter(format!(
            "The cluster name '{name}' must have 1 to 100 letters, digits, hyphens and underscores, \
             and begin with a letter or digit"
        ))
    })
}

/// A node group's name: the same with up to 63 characters.
pub(super) fn nodegroup_name(name: &str) -> Result<(), ServiceError> {
    named(name, 63).ok_or_else(|| {
        invalid_parameter(format!(
            "The node group name '{name}' must have 1 to 63 letters, digits, hyphens and \
             underscores, and begin with a letter or digit"
        ))
    })
}

fn named(name: &str, longest: usize) -> Option<()> {
    let mut bytes = name.bytes();
    let first = bytes.next()?;
    let well_formed = first.is_ascii_alphanumeric()
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && name.len() <= longest;
    well_formed.then_some(())
}

/// An IAM role's ARN.
pub(super) fn role_arn(arn: &str) -> Result<(), ServiceError> {
    if iam_principal(arn).is_some_and(|(kind, _)| kind == "role") {
        Ok(())
    } else {
        Err(invalid_parameter(format!(
            "'{arn}' is not the ARN of an IAM role"
        )))
    }
}

/// Kind (`role`, `user`) and name with path of the IAM principal that an ARN names.
pub(super) fn iam_principal(arn: &str) -> Option<(&str, &str)> {
    let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
    let (kind, name) = resource.split_once('/')?;
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    (is_account && matches!(kind, "role" | "user") && !name.is_empty() && arn.len() <= 255)
        .then_some((kind, name))
}

/// The IAM principal behind a caller: the role of an assumed-role session. A session's ARN
/// doesn't tell the role's path.
pub(super) fn principal_behind(caller: &str) -> String {
    let role = caller.strip_prefix("arn:aws:sts::").and_then(|rest| {
        let (account, resource) = rest.split_once(':')?;
        let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
        Some(format!("arn:aws:iam::{account}:role/{name}"))
    });
    role.unwrap_or_else(|| caller.to_owned())
}

/// A security group's id.
pub(super) fn security_group_id(id: &str) -> Result<(), ServiceError> {
    let hex = id.strip_prefix("sg-").unwrap_or_default();
    if matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(())
    } else {
        Err(invalid_parameter(format!(
            "The security group ID '{id}' is malformed"
        )))
    }
}

/// An IPv4 address block whose host bits are zero.
pub(super) fn cidr(text: &str) -> Result<(), ServiceError> {
    parse_cidr(text).map(|_| ())
}

pub(super) fn parse_cidr(text: &str) -> Result<(Ipv4Addr, u32), ServiceError> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let address: Ipv4Addr = address.parse().ok()?;
        let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
        let host_bits = u32::MAX.checked_shr(length).unwrap_or(0);
        (address.to_bits() & host_bits == 0).then_some((address, length))
    });
    parsed.ok_or_else(|| invalid_parameter(format!("'{text}' is not an IPv4 CIDR block")))
}

/// The address block of a cluster's services: private, and from /24 to /12.
pub(super) fn service_cidr(text: &str) -> Result<(), ServiceError> {
    let (address, length) = parse_cidr(text)?;
    if address.is_private() && (12..=24).contains(&length) {
        Ok(())
    } else {
        Err(invalid_parameter(format!(
            "serviceIpv4Cidr '{text}' must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, \
             and between /24 and /12"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "nonprod-i01-aws-us-east-1", "0_x", &"n".repeat(100)] {
            assert!(cluster_name(good).is_ok(), "{good}");
        }
        for wrong in ["", "-a", "a.b", "a b", &"n".repeat(101)] {
            assert!(cluster_name(wrong).is_err(), "{wrong}");
        }
        assert!(nodegroup_name(&"n".repeat(63)).is_ok());
        assert!(nodegroup_name(&"n".repeat(64)).is_err());
    }

    #[test]
    fn role_arns() {
        assert!(role_arn("arn:aws:iam::111122223333:role/PSKRoles/x").is_ok());
        for wrong in [
            "",
            "role/x",
            "arn:aws:iam::1111:role/x",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:iam::111122223333:role/",
        ] {
            assert!(role_arn(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_session_stands_for_its_role() {
        assert_eq!(
            principal_behind("arn:aws:sts::111122223333:assumed-role/Deployer/psk-1"),
            "arn:aws:iam::111122223333:role/Deployer"
        );
        let user = "arn:aws:iam::111122223333:user/someone";
        assert_eq!(principal_behind(user), user);
    }

    #[test]
    fn address_blocks() {
        for good in ["0.0.0.0/0", "203.0.113.7/32", "10.0.0.0/8"] {
            assert!(cidr(good).is_ok(), "{good}");
        }
        for wrong in ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "::/0"] {
            assert!(cidr(wrong).is_err(), "{wrong}");
        }
        assert!(service_cidr("172.20.0.0/16").is_ok());
        for wrong in ["10.0.0.0/8", "192.168.1.0/25", "8.8.0.0/16"] {
            assert!(service_cidr(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn security_group_ids() {
        assert!(security_group_id("sg-0123456789abcdef0").is_ok());
        assert!(security_group_id("sg-xyz").is_err());
        assert!(security_group_id("subnet-0123456789abcdef0").is_err());
    }
}
