use super::*;

fn data() -> Map {
    let map = Map::from([
        ("z".to_owned(), Value::Int(1)),
        ("a".to_owned(), "q".into()),
    ]);
    Map::from([
        ("s".to_owned(), "str".into()),
        ("n".to_owned(), Value::Float(3.0)),
        ("b".to_owned(), Value::Bool(true)),
        ("nil".to_owned(), Value::Nil),
        ("empty".to_owned(), "".into()),
        (
            "l".to_owned(),
            Value::List(vec!["a".into(), "b".into(), "c".into()]),
        ),
        ("m".to_owned(), Value::Map(map)),
    ])
}

fn render(text: &str) -> String {
    Template::parse(text).unwrap().render(data()).unwrap()
}

fn error(text: &str) -> TemplateError {
    match Template::parse(text) {
        Err(error) => error,
        Ok(template) => template.render(data()).unwrap_err(),
    }
}

/// What each gives was worked out from the documentation of text/template.
#[test]
fn the_language() {
    for (text, expected) in [
        ("a {{.s}} {{ .s }} b", "a str str b"),
        (
            "{{.missing}} {{.nil}} {{.m.none.deeper}}",
            "<no value> <no value> <no value>",
        ),
        ("{{.n}} {{.b}} {{.l}} {{.m}}", "3 true [a b c] map[a:q z:1]"),
        ("x {{- .s -}} \n y", "xstry"),
        ("{{-3}} {{- 3}}", "-33"),
        ("a{{/* hidden */}}b {{- /* trimmed */ -}} c", "abc"),
        ("{{if .empty}}x{{else if .s}}y{{else}}z{{end}}", "y"),
        ("{{if not .empty}}x{{end}}{{if .nil}}y{{end}}", "x"),
        (
            "{{with .m}}{{.a}}{{else}}none{{end}}{{with .nil}}x{{else}}none{{end}}",
            "qnone",
        ),
        ("{{with .empty}}x{{else with .s}}{{.}}{{end}}", "str"),
        ("{{range .l}}{{.}},{{end}}", "a,b,c,"),
        (
            "{{range $i, $e := .l}}{{$i}}={{$e}} {{end}}",
            "0=a 1=b 2=c ",
        ),
        ("{{range $k, $v := .m}}{{$k}}={{$v}} {{end}}", "a=q z=1 "),
        ("{{range $e := .l}}{{$e}}{{$.s}}{{end}}", "astrbstrcstr"),
        ("{{range .missing}}x{{else}}none{{end}}", "none"),
        (
            "{{range .l}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}",
            "ac",
        ),
        (
            "{{range .l}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}",
            "a",
        ),
        ("{{range 3}}{{.}}{{end}}", "012"),
        (
            "{{$x := 1}}{{if .b}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}",
            "2",
        ),
        ("{{with $x := .s}}{{$x}}{{end}}", "str"),
        (
            "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .s}}{{template \"t\"}}",
            "<str><<no value>>",
        ),
        ("{{block \"b\" .m}}{{.a}}{{end}}", "q"),
        ("{{.s | printf \"%s-%v\" .b}}", "%!s(bool=true)-str"),
        ("{{printf \"%s!\" .s | len}}", "4"),
        (
            "{{(index .l 1)}} {{index .m \"a\"}} {{index .m \"none\"}}",
            "b q <no value>",
        ),
        ("{{(printf \"%s\" .s) | len}}", "3"),
        (
            "{{eq .s \"a\" \"str\"}} {{ne .s \"a\"}} {{lt 1 2}} {{ge \"b\" \"a\"}}",
            "true true true true",
        ),
        (
            "{{and .s .empty}}|{{or .empty .s}}|{{and .b .s}}|{{or .nil .empty}}",
            "|str|str|",
        ),
        ("{{and .empty (index .l 9)}}{{or .s (index .l 9)}}", "str"),
        ("{{slice .s 1 2}} {{slice .l 1}} {{len .m}}", "t [b c] 2"),
        ("{{html \"<a href='x'>\"}}", "&lt;a href=&#39;x&#39;&gt;"),
        ("{{js \"it's <b>\"}}", "it\\'s \\u003Cb\\u003E"),
        ("{{urlquery \"a b/c~*\"}}", "a+b%2Fc~%2A"),
        ("{{print 1 2 \"x\"}}{{println .s}}", "1 2xstr\n"),
        (
            "{{`raw \\n`}} {{\"\\u00e9\\t\\\"\"}} {{'a'}} {{0x10}} {{1.5}}",
            "raw \\n é\t\" 97 16 1.5",
        ),
        (
            "key: {{.s}}\n{{- if .b}}\n  k: v\n{{- end}}\n",
            "key: str\n  k: v\n",
        ),
        (
            "circleci << parameters.x >> { { }}",
            "circleci << parameters.x >> { { }}",
        ),
        ("{{true}} {{false}} {{eq .nil nil}}", "true false true"),
    ] {
        assert_eq!(render(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, offset, message) in [
        ("ab {{.s", 3, "the action is not closed"),
        ("{{if .s}}x", 0, "the end of this is missing"),
        ("{{if .s}}x{{else}}y", 10, "the end of this is missing"),
        ("x{{end}}", 1, "there is nothing that this end ends"),
        ("{{else}}", 0, "there is no if, with or range for this else"),
        ("{{upper .s}}", 2, "there is no function \"upper\""),
        ("{{$x}}", 2, "the variable $x is not declared"),
        ("{{.s.x}}", 2, "string has no field \"x\""),
        ("{{index .l 9}}", 2, "index 9 is out of range"),
        ("{{lt .n 1}}", 2, "float64 and int can't be compared"),
        ("{{range .s}}{{end}}", 8, "string can't be ranged over"),
        ("{{template \"t\"}}", 0, "there is no template \"t\""),
        (
            "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}",
            14,
            "templates call one another more than 200 deep",
        ),
        ("{{break}}", 0, "break stands outside of a range"),
        (
            "{{.s .b}}",
            2,
            "this is a value, not a function: it can't be given arguments",
        ),
        ("{{}}", 2, "a value is missing"),
        ("{{(.s}}", 2, "the parenthesis is not closed"),
        ("{{\"x}}", 2, "the string is not closed"),
        ("{{.s ; .b}}", 5, "';' has no meaning in an action"),
        ("{{/* x }}", 0, "the comment is not closed"),
    ] {
        assert_eq!(error(text), TemplateError::new(offset, message), "{text}");
    }
}

proptest::proptest! {
    /// Whatever the text, the answer is a text or an error.
    #[test]
    fn nothing_panics(text in "[{}\\-.$a-c \"'`()|:=/*\n]{0,40}") {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.render(data());
        }
    }
}
