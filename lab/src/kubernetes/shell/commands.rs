//! The commands that scripts may use.

use jiff::SignedDuration;

use super::content::Content;
use super::machine::{Machine, Stop};

type Ended = Result<i32, Stop>;

/// Bytes that a volume takes in a second.
const THROUGHPUT: f64 = 200.0 * 1024.0 * 1024.0;
/// Holds a directory that has nothing in it.
const DIRECTORY: &str = ".dir";

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
        "cat" => cat(machine, arguments),
        "test" => Ok(i32::from(!test(machine, arguments))),
        "[" => match arguments.split_last() {
            Some((&"]", inner)) => Ok(i32::from(!test(machine, inner))),
            _ => fail(machine, "[: missing ]", 2),
        },
        "dd" => dd(machine, arguments),
        "ls" => ls(machine, arguments),
        "mkdir" => change(machine, "mkdir", arguments, |machine, path| {
            machine.write(&format!("{path}/{DIRECTORY}"), Some(Content::default()))
        }),
        "rmdir" | "rm" => rm(machine, arguments),
        "touch" => change(machine, "touch", arguments, |machine, path| {
            let content = machine.read(path).unwrap_or_default();
            machine.write(path, Some(content))
        }),
        "cp" | "mv" => copy(machine, program, arguments),
        "cmp" | "diff" => cmp(machine, arguments),
        "stat" => stat(machine, arguments),
        "df" => df(machine, arguments),
        "blockdev" => blockdev(machine, arguments),
        "sha256sum" | "md5sum" => sums(machine, arguments),
        "seq" => seq(machine, arguments),
        "date" => {
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
        "head" | "tail" => ends(machine, program, arguments),
        "wc" => wc(machine, arguments),
        "grep" => grep(machine, arguments),
        "cut" => cut(machine, arguments),
        "tr" => tr(machine, arguments),
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
            change(machine, "tee", arguments, |machine, path| {
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

fn cat(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    if arguments.is_empty() || arguments == ["-"] {
        let content = machine.stdin.clone();
        machine.print(content)?;
        return Ok(0);
    }
    let mut code = 0;
    for path in arguments {
        match machine.read(path) {
            Some(content) => machine.print(content)?,
            None => {
                code = fail(
                    machine,
                    &format!("cat: can't open '{path}': No such file or directory"),
                    1,
                )?
            }
        }
    }
    Ok(code)
}

fn is_directory(machine: &Machine<'_>, path: &str) -> bool {
    let Some((mount, inner)) = machine.mount(path) else {
        return false;
    };
    if mount.device {
        return false;
    }
    let prefix = format!("{inner}/");
    inner.is_empty()
        || machine
            .paths(&mount.volume)
            .iter()
            .any(|p| p.starts_with(&prefix))
        || ["/tmp", "/etc", "/dev", "/var", "/usr", "/bin", "/proc"]
            .contains(&machine.absolute(path).as_str())
}

fn test(machine: &mut Machine<'_>, words: &[&str]) -> bool {
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

fn size(text: &str) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "" => 1,
        "k" | "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn dd(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let given = |name: &str| {
        arguments
            .iter()
            .find_map(|a| a.strip_prefix(name)?.strip_prefix('='))
    };
    let number = |name: &str, default: u64| given(name).map_or(Some(default), size);
    let (Some(block), Some(count), Some(skip), Some(seek)) = (
        number("bs", 512),
        number("count", u64::MAX),
        number("skip", 0),
        number("seek", 0),
    ) else {
        return fail(machine, "dd: invalid number", 1);
    };
    let wanted = block.saturating_mul(count);
    let content = match given("if") {
        None => machine.stdin.part(skip * block, wanted),
        Some("/dev/zero" | "/dev/urandom" | "/dev/random") if count == u64::MAX => {
            return Err(Stop::Forever);
        }
        Some("/dev/zero") => Content::zeros(wanted),
        Some("/dev/urandom" | "/dev/random") => {
            let seed = machine.time.as_nanosecond().unsigned_abs() as u64
                ^ machine.setting.writer.len() as u64;
            Content::random(seed, wanted)
        }
        Some(path) => match machine.read(path) {
            Some(content) => content.part(skip * block, wanted),
            None => {
                return fail(
                    machine,
                    &format!("dd: can't open '{path}': No such file or directory"),
                    1,
                );
            }
        },
    };
    let length = content.len();
    machine
        .pass(SignedDuration::try_from_secs_f64(length as f64 / THROUGHPUT).unwrap_or_default())?;
    match given("of") {
        None => machine.print(content)?,
        Some("/dev/null") => {}
        Some(path) => {
            let is_device = machine.mount(path).is_some_and(|(m, _)| m.device);
            let keeps =
                is_device || seek > 0 || given("conv").is_some_and(|c| c.contains("notrunc"));
            let before = if keeps {
                stored(machine, path)
            } else {
                Content::default()
            };
            if let Err(why) = machine.write(path, Some(before.overlaid(seek * block, content))) {
                return fail(machine, &format!("dd: error writing '{path}': {why}"), 1);
            }
        }
    }
    let blocks = length / block.max(1);
    let rest = u64::from(length % block.max(1) > 0);
    if given("status") != Some("none") {
        machine.complain(&format!(
            "{blocks}+{rest} records in\n{blocks}+{rest} records out"
        ));
    }
    Ok(0)
}

/// What was written to a path; of a device without the zeros that nobody wrote.
fn stored(machine: &Machine<'_>, path: &str) -> Content {
    machine.read(path).unwrap_or_default()
}

fn change(
    machine: &mut Machine<'_>,
    name: &str,
    arguments: &[&str],
    mut change: impl FnMut(&mut Machine<'_>, &str) -> Result<(), String>,
) -> Ended {
    let mut code = 0;
    for path in arguments.iter().filter(|a| !a.starts_with('-')) {
        if let Err(why) = change(machine, path) {
            code = fail(machine, &format!("{name}: can't create '{path}': {why}"), 1)?;
        }
    }
    Ok(code)
}

fn rm(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let forced = arguments
        .iter()
        .any(|a| a.starts_with('-') && a.contains('f'));
    let mut code = 0;
    for path in arguments.iter().filter(|a| !a.starts_with('-')) {
        let Some((mount, inner)) = machine.mount(path) else {
            continue;
        };
        let volume = mount.volume.clone();
        let root = mount.path.trim_end_matches('/').to_owned();
        let prefix = format!("{inner}/");
        let found: Vec<String> = machine
            .paths(&volume)
            .into_iter()
            .filter(|p| *p == inner || inner.is_empty() || p.starts_with(&prefix))
            .collect();
        if found.is_empty() && !forced {
            code = fail(
                machine,
                &format!("rm: can't remove '{path}': No such file or directory"),
                1,
            )?;
        }
        for file in found {
            if let Err(why) = machine.write(&format!("{root}/{file}"), None) {
                code = fail(machine, &format!("rm: can't remove '{path}': {why}"), 1)?;
            }
        }
    }
    Ok(code)
}

fn copy(machine: &mut Machine<'_>, program: &str, arguments: &[&str]) -> Ended {
    let paths: Vec<&str> = arguments
        .iter()
        .filter(|a| !a.starts_with('-'))
        .copied()
        .collect();
    let [from, to] = paths.as_slice() else {
        return fail(
            machine,
            &format!("{program}: the lab copies one file at a time"),
            1,
        );
    };
    let Some(content) = machine.read(from) else {
        return fail(
            machine,
            &format!("{program}: can't stat '{from}': No such file or directory"),
            1,
        );
    };
    let to = if is_directory(machine, to) {
        format!("{to}/{}", from.rsplit('/').next().unwrap_or_default())
    } else {
        (*to).to_owned()
    };
    if let Err(why) = machine.write(&to, Some(content)) {
        return fail(
            machine,
            &format!("{program}: can't create '{to}': {why}"),
            1,
        );
    }
    if program == "mv" {
        rm(machine, &["-f", from])?;
    }
    Ok(0)
}

fn cmp(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let paths: Vec<&str> = arguments
        .iter()
        .filter(|a| !a.starts_with('-') || **a == "-")
        .copied()
        .collect();
    let quiet = arguments.contains(&"-s") || arguments.contains(&"-q");
    let read = |machine: &Machine<'_>, path: &str| match path {
        "-" => Some(machine.stdin.clone()),
        path => machine.read(path),
    };
    let [one, other, ..] = paths.as_slice() else {
        return fail(machine, "cmp: two files are needed", 2);
    };
    match (read(machine, one), read(machine, other)) {
        (Some(a), Some(b)) if a == b => Ok(0),
        (Some(_), Some(_)) => {
            if !quiet {
                say(machine, &format!("{one} {other} differ"))?;
            }
            Ok(1)
        }
        (None, _) => fail(
            machine,
            &format!("cmp: {one}: No such file or directory"),
            2,
        ),
        _ => fail(
            machine,
            &format!("cmp: {other}: No such file or directory"),
            2,
        ),
    }
}

fn ls(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let directory = machine.directory.clone();
    let path = arguments
        .iter()
        .find(|a| !a.starts_with('-'))
        .copied()
        .unwrap_or(&directory);
    if machine.read(path).is_some() {
        return say(machine, path);
    }
    let Some((mount, inner)) = machine.mount(path).filter(|_| is_directory(machine, path)) else {
        return fail(
            machine,
            &format!("ls: {path}: No such file or directory"),
            1,
        );
    };
    let prefix = if inner.is_empty() {
        String::new()
    } else {
        format!("{inner}/")
    };
    let mut names: Vec<String> = machine
        .paths(&mount.volume)
        .iter()
        .filter_map(|p| p.strip_prefix(&prefix))
        .filter_map(|p| p.split('/').next())
        .filter(|name| *name != DIRECTORY)
        .map(str::to_owned)
        .collect();
    names.dedup();
    for name in names {
        say(machine, &name)?;
    }
    Ok(0)
}

fn stat(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let Some(path) = arguments.last() else {
        return fail(machine, "stat: missing operand", 1);
    };
    match machine.read(path) {
        Some(content) => say(machine, &content.len().to_string()),
        None => fail(
            machine,
            &format!("stat: can't stat '{path}': No such file or directory"),
            1,
        ),
    }
}

fn df(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let path = arguments
        .iter()
        .rev()
        .find(|a| !a.starts_with('-'))
        .copied()
        .unwrap_or("/");
    let unit = if arguments.iter().any(|a| a.contains("B1") || *a == "-b") {
        1
    } else if arguments
        .iter()
        .any(|a| a.starts_with('-') && a.contains('m'))
    {
        1 << 20
    } else {
        1 << 10
    };
    let Some((mount, _)) = machine.mount(path) else {
        return fail(machine, &format!("df: {path}: can't find mount point"), 1);
    };
    let (total, used) = (
        machine.size(mount) / unit,
        machine.used(mount).div_ceil(unit),
    );
    let place = mount.path.clone();
    let free = total.saturating_sub(used);
    if arguments.iter().any(|a| a.starts_with("--output=size")) {
        say(machine, "Size")?;
        return say(machine, &total.to_string());
    }
    say(
        machine,
        &format!("Filesystem           {unit}-blocks      Used Available Use% Mounted on"),
    )?;
    say(
        machine,
        &format!(
            "/dev/nvme1n1         {total} {used} {free} {}% {place}",
            used * 100 / total.max(1)
        ),
    )
}

fn blockdev(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    let path = arguments.last().copied().unwrap_or_default();
    match machine.mount(path) {
        Some((mount, inner)) if mount.device && inner.is_empty() => {
            let size = machine.size(mount);
            say(machine, &size.to_string())
        }
        _ => fail(
            machine,
            &format!("blockdev: can't open '{path}': No such file or directory"),
            1,
        ),
    }
}

fn sums(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
    if arguments.is_empty() {
        let sum = machine.stdin.sha256();
        return say(machine, &format!("{sum}  -"));
    }
    let mut code = 0;
    for path in arguments {
        code = match machine.read(path) {
            Some(content) => say(machine, &format!("{}  {path}", content.sha256()))?,
            None => fail(
                machine,
                &format!("can't open '{path}': No such file or directory"),
                1,
            )?,
        };
    }
    Ok(code)
}

fn seq(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

fn ends(machine: &mut Machine<'_>, program: &str, arguments: &[&str]) -> Ended {
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

fn wc(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

fn grep(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

fn cut(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

fn tr(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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
