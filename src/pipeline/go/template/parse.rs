//! A template's tokens as a tree.

use std::collections::BTreeMap;

use super::TemplateError;
use super::functions::Function;
use super::lex::{Kind, Token, lex};
use crate::pipeline::go::Value;

/// What is done one after the other.
pub(super) type List = Vec<Node>;

/// One step of a template.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Text that stands for itself.
    Text(String),
    /// A value that is printed.
    Print(Pipeline),
    /// `if`, `with` or `range`, with its `else`.
    Branch {
        kind: Branch,
        pipeline: Pipeline,
        then: List,
        otherwise: List,
    },
    /// Another template, with its data.
    Template {
        at: usize,
        name: String,
        data: Option<Pipeline>,
    },
    /// Ends the loop.
    Break,
    /// Ends this turn of the loop.
    Continue,
}

/// The three ways to branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Branch {
    If,
    With,
    Range,
}

/// Commands, each given the value of the one before; the last one's may be kept in variables.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub(super) at: usize,
    pub(super) variables: Vec<String>,
    /// Whether the variables are new (`:=`) or set anew (`=`).
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// A function with its arguments, or one operand.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) operands: Vec<Operand>,
}

/// A value in a command, and the fields that are taken of it.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) kind: OperandKind,
    pub(super) fields: Vec<String>,
}

/// What an operand is.
#[derive(Debug, Clone)]
pub(super) enum OperandKind {
    /// The data, or what `with` and `range` made of it.
    Dot,
    /// A variable; `$` has an empty name.
    Variable(String),
    /// A value that is written out.
    Constant(Value),
    /// A function.
    Function(Function),
    /// A pipeline in parentheses.
    Nested(Box<Pipeline>),
}

type Named = BTreeMap<String, List>;

