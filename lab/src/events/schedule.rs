//! Which texts are schedule expressions: `rate(5 minutes)`, `cron(0 20 * * ? *)`.

/// Longest expression in characters.
pub(super) const LONGEST: usize = 256;

/// Whether a text is a schedule expression, as far as its form tells.
pub(super) fn is_valid(expression: &str) -> bool {
    let inside = |name: &str| {
        expression
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('('))
            .and_then(|rest| rest.strip_suffix(')'))
    };
    if let Some(rate) = inside("rate") {
        let (number, unit) = rate.split_once(' ').unwrap_or_default();
        return match number.parse::<u32>() {
            Ok(1) => matches!(unit, "minute" | "hour" | "day"),
            Ok(2..) => matches!(unit, "minutes" | "hours" | "days"),
            _ => false,
        };
    }
    inside("cron").is_some_and(is_cron)
}

/// Minutes, hours, day of month, month, day of week and year, one of the two days being a `?`.
fn is_cron(fields: &str) -> bool {
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let is_field = |field: &str| {
        field.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'*' | b',' | b'-' | b'/' | b'?' | b'#')
        })
    };
    fields.len() == 6
        && fields.iter().all(|field| is_field(field))
        && (fields[2] == "?") != (fields[4] == "?")
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn forms_are_as_documented() {
        for fine in [
            "rate(5 minutes)",
            "rate(1 hour)",
            "cron(0 20 * * ? *)",
            "cron(0/15 10 ? * MON-FRI *)",
        ] {
            assert!(is_valid(fine), "{fine}");
        }
        for wrong in [
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(0 minutes)",
            "rate(5)",
            "cron(0 20 * * *)",
            "cron(0 20 * * * *)",
            "every day",
        ] {
            assert!(!is_valid(wrong), "{wrong}");
        }
    }
}
