//! Reads a script.

mod words;

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Sequence(Vec<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Pipe(Vec<Node>),
    /// Conditions with what they lead to, and what is done otherwise.
    If(Vec<(Node, Node)>, Option<Box<Node>>),
    Loop {
        until: bool,
        condition: Box<Node>,
        body: Box<Node>,
    },
    For {
        name: String,
        words: Vec<Word>,
        body: Box<Node>,
    },
    Group {
        body: Box<Node>,
        subshell: bool,
        redirections: Vec<Redirection>,
    },
    Simple {
        assignments: Vec<(String, Word)>,
        words: Vec<Word>,
        redirections: Vec<Redirection>,
    },
}

/// A word before it is expanded.
pub(super) type Word = Vec<Part>;

/// A part of a word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text {
        text: String,
        quoted: bool,
    },
    Variable {
        name: String,
        operation: Option<(String, Word)>,
        length: bool,
        quoted: bool,
    },
    Command {
        script: Node,
        quoted: bool,
    },
    Arithmetic {
        expression: Word,
    },
}

/// Where a command's input comes from or its output goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Redirection {
    pub(super) from: u8,
    pub(super) to: To,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum To {
    Read(Word),
    Write(Word),
    Append(Word),
    Same(u8),
}

const RESERVED: [&str; 11] = [
    "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "}", "for",
];

