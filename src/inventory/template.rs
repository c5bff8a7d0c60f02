//! Templates in strings: `{{ op://… }}` references, and minijinja for every other `{{ }}` and
//! `{% %}`. A template stands for a part of one string, so that no value can change the structure
//! of the file around it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use secrecy::{ExposeSecret as _, SecretString};

use super::nearest::did_you_mean;
use super::problem::Problem;
use super::reference::{MalformedReference, Reference};
use super::source::{Location, SECRET_KEYS};

/// The references whose values are known.
pub(crate) type Known<'a> = BTreeMap<&'a Reference, &'a SecretString>;

/// Renders templates, all by the same rules.
pub(crate) struct Engine(Environment<'static>);

/// How a text has to do with vaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taint {
    /// The references that it was made with.
    pub(crate) references: BTreeSet<Reference>,
    /// Some of them stand in it by name because their values aren't known.
    pub(crate) open: bool,
}

impl Taint {
    pub(crate) fn add(&mut self, other: &Self) {
        self.references.extend(other.references.iter().cloned());
        self.open |= other.open;
    }
}

impl Engine {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // The usual delimiters are never refused.
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        // Without it, an error knows no place inside its template.
        environment.set_debug(true);
        Self(environment)
    }

    /// The names that the string's templates look up; none where they can't be parsed.
    pub(crate) fn names(&self, text: &str) -> BTreeSet<String> {
        if !is_template(text) {
            return BTreeSet::new();
        }
        let prepared = Prepared::new(text);
        let Ok(template) = self.0.template_from_str(&prepared.text) else {
            return BTreeSet::new();
        };
        let names = template.undeclared_variables(false);
        names
            .into_iter()
            .filter(|name| !name.starts_with(PLACEHOLDER))
            .collect()
    }

    /// Renders the string written at `at` with the values in `scope`, `taint` being what those that
    /// it uses have to do with vaults. What goes wrong is added to `problems`.
    pub(crate) fn render(
        &self,
        (at, text): (&Location, &str),
        scope: &BTreeMap<String, Value>,
        known: &Known<'_>,
        mut taint: Taint,
        problems: &mut Vec<Problem>,
    ) -> Option<(String, Taint)> {
        let prepared = Prepared::new(text);
        if !prepared.faults.is_empty() {
            problems.extend(prepared.faults.iter().map(|(offset, fault)| {
                let problem = Problem::at(&at.within(text, *offset), &fault.message);
                problem.maybe_help(fault.help.clone())
            }));
            return None;
        }
        taint.open |= prepared
            .references
            .iter()
            .any(|reference| !known.contains_key(reference));
        taint.references.extend(prepared.references.iter().cloned());
        let template = match self.0.template_from_str(&prepared.text) {
            Ok(template) => template,
            Err(error) => {
                problems.push(failure(&error, at, text, false));
                return None;
            }
        };
        let mut context = scope.clone();
        for (number, reference) in prepared.references.iter().enumerate() {
            let value = match known.get(reference) {
                Some(secret) => secret.expose_secret().to_owned(),
                None => reference.to_string(),
            };
            context.insert(format!("{PLACEHOLDER}{number}"), Value::from(value));
        }
        let error = match template.render(Value::from(context)) {
            Ok(text) => return Some((text, taint)),
            Err(error) => error,
        };
        let unknown = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !scope.contains_key(name) && !name.starts_with(PLACEHOLDER))
            .min()
            .filter(|_| error.kind() == ErrorKind::UndefinedError);
        match (unknown, error.kind()) {
            (Some(name), _) => problems.push(unknown_name(&error, at, text, &name, scope)),
            // It may have failed on a name in place of a value, and do with the value.
            (None, ErrorKind::InvalidOperation | ErrorKind::UndefinedError) if taint.open => {
                return Some((text.to_owned(), taint));
            }
            _ => problems.push(failure(&error, at, text, !taint.references.is_empty())),
        }
        None
    }
}

