//! How output for people looks: colours or none, how wide, which symbols. Decided once at the
//! edge, then passed to whatever writes; nothing below looks at the terminal or the environment.

use std::fmt::Display;

/// How output for people looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours and bold type may be used.
    pub colour: bool,
    /// Columns that a line should keep to.
    pub width: u16,
    /// Whether symbols outside ASCII may be used.
    pub unicode: bool,
}

/// What the user asked for as to colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColourChoice {
    /// Colours where the environment and the terminal speak for them.
    #[default]
    Auto,
    /// Colours in any case.
    Always,
    /// No colours.
    Never,
}

/// What a piece of text is, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// A heading or name.
    Strong,
    /// Of less interest than what stands around it.
    Faint,
    /// Something added, or gone well.
    Added,
    /// Something changed, or worth attention.
    Changed,
    /// Something replaced.
    Replaced,
    /// Something removed, or gone wrong.
    Removed,
}

/// Width used where there is no terminal to ask: CI logs show at least that much.
const DEFAULT_WIDTH: u16 = 120;

impl Style {
    /// No colours, ASCII only, 80 columns.
    pub const PLAIN: Self = Self {
        colour: false,
        width: 80,
        unicode: false,
    };

    /// The style for a stream. `env` looks up an environment variable; `terminal` is the number of
    /// columns of the terminal that the stream goes to, `None` where it goes elsewhere.
    ///
    /// A flag decides over the environment. With `auto`, a non-empty `NO_COLOR` (no-color.org) wins
    /// over a `CLICOLOR_FORCE` that isn't `0` (bixense.com/clicolors); then it takes a terminal
    /// that is not `TERM=dumb`, and no `CLICOLOR=0`. Symbols outside ASCII are used where the locale
    /// (the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is set, as POSIX says) names UTF-8.
    pub fn choose(
        flag: ColourChoice,
        env: impl Fn(&str) -> Option<String>,
        terminal: Option<u16>,
    ) -> Self {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let colour = match flag {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto if set("NO_COLOR").is_some() => false,
            ColourChoice::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            ColourChoice::Auto => {
                terminal.is_some()
                    && set("TERM").is_none_or(|term| term != "dumb")
                    && set("CLICOLOR").is_none_or(|value| value != "0")
            }
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(set)
            .unwrap_or_default();
        let codeset = locale.to_ascii_lowercase();
        Self {
            colour,
            width: terminal
                .filter(|columns| *columns > 0)
                .unwrap_or(DEFAULT_WIDTH),
            unicode: codeset.contains("utf-8") || codeset.contains("utf8"),
        }
    }

    /// The text in the colour of what it is.
    pub fn paint(&self, ink: Ink, text: impl Display) -> String {
        let style = console::Style::new().force_styling(self.colour);
        let style = match ink {
            Ink::Strong => style.bold(),
            Ink::Faint => style.dim(),
            Ink::Added => style.green(),
            Ink::Changed => style.yellow(),
            Ink::Replaced => style.magenta(),
            Ink::Removed => style.red(),
        };
        style.apply_to(text).to_string()
    }

    /// Between an old value and a new one.
    pub fn arrow(&self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// In the place of what was cut off.
    pub fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// Between facts that stand side by side on a line.
    pub fn dot(&self) -> &'static str {
        if self.unicode { " · " } else { ", " }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(flag: ColourChoice, env: &[(&str, &str)], terminal: Option<u16>) -> Style {
        let lookup = |name: &str| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Style::choose(flag, lookup, terminal)
    }

    #[test]
    fn colours_follow_flag_then_environment_then_terminal() {
        use ColourChoice::{Always, Auto, Never};
        let tty = Some(100);
        for (flag, env, terminal, colour) in [
            (Auto, &[][..], tty, true),
            (Auto, &[], None, false),
            (Auto, &[("TERM", "dumb")], tty, false),
            (Auto, &[("TERM", "xterm-256color")], tty, true),
            (Auto, &[("CLICOLOR", "0")], tty, false),
            (Auto, &[("NO_COLOR", "1")], tty, false),
            (Auto, &[("NO_COLOR", "")], tty, true),
            (Auto, &[("CLICOLOR_FORCE", "1")], None, true),
            (Auto, &[("CLICOLOR_FORCE", "0")], None, false),
            (
                Auto,
                &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")],
                tty,
                true,
            ),
            (
                Auto,
                &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")],
                tty,
                false,
            ),
            (Always, &[("NO_COLOR", "1")], None, true),
            (Never, &[("CLICOLOR_FORCE", "1")], tty, false),
        ] {
            let style = chosen(flag, env, terminal);
            assert_eq!(style.colour, colour, "{flag:?} {env:?} {terminal:?}");
        }
    }

    #[test]
    fn symbols_follow_the_locale() {
        for (env, unicode) in [
            (&[("LANG", "en_US.UTF-8")][..], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "C")], false),
            (&[], false),
            (&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "UTF-8")], true),
        ] {
            assert_eq!(
                chosen(ColourChoice::Auto, env, None).unicode,
                unicode,
                "{env:?}"
            );
        }
    }

    #[test]
    fn width_is_the_terminals_or_the_default() {
        assert_eq!(chosen(ColourChoice::Auto, &[], Some(97)).width, 97);
        assert_eq!(
            chosen(ColourChoice::Auto, &[], Some(0)).width,
            DEFAULT_WIDTH
        );
        assert_eq!(chosen(ColourChoice::Auto, &[], None).width, DEFAULT_WIDTH);
    }

    #[test]
    fn paint_adds_codes_only_in_colour() {
        let colour = Style {
            colour: true,
            ..Style::PLAIN
        };
        assert_eq!(colour.paint(Ink::Removed, "x"), "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(Style::PLAIN.paint(Ink::Removed, "x"), "x");
    }
}
