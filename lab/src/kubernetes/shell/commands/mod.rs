//! The commands that scripts may use.

mod files;
mod test;
mod text;

use jiff::SignedDuration;

use super::content::Content;
use super::machine::{Machine, Stop};

type Ended = Result<i32, Stop>;

/// Whether a program runs without a shell.
pub(super) fn is_known(program: &str) -> bool {
    matches!(
        program.rsplit('/').next().unwrap_or_default(),
        "sleep"
            | "true"
            | "false"
            | "echo"
            | "cat"
            | "dd"
            | "ls"
            | "test"
            | "touch"
            | "date"
            | "uname"
            | "id"
            | "hostname"
            | "env"
    )
}

/// Runs a command.
pub(super) fn run(machine: &mut Machine<'_>, words: &[String]) -> Ended {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((program, arguments)) = words.split_first() else {
        return Ok(0);
    };
    match program.rsplit('/').next().unwrap_or_default() {
        ":" | "true" | "trap" | "wait" | "chmod" | "chown" | "ulimit" | "umask" => Ok(0),
        "false" => Ok(1),
        "sync" | "fsync" => Ok(0),
        "exit" => Err(Stop::Exit(
            arguments
                .first()
                .map_or(machine.code, |c| c.parse().unwrap_or(2)),
        )),
        "break" => Err(Stop::Break),
        "continue" => Err(Stop::Continue),
        "set" => set(machine, arguments),
        "export" | "readonly" | "local" => {
            for argument in arguments {
                if let Some((name, value)) = argument.split_once('=') {
                    machine.variables.insert(name.to_owned(), value.to_owned());
                }
            }
            Ok(0)
        }
        "unset" => {
            for name in arguments {
                machine.variables.remove(*name);
            }
            Ok(0)
        }
        "shift" => {
            if machine.arguments.is_empty() {
                return Ok(1);
            }
            machine.arguments.remove(0);
            Ok(0)
        }
        "cd" => {
            machine.directory = machine.absolute(arguments.first().unwrap_or(&"/"));
            Ok(0)
        }
        "pwd" => say(machine, &machine.directory.clone()),
        "sleep" => sleep(machine, arguments),
        "echo" => echo(machine, arguments),
        "printf" => printf(machine, arguments),
        "cat" => files::cat(machine, arguments),
        "test" => Ok(i32::from(!test::test(machine, arguments))),
        "[" => match arguments.split_last() {
            Some((&"]", inner)) => Ok(i32::from(!test::test(machine, inner))),
            _ => fail(machine, "[: missing ]", 2),
        },
        "dd" => files::dd(machine, arguments),
        "ls" => files::ls(machine, arguments),
        "mkdir" => files::change(machine, "mkdir", arguments, |machine, path| {
            machine.write(
                &format!("{path}/{}", files::DIRECTORY),
                Some(Content::default()),
            )
        }),
        "rmdir" | "rm" => files::rm(machine, arguments),
        "touch" => files::change(machine, "touch", arguments, |machine, path| {
            let content = machine.read(path).unwrap_or_default();
            machine.write(path, Some(content))
        }),
        "cp" | "mv" => files::copy(machine, program, arguments),
        "cmp" | "diff" => files::cmp(machine, arguments),
        "stat" => files::stat(machine, arguments),
        "df" => files::df(machine, arguments),
        "blockdev" => files::blockdev(machine, arguments),
        "sha256sum" | "md5sum" => files::sums(machine, arguments),
        "seq" => text::seq(machine, arguments),
        "date" => {
            machine.sees_time = true;
            let time = machine.time;
            match arguments.first() {
                Some(&"+%s") => say(machine, &time.as_second().to_string()),
                _ => say(
                    machine,
                    &time.strftime("%a %b %e %H:%M:%S UTC %Y").to_string(),
                ),
            }
        }
        "hostname" => say(machine, &machine.setting.hostname.clone()),
        "uname" => {
            let arch = if machine.setting.arch == "arm64" {
                "aarch64"
            } else {
                "x86_64"
            };
            say(
                machine,
                if arguments.first() == Some(&"-m") {
                    arch
                } else {
                    "Linux"
                },
            )
        }
        "nproc" => say(machine, "2"),
        "id" => {
            let user = machine.setting.user;
            match arguments.first() {
                Some(&("-u" | "-g")) => say(machine, &user.to_string()),
                _ => say(machine, &format!("uid={user} gid={user}")),
            }
        }
        "whoami" => say(
            machine,
            if machine.setting.user == 0 {
                "root"
            } else {
                "nobody"
            },
        ),
        "env" => {
            let all: Vec<String> = machine
                .variables
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect();
            say(machine, &all.join("\n"))
        }
        "basename" => say(
            machine,
            arguments
                .first()
                .and_then(|p| p.rsplit('/').next())
                .unwrap_or_default(),
        ),
        "dirname" => say(
            machine,
            arguments
                .first()
                .and_then(|p| p.rsplit_once('/'))
                .map_or(".", |(d, _)| d),
        ),
        "expr" => {
            let value = machine.arithmetic(&arguments.join(" ").replace("\\*", "*"));
            match value {
                Some(value) => {
                    say(machine, &value.to_string())?;
                    Ok(i32::from(value == 0))
                }
                None => fail(machine, "expr: syntax error", 2),
            }
        }
        "head" | "tail" => text::ends(machine, program, arguments),
        "wc" => text::wc(machine, arguments),
        "grep" => text::grep(machine, arguments),
        "cut" => text::cut(machine, arguments),
        "tr" => text::tr(machine, arguments),
        "sort" | "uniq" => {
            let text = machine.stdin.text();
            let mut lines: Vec<&str> = text.lines().collect();
            if *program == "sort" {
                lines.sort_unstable();
            }
            if *program == "uniq" || arguments.contains(&"-u") {
                lines.dedup();
            }
            lines
                .iter()
                .try_for_each(|line| say(machine, line).map(|_| ()))?;
            Ok(0)
        }
        "tee" => {
            let content = machine.stdin.clone();
            machine.print(content.clone())?;
            files::change(machine, "tee", arguments, |machine, path| {
                machine.write(path, Some(content.clone()))
            })
        }
        "pause" => Err(Stop::Forever),
        _ => fail(
            machine,
            &format!("{}: {program}: not found", machine.name.clone()),
            127,
        ),
    }
}

