//! Walks a template's tree with its data.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::TemplateError;
use super::functions::Function;
use super::parse::{Branch, Command, List, Node, Operand, OperandKind, Pipeline};
use crate::pipeline::go::Value;

/// How deep templates may call one another: Go's own limit is far higher, and no honest one comes near this.
const DEEPEST: usize = 200;

/// The text that a template makes of its data.
pub(super) fn run(
    body: &List,
    named: &BTreeMap<String, List>,
    data: Value,
) -> Result<String, TemplateError> {
    let mut run = Run {
        named,
        variables: vec![(String::new(), data.clone())],
        out: String::new(),
        depth: 0,
    };
    run.list(body, &data)?;
    Ok(run.out)
}

struct Run<'a> {
    named: &'a BTreeMap<String, List>,
    /// Variables and their values, the newest last.
    variables: Vec<(String, Value)>,
    out: String,
    depth: usize,
}

/// How a list ended.
#[derive(PartialEq, Eq)]
enum Flow {
    Through,
    Break,
    Continue,
}

impl Run<'_> {
    fn list(&mut self, list: &List, dot: &Value) -> Result<Flow, TemplateError> {
        for node in list {
            let flow = self.node(node, dot)?;
            if flow != Flow::Through {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    match value {
                        Value::Nil => self.out.push_str("<no value>"),
                        value => {
                            let _ = write!(self.out, "{value}");
                        }
                    }
                }
            }
            Node::Branch {
                kind,
                pipeline,
                then,
                otherwise,
            } => {
                let mark = self.variables.len();
                let flow = match kind {
                    Branch::Range => self.range(pipeline, then, otherwise, dot),
                    _ => self.branch(*kind, pipeline, then, otherwise, dot),
                };
                self.variables.truncate(mark);
                return flow;
            }
            Node::Template { at, name, data } => {
                let data = match data {
                    Some(data) => self.pipeline(data, dot)?,
                    None => Value::Nil,
                };
                self.template(*at, name, data)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Through)
    }

    fn branch(
        &mut self,
        kind: Branch,
        pipeline: &Pipeline,
        then: &List,
        otherwise: &List,
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        let value = self.pipeline(pipeline, dot)?;
        match (value.truth(), kind) {
            (true, Branch::With) => self.list(then, &value),
            (true, _) => self.list(then, dot),
            (false, _) => self.list(otherwise, dot),
        }
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        body: &List,
        otherwise: &List,
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        // The variables hold each turn's key and value, not the whole.
        let over = self.commands(pipeline, dot)?;
        let turns: Vec<(Value, Value)> = match over {
            Value::Nil => Vec::new(),
            Value::List(items) => (0..).map(Value::Int).zip(items).collect(),
            Value::Map(map) => map
                .into_iter()
                .map(|(key, value)| (Value::Text(key), value))
                .collect(),
            Value::Int(n) => (0..n).map(|n| (Value::Int(n), Value::Int(n))).collect(),
            other => {
                let message = format!("{} can't be ranged over", other.kind());
                return Err(TemplateError::new(pipeline.at, message));
            }
        };
        if turns.is_empty() {
            return self.list(otherwise, dot);
        }
        for (key, value) in turns {
            let mark = self.variables.len();
            let values = match pipeline.variables.len() {
                1 => vec![value.clone()],
                _ => vec![key, value.clone()],
            };
            for (name, value) in pipeline.variables.iter().zip(values) {
                self.set(name, value, pipeline.declares);
            }
            let flow = self.list(body, &value)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::Through)
    }

    fn template(&mut self, at: usize, name: &str, data: Value) -> Result<(), TemplateError> {
        let body = self.named.get(name);
        let body =
            body.ok_or_else(|| TemplateError::new(at, format!("there is no template {name:?}")))?;
        if self.depth == DEEPEST {
            let message = format!("templates call one another more than {DEEPEST} deep");
            return Err(TemplateError::new(at, message));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.variables, vec![(String::new(), data.clone())]);
        self.list(body, &data)?;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let value = self.commands(pipeline, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.declares);
        }
        Ok(value)
    }

    fn set(&mut self, name: &str, value: Value, declares: bool) {
        let known = self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| known == name);
        match known {
            Some((_, old)) if !declares => *old = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    }

    /// `last` is the value of the command before, which becomes the last argument.
    fn command(
        &mut self,
        command: &Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, TemplateError> {
        let Some((first, rest)) = command.operands.split_first() else {
            return Ok(Value::Nil);
        };
        let OperandKind::Function(function) = first.kind else {
            if !rest.is_empty() || last.is_some() {
                let message = "this is a value, not a function: it can't be given arguments";
                return Err(TemplateError::new(first.at, message));
            }
            return self.operand(first, dot);
        };
        let mut args = Vec::new();
        for operand in rest {
            let value = self.operand(operand, dot)?;
            let decided = match function {
                Function::And => !value.truth(),
                Function::Or => value.truth(),
                _ => false,
            };
            args.push(value);
            if decided {
                break;
            }
        }
        args.extend(last);
        let value = function
            .call(&args)
            .map_err(|message| TemplateError::new(first.at, message))?;
        fields(first, value)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, TemplateError> {
        let value = match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Variable(name) => self
                .variables
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map_or(Value::Nil, |(_, value)| value.clone()),
            OperandKind::Constant(value) => value.clone(),
            OperandKind::Function(function) => function
                .call(&[])
                .map_err(|message| TemplateError::new(operand.at, message))?,
            OperandKind::Nested(pipeline) => self.pipeline(pipeline, dot)?,
        };
        fields(operand, value)
    }
}

/// The field of the field of a value, and so on. A map answers nil for a key that it doesn't have.
fn fields(operand: &Operand, value: Value) -> Result<Value, TemplateError> {
    operand
        .fields
        .iter()
        .try_fold(value, |value, field| match value {
            Value::Map(mut map) => Ok(map.remove(field).unwrap_or(Value::Nil)),
            Value::Nil => Ok(Value::Nil),
            other => {
                let message = format!("{} has no field {field:?}", other.kind());
                Err(TemplateError::new(operand.at, message))
            }
        })
}
