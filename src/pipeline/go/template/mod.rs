//! Go's `text/template`: text with actions between `{{` and `}}`.
//!
//! All of the language is here but what needs Go values with methods or functions (`call`). The text is cut
//! into tokens (`lex`), these into a tree (`parse`), and the tree is walked with the data (`run`).

mod functions;
mod lex;
mod parse;
mod run;

use std::collections::BTreeMap;

use self::parse::List;
use super::value::{Map, Value};

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template {
    body: List,
    named: BTreeMap<String, List>,
}

/// What is wrong with a template, or went wrong in it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateError {
    /// Byte offset in the template's text.
    pub(crate) offset: usize,
    /// What is wrong.
    pub(crate) message: String,
}

impl TemplateError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }
}

impl Template {
    /// Parses a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let (body, named) = parse::parse(text)?;
        Ok(Self { body, named })
    }

    /// The text that it makes of some data.
    pub(crate) fn render(&self, data: Map) -> Result<String, TemplateError> {
        run::run(&self.body, &self.named, Value::Map(data))
    }
}

#[cfg(test)]
mod tests;