/// A template names something that isn't there.
fn unknown_name(
    error: &minijinja::Error,
    at: &Location,
    text: &str,
    name: &str,
    scope: &BTreeMap<String, Value>,
) -> Problem {
    let place = place(error, at, text);
    if SECRET_KEYS.contains(&name) {
        let message = format!("the template names {name:?}, which is a secret");
        return Problem::at(&place, message).help("a secret can't be used in another setting");
    }
    Problem::at(
        &place,
        format!("the template names {name:?}, which is not set"),
    )
    .maybe_help(did_you_mean(name, scope.keys()))
}

/// A template can't be rendered; told without minijinja's view of the values where they may be
/// secret.
fn failure(error: &minijinja::Error, at: &Location, text: &str, secretive: bool) -> Problem {
    let detail = error.detail().filter(|_| !secretive);
    let detail = detail
        .map(|detail| format!(": {detail}"))
        .unwrap_or_default();
    let message = format!("the template can't be rendered: {}{detail}", error.kind());
    Problem::at(&place(error, at, text), message)
}

fn place(error: &minijinja::Error, at: &Location, text: &str) -> Location {
    error
        .range()
        .map_or_else(|| at.clone(), |range| at.within(text, range.start))
}

/// Whether minijinja has anything to do in the text, or a reference is in it.
pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#", REFERENCE]
        .iter()
        .any(|mark| text.contains(mark))
}

/// The text without its `{{ }}` parts.
pub(crate) fn outside_templates(text: &str) -> String {
    let mut outside = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        outside.push_str(before);
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    outside + rest
}

/// The references that the text makes, malformed ones left out.
pub(crate) fn references(text: &str) -> Vec<(usize, Reference)> {
    find(text)
        .into_iter()
        .filter_map(|found| Some((found.at, found.outcome.ok()?)))
        .collect()
}

const REFERENCE: &str = "op://";
/// Begins the names that stand for references while minijinja renders the rest.
const PLACEHOLDER: &str = "__op";

struct Fault {
    message: String,
    help: Option<String>,
}

/// A text whose references are replaced by names of the same width, so that every other
/// character keeps its place.
struct Prepared {
    text: String,
    references: Vec<Reference>,
    faults: Vec<(usize, Fault)>,
}

impl Prepared {
    fn new(text: &str) -> Self {
        let mut prepared = Self {
            text: text.to_owned(),
            references: Vec::new(),
            faults: Vec::new(),
        };
        for found in find(text) {
            match found.outcome {
                Ok(reference) => {
                    let name = format!("{PLACEHOLDER}{}", prepared.references.len());
                    let width = found.path.len();
                    prepared
                        .text
                        .replace_range(found.path, &format!("{name:<width$}"));
                    prepared.references.push(reference);
                }
                Err(fault) => prepared.faults.push((found.at, fault)),
            }
        }
        prepared
    }
}

struct Found {
    /// Where `op://` begins.
    at: usize,
    /// The bytes that make up the reference.
    path: Range<usize>,
    outcome: Result<Reference, Fault>,
}

/// Every `op://` of the text.
fn find(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(REFERENCE)) {
        let at = from + at;
        let found = one(text, at);
        from = found.path.end.max(at + REFERENCE.len());
        all.push(found);
    }
    all
}

