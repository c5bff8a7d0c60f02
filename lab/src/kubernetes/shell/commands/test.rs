//! `test`, also known as `[`.

use super::super::machine::Machine;
use super::files::is_directory;

pub(super) fn test(machine: &mut Machine<'_>, words: &[&str]) -> bool {
    if let Some(at) = words.iter().position(|w| *w == "-o") {
        return test(machine, &words[..at]) || test(machine, &words[at + 1..]);
    }
    if let Some(at) = words.iter().position(|w| *w == "-a") {
        return test(machine, &words[..at]) && test(machine, &words[at + 1..]);
    }
    let number = |text: &str| text.trim().parse::<i64>();
    match words {
        [] => false,
        ["!", rest @ ..] => !test(machine, rest),
        [text] => !text.is_empty(),
        ["-n", text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        ["-e", path] => machine.read(path).is_some() || is_directory(machine, path),
        ["-f", path] => {
            machine.read(path).is_some() && machine.mount(path).is_some_and(|(m, _)| !m.device)
        }
        ["-s", path] => machine.read(path).is_some_and(|c| c.len() > 0),
        ["-d", path] => is_directory(machine, path),
        ["-b", path] => machine
            .mount(path)
            .is_some_and(|(m, inner)| m.device && inner.is_empty()),
        ["-r", path] => machine.read(path).is_some() || is_directory(machine, path),
        ["-w", path] => machine.mount(path).is_some_and(|(m, _)| !m.read_only),
        [a, "=" | "==", b] => a == b,
        [a, "!=", b] => a != b,
        [a, operator, b] => {
            let (Ok(x), Ok(y)) = (number(a), number(b)) else {
                let wrong = if number(a).is_err() { a } else { b };
                machine.complain(&format!("sh: {wrong}: bad number"));
                return false;
            };
            match *operator {
                "-eq" => x == y,
                "-ne" => x != y,
                "-lt" => x < y,
                "-le" => x <= y,
                "-gt" => x > y,
                "-ge" => x >= y,
                _ => false,
            }
        }
        _ => {
            machine.complain("sh: test: too many arguments");
            false
        }
    }
}