/// Reads a script.
///
/// # Errors
/// What can't be understood, as a shell would say it.
pub(super) fn script(text: &str) -> Result<Node, String> {
    let mut parser = Parser {
        text: text.chars().collect(),
        at: 0,
    };
    let node = parser.list(&[])?;
    parser.blank();
    match parser.peek() {
        None => Ok(node),
        Some(c) => Err(format!("syntax error: unexpected \"{c}\"")),
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn looks_at(&self, what: &str) -> bool {
        what.chars()
            .enumerate()
            .all(|(i, c)| self.text.get(self.at + i) == Some(&c))
    }

    fn take(&mut self, what: &str) -> bool {
        let is_there = self.looks_at(what);
        if is_there {
            self.at += what.chars().count();
        }
        is_there
    }

    /// Passes blanks and comments on this line.
    fn blank(&mut self) {
        loop {
            if self.take("\\\n") {
                continue;
            }
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn lines(&mut self) {
        loop {
            self.blank();
            match self.peek() {
                Some('\n' | ';') if !self.looks_at(";;") => self.at += 1,
                _ => return,
            }
        }
    }

    /// The word that is next, if it is a bare one.
    fn bare(&self) -> String {
        self.text[self.at..]
            .iter()
            .take_while(|c| !c.is_whitespace() && !";&|()<>\"'$`".contains(**c))
            .collect()
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.lines();
        let is_it = self.bare() == word;
        if is_it {
            self.at += word.chars().count();
        }
        is_it
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.keyword(word) {
            Ok(())
        } else {
            Err(format!("syntax error: expected \"{word}\""))
        }
    }

    /// Commands up to one of these words.
    fn list(&mut self, ends: &[&str]) -> Result<Node, String> {
        let mut all = Vec::new();
        loop {
            self.lines();
            let word = self.bare();
            match self.peek() {
                None | Some(')') => break,
                _ if ends.contains(&word.as_str()) => break,
                _ => all.push(self.and_or()?),
            }
            self.blank();
            match self.peek() {
                Some('&') if !self.looks_at("&&") => {
                    return Err("the lab runs nothing in the background".to_owned());
                }
                Some('\n' | ';') | None | Some(')') => {}
                Some(c) => return Err(format!("syntax error: unexpected \"{c}\"")),
            }
        }
        Ok(Node::Sequence(all))
    }

    fn and_or(&mut self) -> Result<Node, String> {
        let mut left = self.pipeline()?;
        loop {
            self.blank();
            let and = self.looks_at("&&");
            if !and && !self.looks_at("||") {
                return Ok(left);
            }
            self.at += 2;
            self.lines();
            let right = self.pipeline()?;
            left = if and {
                Node::And(Box::new(left), Box::new(right))
            } else {
                Node::Or(Box::new(left), Box::new(right))
            };
        }
    }

    fn pipeline(&mut self) -> Result<Node, String> {
        self.blank();
        if self.bare() == "!" {
            self.at += 1;
            return Ok(Node::Not(Box::new(self.pipeline()?)));
        }
        let mut all = vec![self.command()?];
        loop {
            self.blank();
            if self.peek() != Some('|') || self.looks_at("||") {
                break;
            }
            self.at += 1;
            self.lines();
            all.push(self.command()?);
        }
        Ok(if all.len() == 1 {
            all.remove(0)
        } else {
            Node::Pipe(all)
        })
    }

    fn command(&mut self) -> Result<Node, String> {
        self.blank();
        if self.take("(") {
            let body = self.list(&[])?;
            self.lines();
            if !self.take(")") {
                return Err("syntax error: expected \")\"".to_owned());
            }
            return self.grouped(body, true);
        }
        match self.bare().as_str() {
            "{" => {
                self.at += 1;
                let body = self.list(&["}"])?;
                self.expect("}")?;
                self.grouped(body, false)
            }
            "if" => {
                let node = self.condition()?;
                self.grouped(node, false)
            }
            word @ ("while" | "until") => {
                let until = word == "until";
                self.at += 5;
                let condition = Box::new(self.list(&["do"])?);
                let body = self.body()?;
                self.grouped(
                    Node::Loop {
                        until,
                        condition,
                        body,
                    },
                    false,
                )
            }
            "for" => {
                self.at += 3;
                self.blank();
                let name = self.bare();
                self.at += name.chars().count();
                self.expect("in")?;
                let mut words = Vec::new();
                loop {
                    self.blank();
                    match self.peek() {
                        None | Some('\n' | ';') => break,
                        _ => words.push(self.word()?),
                    }
                }
                let body = self.body()?;
                self.grouped(Node::For { name, words, body }, false)
            }
            _ => self.simple(),
        }
    }

    fn body(&mut self) -> Result<Box<Node>, String> {
        self.expect("do")?;
        let body = self.list(&["done"])?;
        self.expect("done")?;
        Ok(Box::new(body))
    }

    fn condition(&mut self) -> Result<Node, String> {
        let mut branches = Vec::new();
        self.expect("if")?;
        loop {
            let condition = self.list(&["then"])?;
            self.expect("then")?;
            branches.push((condition, self.list(&["elif", "else", "fi"])?));
            if self.keyword("elif") {
                continue;
            }
            let otherwise = if self.keyword("else") {
                Some(Box::new(self.list(&["fi"])?))
            } else {
                None
            };
            self.expect("fi")?;
            return Ok(Node::If(branches, otherwise));
        }
    }

    fn grouped(&mut self, body: Node, subshell: bool) -> Result<Node, String> {
        let mut redirections = Vec::new();
        self.blank();
        while let Some(redirection) = self.redirection()? {
            redirections.extend(redirection);
            self.blank();
        }
        if redirections.is_empty() && !subshell {
            return Ok(body);
        }
        let body = Box::new(body);
        Ok(Node::Group {
            body,
            subshell,
            redirections,
        })
    }

    fn redirection(&mut self) -> Result<Option<Vec<Redirection>>, String> {
        let number = match (self.peek(), self.text.get(self.at + 1)) {
            (Some(c @ '0'..='2'), Some('<' | '>')) => {
                self.at += 1;
                c.to_digit(10).and_then(|d| u8::try_from(d).ok())
            }
            _ => None,
        };
        let both = number.is_none() && self.take("&>");
        if both {
            self.blank();
            let to = To::Write(self.word()?);
            return Ok(Some(vec![
                Redirection { from: 1, to },
                Redirection {
                    from: 2,
                    to: To::Same(1),
                },
            ]));
        }
        let (from, to) = if self.take(">>") {
            self.blank();
            (1, To::Append(self.word()?))
        } else if self.take(">&") {
            let to = self.bare();
            self.at += to.chars().count();
            (
                1,
                To::Same(to.parse().map_err(|_| format!("bad fd number: {to}"))?),
            )
        } else if self.take(">|") || self.take(">") {
            self.blank();
            (1, To::Write(self.word()?))
        } else if self.looks_at("<<") {
            return Err("the lab's shell has no here-documents".to_owned());
        } else if self.take("<") {
            self.blank();
            (0, To::Read(self.word()?))
        } else {
            return Ok(None);
        };
        Ok(Some(vec![Redirection {
            from: number.unwrap_or(from),
            to,
        }]))
    }

    fn simple(&mut self) -> Result<Node, String> {
        let mut assignments = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut redirections = Vec::new();
        loop {
            self.blank();
            if let Some(redirection) = self.redirection()? {
                redirections.extend(redirection);
                continue;
            }
            match self.peek() {
                None | Some('\n' | ';' | '&' | '|' | ')') => break,
                Some('(') => return Err("syntax error: unexpected \"(\"".to_owned()),
                _ => {}
            }
            if words.is_empty() {
                if RESERVED.contains(&self.bare().as_str()) {
                    return Err(format!("syntax error: unexpected \"{}\"", self.bare()));
                }
                if let Some(name) = self.assignment() {
                    assignments.push((name, self.word()?));
                    continue;
                }
            }
            words.push(self.word()?);
        }
        Ok(Node::Simple {
            assignments,
            words,
            redirections,
        })
    }
}
