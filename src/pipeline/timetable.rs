//! Cron expressions as CircleCI's timetables.

use serde::{Deserialize, Serialize};

/// When a scheduled pipeline runs, in UTC. Source: CircleCI API v2, schema `Timetable`: `per-hour` (1 to 60) and
/// `hours-of-day` (0 to 23) are always given, and with them days of the week or days of the month.
///
/// There is no minute: CircleCI chooses it, the same one every time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Timetable {
    /// How often in each of the hours.
    pub per_hour: u8,
    /// The hours.
    pub hours_of_day: Vec<u8>,
    /// Days of the week (`MON`), where it goes by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days_of_week: Vec<String>,
    /// Days of the month, where it goes by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<u8>,
    /// Months (`JAN`); every month if none is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<String>,
}

const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

impl Timetable {
    /// The timetable that comes nearest to a cron expression of five fields.
    ///
    /// # Errors
    /// What of it no timetable can say.
    pub fn from_cron(cron: &str) -> Result<Self, String> {
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!("{cron:?} doesn't have five fields"));
        };
        let minutes = numbers(minute, 0, 59, &[])?;
        let hours = numbers(hour, 0, 23, &[])?;
        let per_hour = u8::try_from(minutes.len()).unwrap_or(60);
        if day != "*" && weekday != "*" {
            let message = "a timetable goes by days of the week or days of the month, not by both";
            return Err(format!("{cron:?}: {message}"));
        }
        let days_of_month = match day {
            "*" => Vec::new(),
            day => numbers(day, 1, 31, &[])?,
        };
        let days_of_week = match (day, weekday) {
            ("*", "*") => (0..7).collect(),
            (_, "*") => Vec::new(),
            // Seven is Sunday too.
            (_, weekday) => {
                let mut days: Vec<u8> = numbers(weekday, 0, 7, &DAYS)?
                    .into_iter()
                    .map(|day| day % 7)
                    .collect();
                days.sort_unstable();
                days.dedup();
                days
            }
        };
        let months = match month {
            "*" => Vec::new(),
            month => numbers(month, 1, 12, &MONTHS)?,
        };
        let word = |words: &[&str], at: usize| words.get(at).map(|word| (*word).to_owned());
        Ok(Self {
            per_hour,
            hours_of_day: hours,
            days_of_week: days_of_week
                .into_iter()
                .filter_map(|day| word(&DAYS, day.into()))
                .collect(),
            days_of_month,
            months: months
                .into_iter()
                .filter_map(|month| word(&MONTHS, usize::from(month) - 1))
                .collect(),
        })
    }
}

/// The numbers that a field stands for, in order.
fn numbers(field: &str, least: u8, most: u8, words: &[&str]) -> Result<Vec<u8>, String> {
    let wrong = || format!("{field:?} can't be understood");
    let number = |text: &str| {
        let named = words
            .iter()
            .position(|word| word.eq_ignore_ascii_case(text));
        named
            .and_then(|at| u8::try_from(at).ok().map(|at| at + least))
            .or_else(|| text.parse().ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(wrong)
    };
    let mut found = Vec::new();
    for part in field.split(',') {
        let (span, step) = match part.split_once('/') {
            Some((span, step)) => (
                span,
                step.parse()
                    .ok()
                    .filter(|step| *step > 0)
                    .ok_or_else(wrong)?,
            ),
            None => (part, 1_usize),
        };
        let (from, to) = match (span, span.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (_, None) => (number(span)?, number(span)?),
        };
        found.extend((from..=to).step_by(step));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cron_becomes_a_timetable() {
        for (cron, timetable) in [
            (
                "0 1 * * SUN",
                json!({"per-hour": 1, "hours-of-day": [1], "days-of-week": ["SUN"]}),
            ),
            (
                "0 2 * * *",
                json!({"per-hour": 1, "hours-of-day": [2],
                       "days-of-week": ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]}),
            ),
            (
                "*/15 0-6/3,12 1 jan-mar *",
                json!({"per-hour": 4, "hours-of-day": [0, 3, 6, 12], "days-of-month": [1],
                       "months": ["JAN", "FEB", "MAR"]}),
            ),
            (
                "5 9 * * 1-5,7",
                json!({"per-hour": 1, "hours-of-day": [9],
                       "days-of-week": ["SUN", "MON", "TUE", "WED", "THU", "FRI"]}),
            ),
        ] {
            let table = Timetable::from_cron(cron).unwrap();
            assert_eq!(serde_json::to_value(table).unwrap(), timetable, "{cron}");
        }
        for cron in ["0 1 1 * MON", "0 24 * * *", "0 1 * *", "x 1 * * *"] {
            assert!(Timetable::from_cron(cron).is_err(), "{cron}");
        }
    }
}
