//! Expands words: variables, commands, arithmetic; then splits what isn't quoted.

use super::machine::{Machine, Stop};
use super::parse::{Part, Word};

impl Machine<'_> {
    /// A word as one text.
    pub(super) fn expand(&mut self, word: &Word) -> Result<String, Stop> {
        let mut text = String::new();
        for part in word {
            text += &self.part(part)?;
        }
        Ok(text)
    }

    /// Words as a command gets them.
    pub(super) fn expand_all(&mut self, words: &[Word]) -> Result<Vec<String>, Stop> {
        let mut all = Vec::new();
        for word in words {
            self.fields(word, &mut all)?;
        }
        Ok(all)
    }

    fn fields(&mut self, word: &Word, all: &mut Vec<String>) -> Result<(), Stop> {
        let mut field: Option<String> = None;
        for part in word {
            if let Part::Variable {
                name, quoted: true, ..
            } = part
                && name == "@"
            {
                let arguments = self.arguments.clone();
                for (index, argument) in arguments.into_iter().enumerate() {
                    if index > 0 {
                        all.extend(field.take());
                    }
                    field.get_or_insert_default().push_str(&argument);
                }
                continue;
            }
            let text = self.part(part)?;
            let splits = match part {
                Part::Text { .. } => false,
                Part::Variable { quoted, .. } | Part::Command { quoted, .. } => !quoted,
                Part::Arithmetic { .. } => false,
            };
            if !splits {
                field.get_or_insert_default().push_str(&text);
                continue;
            }
            if text.starts_with(char::is_whitespace) {
                all.extend(field.take());
            }
            let mut pieces = text.split_whitespace().peekable();
            while let Some(piece) = pieces.next() {
                field.get_or_insert_default().push_str(piece);
                if pieces.peek().is_some() || text.ends_with(char::is_whitespace) {
                    all.extend(field.take());
                }
            }
        }
        all.extend(field);
        Ok(())
    }

    fn part(&mut self, part: &Part) -> Result<String, Stop> {
        match part {
            Part::Text { text, .. } => Ok(text.clone()),
            Part::Command { script, .. } => self.substitute(script),
            Part::Arithmetic { expression } => {
                let text = self.expand(expression)?;
                match self.arithmetic(&text) {
                    Some(number) => Ok(number.to_string()),
                    None => {
                        let name = self.name.clone();
                        self.complain(&format!("{name}: arithmetic syntax error"));
                        Err(Stop::Exit(2))
                    }
                }
            }
            Part::Variable {
                name,
                operation,
                length,
                ..
            } => {
                let value = self.value(name);
                if *length {
                    return Ok(value.unwrap_or_default().chars().count().to_string());
                }
                match operation {
                    None => self.must_be_set(name, value),
                    Some((operator, word)) => self.operate(name, value, operator, word),
                }
            }
        }
    }

    fn must_be_set(&mut self, name: &str, value: Option<String>) -> Result<String, Stop> {
        if value.is_none() && self.is_strict() && !matches!(name, "@" | "*") {
            let shell = self.name.clone();
            self.complain(&format!("{shell}: {name}: parameter not set"));
            return Err(Stop::Exit(2));
        }
        Ok(value.unwrap_or_default())
    }

    fn operate(
        &mut self,
        name: &str,
        value: Option<String>,
        operator: &str,
        word: &Word,
    ) -> Result<String, Stop> {
        let given = value
            .clone()
            .filter(|v| !operator.starts_with(':') || !v.is_empty());
        match operator.trim_start_matches(':') {
            "-" => match given {
                Some(value) => Ok(value),
                None => self.expand(word),
            },
            "=" => match given {
                Some(value) => Ok(value),
                None => {
                    let value = self.expand(word)?;
                    self.variables.insert(name.to_owned(), value.clone());
                    Ok(value)
                }
            },
            "+" => match given {
                Some(_) => self.expand(word),
                None => Ok(String::new()),
            },
            "?" => match given {
                Some(value) => Ok(value),
                None => {
                    let why = self.expand(word)?;
                    let shell = self.name.clone();
                    self.complain(&format!("{shell}: {name}: {why}"));
                    Err(Stop::Exit(2))
                }
            },
            cut => {
                let pattern = self.expand(word)?;
                Ok(trimmed(&value.unwrap_or_default(), cut, &pattern))
            }
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.code.to_string()),
            "$" => Some("1".to_owned()),
            "#" => Some(self.arguments.len().to_string()),
            "@" | "*" => Some(self.arguments.join(" ")),
            "0" => Some(self.name.clone()),
            "HOSTNAME" if !self.variables.contains_key(name) => Some(self.setting.hostname.clone()),
            "PWD" => Some(self.directory.clone()),
            "HOME" if !self.variables.contains_key(name) => Some("/".to_owned()),
            _ => match name.parse::<usize>() {
                Ok(index) => self.arguments.get(index - 1).cloned(),
                Err(_) => self.variables.get(name).cloned(),
            },
        }
    }

    /// Sums, products and comparisons, from left to right by their rank.
    pub(super) fn arithmetic(&self, text: &str) -> Option<i64> {
        let mut calculator = Calculator {
            text: text.as_bytes(),
            at: 0,
            machine: self,
        };
        let value = calculator.expression(0)?;
        calculator.blank();
        (calculator.at == text.len()).then_some(value)
    }
}

