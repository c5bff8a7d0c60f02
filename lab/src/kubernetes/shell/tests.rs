//! Scripts, and what becomes of them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::files::{Files, Write};
use super::{Done, Mount, Outcome, Setting, run};

fn start() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

fn setting<'a>(files: &'a Files, name: &str) -> Setting<'a> {
    let mount = |path: &str, volume: &str| Mount {
        path: path.into(),
        volume: volume.into(),
        read_only: false,
        full: false,
        device: false,
    };
    Setting {
        start: start(),
        env: BTreeMap::from([("POD_NAME".to_owned(), name.to_owned())]),
        hostname: name.into(),
        arch: "arm64".into(),
        user: 65_534,
        mounts: vec![
            mount("/", &format!("root {name}")),
            mount("/data", "shared"),
            Mount {
                device: true,
                ..mount("/dev/psk", "device")
            },
            Mount {
                read_only: true,
                ..mount("/ro", "shared")
            },
        ],
        files,
        writer: name.into(),
    }
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn done_by(script: &str, files: &Files, name: &str, seconds: i64) -> Done {
    let command = ["sh", "-c", script].map(str::to_owned);
    run(&command, &setting(files, name), after(seconds))
}

fn ended(script: &str) -> (i32, String) {
    let mut files = Files::default();
    files.volume("device").resize(start(), 1 << 30);
    files.volume("shared").resize(start(), 4 << 30);
    let done = done_by(script, &files, "a", 3600);
    let Outcome::Exited { code, .. } = done.outcome else {
        panic!("{script}: {done:?}");
    };
    let lines: Vec<_> = done.log.into_iter().map(|(_, line)| line).collect();
    (code, lines.join("\n"))
}

#[test]
fn words_are_expanded_as_a_shell_does() {
    for (script, said) in [
        ("echo a  b", "a b"),
        ("x='a  b'; echo $x \"$x\"", "a b a  b"),
        (
            "echo \"$POD_NAME\" ${POD_NAME}1 ${none:-none} ${#POD_NAME}",
            "a a1 none 1",
        ),
        ("echo $((2 + 3 * 4)) $(( (2+3)*4 )) $((7/2))", "14 20 3"),
        ("echo $(echo inner | tr a-z A-Z)", "INNER"),
        (
            "f=a.tar.gz; echo ${f%%.*} ${f%.gz} ${f#*.}",
            "a a.tar tar.gz",
        ),
        ("for i in 1 2 3; do printf '%s,' $i; done; echo", "1,2,3,"),
        ("echo one; echo two >&2; echo three >/dev/null", "one\ntwo"),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; echo $i", "3"),
        (
            "if false; then echo a; elif true; then echo b; else echo c; fi",
            "b",
        ),
        (
            "false || echo or; true && echo and; ! false && echo not",
            "or\nand\nnot",
        ),
        ("(x=1; exit 3); echo $? ${x:-unset}", "3 unset"),
        ("echo 'a   b   c' | tr -s ' ' | cut -d ' ' -f 2", "b"),
        ("# a comment\necho x # another\n", "x"),
    ] {
        assert_eq!(ended(script), (0, said.to_owned()), "{script}");
    }
}

#[test]
fn a_script_ends_with_the_code_that_a_shells_would() {
    for (script, code) in [
        ("exit 7", 7),
        ("false", 1),
        ("set -e; false; echo never", 1),
        ("set -e; if false; then :; fi; false || true; echo ok", 0),
        ("set -eu; echo $nothing", 2),
        ("nosuch", 127),
        ("set -eu; [ \"$(cat /none)\" = x ]; exit 0", 1),
        ("false | true", 0),
        ("set -o pipefail; false | true", 1),
        ("if then", 2),
        ("echo x > /ro/file", 1),
    ] {
        assert_eq!(ended(script).0, code, "{script}");
    }
}

#[test]
fn files_are_written_and_read() {
    assert_eq!(
        ended("echo a > /data/f; echo b >> /data/f; cat /data/f; ls /data"),
        (0, "a\nb\nf".to_owned())
    );
    assert_eq!(
        ended("cd /tmp; echo x > y; mv y z; [ -f y ] || cat z; rm z; ls /tmp/z"),
        (1, "x\nls: /tmp/z: No such file or directory".to_owned())
    );
    assert_eq!(
        ended("cat /none; echo x > /ro/y").1,
        "cat: can't open '/none': No such file or directory\nsh: can't create /ro/y: Read-only file system"
    );
}

#[test]
fn a_device_takes_and_gives_back_what_is_written() {
    let script = "set -eu; blockdev --getsize64 /dev/psk; dd if=/dev/zero of=/dev/psk bs=1M count=100 conv=fsync 2>/dev/null; \
                  [ \"$(dd if=/dev/psk bs=1M count=100 2>/dev/null | wc -c)\" -eq 104857600 ]; echo ok";
    assert_eq!(ended(script), (0, "1073741824\nok".to_owned()));
    let too_much = ended("dd if=/dev/zero of=/dev/psk bs=1M count=2000 status=none");
    assert_eq!(
        too_much,
        (
            1,
            "dd: error writing '/dev/psk': No space left on device".to_owned()
        )
    );
    let random = "dd if=/dev/urandom of=/data/r bs=1k count=64 status=none; cp /data/r /tmp/r; cmp /data/r /tmp/r && sha256sum < /data/r | wc -c";
    assert_eq!(ended(random), (0, "68".to_owned()));
}

