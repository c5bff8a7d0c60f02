//! Schedules: cron expressions of five fields.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

use super::decode::{Invalid, decode_from_str};
use super::identity::checked_text;

/// A cron expression: minute, hour, day of the month, month, day of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CronExpression(#[schemars(regex(pattern = r"^\S+ +\S+ +\S+ +\S+ +\S+$"))] String);

struct Field {
    name: &'static str,
    range: RangeInclusive<u8>,
    /// Names that stand for numbers, the first of them for the range's start.
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        range: 0..=59,
        words: &[],
    },
    Field {
        name: "hour",
        range: 0..=23,
        words: &[],
    },
    Field {
        name: "day of the month",
        range: 1..=31,
        words: &[],
    },
    Field {
        name: "month",
        range: 1..=12,
        words: &[
            "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
        ],
    },
    Field {
        name: "day of the week",
        range: 0..=7,
        words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    },
];

impl Field {
    fn takes(&self, text: &str) -> bool {
        text.split(',').all(|part| {
            let (span, step) = match part.split_once('/') {
                Some((span, step)) => (span, Some(step)),
                None => (part, None),
            };
            let step_fits = step.is_none_or(|step| step.parse().is_ok_and(|step: u8| step > 0));
            let span_fits = span == "*"
                || match span.split_once('-') {
                    Some((from, to)) => match (self.value(from), self.value(to)) {
                        (Some(from), Some(to)) => from <= to,
                        _ => false,
                    },
                    None => self.value(span).is_some(),
                };
            step_fits && span_fits
        })
    }

    fn value(&self, text: &str) -> Option<u8> {
        if let Some(place) = self
            .words
            .iter()
            .position(|word| word.eq_ignore_ascii_case(text))
        {
            return u8::try_from(place)
                .ok()
                .map(|place| place + self.range.start());
        }
        text.parse().ok().filter(|value| self.range.contains(value))
    }
}

impl FromStr for CronExpression {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            let complaint = "doesn't have cron's five fields";
            let help = "minute, hour, day of the month, month, day of the week";
            return Err(Invalid::new(complaint).maybe_help(Some(help.to_owned())));
        }
        match FIELDS
            .iter()
            .zip(parts)
            .find(|(field, part)| !field.takes(part))
        {
            Some((field, _)) => Err(Invalid::new(format!("is wrong in its {}", field.name))),
            None => Ok(Self(text.to_owned())),
        }
    }
}

checked_text!(CronExpression);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_expressions_are_checked_field_by_field() {
        for text in ["0 1 * * SUN", "*/15 0-6,12 1 jan-mar mon-fri", "0 2 * * 7"] {
            assert_eq!(text.parse::<CronExpression>().unwrap().as_str(), text);
        }
        for (text, complaint) in [
            ("0 1 * *", "doesn't have cron's five fields"),
            ("60 1 * * *", "is wrong in its minute"),
            ("0 6-1 * * *", "is wrong in its hour"),
            ("0 0 0 * *", "is wrong in its day of the month"),
            ("0 0 * JANUARY *", "is wrong in its month"),
            ("0 0 * * */0", "is wrong in its day of the week"),
        ] {
            assert_eq!(
                text.parse::<CronExpression>().unwrap_err().to_string(),
                complaint
            );
        }
    }
}
