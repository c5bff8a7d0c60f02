//! Times at which a rollout may or may not happen.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use schemars::JsonSchema;
use serde::Serialize;

use super::choice::choice;
use super::decode::{Decode, Decoder, Invalid, decode_from_str, mapping};
use super::node::Node;
use super::problem::Problem;

/// A time of the week at which a rollout may start.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Window {
    /// The days on which it opens; every day by default.
    #[schemars(default)]
    pub days: Vec<Day>,
    /// When it opens: hours and minutes, `09:00`.
    #[schemars(with = "String", regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub from: TimeOfDay,
    /// When it closes; a time not after `from` is on the next day.
    #[schemars(with = "String", regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))]
    pub to: TimeOfDay,
    /// The time zone that the times are in, by its IANA name: `Europe/Berlin`.
    #[schemars(with = "String")]
    pub time_zone: Zone,
}

impl Window {
    /// Whether the window is open at a moment.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.time_zone.0.clone()).datetime();
        let (from, to) = (self.from.0, self.to.0);
        let opens_on = |day: Weekday| {
            self.days.is_empty() || self.days.iter().any(|open| open.weekday() == day)
        };
        let (today, now) = (local.date(), local.time());
        if from < to {
            return opens_on(today.weekday()) && (from..to).contains(&now);
        }
        let opened_yesterday = today
            .checked_sub(1.day())
            .is_ok_and(|yesterday| opens_on(yesterday.weekday()));
        (now >= from && opens_on(today.weekday())) || (now < to && opened_yesterday)
    }

    /// When the window opens next, after a moment at which it is shut.
    pub fn next_opening(&self, after: Timestamp) -> Option<Timestamp> {
        let zone = &self.time_zone.0;
        let today = after.to_zoned(zone.clone()).date();
        // A week ahead, and a day more for a time that a change of the clock leaves out.
        (0..=8).find_map(|ahead| {
            let day = today.checked_add(ahead.days()).ok()?;
            let at = day.to_datetime(self.from.0).to_zoned(zone.clone()).ok()?;
            let at = at.timestamp();
            (at > after && self.is_open(at)).then_some(at)
        })
    }

    /// A moment in the window's time zone: `Thu 19:02 Europe/Berlin`.
    pub fn local(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.time_zone.0.clone());
        format!("{} {}", local.strftime("%a %H:%M"), self.time_zone)
    }
}

/// `mon, tue 09:00–17:00 Europe/Berlin`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = self.days.iter().map(|day| day.as_str()).collect();
        let days = if days.is_empty() {
            "daily".to_owned()
        } else {
            days.join(", ")
        };
        write!(f, "{days} {}–{} {}", self.from, self.to, self.time_zone)
    }
}

impl Decode for Window {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, "the window", path, problems);
        let days = decoder.or("days", Vec::new());
        let from = decoder.required("from");
        let to = decoder.required("to");
        let time_zone = decoder.required("time_zone");
        decoder.finish();
        Some(Self {
            days: days?,
            from: from?,
            to: to?,
            time_zone: time_zone?,
        })
    }
}