#[test]
fn time_passes_in_sleep_and_only_there() {
    let files = Files::default();
    let script = "echo before; sleep 10; echo after";
    let soon = done_by(script, &files, "a", 3);
    assert_eq!(
        soon.outcome,
        Outcome::Running {
            wakes: Some(after(10))
        }
    );
    assert_eq!(soon.log, [(start(), "before".to_owned())]);
    let late = done_by(script, &files, "a", 60);
    assert_eq!(
        late.outcome,
        Outcome::Exited {
            code: 0,
            at: after(10)
        }
    );
    assert_eq!(late.log[1], (after(10), "after".to_owned()));
    assert_eq!(
        done_by("exec sleep infinity", &files, "a", 60).outcome,
        Outcome::Running { wakes: None }
    );
}

#[test]
fn two_pods_see_one_anothers_files_from_when_they_were_written() {
    let script = "set -eu; [ $POD_NAME = a ] && sleep 3; echo $POD_NAME > /data/$POD_NAME; \
                  until [ -s /data/$1 ]; do sleep 1; done; cat /data/$1";
    let mut files = Files::default();
    let go = |files: &mut Files, name: &str, other: &str, seconds: i64| {
        let command = ["sh", "-c", script, "sh", other].map(str::to_owned);
        let done = run(&command, &setting(files, name), after(seconds));
        let writes = done
            .writes
            .iter()
            .filter(|(v, _)| v == "shared")
            .map(|(_, w)| w.clone())
            .collect();
        files.volume("shared").put(name, writes);
        done
    };
    // `b` fails the test before `&&`, which is no failure.
    let waits = go(&mut files, "b", "a", 0);
    assert_eq!(
        waits.outcome,
        Outcome::Running {
            wakes: Some(after(1))
        }
    );
    go(&mut files, "a", "b", 5);
    let done = go(&mut files, "b", "a", 5);
    assert_eq!(done.log, [(done.log[0].0, "a".to_owned())]);
    let Outcome::Exited { code: 0, at } = done.outcome else {
        panic!("{done:?}")
    };
    assert!(at >= after(3) && at < after(5), "{at}");
}

#[test]
fn a_file_system_is_as_large_as_its_volume_at_that_time() {
    let mut files = Files::default();
    files.volume("shared").resize(start(), 4 << 30);
    files.volume("shared").resize(after(30), 8 << 30);
    let script = "until [ \"$(df -P -k /data | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2)\" -ge 7549747 ]; do sleep 1; done; echo grown";
    assert!(matches!(
        done_by(script, &files, "a", 20).outcome,
        Outcome::Running { .. }
    ));
    let done = done_by(script, &files, "a", 60);
    assert!(
        matches!(done.outcome, Outcome::Exited { code: 0, at } if at >= after(30) && at < after(32)),
        "{done:?}"
    );
}

#[test]
fn a_loop_that_waits_for_another_costs_nothing_until_there_is_something_new() {
    let script = "until [ -s /data/other ]; do sleep 1; done; echo found";
    let mut files = Files::default();
    let late = 1_000_000;
    // It looks once, waits, and looks again; from then on nothing but a change can make a difference.
    let outcome = |files: &Files, seconds| done_by(script, files, "a", seconds).outcome;
    assert!(matches!(
        outcome(&files, 0),
        Outcome::Running { wakes: Some(_) }
    ));
    assert_eq!(outcome(&files, 2), Outcome::Running { wakes: None });
    assert_eq!(outcome(&files, late), Outcome::Running { wakes: None });

    let write = Write {
        at: after(late),
        path: "other".into(),
        content: Some("x\n".to_owned().into()),
    };
    files.volume("shared").put("other", vec![write]);
    let Outcome::Running { wakes: Some(wakes) } = outcome(&files, late) else {
        panic!("it looks once a second");
    };
    assert!(wakes > after(late) && wakes <= after(late + 2), "{wakes}");
    let done = done_by(script, &files, "a", late + 2);
    assert_eq!(done.outcome, Outcome::Exited { code: 0, at: wakes });
    assert_eq!(done.log, [(wakes, "found".to_owned())]);
}

#[test]
fn a_loop_that_looks_at_the_clock_goes_on_looking() {
    let script = "until [ $(date +%s) -ge 1795420900 ]; do sleep 1; done; echo late";
    let due: i64 = 1_795_420_900 - start().as_second();
    assert!(due > 60);
    let files = Files::default();
    let Outcome::Running { wakes: Some(_) } = done_by(script, &files, "a", 50).outcome else {
        panic!("it looks once a second");
    };
    let Outcome::Exited { code: 0, at } = done_by(script, &files, "a", due + 2).outcome else {
        panic!("it is late");
    };
    assert!(at >= after(due) && at < after(due + 2), "{at}");
}
