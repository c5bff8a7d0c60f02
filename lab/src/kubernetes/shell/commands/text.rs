//! Commands that pick from text.

use super::super::content::Content;
use super::super::machine::Machine;
use super::files::size;
use super::{Ended, fail, say};

pub(super) fn seq(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let numbers: Vec<i64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let (first, last) = match numbers.as_slice() {
        [last] => (1, *last),
        [first, last] => (*first, *last),
        _ => return fail(machine, "seq: the lab counts from a number to a number", 1),
    };
    for number in first..=last {
        say(machine, &number.to_string())?;
    }
    Ok(0)
}

/// What a command reads: its file, or its input.
fn input(machine: &mut Machine<'_>, name: &str, path: Option<&str>) -> Result<Content, Ended> {
    match path {
        None => Ok(machine.stdin.clone()),
        Some(path) => match machine.read(path) {
            Some(content) => Ok(content),
            None => Err(fail(
                machine,
                &format!("{name}: {path}: No such file or directory"),
                1,
            )),
        },
    }
}

pub(super) fn ends(machine: &mut Machine<'_>, program: &str, arguments: &[&str]) -> Ended {
    let mut bytes = None;
    let mut lines: i64 = 10;
    let mut path = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = |rest: &str| match rest {
            "" => arguments.next().copied().unwrap_or_default().to_owned(),
            rest => rest.to_owned(),
        };
        if let Some(rest) = argument.strip_prefix("-c") {
            bytes = size(&value(rest));
        } else if let Some(rest) = argument.strip_prefix("-n") {
            lines = value(rest).parse().unwrap_or(10);
        } else if let Some(rest) = argument.strip_prefix('-') {
            lines = rest.parse().unwrap_or(10);
        } else {
            path = Some(*argument);
        }
    }
    let content = match input(machine, program, path) {
        Ok(content) => content,
        Err(ended) => return ended,
    };
    let is_head = program == "head";
    if let Some(bytes) = bytes {
        let from = if is_head {
            0
        } else {
            content.len().saturating_sub(bytes)
        };
        machine.print(content.part(from, bytes))?;
        return Ok(0);
    }
    let text = content.text();
    let all: Vec<&str> = text.lines().collect();
    let count = usize::try_from(lines).unwrap_or_default().min(all.len());
    let chosen = if is_head {
        &all[..count]
    } else {
        &all[all.len() - count..]
    };
    for line in chosen {
        say(machine, line)?;
    }
    Ok(0)
}

pub(super) fn wc(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let path = arguments.iter().find(|a| !a.starts_with('-')).copied();
    let content = match input(machine, "wc", path) {
        Ok(content) => content,
        Err(ended) => return ended,
    };
    let number = if arguments.contains(&"-c") {
        content.len().to_string()
    } else if arguments.contains(&"-l") {
        content.text().matches('\n').count().to_string()
    } else if arguments.contains(&"-w") {
        content.text().split_whitespace().count().to_string()
    } else {
        let text = content.text();
        format!(
            "{} {} {}",
            text.matches('\n').count(),
            text.split_whitespace().count(),
            content.len()
        )
    };
    match path {
        Some(path) => say(machine, &format!("{number} {path}")),
        None => say(machine, &number),
    }
}

pub(super) fn grep(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let flags: String = arguments
        .iter()
        .filter(|a| a.starts_with('-'))
        .map(|a| &a[1..])
        .collect();
    let rest: Vec<&str> = arguments
        .iter()
        .filter(|a| !a.starts_with('-'))
        .copied()
        .collect();
    let Some((pattern, paths)) = rest.split_first() else {
        return fail(machine, "grep: no pattern", 2);
    };
    let content = match input(machine, "grep", paths.first().copied()) {
        Ok(content) => content,
        Err(_) => return Ok(2),
    };
    let (front, end) = (pattern.starts_with('^'), pattern.ends_with('$'));
    let plain = pattern.trim_start_matches('^').trim_end_matches('$');
    let fits = |line: &str| {
        let fits = match (flags.contains('x') || (front && end), front, end) {
            (true, ..) => line == plain,
            (_, true, _) => line.starts_with(plain),
            (_, _, true) => line.ends_with(plain),
            _ => line.contains(plain),
        };
        fits != flags.contains('v')
    };
    let text = content.text();
    let found: Vec<&str> = text.lines().filter(|line| fits(line)).collect();
    if flags.contains('c') {
        say(machine, &found.len().to_string())?;
    } else if !flags.contains('q') {
        for line in &found {
            say(machine, line)?;
        }
    }
    Ok(i32::from(found.is_empty()))
}

pub(super) fn cut(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let value = |flag: &str| {
        let at = arguments.iter().position(|a| a.starts_with(flag))?;
        let rest = arguments[at].strip_prefix(flag)?;
        if rest.is_empty() {
            arguments.get(at + 1).copied()
        } else {
            Some(rest)
        }
    };
    let delimiter = value("-d").unwrap_or("\t");
    let Some(field) = value("-f")
        .and_then(|f| f.parse::<usize>().ok())
        .filter(|f| *f > 0)
    else {
        return fail(machine, "cut: the lab cuts out one field", 1);
    };
    let text = machine.stdin.text();
    for line in text.lines() {
        let found = line.split(delimiter).nth(field - 1).unwrap_or_default();
        say(machine, found)?;
    }
    Ok(0)
}

pub(super) fn tr(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let unescaped = |text: &str| text.replace("\\n", "\n").replace("\\t", "\t");
    let text = machine.stdin.text();
    let changed: String = match arguments {
        ["-d", set] => {
            let set = unescaped(set);
            text.chars().filter(|c| !set.contains(*c)).collect()
        }
        ["-s", set] => {
            let set = unescaped(set);
            let mut last = None;
            text.chars()
                .filter(|c| {
                    let again = last == Some(*c) && set.contains(*c);
                    last = Some(*c);
                    !again
                })
                .collect()
        }
        [from, to] => {
            let (from, to): (Vec<char>, Vec<char>) =
                (ranged(&unescaped(from)), ranged(&unescaped(to)));
            text.chars()
                .map(|c| match from.iter().position(|f| *f == c) {
                    Some(at) => to.get(at).or(to.last()).copied().unwrap_or(c),
                    None => c,
                })
                .collect()
        }
        _ => return fail(machine, "tr: unknown arguments", 1),
    };
    machine.print(changed.into())?;
    Ok(0)
}

/// Characters, with ranges such as `a-z` written out.
fn ranged(set: &str) -> Vec<char> {
    let chars: Vec<char> = set.chars().collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if let (Some('-'), Some(last)) = (chars.get(at + 1), chars.get(at + 2)) {
            all.extend(chars[at]..=*last);
            at += 3;
        } else {
            all.push(chars[at]);
            at += 1;
        }
    }
    all
}
