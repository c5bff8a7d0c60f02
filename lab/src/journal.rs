//! What the lab was asked: the latest calls, for tests and for people who wonder.

use std::collections::VecDeque;

use crate::authorization::Use;

/// How many calls are kept; the oldest are forgotten first.
pub const CAPACITY: usize = 100_000;

/// One call and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The service's name in credential scopes (`eks`), or `connect`.
    pub service: &'static str,
    /// The operation, empty if it isn't known.
    pub operation: String,
    /// The caller's account, empty if it isn't known.
    pub account: String,
    /// The region that the call was for.
    pub region: String,
    /// What was asked, as it was sent: method, path, query and body. Empty if it wasn't let in.
    pub request: String,
    /// Whether it changes something, as far as its operation tells.
    pub writes: bool,
    /// The HTTP status of the answer, or none if the connection was closed without one.
    pub status: Option<u16>,
    /// The permissions that the caller used, if the lab enforces them.
    pub used: Vec<Use>,
}

/// The latest calls in the order in which they were answered.
#[derive(Debug, Default)]
pub struct Journal(VecDeque<Record>);

impl Journal {
    /// Adds a call.
    pub fn add(&mut self, record: Record) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(record);
    }

    /// All that are kept, oldest first.
    pub fn records(&self) -> Vec<Record> {
        self.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut journal = Journal::default();
        for n in 0..CAPACITY + 2 {
            journal.add(Record {
                writes: false,
                service: "eks",
                operation: n.to_string(),
                account: String::new(),
                region: String::new(),
                request: String::new(),
                status: Some(200),
                used: Vec::new(),
            });
        }
        let records = journal.records();
        assert_eq!(records.len(), CAPACITY);
        assert_eq!(records[0].operation, "2");
    }
}