/// With a pattern cut off its front or end. Only the star is special.
fn trimmed(value: &str, operator: &str, pattern: &str) -> String {
    let fits = |text: &str| crate::pattern::matches(pattern, text);
    let cuts: Vec<usize> = value
        .char_indices()
        .map(|(i, _)| i)
        .chain([value.len()])
        .collect();
    let found = match operator {
        "#" => cuts.iter().find(|i| fits(&value[..**i])),
        "##" => cuts.iter().rev().find(|i| fits(&value[..**i])),
        "%" => cuts.iter().rev().find(|i| fits(&value[**i..])),
        _ => cuts.iter().find(|i| fits(&value[**i..])),
    };
    match found {
        Some(at) if operator.starts_with('#') => value[*at..].to_owned(),
        Some(at) => value[..*at].to_owned(),
        None => value.to_owned(),
    }
}

struct Calculator<'a> {
    text: &'a [u8],
    at: usize,
    machine: &'a Machine<'a>,
}

/// Operators by rank, lowest first; of those that begin alike the longer first.
const OPERATORS: [&[&str]; 6] = [
    &["||"],
    &["&&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Calculator<'_> {
    fn blank(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, what: &str) -> bool {
        self.blank();
        let is_there = self.text[self.at..].starts_with(what.as_bytes());
        if is_there {
            self.at += what.len();
        }
        is_there
    }

    fn expression(&mut self, rank: usize) -> Option<i64> {
        let Some(operators) = OPERATORS.get(rank) else {
            return self.operand();
        };
        let mut left = self.expression(rank + 1)?;
        while let Some(operator) = operators.iter().find(|o| self.take(o)) {
            let right = self.expression(rank + 1)?;
            left = match *operator {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "+" => left.checked_add(right)?,
                "-" => left.checked_sub(right)?,
                "*" => left.checked_mul(right)?,
                "/" => left.checked_div(right)?,
                _ => left.checked_rem(right)?,
            };
        }
        Some(left)
    }

    fn operand(&mut self) -> Option<i64> {
        if self.take("(") {
            let value = self.expression(0)?;
            return self.take(")").then_some(value);
        }
        if self.take("-") {
            return self.operand()?.checked_neg();
        }
        if self.take("!") {
            return Some(i64::from(self.operand()? == 0));
        }
        self.blank();
        let from = self.at;
        while self
            .text
            .get(self.at)
            .is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_')
        {
            self.at += 1;
        }
        let word = std::str::from_utf8(&self.text[from..self.at]).ok()?;
        if word.is_empty() {
            return None;
        }
        match word.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let value = self.machine.variables.get(word).map_or("0", String::as_str);
                value.trim().parse().ok()
            }
        }
    }
}
