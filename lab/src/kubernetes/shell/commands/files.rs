//! Commands that read and write files, directories and devices.

use jiff::SignedDuration;

use super::super::content::Content;
use super::super::machine::{Machine, Stop};
use super::{Ended, fail, say};

/// Bytes that a volume takes in a second.
const THROUGHPUT: f64 = 200.0 * 1024.0 * 1024.0;

/// Holds a directory that has nothing in it.
pub(super) const DIRECTORY: &str = ".dir";

pub(super) fn cat(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

pub(super) fn is_directory(machine: &Machine<'_>, path: &str) -> bool {
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

pub(super) fn size(text: &str) -> Option<u64> {
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

pub(super) fn dd(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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
            machine.sees_time = true;
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

pub(super) fn change(
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

pub(super) fn rm(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

pub(super) fn copy(machine: &mut Machine<'_>, program: &str, arguments: &[&str]) -> Ended {
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

pub(super) fn cmp(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

pub(super) fn ls(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

pub(super) fn stat(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

pub(super) fn df(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

pub(super) fn blockdev(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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

pub(super) fn sums(machine: &mut Machine<'_>, arguments: &[&str]) -> Ended {
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
