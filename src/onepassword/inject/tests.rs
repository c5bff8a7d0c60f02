use super::*;

fn env() -> Env {
    [("VAULT", "prod"), ("HOME", "/home/me"), ("EMPTY", "")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
}

/// The text with every reference's value being the reference itself in brackets.
#[track_caller]
fn rendered(text: &str) -> String {
    let template = Template::parse("file", text, &env()).unwrap();
    let values = template.references().into_iter();
    let values = values.map(|r| (r.clone(), Ok(format!("<{r}>").into())));
    let text = template.render(&values.collect()).unwrap();
    text.expose_secret().to_owned()
}

fn problems(text: &str) -> Vec<String> {
    let problems = Template::parse("file", text, &env()).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn references_stand_alone_or_in_braces() {
    assert_eq!(
        rendered("a: op://v/i/f\nb: {{ op://v/my item/s/f }}\nc: \"op://v/i.x/f_1-2\","),
        "a: <op://v/i/f>\nb: <op://v/my item/s/f>\nc: \"<op://v/i.x/f_1-2>\","
    );
    assert_eq!(
        rendered("{{op://v/i/f}}{{  op://v/i/g  }}"),
        "<op://v/i/f><op://v/i/g>"
    );
    assert_eq!(
        rendered("op://v/i/f:op://v/i/g"),
        "<op://v/i/f>:<op://v/i/g>"
    );
}

#[test]
fn what_is_joined_to_other_text_is_none() {
    for text in [
        "xop://v/i/f",
        "-op://v",
        "+op://v",
        "\\op://v",
        ".op://v",
        "éop://v",
        "op:/v",
    ] {
        assert_eq!(rendered(text), text);
    }
}

#[test]
fn everything_else_stays() {
    for text in [
        "",
        "{{ .Values.image }} {{ include \"x\" . }} {{ \"x\" | quote }}",
        "price: 5$ or $5, ${not a name}, ${open",
        "{ {op} } ü\r\n\t\u{0}",
        "{{ \"open",
    ] {
        assert_eq!(rendered(text), text);
    }
    assert_eq!(rendered("{{ op://v/i/f\n}}"), "{{ <op://v/i/f>\n}}");
}

#[test]
fn quoted_text_in_braces_is_kept_as_it_is() {
    assert_eq!(
        rendered(r#"{{ "{{ op://v/i/f }} $X \"é\" \n" }}!"#),
        r#"{{ op://v/i/f }} $X "é" \n!"#
    );
}

#[test]
fn variables_have_their_values_in_references_and_outside() {
    assert_eq!(
        rendered("op://$VAULT/i/f op://${ vault }-x/i/f {{ op://${NONE:-dev}/i/${VAULT}}} $HOME"),
        "<op://prod/i/f> <op://prod-x/i/f> <op://dev/i/prod> /home/me"
    );
    assert_eq!(
        rendered("[$EMPTY][${EMPTY:-x}][${NONE:-}][$VAULT/a]"),
        "[][][][prod/a]"
    );
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    assert_eq!(
        problems(
            "é: op://v/i\n  {{ op://v/i/a(b) }} $NONE\nop://${NO}/i/f op://v/i/f?attribute=otp"
        ),
        [
            "file:1:4: \"op://v/i\" is no reference: it names 2 parts where \
             op://vault/item[/section]/field has three or four",
            "file:2:6: \"op://v/i/a(b)\" is no reference: its field holds '(', which a reference \
             can't; use the field's id instead",
            "file:2:23: the variable NONE is not set (set it, give a default as ${NONE:-…}, or write \
             {{ \"$NONE\" }} to keep the text)",
            "file:3:6: the variable NO is not set (set it, give a default as ${NO:-…}, or write \
             {{ \"$NO\" }} to keep the text)",
            "file:3:16: \"op://v/i/f?attribute\" is no reference: it asks for an attribute (?…), \
             which psk doesn't read; refer to the field itself",
        ]
    );
    let template = Template::parse("file", "a op://v/i/f\nop://v/i/g op://v/i/f", &env()).unwrap();
    let why = Err("no such item".to_owned());
    let values = template.references().into_iter().map(|r| (r, why.clone()));
    let problems = template.render(&values.collect()).unwrap_err();
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "file:1:3: op://v/i/f: no such item",
            "file:2:1: op://v/i/g: no such item",
            "file:2:12: op://v/i/f: no such item",
        ]
    );
}

#[test]
fn no_text_is_in_debug_output() {
    let template = Template::parse("file", "canary op://v/i/f", &env()).unwrap();
    assert_eq!(
        format!("{template:?}"),
        "Template { parts: [Text, op://v/i/f] }"
    );
}