/// Parses a template: its body and the templates that it defines.
pub(super) fn parse(text: &str) -> Result<(List, Named), TemplateError> {
    let mut parser = Parser {
        tokens: lex(text)?.into_iter().peekable(),
        end: text.len(),
        named: Named::new(),
        scopes: vec![vec![String::new()]],
        loops: 0,
    };
    let (body, end) = parser.list()?;
    match end {
        Stop::Text => Ok((body, parser.named)),
        Stop::End(at) => Err(TemplateError::new(
            at,
            "there is nothing that this end ends",
        )),
        Stop::Else(at) => Err(TemplateError::new(
            at,
            "there is no if, with or range for this else",
        )),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    end: usize,
    named: Named,
    /// The variables that are known, a list for each control structure.
    scopes: Vec<Vec<String>>,
    loops: usize,
}

/// What a list ended at.
enum Stop {
    Text,
    End(usize),
    /// The `else` itself is passed; what follows it isn't.
    Else(usize),
}

impl Parser {
    fn list(&mut self) -> Result<(List, Stop), TemplateError> {
        let mut nodes = List::new();
        while let Some(Token { at, kind }) = self.tokens.next() {
            if let Kind::Text(text) = kind {
                nodes.push(Node::Text(text));
                continue;
            }
            // Tokens alternate between text and whole actions, so this one opens an action.
            self.space();
            let word = match self.tokens.peek().map(|token| &token.kind) {
                Some(Kind::Word(word)) => word.clone(),
                _ => String::new(),
            };
            match word.as_str() {
                "end" => {
                    self.tokens.next();
                    self.close()?;
                    return Ok((nodes, Stop::End(at)));
                }
                "else" => {
                    self.tokens.next();
                    return Ok((nodes, Stop::Else(at)));
                }
                "if" => nodes.push(self.keyword(Branch::If, at)?),
                "with" => nodes.push(self.keyword(Branch::With, at)?),
                "range" => nodes.push(self.keyword(Branch::Range, at)?),
                "define" => {
                    self.tokens.next();
                    let name = self.name()?;
                    self.close()?;
                    let body = self.body(at)?;
                    self.named.insert(name, body);
                }
                "block" => {
                    self.tokens.next();
                    let name = self.name()?;
                    let data = self.pipeline()?;
                    self.close()?;
                    let body = self.body(at)?;
                    self.named.entry(name.clone()).or_insert(body);
                    let data = Some(data);
                    nodes.push(Node::Template { at, name, data });
                }
                "template" => {
                    self.tokens.next();
                    let name = self.name()?;
                    self.space();
                    let closed =
                        matches!(self.tokens.peek(), Some(token) if token.kind == Kind::Close);
                    let data = if closed { None } else { Some(self.pipeline()?) };
                    self.close()?;
                    nodes.push(Node::Template { at, name, data });
                }
                "break" | "continue" => {
                    self.tokens.next();
                    self.close()?;
                    if self.loops == 0 {
                        let message = format!("{word} stands outside of a range");
                        return Err(TemplateError::new(at, message));
                    }
                    nodes.push(if word == "break" {
                        Node::Break
                    } else {
                        Node::Continue
                    });
                }
                _ => {
                    let pipeline = self.pipeline()?;
                    self.close()?;
                    nodes.push(Node::Print(pipeline));
                }
            }
        }
        Ok((nodes, Stop::Text))
    }

    /// `if`, `with` or `range`, whose word comes next.
    fn keyword(&mut self, kind: Branch, at: usize) -> Result<Node, TemplateError> {
        self.tokens.next();
        self.branch(kind, at)
    }

    /// A branch from after its word to its end.
    fn branch(&mut self, kind: Branch, at: usize) -> Result<Node, TemplateError> {
        self.scopes.push(Vec::new());
        let pipeline = self.pipeline()?;
        if kind == Branch::Range && pipeline.variables.len() > 2 {
            return Err(TemplateError::new(at, "range has at most two variables"));
        }
        self.close()?;
        self.loops += usize::from(kind == Branch::Range);
        let (then, end) = self.list()?;
        self.loops -= usize::from(kind == Branch::Range);
        let otherwise = match end {
            Stop::End(_) => List::new(),
            Stop::Text => return Err(TemplateError::new(at, "the end of this is missing")),
            Stop::Else(at) => {
                self.space();
                let next = match self.tokens.peek().map(|token| &token.kind) {
                    Some(Kind::Word(word)) if word == "if" => Some(Branch::If),
                    Some(Kind::Word(word)) if word == "with" => Some(Branch::With),
                    _ => None,
                };
                match next {
                    // The chain shares one end, which the inner branch takes.
                    Some(kind) => vec![self.keyword(kind, at)?],
                    None => {
                        self.close()?;
                        match self.list()? {
                            (otherwise, Stop::End(_)) => otherwise,
                            (_, Stop::Else(at)) => {
                                return Err(TemplateError::new(at, "a second else"));
                            }
                            (_, Stop::Text) => {
                                return Err(TemplateError::new(at, "the end of this is missing"));
                            }
                        }
                    }
                }
            }
        };
        self.scopes.pop();
        Ok(Node::Branch {
            kind,
            pipeline,
            then,
            otherwise,
        })
    }

    /// The body of a `define` or `block`: it sees no variables but its own.
    fn body(&mut self, at: usize) -> Result<List, TemplateError> {
        let scopes = std::mem::replace(&mut self.scopes, vec![vec![String::new()]]);
        let loops = std::mem::take(&mut self.loops);
        let (body, end) = self.list()?;
        self.scopes = scopes;
        self.loops = loops;
        match end {
            Stop::End(_) => Ok(body),
            _ => Err(TemplateError::new(at, "the end of this is missing")),
        }
    }

    /// The name of a template, a string.
    fn name(&mut self) -> Result<String, TemplateError> {
        self.space();
        match self.tokens.next() {
            Some(Token {
                kind: Kind::Quoted(name),
                ..
            }) => Ok(name),
            other => Err(self.unexpected(other, "the template's name in quotes")),
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, TemplateError> {
        self.space();
        let at = self.here();
        let (variables, declares) = self.variables()?;
        let mut commands = vec![self.command()?];
        while self.take(&Kind::Pipe) {
            commands.push(self.command()?);
        }
        for command in commands.iter().skip(1) {
            let constant = command
                .operands
                .first()
                .is_some_and(|first| matches!(first.kind, OperandKind::Constant(_)));
            if constant {
                let message = "a value can't take the value of the command before it";
                return Err(TemplateError::new(command.at, message));
            }
        }
        if declares && let Some(scope) = self.scopes.last_mut() {
            scope.extend(variables.iter().cloned());
        }
        Ok(Pipeline {
            at,
            variables,
            declares,
            commands,
        })
    }

    /// `$a :=`, `$a, $b :=` or `$a =`, if that is what comes next.
    fn variables(&mut self) -> Result<(Vec<String>, bool), TemplateError> {
        let mut ahead = self.tokens.clone();
        let mut names = Vec::new();
        let mut next = || loop {
            match ahead.next() {
                Some(token) if token.kind == Kind::Space => {}
                token => return token.map(|token| token.kind),
            }
        };
        let declares = loop {
            let Some(Kind::Variable(name)) = next() else {
                return Ok((Vec::new(), false));
            };
            names.push(name);
            match next() {
                Some(Kind::Comma) => {}
                Some(Kind::Declare) => break true,
                Some(Kind::Assign) => break false,
                _ => return Ok((Vec::new(), false)),
            }
        };
        self.tokens = ahead;
        if !declares && let Some(name) = names.iter().find(|name| !self.knows(name)) {
            let message = format!("the variable ${name} is not declared");
            return Err(TemplateError::new(self.here(), message));
        }
        Ok((names, declares))
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let at = self.here();
        let mut operands = Vec::new();
        loop {
            self.space();
            let ends = matches!(
                self.tokens.peek().map(|token| &token.kind),
                None | Some(Kind::Close | Kind::Pipe | Kind::Right)
            );
            if ends {
                break;
            }
            operands.push(self.operand()?);
        }
        let Some(first) = operands.first() else {
            return Err(TemplateError::new(self.here(), "a value is missing"));
        };
        if operands.len() > 1 && matches!(first.kind, OperandKind::Constant(_)) {
            let message = "a value that is written out can't be given arguments";
            return Err(TemplateError::new(at, message));
        }
        Ok(Command { at, operands })
    }

    fn operand(&mut self) -> Result<Operand, TemplateError> {
        let token = self.tokens.next();
        let at = token.as_ref().map_or(self.end, |token| token.at);
        let mut fields = Vec::new();
        let kind = match token {
            Some(Token { kind, .. }) => match kind {
                Kind::Dot => OperandKind::Dot,
                Kind::Field(name) => {
                    fields.push(name);
                    OperandKind::Dot
                }
                Kind::Variable(name) => {
                    if !self.knows(&name) {
                        let message = format!("the variable ${name} is not declared");
                        return Err(TemplateError::new(at, message));
                    }
                    OperandKind::Variable(name)
                }
                Kind::Quoted(text) => OperandKind::Constant(Value::Text(text)),
                Kind::Number(number) => {
                    OperandKind::Constant(constant(&number).ok_or_else(|| {
                        TemplateError::new(at, format!("{number} is not a number"))
                    })?)
                }
                Kind::Word(word) => match word.as_str() {
                    "true" => OperandKind::Constant(Value::Bool(true)),
                    "false" => OperandKind::Constant(Value::Bool(false)),
                    "nil" => OperandKind::Constant(Value::Nil),
                    name => OperandKind::Function(Function::named(name).ok_or_else(|| {
                        TemplateError::new(at, format!("there is no function {name:?}"))
                    })?),
                },
                Kind::Left => {
                    let inner = self.pipeline()?;
                    if !self.take(&Kind::Right) {
                        return Err(TemplateError::new(at, "the parenthesis is not closed"));
                    }
                    OperandKind::Nested(Box::new(inner))
                }
                kind => {
                    let token = Some(Token { at, kind });
                    return Err(self.unexpected(token, "a value"));
                }
            },
            None => return Err(self.unexpected(None, "a value")),
        };
        while let Some(token) = self
            .tokens
            .next_if(|token| matches!(token.kind, Kind::Field(_)))
        {
            if let Kind::Field(name) = token.kind {
                fields.push(name);
            }
        }
        Ok(Operand { at, kind, fields })
    }

    fn knows(&self, variable: &str) -> bool {
        self.scopes.iter().flatten().any(|known| known == variable)
    }

    fn space(&mut self) {
        while self
            .tokens
            .next_if(|token| token.kind == Kind::Space)
            .is_some()
        {}
    }

    fn take(&mut self, kind: &Kind) -> bool {
        self.space();
        self.tokens.next_if(|token| token.kind == *kind).is_some()
    }

    fn close(&mut self) -> Result<(), TemplateError> {
        self.space();
        match self.tokens.next() {
            Some(token) if token.kind == Kind::Close => Ok(()),
            other => Err(self.unexpected(other, "}}")),
        }
    }

    fn here(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |token| token.at)
    }

    fn unexpected(&self, token: Option<Token>, wanted: &str) -> TemplateError {
        match token {
            Some(Token { at, .. }) => TemplateError::new(at, format!("expected {wanted} here")),
            None => TemplateError::new(self.end, format!("expected {wanted}, but the text ends")),
        }
    }
}

fn constant(text: &str) -> Option<Value> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.replace('_', "").to_ascii_lowercase();
    let (base, whole) = match digits.as_bytes() {
        [b'0', b'x', ..] => (16, digits.get(2..)?),
        [b'0', b'b', ..] => (2, digits.get(2..)?),
        [b'0', b'o', ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits.as_str()),
    };
    match i64::from_str_radix(whole, base) {
        Ok(n) => Some(Value::Int(sign * n)),
        Err(_) => text.parse().ok().map(Value::Float),
    }
}