fn one(text: &str, at: usize) -> Found {
    let (before, rest) = text.split_at(at);
    let before = before.trim_end();
    if !before.ends_with("{{") && !before.ends_with("{{-") {
        let fault = Fault {
            message: "an op:// reference stands outside {{ }}".to_owned(),
            help: Some("write {{ op://vault/item/field }}".to_owned()),
        };
        return Found {
            at,
            path: at..at + REFERENCE.len(),
            outcome: Err(fault),
        };
    }
    let Some(end) = rest.find("}}") else {
        let fault = Fault {
            message: "the reference isn't closed".to_owned(),
            help: Some("write {{ op://vault/item/field }}".to_owned()),
        };
        return Found {
            at,
            path: at..text.len(),
            outcome: Err(fault),
        };
    };
    let inner = rest.get(..end).unwrap_or_default();
    // `-}}` trims the space behind; a `-` that ends a name can't be told from it without a space.
    let written = match inner.strip_suffix('-') {
        Some(trimmed) if trimmed.ends_with(' ') => trimmed,
        _ => inner,
    };
    let path = written.trim_end();
    let outcome = path.parse().map_err(|why: MalformedReference| Fault {
        message: format!("{path} is not a reference: {why}"),
        help: None,
    });
    Found {
        at,
        path: at..at + path.len(),
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn scope() -> BTreeMap<String, Value> {
        [("cluster", "c-1"), ("aws_region", "us-east-1")]
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .into()
    }

    fn render(text: &str, known: &Known<'_>) -> Result<String, String> {
        let written = format!("key: \"{text}\"");
        let end = written.chars().count();
        let at = Source::new("f.yaml", written).place(5, end, 1, 5);
        let mut problems = Vec::new();
        let taint = Taint::default();
        match Engine::new().render((&at, text), &scope(), known, taint, &mut problems) {
            Some((text, _)) if problems.is_empty() => Ok(text),
            _ => Err(problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")),
        }
    }

    #[test]
    fn references_and_templates_mix() {
        let reference: Reference = "op://my vault/item/field".parse().unwrap();
        let secret = SecretString::from("s{{ cluster }}");
        let known = Known::from([(&reference, &secret)]);
        let text = "{{ cluster }}/{{ op://my vault/item/field }}/{{ cluster | upper }}\n";
        assert_eq!(render(text, &known).unwrap(), "c-1/s{{ cluster }}/C-1\n");
        assert_eq!(
            render(
                "{% if cluster == 'x' %}{{op://my vault/item/field}}{% endif %}.",
                &known
            )
            .unwrap(),
            "."
        );
        assert_eq!(
            render("a {{- op://my vault/item/field -}} b", &known).unwrap(),
            "as{{ cluster }}b"
        );
    }

    #[test]
    fn an_unknown_value_leaves_the_references_name() {
        let rendered = render("{{ op://v/i/f }}-{{ cluster }}", &Known::new()).unwrap();
        assert_eq!(rendered, "op://v/i/f-c-1");
    }

    #[test]
    fn errors_have_the_place_inside_the_string() {
        let known = Known::new();
        assert_eq!(
            render("ab {{ clustre }}", &known).unwrap_err(),
            "f.yaml:1:13: the template names \"clustre\", which is not set \
             (did you mean \"cluster\"?)"
        );
        assert_eq!(
            render("{{ op://v/i/f }} {{ cluster | nope }}", &known).unwrap_err(),
            "f.yaml:1:37: the template can't be rendered: unknown filter"
        );
        assert!(
            render("{{ cluster", &known)
                .unwrap_err()
                .starts_with("f.yaml:1:")
        );
        assert_eq!(
            render("x {{ op://v/i }} {{ op://v//f }}", &known).unwrap_err(),
            "f.yaml:1:12: op://v/i is not a reference: it names 2 parts where \
             op://vault/item[/section]/field has three or four\n\
             f.yaml:1:27: op://v//f is not a reference: its item is empty"
        );
        assert_eq!(
            render("{{ op://v/i/f", &known).unwrap_err(),
            "f.yaml:1:10: the reference isn't closed (write {{ op://vault/item/field }})"
        );
        assert_eq!(
            render("op://v/i/f", &known).unwrap_err(),
            "f.yaml:1:7: an op:// reference stands outside {{ }} \
             (write {{ op://vault/item/field }})"
        );
    }

    #[test]
    fn a_template_error_never_tells_a_secret() {
        let reference: Reference = "op://v/i/f".parse().unwrap();
        let secret = SecretString::from("canary");
        let known = Known::from([(&reference, &secret)]);
        let error = render("{{ op://v/i/f }}{{ cluster | int }}", &known).unwrap_err();
        assert!(error.contains("the template can't be rendered"), "{error}");
        assert!(
            !error.contains("canary") && !error.contains("c-1"),
            "{error}"
        );
    }

    #[test]
    fn what_stands_outside_templates_is_found() {
        assert_eq!(outside_templates("{{ op://v/i/f }}"), "");
        assert_eq!(outside_templates("a{{ b }}c{{ d"), "ac");
    }
}
