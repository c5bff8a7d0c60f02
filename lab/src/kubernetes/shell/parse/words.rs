//! Words: quotes, variables, substitutions.

use super::{Parser, Part, Word, script};

impl Parser {
    pub(super) fn assignment(&mut self) -> Option<String> {
        let name: String = self.text[self.at..]
            .iter()
            .take_while(|c| c.is_ascii_alphanumeric() || **c == '_')
            .collect();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if is_name && self.text.get(self.at + name.len()) == Some(&'=') {
            self.at += name.len() + 1;
            return Some(name);
        }
        None
    }

    pub(super) fn word(&mut self) -> Result<Word, String> {
        let mut parts = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => {
                    self.at += 1;
                    let text = self.until('\'')?;
                    parts.push(Part::Text { text, quoted: true });
                }
                '"' => {
                    self.at += 1;
                    self.quoted(&mut parts)?;
                }
                '$' => parts.push(self.dollar(false)?),
                '`' => {
                    self.at += 1;
                    let inner = self.until('`')?;
                    parts.push(Part::Command {
                        script: script(&inner)?,
                        quoted: false,
                    });
                }
                '\\' => {
                    self.at += 1;
                    let text = self
                        .peek()
                        .filter(|c| *c != '\n')
                        .map(String::from)
                        .unwrap_or_default();
                    self.at += 1;
                    parts.push(Part::Text { text, quoted: true });
                }
                c => {
                    self.at += 1;
                    parts.push(Part::Text {
                        text: c.to_string(),
                        quoted: false,
                    });
                }
            }
        }
        Ok(parts)
    }

    pub(super) fn until(&mut self, end: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(format!("syntax error: unterminated {end}")),
                Some(c) => {
                    self.at += 1;
                    if c == end {
                        return Ok(text);
                    }
                    text.push(c);
                }
            }
        }
    }

    /// What is between double quotes.
    pub(super) fn quoted(&mut self, parts: &mut Word) -> Result<(), String> {
        // Even nothing in quotes is a word.
        parts.push(Part::Text {
            text: String::new(),
            quoted: true,
        });
        loop {
            match self.peek() {
                None => return Err("syntax error: unterminated quoted string".to_owned()),
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('$') => parts.push(self.dollar(true)?),
                Some('\\') => {
                    self.at += 1;
                    let c = self.peek().unwrap_or('\\');
                    self.at += 1;
                    let text = match c {
                        '$' | '`' | '"' | '\\' => c.to_string(),
                        '\n' => String::new(),
                        c => format!("\\{c}"),
                    };
                    parts.push(Part::Text { text, quoted: true });
                }
                Some(c) => {
                    self.at += 1;
                    parts.push(Part::Text {
                        text: c.to_string(),
                        quoted: true,
                    });
                }
            }
        }
    }

    pub(super) fn dollar(&mut self, quoted: bool) -> Result<Part, String> {
        self.at += 1;
        if self.take("((") {
            let mut depth = 2;
            let mut inner = String::new();
            while depth > 0 {
                let c = self.peek().ok_or("syntax error: unterminated arithmetic")?;
                self.at += 1;
                depth += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                if depth > 1 || (depth == 1 && c != ')') {
                    inner.push(c);
                }
            }
            let mut parser = Parser {
                text: format!("\"{inner}\"").chars().collect(),
                at: 0,
            };
            return Ok(Part::Arithmetic {
                expression: parser.word()?,
            });
        }
        if self.take("(") {
            let script = self.list(&[])?;
            self.lines();
            if !self.take(")") {
                return Err("syntax error: expected \")\"".to_owned());
            }
            return Ok(Part::Command { script, quoted });
        }
        if self.take("{") {
            let length = self.looks_at("#") && !self.looks_at("#}");
            if length {
                self.at += 1;
            }
            let name = self.name();
            let mut operator = String::new();
            while self.peek().is_some_and(|c| ":-=+?%#".contains(c)) && operator.len() < 2 {
                operator.extend(self.peek());
                self.at += 1;
            }
            let mut inner = String::new();
            let mut depth = 1;
            loop {
                let c = self.peek().ok_or("syntax error: bad substitution")?;
                self.at += 1;
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                inner.push(c);
            }
            let operation = if operator.is_empty() {
                None
            } else {
                let mut parser = Parser {
                    text: format!("\"{inner}\"").chars().collect(),
                    at: 0,
                };
                Some((operator, parser.word()?))
            };
            return Ok(Part::Variable {
                name,
                operation,
                length,
                quoted,
            });
        }
        let name = self.name();
        if name.is_empty() {
            return Ok(Part::Text {
                text: "$".to_owned(),
                quoted,
            });
        }
        Ok(Part::Variable {
            name,
            operation: None,
            length: false,
            quoted,
        })
    }

    pub(super) fn name(&mut self) -> String {
        if let Some(c @ ('?' | '$' | '#' | '@' | '*' | '!' | '0'..='9')) = self.peek() {
            self.at += 1;
            return c.to_string();
        }
        let name: String = self.text[self.at..]
            .iter()
            .take_while(|c| c.is_ascii_alphanumeric() || **c == '_')
            .collect();
        self.at += name.chars().count();
        name
    }
}
