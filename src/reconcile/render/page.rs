//! The layout of a rendered plan: what goes on which line, how far in, in which colour.

use std::fmt::Write;

use console::measure_text_width;
use serde_json::Value;

use super::value::{Compared, compare, contrast, inline, lines};
use crate::reconcile::plan::{
    Action, AttributeChange, Counts, Left, Plan, ResourceChange, Rung, Target,
};
use crate::style::{Ink, Style};
use crate::text::{count, pad, shorten, visible};

/// Columns before an attribute's sign.
const INDENT: usize = 6;
/// Attribute names are aligned up to this width; a longer one pushes its value to the right.
const LONGEST_ALIGNED: usize = 32;
/// A value gets at least this many columns, however narrow the page.
const LEAST_ROOM: usize = 40;

/// The plan, told as what would be done. Ends with a line break.
pub fn render(plan: &Plan, style: &Style) -> String {
    Page::new(style).plan(plan, &to_do(&plan.counts(), style))
}

/// The plan, told as what was done. Ends with a line break.
pub fn render_applied(plan: &Plan, style: &Style) -> String {
    Page::new(style).plan(plan, &done(&plan.counts(), style))
}

/// "Plan: 1 to add, …" or that there is nothing to do.
fn to_do(counts: &Counts, style: &Style) -> String {
    if counts.changed() == 0 {
        return "No changes: it is what its settings ask for.".to_owned();
    }
    format!(
        "{} {} to add, {} to change, {} to replace, {} to destroy.",
        style.paint(Ink::Strong, "Plan:"),
        counts.create,
        counts.update,
        counts.replace,
        counts.delete
    )
}

/// "Applied: 1 added, …" or that there was nothing to do.
fn done(counts: &Counts, style: &Style) -> String {
    if counts.changed() == 0 {
        return to_do(counts, style);
    }
    format!(
        "{} {} added, {} changed, {} replaced, {} destroyed.",
        style.paint(Ink::Strong, "Applied:"),
        counts.create,
        counts.update,
        counts.replace,
        counts.delete
    )
}

/// The colour of an action's sign.
fn ink(action: Action) -> Ink {
    match action {
        Action::Keep => Ink::Faint,
        Action::Create => Ink::Added,
        Action::Update => Ink::Changed,
        Action::Replace => Ink::Replaced,
        Action::Delete => Ink::Removed,
    }
}

/// The text under construction. Everything foreign is made visible before it gets in.
struct Page<'a> {
    style: &'a Style,
    /// Tags of everything that is added, told once.
    tags: Vec<&'a AttributeChange>,
    out: String,
}

/// The tags that everything has that is added, if there are several.
fn tags_of_all(plan: &Plan) -> Vec<&AttributeChange> {
    let rungs = plan.rungs.iter().flat_map(|rung| &rung.resources);
    let mut tagged = plan
        .resources
        .iter()
        .chain(rungs)
        .filter(|resource| resource.action == Action::Create)
        .map(|resource| resource.attributes.iter().filter(|a| is_tag(a)).collect())
        .filter(|tags: &Vec<&AttributeChange>| !tags.is_empty());
    let (Some(mut all), Some(second)) = (tagged.next(), tagged.next()) else {
        return Vec::new();
    };
    for tags in std::iter::once(second).chain(tagged) {
        all.retain(|tag| tags.contains(tag));
    }
    all
}

fn is_tag(attribute: &AttributeChange) -> bool {
    attribute.path.starts_with("tags.")
}

/// Where an attribute stands: how far it is indented and how wide its siblings' names are.
#[derive(Clone, Copy)]
struct Column {
    indent: usize,
    names: usize,
}

impl Column {
    fn of<'a>(indent: usize, names: impl Iterator<Item = &'a str>) -> Self {
        let widest = names
            .map(|name| measure_text_width(&visible(name)))
            .max()
            .unwrap_or(0);
        Self {
            indent,
            names: widest.min(LONGEST_ALIGNED),
        }
    }

    /// Columns before the value of an attribute of that name.
    fn before_value(self, name: &str) -> usize {
        // Sign, blank, name, two blanks.
        self.indent + 2 + self.names.max(measure_text_width(name)) + 2
    }
}

