//! Resource quantities: `500m`, `4Gi`.
//!
//! Source: the `Quantity` type's description in the API reference of Kubernetes.

use serde_json::Value;

/// An amount in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity(pub(crate) i128);

const BINARY: [(&str, i128); 6] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
];
const DECIMAL: [(&str, i128); 6] = [
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];

impl Quantity {
    /// A whole number.
    pub(crate) fn whole(number: i64) -> Self {
        Self(i128::from(number) * 1000)
    }

    /// Reads a quantity, text or number.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    /// Reads a quantity.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)))
            .unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        let suffixes = BINARY.iter().chain(&DECIMAL);
        let (times, per) = match suffix {
            "" => (1000, 1),
            "m" => (1, 1),
            "u" => (1, 1000),
            "n" => (1, 1_000_000),
            _ => match suffixes.clone().find(|(s, _)| *s == suffix) {
                Some((_, factor)) => (1000 * factor, 1),
                None => {
                    let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<u32>().ok()?;
                    (1000 * 10_i128.checked_pow(exponent)?, 1)
                }
            },
        };
        let (negative, digits) = match digits.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, digits.strip_prefix('+').unwrap_or(digits)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let number: i128 = format!("{whole}{fraction}").parse().ok()?;
        let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)? * per;
        let product = number.checked_mul(times)?;
        // What is finer than a thousandth is rounded up.
        let thousandths = (product + divisor - 1) / divisor;
        Some(Self(if negative { -thousandths } else { thousandths }))
    }

    /// In whole units, rounded up.
    pub(crate) fn units(self) -> i64 {
        i64::try_from((self.0 + 999) / 1000).unwrap_or(i64::MAX)
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The way in which the server writes a quantity back; none if it isn't one.
pub(crate) fn canonical(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let quantity = Quantity::parse(&text)?;
    let is_binary = BINARY.iter().any(|(suffix, _)| text.ends_with(suffix));
    if quantity.0 % 1000 != 0 {
        return Some(format!("{}m", quantity.0));
    }
    let units = quantity.0 / 1000;
    if units == 0 {
        return Some("0".to_owned());
    }
    let suffixes = if is_binary { &BINARY } else { &DECIMAL };
    let largest = suffixes
        .iter()
        .rev()
        .find(|(_, factor)| units % factor == 0);
    Some(match largest {
        Some((suffix, factor)) => format!("{}{suffix}", units / factor),
        None => units.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        let read = |text: &str| Quantity::parse(text).map(|q| q.0);
        assert_eq!(read("1"), Some(1000));
        assert_eq!(read("500m"), Some(500));
        assert_eq!(read("0.5"), Some(500));
        assert_eq!(read("4Gi"), Some(4 * 1024 * 1024 * 1024 * 1000));
        assert_eq!(read("1.5Ki"), Some(1536 * 1000));
        assert_eq!(read("2k"), Some(2_000_000));
        assert_eq!(read("1e3"), Some(1_000_000));
        assert_eq!(read("100u"), Some(1));
        assert_eq!(read("-3"), Some(-3000));
        for wrong in ["", "Gi", "4GiB", "one", "1.2.3"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quantities_are_written_as_the_server_does() {
        let write = |value: Value| canonical(&value);
        for (from, to) in [
            (json!("0.5"), "500m"),
            (json!("1000m"), "1"),
            (json!("1024Mi"), "1Gi"),
            (json!("1500Mi"), "1500Mi"),
            (json!(80), "80"),
            (json!("2000"), "2k"),
            (json!("0"), "0"),
            (json!("4Gi"), "4Gi"),
        ] {
            assert_eq!(write(from.clone()).as_deref(), Some(to), "{from}");
        }
        assert_eq!(write(json!("much")), None);
    }
}