choice! {
    /// A day of the week.
    pub enum Day {
        /// Monday.
        Mon = "mon",
        /// Tuesday.
        Tue = "tue",
        /// Wednesday.
        Wed = "wed",
        /// Thursday.
        Thu = "thu",
        /// Friday.
        Fri = "fri",
        /// Saturday.
        Sat = "sat",
        /// Sunday.
        Sun = "sun",
    }
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// Hours and minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(Time);

impl FromStr for TimeOfDay {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let time = Time::strptime("%H:%M", text)
            .ok()
            .filter(|_| text.len() == 5);
        time.map(Self)
            .ok_or_else(|| Invalid::new("is not a time of day such as 09:00"))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl FromStr for Zone {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let zone = TimeZone::get(text).ok();
        zone.map(Self).ok_or_else(|| {
            let help = "an IANA name such as Europe/Berlin or UTC".to_owned();
            Invalid::new("is not a time zone").maybe_help(Some(help))
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

impl Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A stretch of time in which nothing is rolled out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Freeze {
    /// When it begins, with an offset: `2026-12-20T00:00:00Z`.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub from: Timestamp,
    /// When it ends.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub to: Timestamp,
    /// Why, for those who are held up by it.
    pub reason: String,
    /// The roles that it holds up; all by default.
    #[schemars(default)]
    pub roles: Vec<String>,
}

impl Freeze {
    /// Whether the freeze holds up a role at a moment.
    pub fn holds(&self, role: &str, at: Timestamp) -> bool {
        (self.from..self.to).contains(&at)
            && (self.roles.is_empty() || self.roles.iter().any(|held| held == role))
    }
}

struct Moment(Timestamp);

impl FromStr for Moment {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse().map(Self).map_err(|_| {
            let help = "with an offset, such as 2026-12-20T00:00:00Z".to_owned();
            Invalid::new("is not a date and time").maybe_help(Some(help))
        })
    }
}

impl Decode for Freeze {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, "the freeze", path, problems);
        let from = decoder.required::<Moment>("from");
        let to = decoder.required::<Moment>("to");
        let reason = decoder.required("reason");
        let roles = decoder.or("roles", Vec::new());
        let (from, to) = (from.map(|Moment(at)| at), to.map(|Moment(at)| at));
        if let (Some(from), Some(to), Some(at)) = (from, to, decoder.node("to"))
            && to <= from
        {
            decoder.problem(Problem::at(&at.at, format!("{path} ends before it begins")));
        }
        decoder.finish();
        Some(Self {
            from: from?,
            to: to?,
            reason: reason?,
            roles: roles?,
        })
    }
}

decode_from_str!(TimeOfDay, Zone, Moment);

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::super::source::Source;
    use super::*;

    fn decode<T: Decode>(text: &str) -> Result<T, Vec<String>> {
        let source = Source::new("f.yaml", format!("x: {text}\n"));
        let mut problems = Vec::new();
        let map = parse::parse(&source, &mut problems).unwrap();
        match T::decode(&map.get("x").unwrap().node, "x", &mut problems) {
            Some(value) if problems.is_empty() => Ok(value),
            _ => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    fn open(window: &Window, at: &str) -> bool {
        window.is_open(at.parse().unwrap())
    }

    #[test]
    fn a_window_is_open_in_its_own_time_zone() {
        let window: Window = decode(
            "{ days: [mon, fri], from: \"09:00\", to: \"17:00\", time_zone: Europe/Berlin }",
        )
        .unwrap();
        assert_eq!(window.to_string(), "mon, fri 09:00–17:00 Europe/Berlin");
        // 2026-06-01 is a Monday; Berlin is two hours ahead of UTC in summer, one in winter.
        assert!(!open(&window, "2026-06-01T06:59:59Z"));
        assert!(open(&window, "2026-06-01T07:00:00Z"));
        assert!(!open(&window, "2026-06-01T15:00:00Z"));
        assert!(!open(&window, "2026-06-02T08:00:00Z"));
        assert!(!open(&window, "2026-12-07T07:30:00Z"));
        assert!(open(&window, "2026-12-07T08:00:00Z"));
    }

    #[test]
    fn a_window_may_last_past_midnight() {
        let window: Window =
            decode("{ days: [fri], from: \"22:00\", to: \"04:00\", time_zone: UTC }").unwrap();
        assert!(open(&window, "2026-06-05T23:00:00Z"));
        assert!(open(&window, "2026-06-06T03:59:59Z"));
        assert!(!open(&window, "2026-06-06T04:00:00Z"));
        assert!(!open(&window, "2026-06-05T03:00:00Z"));
    }

    #[test]
    fn the_next_opening_is_found_over_weekends_and_changes_of_the_clock() {
        let next = |text: &str, at: &str| {
            let window: Window = decode(text).unwrap();
            let opening = window.next_opening(at.parse().unwrap());
            opening.map(|at| at.to_string()).unwrap_or_default()
        };
        let office =
            "{ days: [mon, fri], from: \"09:00\", to: \"17:00\", time_zone: Europe/Berlin }";
        assert_eq!(next(office, "2026-06-01T06:00:00Z"), "2026-06-01T07:00:00Z");
        assert_eq!(next(office, "2026-06-01T15:00:00Z"), "2026-06-05T07:00:00Z");
        // Summer time ends on 2026-10-25 in Berlin.
        assert_eq!(next(office, "2026-10-23T16:00:00Z"), "2026-10-26T08:00:00Z");
        let monthly = "{ days: [thu], from: \"08:00\", to: \"08:01\", time_zone: UTC }";
        assert_eq!(
            next(monthly, "2026-06-04T08:01:00Z"),
            "2026-06-11T08:00:00Z"
        );
        let window: Window = decode(office).unwrap();
        let at = "2026-06-01T17:02:00Z".parse().unwrap();
        assert_eq!(window.local(at), "Mon 19:02 Europe/Berlin");
    }

    #[test]
    fn a_freeze_holds_up_its_roles() {
        let freeze: Freeze = decode(
            "{ from: 2026-12-20T00:00:00Z, to: 2027-01-02T00:00:00+01:00, reason: holidays, \
             roles: [prod] }",
        )
        .unwrap();
        let at = "2026-12-24T00:00:00Z".parse().unwrap();
        assert!(freeze.holds("prod", at) && !freeze.holds("qa", at));
        assert!(!freeze.holds("prod", freeze.to));
    }

    #[test]
    fn bad_times_are_told() {
        assert_eq!(
            decode::<Window>("{ days: [monday], from: 9am, to: 24:30, time_zone: Berlin }")
                .unwrap_err(),
            [
                "f.yaml:1:13: x.days[0]: \"monday\" is not one of mon, tue, wed, thu, fri, sat, sun",
                "f.yaml:1:28: x.from: \"9am\" is not a time of day such as 09:00",
                "f.yaml:1:37: x.to: \"24:30\" is not a time of day such as 09:00",
                "f.yaml:1:55: x.time_zone: \"Berlin\" is not a time zone \
                 (an IANA name such as Europe/Berlin or UTC)",
            ]
        );
        assert_eq!(
            decode::<Freeze>("{ from: 2026-12-20T00:00:00Z, to: 2026-12-20, reason: x }")
                .unwrap_err(),
            ["f.yaml:1:38: x.to: \"2026-12-20\" is not a date and time \
                 (with an offset, such as 2026-12-20T00:00:00Z)"]
        );
        assert_eq!(
            decode::<Freeze>("{ from: 2026-12-20T00:00:00Z, to: 2026-12-19T00:00:00Z, reason: x }")
                .unwrap_err(),
            ["f.yaml:1:38: x ends before it begins"]
        );
    }
}
