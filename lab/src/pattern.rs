//! Patterns as AWS writes them: `*` stands for any characters, `?` for one, and a backslash takes
//! the meaning from the character behind it.

/// Whether the whole text matches the pattern.
///
/// ```
/// use psk_lab::pattern::matches;
/// assert!(matches("arn:aws:iam::*:role/ci-?", "arn:aws:iam::111122223333:role/ci-1"));
/// assert!(matches(r"a\*", "a*"));
/// assert!(!matches(r"a\*", "ab"));
/// ```
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on if what follows the last star doesn't match: one character further.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                retry = Some((p, t));
                p += 1;
                continue;
            }
            Some(Token::One) => {
                p += 1;
                t += 1;
                continue;
            }
            Some(Token::Literal(c)) if *c == text[t] => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = retry else {
            return false;
        };
        retry = Some((star, from + 1));
        p = star + 1;
        t = from + 1;
    }
    pattern[p..].iter().all(|token| matches!(token, Token::Any))
}

enum Token {
    Any,
    One,
    Literal(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut chars = pattern.chars();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Literal(chars.next().unwrap_or('\\')),
            c => Token::Literal(c),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::matches;

    /// The same, told in the plainest way: a star is nothing, or one character and a star.
    fn plainly(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                plainly(rest, text) || (!text.is_empty() && plainly(pattern, &text[1..]))
            }
            (['?', rest @ ..], [_, more @ ..]) => plainly(rest, more),
            ([c, rest @ ..], [d, more @ ..]) => c == d && plainly(rest, more),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_the_plain_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), plainly(&chars(&pattern), &chars(&text)));
        }
    }

    #[test]
    fn stars_take_as_much_as_is_needed() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-c-d", false),
            ("*nonprod*", "vpc-nonprod-1", true),
            ("?", "", false),
            ("??", "é!", true),
            (r"\?", "?", true),
            (r"\?", "a", false),
            ("abc", "abcd", false),
            ("*.example.com", "a.b.example.com", true),
        ] {
            assert_eq!(
                matches(pattern, text),
                expected,
                "{pattern:?} against {text:?}"
            );
        }
    }
}