impl<'a> Page<'a> {
    fn new(style: &'a Style) -> Self {
        Self {
            style,
            tags: Vec::new(),
            out: String::new(),
        }
    }

    fn plan(mut self, plan: &'a Plan, counts: &str) -> String {
        self.line(&format!(
            "{}  {}  {}",
            self.style.paint(Ink::Strong, visible(&plan.cluster)),
            visible(&plan.region),
            visible(&plan.account)
        ));
        let tags = tags_of_all(plan);
        if !tags.is_empty() {
            self.line("    tags of all that is added:");
            self.attributes(&tags);
        }
        self.tags = tags;
        for change in plan.changes() {
            self.resource(change);
        }
        let kept = plan.counts().keep;
        if kept > 0 {
            self.line(
                &self
                    .style
                    .paint(Ink::Faint, format_args!("    {kept} unchanged")),
            );
        }
        self.line(&format!("  {counts}"));
        for rung in &plan.rungs {
            self.rung(rung);
        }
        for Left { kind, name, why } in &plan.left {
            let (kind, name, why) = (visible(kind), visible(name), visible(why));
            self.line(&format!("  left: {kind} {name}: {why}"));
        }
        for warning in &plan.warnings {
            let warning = format!("  ! {}", visible(warning));
            self.line(&self.style.paint(Ink::Changed, warning));
        }
        self.out
    }

    /// What changes on one rung of a climb.
    fn rung(&mut self, rung: &Rung) {
        let version = self.style.paint(Ink::Strong, visible(&rung.version));
        let changes = count(rung.resources.len(), "change");
        self.line(&format!("  rung {version}: {changes}"));
        for change in &rung.resources {
            self.resource(change);
        }
    }

    fn resource(&mut self, change: &ResourceChange) {
        let mut line = format!(
            "{} {} {}",
            self.style.paint(
                ink(change.action),
                format_args!("{:>3}", change.action.sign())
            ),
            visible(&change.kind),
            self.style.paint(Ink::Strong, visible(&change.name)),
        );
        if let Some(reason) = &change.reason {
            let reason = format!(" ({})", visible(reason));
            line.push_str(&self.style.paint(Ink::Faint, reason));
        }
        self.line(&line);
        let told = |a: &&AttributeChange| change.action == Action::Create && self.tags.contains(a);
        let attributes: Vec<_> = change.attributes.iter().filter(|a| !told(a)).collect();
        self.attributes(&attributes);
    }

    fn attributes(&mut self, attributes: &[&AttributeChange]) {
        let column = Column::of(INDENT, attributes.iter().map(|a| a.path.as_str()));
        for attribute in attributes {
            self.attribute(column, attribute);
        }
    }

    fn attribute(&mut self, column: Column, attribute: &AttributeChange) {
        let path = &attribute.path;
        let action = match (&attribute.old, &attribute.new) {
            // That it is taken away isn't what its missing values say.
            (_, Target::Unset) if attribute.sensitive => Action::Update,
            (_, Target::Unset) => Action::Delete,
            (None, _) => Action::Create,
            (Some(_), _) => Action::Update,
        };
        if attribute.sensitive {
            return self.entry(column, action, path, "(sensitive)");
        }
        match (&attribute.old, &attribute.new) {
            (None, Target::Value(new)) => self.value(column, action, path, new),
            (Some(old), Target::Unset) => self.value(column, action, path, old),
            (Some(old), Target::Value(new)) => self.change(column, path, old, new),
            (None, Target::KnownAfterApply) => {
                self.entry(column, action, path, "(known after apply)");
            }
            (Some(old), Target::KnownAfterApply) => {
                self.old_and_new(column, path, &inline(old), "(known after apply)");
            }
            (None, Target::Unset) => self.entry(column, action, path, "(not set)"),
        }
    }

    /// A value that stands alone: on the attribute's line if it fits, else over several lines.
    fn value(&mut self, column: Column, action: Action, path: &str, value: &Value) {
        let room = self.room(column, path);
        let text = inline(value);
        if measure_text_width(&text) <= room || !nested(value) {
            let text = self.cut(&text, room);
            return self.entry(column, action, path, &text);
        }
        let mut rows = lines(value).into_iter();
        self.entry(column, action, path, &rows.next().unwrap_or_default());
        self.block(column.indent + 2, None, rows.collect());
    }

