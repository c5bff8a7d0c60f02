//! Making text from elsewhere (services, settings, branch names) safe and short enough to print.

use std::borrow::Cow;
use std::fmt::Write;

use console::{measure_text_width, truncate_str};

/// The text on one line, with nothing in it that a terminal or a CI runner would act on.
///
/// - Control characters, line breaks included, and characters that are invisible or change the
///   reading direction come out as Rust would write them in a literal (`\n`, `\u{1b}`).
/// - GitHub's runner takes a line for a workflow command if it begins with `::`, leading blanks
///   ignored, or, in the older form, holds `##[` anywhere (actions/runner, `ActionCommand.cs`).
///   A backslash breaks both, so a piece of text made visible can stand anywhere in a line.
///
/// Text without any of that, nearly all there is, comes back as it is.
pub fn visible(text: &str) -> Cow<'_, str> {
    let blank = |c: char| c.is_whitespace() && !is_hidden(c);
    let command = text.trim_start_matches(blank).starts_with("::");
    if !command && !text.contains("##[") && !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    if command {
        out.push('\\');
    }
    for c in text.chars() {
        match c {
            '[' if out.ends_with("##") => out.push_str("\\["),
            c if is_hidden(c) => {
                // Writing to a String can't fail.
                let _ = write!(out, "{}", c.escape_default());
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a character does something to the line instead of standing in it.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' // Arabic letter mark
            | '\u{200b}'..='\u{200f}' // zero width, reading direction
            | '\u{2028}'..='\u{202e}' // line and paragraph separators, reading direction
            | '\u{2060}'..='\u{206f}' // invisible operators, reading direction
            | '\u{feff}' // byte order mark
            | '\u{fff9}'..='\u{fffb}' // interlinear annotation
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

/// The text cut to `width` columns, ending in `ellipsis` if anything was cut. Colour codes take no
/// room and are kept.
pub fn shorten<'a>(text: &'a str, width: usize, ellipsis: &str) -> Cow<'a, str> {
    let ellipsis = if measure_text_width(ellipsis) <= width {
        ellipsis
    } else {
        ""
    };
    truncate_str(text, width, ellipsis)
}

/// The text followed by as many blanks as bring it to `width` columns. Colour codes take no room.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(measure_text_width(text));
    format!("{text}{:missing$}", "")
}

/// `1 cluster`, `2 clusters`: a count with its noun, for nouns that take an `s`.
pub fn count(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in [
            "",
            "nonprod-i01-aws-us-east-1",
            "arn:aws:iam::111122223333:role/x",
            "é → 国",
        ] {
            assert!(
                matches!(visible(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn control_characters_are_shown_as_written_in_a_literal() {
        assert_eq!(visible("a\nb\r\tc"), r"a\nb\r\tc");
        assert_eq!(
            visible("\u{1b}[2J\u{7}\u{9b}31m"),
            r"\u{1b}[2J\u{7}\u{9b}31m"
        );
        assert_eq!(visible("safe\u{202e}exe"), r"safe\u{202e}exe");
    }

    #[test]
    fn workflow_commands_are_broken_up() {
        assert_eq!(visible("::error::boo"), r"\::error::boo");
        assert_eq!(
            visible("  ::set-output name=a::b"),
            r"\  ::set-output name=a::b"
        );
        assert_eq!(visible("\n::error::boo"), r"\n::error::boo");
        assert_eq!(visible("see ##[add-mask]x"), r"see ##\[add-mask]x");
        assert_eq!(visible("###[error]x"), r"###\[error]x");
    }

    #[test]
    fn cutting_counts_columns_and_keeps_colours() {
        assert_eq!(shorten("nonprod", 7, "…"), "nonprod");
        assert_eq!(shorten("nonprod", 5, "…"), "nonp…");
        assert_eq!(shorten("nonprod", 1, "..."), "n");
        assert_eq!(shorten("国国国", 5, "…"), "国国…");
        assert_eq!(
            shorten("\u{1b}[31mnonprod\u{1b}[0m", 4, "…"),
            "\u{1b}[31mnon…\u{1b}[0m"
        );
        assert_eq!(pad("国", 4), "国  ");
        assert_eq!(pad("\u{1b}[1mab\u{1b}[0m", 3), "\u{1b}[1mab\u{1b}[0m ");
    }

    proptest! {
        #[test]
        fn nothing_visible_acts_on_its_line(text in any::<String>(), before in "[ \t]{0,4}") {
            let line = format!("{before}{}", visible(&text));
            prop_assert!(!line.trim_start().starts_with("::"));
            prop_assert!(!line.contains("##["));
            prop_assert!(!line.chars().any(|c| c != '\t' && is_hidden(c)));
        }

        #[test]
        fn cut_text_fits(text in "\\PC{0,40}", width in 0usize..30) {
            prop_assert!(measure_text_width(&shorten(&visible(&text), width, "…")) <= width);
        }
    }
}
