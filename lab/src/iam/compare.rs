//! How condition operators compare one value with another that a policy expects.

use std::cmp::Ordering;
use std::net::IpAddr;

use jiff::Timestamp;

/// What an operator asks of the order of two values, the actual before the expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// The order that an operator's name ends in (`NumericLessThan`). `NotEquals` is the negation
    /// of `Equals`, and not known here.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Equals" => Self::Equal,
            "LessThan" => Self::Less,
            "LessThanEquals" => Self::LessOrEqual,
            "GreaterThan" => Self::Greater,
            "GreaterThanEquals" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Compares numbers; what isn't one fits nothing.
pub(super) fn numbers(order: Order, actual: &str, expected: &str) -> bool {
    let both = actual.parse::<f64>().ok().zip(expected.parse::<f64>().ok());
    both.and_then(|(actual, expected)| actual.partial_cmp(&expected))
        .is_some_and(|ordering| order.holds(ordering))
}

/// Compares times, which are written in ISO 8601, as a day or as seconds since the epoch.
pub(super) fn dates(order: Order, actual: &str, expected: &str) -> bool {
    time(actual)
        .zip(time(expected))
        .is_some_and(|(actual, expected)| order.holds(actual.cmp(&expected)))
}

fn time(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    text.parse()
        .or_else(|_| format!("{text}T00:00:00Z").parse())
        .ok()
}

/// Whether an address lies in a block, or is the address.
pub(super) fn address(actual: &str, block: &str) -> bool {
    let (network, length) = match block.split_once('/') {
        Some((network, length)) => (network, length.parse().ok()),
        None => (block, Some(128)),
    };
    let (Ok(actual), Ok(network), Some(length)) =
        (actual.parse::<IpAddr>(), network.parse::<IpAddr>(), length)
    else {
        return false;
    };
    match (actual, network) {
        (IpAddr::V4(actual), IpAddr::V4(network)) => {
            let differing = actual.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= u32::min(length, 32)
        }
        (IpAddr::V6(actual), IpAddr::V6(network)) => {
            let differing = actual.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= length
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_have_an_order() {
        assert!(numbers(Order::LessOrEqual, "3600", "3600.0"));
        assert!(!numbers(Order::Greater, "9", "10"));
        assert!(!numbers(Order::Equal, "ten", "ten"));
        assert!(dates(Order::Less, "2026-11-23T08:00:00Z", "2026-11-24"));
        assert!(dates(Order::Equal, "0", "1970-01-01T00:00:00Z"));
        assert!(!dates(Order::GreaterOrEqual, "2026-11-23T08:00:00Z", "x"));
    }

    #[test]
    fn addresses_lie_in_blocks() {
        for (address_, block, expected) in [
            ("203.0.113.7", "203.0.113.0/24", true),
            ("203.0.114.7", "203.0.113.0/24", false),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.8", "203.0.113.7", false),
            ("8.8.8.8", "0.0.0.0/0", true),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("203.0.113.7", "::/0", false),
        ] {
            assert_eq!(address(address_, block), expected, "{address_} in {block}");
        }
    }
}
