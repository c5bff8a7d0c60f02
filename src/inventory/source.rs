//! The text of an inventory file, and places in it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use miette::NamedSource;
use serde::Serialize;
use serde::ser::SerializeStruct as _;

/// Keys whose values are secrets, in whichever file they stand. A value written out under one of
/// them is masked wherever the file's text is shown.
pub(crate) const SECRET_KEYS: &[&str] = &["oidc_client_id", "signing_key", "slack_token"];

/// One file's path and text. The text may hold secrets: only [`Source::snippet`] is for people.
pub(crate) struct Source {
    path: String,
    text: String,
    shown: OnceLock<NamedSource<String>>,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            path: path.into(),
            text: text.into(),
            shown: OnceLock::new(),
        })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Allows the text to be shown, with the given byte ranges masked.
    pub(crate) fn show_without(&self, secrets: &[std::ops::Range<usize>]) {
        let mut shown = self.text.clone().into_bytes();
        for range in secrets {
            for byte in shown.iter_mut().take(range.end).skip(range.start) {
                if *byte != b'\n' {
                    *byte = b'*';
                }
            }
        }
        // A range that cut a character in two would leave no valid text: then nothing is shown.
        if let Ok(shown) = String::from_utf8(shown) {
            self.shown
                .get_or_init(|| NamedSource::new(&self.path, shown));
        }
    }

    /// Allows the text to be shown if none of its keys is known to hold a secret. For a text that
    /// can't be parsed, so that what is secret in it can't be told.
    pub(crate) fn show_if_harmless(&self) {
        if !SECRET_KEYS.iter().any(|key| self.text.contains(key)) {
            self.show_without(&[]);
        }
    }

    /// The text as people may see it.
    pub(crate) fn snippet(&self) -> Option<&NamedSource<String>> {
        self.shown.get()
    }

    /// The place of the characters `start..end`, counted in characters from the file's beginning;
    /// the line counts from 1, the column from 0.
    pub(crate) fn place(
        self: &Arc<Self>,
        start: usize,
        end: usize,
        line: usize,
        column: usize,
    ) -> Location {
        let (start, end) = if self.text.is_ascii() {
            (start.min(self.text.len()), end.min(self.text.len()))
        } else {
            let byte = |n| {
                self.text
                    .char_indices()
                    .nth(n)
                    .map_or(self.text.len(), |(at, _)| at)
            };
            (byte(start), byte(end))
        };
        Location {
            source: Arc::clone(self),
            line,
            column: column + 1,
            start,
            length: end.saturating_sub(start),
        }
    }

    /// The file's first character.
    pub(crate) fn beginning(self: &Arc<Self>) -> Location {
        self.place(0, 0, 1, 0)
    }
}

/// A place in an inventory file.
#[derive(Clone)]
pub struct Location {
    source: Arc<Source>,
    line: usize,
    column: usize,
    start: usize,
    length: usize,
}

impl Location {
    /// The file's path, relative to the inventory's root.
    pub fn file(&self) -> &str {
        &self.source.path
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column, counted in characters from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The bytes that the place covers.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.length
    }

    /// The place within this one of the character at byte `offset` of `value`, the string that
    /// is written here. Quotes and a block's indentation are seen through; where escapes hide the
    /// place, it is the beginning of the string.
    pub(crate) fn within(&self, value: &str, offset: usize) -> Self {
        let Some(before) = value.get(..offset) else {
            return self.clone();
        };
        let Some(written) = self.source.text.get(self.range()) else {
            return self.clone();
        };
        let mut cursor = 0;
        let target = before.matches('\n').count();
        for (number, line) in value.split('\n').enumerate() {
            let Some(found) = written.get(cursor..).and_then(|rest| rest.find(line)) else {
                return self.clone();
            };
            cursor += found;
            if number == target {
                break;
            }
            cursor += line.len();
        }
        let into_line = before.rsplit('\n').next().map_or(0, str::len);
        let start = self.start + cursor + into_line;
        let Some(head) = self.source.text.get(..start) else {
            return self.clone();
        };
        Self {
            source: Arc::clone(&self.source),
            line: head.matches('\n').count() + 1,
            column: head
                .rsplit('\n')
                .next()
                .map_or(0, |line| line.chars().count())
                + 1,
            start,
            length: 1,
        }
    }

    fn key(&self) -> (&str, usize, usize) {
        (&self.source.path, self.line, self.column)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.path, self.line, self.column)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Location {}

impl PartialOrd for Location {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Location {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Serialize for Location {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut location = serializer.serialize_struct("Location", 3)?;
        location.serialize_field("file", self.file())?;
        location.serialize_field("line", &self.line)?;
        location.serialize_field("column", &self.column)?;
        location.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_inside_a_quoted_string_is_found() {
        let source = Source::new("a.yaml", "é: \"x {{ y }}\"\n");
        let string = source.place(3, 14, 1, 3);
        assert_eq!(string.within("x {{ y }}", 5).to_string(), "a.yaml:1:10");
    }

    #[test]
    fn a_place_inside_a_block_is_found() {
        let source = Source::new("a.yaml", "k: |\n  first\n  {{ y }}\n");
        let string = source.place(3, 24, 1, 3);
        assert_eq!(
            string.within("first\n{{ y }}\n", 9).to_string(),
            "a.yaml:3:6"
        );
    }

    #[test]
    fn where_escapes_hide_it_the_place_is_the_string() {
        let source = Source::new("a.yaml", "k: \"\\u0041{{ y }}\"\n");
        let string = source.place(3, 18, 1, 3);
        assert_eq!(string.within("A{{ y }}", 4).to_string(), "a.yaml:1:4");
    }

    #[test]
    fn an_unparsable_text_with_a_secret_key_is_never_shown() {
        let source = Source::new("a.yaml", "oidc_client_id: canary\n}");
        source.show_if_harmless();
        assert!(source.snippet().is_none());
    }
}
