//! Values as text, the way of Go's `fmt`.

use std::fmt::{self, Write as _};

use super::value::Value;

/// What `%v` prints.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Uint(n) => write!(f, "{n}"),
            Self::Float(n) => f.write_str(&shortest(*n)),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Map(map) => {
                f.write_str("map[")?;
                for (i, (key, value)) in map.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if i > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// The fewest digits that give the float back, as `strconv.FormatFloat(n, 'g', -1, 64)` writes them: with an
/// exponent below 1e-4 and from 1e6 on.
fn shortest(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{n:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{n}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `fmt.Sprintf`: the verbs that make sense for these values, with flags, width and precision. A verb
/// that doesn't fit its value, one without a value and a value without a verb are told in the text, as Go does.
pub(crate) fn sprintf(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                '0' => spec.zero = true,
                _ => {}
            }
        }
        spec.width = number(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut chars).unwrap_or(0));
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match values.get(next) {
                None => {
                    let _ = write!(out, "%!{verb}(MISSING)");
                }
                Some(value) => {
                    next += 1;
                    out.push_str(&spec.apply(verb, value));
                }
            },
        }
    }
    if let Some(extra) = values.get(next..).filter(|extra| !extra.is_empty()) {
        let extra: Vec<String> = extra.iter().map(typed).collect();
        let _ = write!(out, "%!(EXTRA {})", extra.join(", "));
    }
    out
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

/// `string=x`.
fn typed(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        _ => format!("{}={value}", value.kind()),
    }
}

/// How one value is formatted.
#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Spec {
    fn apply(&self, verb: char, value: &Value) -> String {
        let text = match (verb, value) {
            ('v', _) => value.to_string(),
            ('s', Value::Text(text)) => match self.precision {
                Some(most) => text.chars().take(most).collect(),
                None => text.clone(),
            },
            ('s', Value::List(_) | Value::Map(_)) => value.to_string(),
            ('q', Value::Text(text)) => format!("{text:?}"),
            ('t', Value::Bool(b)) => b.to_string(),
            ('d', Value::Int(n)) if self.plus => format!("{n:+}"),
            ('d', Value::Int(_) | Value::Uint(_)) => value.to_string(),
            ('x', Value::Int(n)) => format!("{n:x}"),
            ('x', Value::Text(text)) => text.bytes().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
            ('f' | 'F', Value::Float(n)) => format!("{n:.*}", self.precision.unwrap_or(6)),
            ('g', Value::Float(_)) => value.to_string(),
            _ => format!("%!{verb}({})", typed(value)),
        };
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.left {
            return text + &" ".repeat(missing);
        }
        match text.strip_prefix('-') {
            Some(digits) if self.zero => format!("-{}{digits}", "0".repeat(missing)),
            _ => (if self.zero { "0" } else { " " }).repeat(missing) + &text,
        }
    }
}

/// `fmt.Sprint`: a space between two operands neither of which is a string.
pub(super) fn sprint(values: &[Value]) -> String {
    let mut out = String::new();
    for (i, value) in values.iter().enumerate() {
        let bare = |value: &Value| !matches!(value, Value::Text(_));
        if i > 0 && bare(value) && values.get(i - 1).is_some_and(bare) {
            out.push(' ');
        }
        let _ = write!(out, "{value}");
    }
    out
}

/// `fmt.Sprintln`: a space between any two, a newline at the end.
pub(super) fn sprintln(values: &[Value]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(" ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_in_go() {
        let map = Value::Map([("b".to_owned(), Value::Nil), ("a".to_owned(), "x".into())].into());
        let cases = [
            (Value::Float(3.0), "3"),
            (Value::Float(-0.5), "-0.5"),
            (Value::Float(0.00001), "1e-05"),
            (Value::Float(123456.0), "123456"),
            (Value::Float(1_234_567.5), "1.2345675e+06"),
            (Value::Float(2.5e-7), "2.5e-07"),
            (Value::Int(-4), "-4"),
            (Value::Bool(true), "true"),
            (Value::List(vec!["a".into(), Value::Int(1)]), "[a 1]"),
            (map, "map[a:x b:<nil>]"),
        ];
        for (value, text) in cases {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn sprintf_tells_in_the_text_what_does_not_fit() {
        let x = || Value::from("x");
        assert_eq!(sprintf("plan %s change", &[x()]), "plan x change");
        assert_eq!(sprintf("100%% %v", &[x()]), "100% x");
        assert_eq!(sprintf("plan", &[x()]), "plan%!(EXTRA string=x)");
        assert_eq!(sprintf("%s and %s", &[x()]), "x and %!s(MISSING)");
        assert_eq!(sprintf("%d", &[x()]), "%!d(string=x)");
        assert_eq!(sprintf("%q %t", &[x(), Value::Bool(false)]), "\"x\" false");
        assert_eq!(
            sprintf("%03d|%-3s|%4s", &[Value::Int(7), x(), x()]),
            "007|x  |   x"
        );
        assert_eq!(sprintf("%.2f", &[Value::Float(1.0)]), "1.00");
        assert_eq!(sprintf("50%", &[]), "50%!(NOVERB)");
    }

    #[test]
    fn sprint_sets_what_is_no_string_apart() {
        let values = [Value::Int(1), Value::Int(2), "x".into(), Value::Int(3)];
        assert_eq!(sprint(&values), "1 2x3");
        assert_eq!(sprintln(&values), "1 2 x 3\n");
    }
}