fn say(machine: &mut Machine<'_>, text: &str) -> Ended {
    machine.print(format!("{text}\n").into())?;
    Ok(0)
}

fn fail(machine: &mut Machine<'_>, message: &str, code: i32) -> Ended {
    machine.complain(message);
    Ok(code)
}

fn set(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if matches!(*argument, "--") {
            machine.arguments = arguments.map(|a| (*a).to_owned()).collect();
            break;
        }
        // `-euo pipefail` says both letters and an option.
        machine.set_flags(argument);
        if argument.ends_with('o')
            && let Some(name) = arguments.next()
        {
            machine.set_option(name, argument.starts_with('-'));
        }
    }
    Ok(0)
}

fn sleep(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let mut total = SignedDuration::ZERO;
    for argument in arguments {
        if matches!(*argument, "infinity" | "inf") {
            return Err(Stop::Forever);
        }
        let (number, unit) = match argument.find(|c: char| c.is_ascii_alphabetic()) {
            Some(at) => argument.split_at(at),
            None => (*argument, "s"),
        };
        let factor = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => f64::NAN,
        };
        let seconds = number.parse::<f64>().unwrap_or(f64::NAN) * factor;
        let Ok(time) = SignedDuration::try_from_secs_f64(seconds) else {
            return fail(machine, &format!("sleep: invalid number '{argument}'"), 1);
        };
        total = total.saturating_add(time);
    }
    machine.pass(total)?;
    Ok(0)
}

fn echo(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let (newline, rest) = match arguments {
        ["-n", rest @ ..] => ("", rest),
        ["-e", rest @ ..] => ("\n", rest),
        rest => ("\n", rest),
    };
    machine.print(format!("{}{newline}", rest.join(" ")).into())?;
    Ok(0)
}

fn printf(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let Some((format, arguments)) = arguments.split_first() else {
        return fail(machine, "printf: usage: printf FORMAT [ARG...]", 1);
    };
    let mut text = String::new();
    let mut left = arguments.iter();
    loop {
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(c) => text.push(c),
                    None => text.push('\\'),
                },
                '%' => match chars.next() {
                    Some('%') => text.push('%'),
                    Some(_) => text.push_str(left.next().unwrap_or(&"")),
                    None => text.push('%'),
                },
                c => text.push(c),
            }
        }
        if left.as_slice().is_empty() || !format.contains('%') {
            break;
        }
    }
    machine.print(text.into())?;
    Ok(0)
}