    fn change(&mut self, column: Column, path: &str, old: &Value, new: &Value) {
        match compare(old, new) {
            Compared::Keys { keys, same } => {
                self.entry(column, Action::Update, path, "");
                let inner = Column::of(column.indent + 4, keys.iter().map(|key| key.path.as_str()));
                for key in &keys {
                    match (key.old, key.new) {
                        (Some(old), Some(new)) => self.change(inner, &key.path, old, new),
                        (None, Some(new)) => self.value(inner, Action::Create, &key.path, new),
                        (Some(old), None) => self.value(inner, Action::Delete, &key.path, old),
                        (None, None) => {}
                    }
                }
                self.unchanged(inner.indent, same);
            }
            Compared::Items {
                removed,
                added,
                same,
            } if !self.fits(column, path, old, new) => {
                self.entry(column, Action::Update, path, "");
                let indent = column.indent + 4;
                for (action, items) in [(Action::Delete, removed), (Action::Create, added)] {
                    for item in items {
                        self.block(indent, Some(action), lines(item));
                    }
                }
                self.unchanged(indent, same);
            }
            Compared::Items { .. } | Compared::Whole => {
                self.old_and_new(column, path, &inline(old), &inline(new));
            }
        }
    }

    /// Whether `old → new` fits on the attribute's line.
    fn fits(&self, column: Column, path: &str, old: &Value, new: &Value) -> bool {
        let both = measure_text_width(&inline(old)) + measure_text_width(&inline(new));
        both + measure_text_width(self.style.arrow()) + 2 <= self.room(column, path)
    }

    /// `old → new` on one line if it fits, else one below the other, cut to where they differ.
    fn old_and_new(&mut self, column: Column, path: &str, old: &str, new: &str) {
        let arrow = self.style.arrow();
        let room = self.room(column, path);
        let one_line = format!("{old} {arrow} {new}");
        if measure_text_width(&one_line) <= room {
            return self.entry(column, Action::Update, path, &one_line);
        }
        let (old, new) = contrast(old, new, room, self.style.ellipsis());
        self.entry(column, Action::Update, path, &old);
        let before = column.before_value(&visible(path)) - 2;
        self.line(&format!("{arrow:>before$}  {new}"));
    }

    /// One attribute on one line. `value` is already safe to print.
    fn entry(&mut self, column: Column, action: Action, path: &str, value: &str) {
        let sign = self.style.paint(ink(action), action.sign());
        let path = pad(&visible(path), column.names);
        let line = format!(
            "{:indent$}{sign} {path}  {value}",
            "",
            indent = column.indent
        );
        self.line(line.trim_end());
    }

    /// Several lines of one value, the first behind a sign if it has one, long ones cut.
    fn block(&mut self, indent: usize, action: Option<Action>, rows: Vec<String>) {
        let sign = action.map(|action| self.style.paint(ink(action), action.sign()) + " ");
        let inset = if sign.is_some() { 2 } else { 0 };
        let room = self
            .page_width()
            .saturating_sub(indent + inset)
            .max(LEAST_ROOM);
        for (i, row) in rows.iter().enumerate() {
            let lead = match &sign {
                Some(sign) if i == 0 => sign.as_str(),
                _ => &"  "[..inset],
            };
            let line = format!("{:indent$}{lead}{}", "", self.cut(row, room));
            self.line(&line);
        }
    }

    fn unchanged(&mut self, indent: usize, n: usize) {
        if n > 0 {
            let line = format!("{:indent$}  {n} unchanged", "");
            self.line(&self.style.paint(Ink::Faint, line));
        }
    }

    fn room(&self, column: Column, path: &str) -> usize {
        self.page_width()
            .saturating_sub(column.before_value(&visible(path)))
            .max(LEAST_ROOM)
    }

    fn page_width(&self) -> usize {
        usize::from(self.style.width)
    }

    fn cut(&self, text: &str, room: usize) -> String {
        shorten(text, room, self.style.ellipsis()).into_owned()
    }

    fn line(&mut self, line: &str) {
        // Writing to a String can't fail.
        let _ = writeln!(self.out, "{line}");
    }
}

/// Whether a value has values in it.
fn nested(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => false,
    }
}
