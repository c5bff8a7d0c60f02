//! A template's text as tokens.

use super::TemplateError;

/// A token and the byte at which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Text outside of actions, trimmed as the actions beside it ask.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// White space between operands.
    Space,
    /// A word: a function, a keyword, `true`.
    Word(String),
    /// `.name`
    Field(String),
    /// `.` alone.
    Dot,
    /// `$name`, without the dollar sign.
    Variable(String),
    /// A string, its quotes and escapes resolved.
    Quoted(String),
    /// A number as it is written, or a character's code.
    Number(String),
    /// `(`
    Left,
    /// `)`
    Right,
    /// `|`
    Pipe,
    /// `,`
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The tokens of a text.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut trim_left = false;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let (plain, action) = match rest.find("{{") {
            Some(open) => (rest.get(..open).unwrap_or_default(), Some(at + open)),
            None => (rest, None),
        };
        let opened = action.and_then(|open| text.get(open + 2..));
        let trim_right = opened.is_some_and(|inner| {
            inner
                .strip_prefix('-')
                .is_some_and(|inner| inner.starts_with(SPACE))
        });
        let mut plain = plain;
        if trim_left {
            plain = plain.trim_start_matches(SPACE);
        }
        if trim_right {
            plain = plain.trim_end_matches(SPACE);
        }
        if !plain.is_empty() {
            tokens.push(Token {
                at,
                kind: Kind::Text(plain.to_owned()),
            });
        }
        let Some(open) = action else {
            return Ok(tokens);
        };
        let mut lexer = Lexer {
            text,
            at: open + 2 + if trim_right { 2 } else { 0 },
            open,
        };
        if let Some(end) = lexer.comment()? {
            (at, trim_left) = end;
            continue;
        }
        tokens.push(Token {
            at: open,
            kind: Kind::Open,
        });
        (at, trim_left) = lexer.action(&mut tokens)?;
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    open: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes a comment: where the action ends, and whether what follows is to be trimmed.
    fn comment(&mut self) -> Result<Option<(usize, bool)>, TemplateError> {
        if !self.rest().starts_with("/*") {
            return Ok(None);
        }
        let unclosed = || TemplateError::new(self.open, "the comment is not closed");
        let end = self.rest().find("*/").ok_or_else(unclosed)?;
        self.at += end + 2;
        match self.closing() {
            Some(end) => Ok(Some(end)),
            None => Err(TemplateError::new(
                self.at,
                "a comment must end right before the }}",
            )),
        }
    }

    /// If the action ends here: where, and whether what follows is to be trimmed.
    fn closing(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            return Some((self.at + 2, false));
        }
        let trimmed = rest.trim_start_matches(SPACE);
        let spaces = rest.len() - trimmed.len();
        (spaces > 0 && trimmed.starts_with("-}}")).then_some((self.at + spaces + 3, true))
    }

    /// The tokens up to the end of the action.
    fn action(&mut self, tokens: &mut Vec<Token>) -> Result<(usize, bool), TemplateError> {
        loop {
            let at = self.at;
            if let Some(end) = self.closing() {
                tokens.push(Token {
                    at,
                    kind: Kind::Close,
                });
                return Ok(end);
            }
            let kind = self.token()?;
            tokens.push(Token { at, kind });
        }
    }

    fn token(&mut self) -> Result<Kind, TemplateError> {
        let rest = self.rest();
        let error = |message: &str| TemplateError::new(self.at, message);
        let Some(first) = rest.chars().next() else {
            return Err(TemplateError::new(self.open, "the action is not closed"));
        };
        let (length, kind) = match first {
            c if SPACE.contains(&c) => {
                let spaces = rest.len() - rest.trim_start_matches(SPACE).len();
                (spaces, Kind::Space)
            }
            '(' => (1, Kind::Left),
            ')' => (1, Kind::Right),
            '|' => (1, Kind::Pipe),
            ',' => (1, Kind::Comma),
            '=' => (1, Kind::Assign),
            ':' if rest.starts_with(":=") => (2, Kind::Declare),
            '"' => string(rest).ok_or_else(|| error("the string is not closed"))?,
            '`' => {
                let end = rest.get(1..).and_then(|rest| rest.find('`'));
                let end = end.ok_or_else(|| error("the raw string is not closed"))?;
                let raw = rest.get(1..=end).unwrap_or_default();
                (end + 2, Kind::Quoted(raw.to_owned()))
            }
            '\'' => character(rest).ok_or_else(|| error("the character is not closed"))?,
            '$' => {
                let name = word(rest.get(1..).unwrap_or_default());
                (1 + name.len(), Kind::Variable(name.to_owned()))
            }
            '.' => {
                let name = word(rest.get(1..).unwrap_or_default());
                if name.is_empty() {
                    (1, Kind::Dot)
                } else if name.starts_with(|c: char| c.is_ascii_digit()) {
                    let number = numeral(rest);
                    (number.len(), Kind::Number(number.to_owned()))
                } else {
                    (1 + name.len(), Kind::Field(name.to_owned()))
                }
            }
            c if c.is_ascii_digit() || c == '+' || c == '-' => {
                let number = numeral(rest);
                (number.len(), Kind::Number(number.to_owned()))
            }
            c if c.is_alphabetic() || c == '_' => {
                let name = word(rest);
                (name.len(), Kind::Word(name.to_owned()))
            }
            c => return Err(error(&format!("{c:?} has no meaning in an action"))),
        };
        self.at += length;
        Ok(kind)
    }
}

/// The letters, digits and underscores that a text begins with.
fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn numeral(text: &str) -> &str {
    let sign = usize::from(text.starts_with(['+', '-']));
    let mut end = sign;
    let mut before = '\0';
    for c in text.chars().skip(sign) {
        let exponent_sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || exponent_sign) {
            break;
        }
        end += 1;
        before = c;
    }
    text.get(..end).unwrap_or_default()
}

/// A double-quoted string: its length in the text, and what it says.
fn string(text: &str) -> Option<(usize, Kind)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((at + 1, Kind::Quoted(out))),
            '\n' => return None,
            '\\' => out.push(escape(&mut chars)?),
            c => out.push(c),
        }
    }
    None
}

/// A character in single quotes stands for its number.
fn character(text: &str) -> Option<(usize, Kind)> {
    let mut chars = text.char_indices().skip(1);
    let c = match chars.next()? {
        (_, '\\') => escape(&mut chars)?,
        (_, c) => c,
    };
    match chars.next()? {
        (end, '\'') => Some((end + 1, Kind::Number(u32::from(c).to_string()))),
        _ => None,
    }
}

fn escape(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let hex = |digits: usize, chars: &mut dyn Iterator<Item = (usize, char)>| {
        let digits: String = chars.take(digits).map(|(_, c)| c).collect();
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    };
    Some(match chars.next()?.1 {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        'x' => hex(2, chars)?,
        'u' => hex(4, chars)?,
        'U' => hex(8, chars)?,
        c @ ('\\' | '"' | '\'') => c,
        _ => return None,
    })
}
