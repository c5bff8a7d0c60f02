//! Runs a script.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::files::{Files, Write};
use super::Outcome;
use super::commands;
use super::content::Content;
use super::parse::{self, Node, Redirection, To};

/// How often a loop is run at most: what isn't done then never is.
const MOST_STEPS: u32 = 200_000;

/// Where a container runs.
#[derive(Debug, Clone)]
pub(in crate::kubernetes) struct Setting<'a> {
    /// When it began.
    pub(in crate::kubernetes) start: Timestamp,
    /// Its environment.
    pub(in crate::kubernetes) env: BTreeMap<String, String>,
    /// The host's name, which is the pod's.
    pub(in crate::kubernetes) hostname: String,
    /// `amd64` or `arm64`.
    pub(in crate::kubernetes) arch: String,
    /// The user that it runs as.
    pub(in crate::kubernetes) user: i64,
    /// What is mounted, and the devices. The root is mounted at `/`.
    pub(in crate::kubernetes) mounts: Vec<Mount>,
    /// What volumes hold.
    pub(in crate::kubernetes) files: &'a Files,
    /// Who writes, for the volumes.
    pub(in crate::kubernetes) writer: String,
}

/// A volume at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::kubernetes) struct Mount {
    pub(in crate::kubernetes) path: String,
    pub(in crate::kubernetes) volume: String,
    pub(in crate::kubernetes) read_only: bool,
    /// Whether it takes nothing more.
    pub(in crate::kubernetes) full: bool,
    /// Whether it is a device rather than a file system.
    pub(in crate::kubernetes) device: bool,
}

/// Why a script goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Exit(i32),
    /// It waits for a moment that hasn't come.
    Until(Timestamp),
    /// It waits for what never happens.
    Forever,
    Break,
    Continue,
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq)]
enum Sink {
    Log,
    Null,
    Capture,
    File(String),
}

/// The state of a script at the beginning of a round of a loop.
#[derive(Debug, PartialEq)]
struct Round {
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    directory: String,
    code: i32,
    /// How much has been put out.
    said: (usize, usize, u64),
    writes: usize,
}

/// Lines, each with the time at which it was ended.
type Log = Vec<(Timestamp, String)>;
/// What was written, each with the volume's id.
type Writes = Vec<(String, Write)>;

pub(super) struct Machine<'a> {
    pub(super) setting: &'a Setting<'a>,
    now: Timestamp,
    pub(super) time: Timestamp,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) arguments: Vec<String>,
    pub(super) name: String,
    pub(super) code: i32,
    /// How the last command ended that a word of this command holds.
    substituted: Option<i32>,
    pub(super) directory: String,
    errexit: bool,
    nounset: bool,
    pipefail: bool,
    xtrace: bool,
    /// Conditions are allowed to fail.
    tested: u32,
    steps: u32,
    /// It has looked at the clock, so that no two rounds of a loop are alike.
    pub(super) sees_time: bool,
    pub(super) stdin: Content,
    out: Sink,
    err: Sink,
    captured: Content,
    log: Vec<(Timestamp, String)>,
    line: String,
    pub(super) writes: Vec<(String, Write)>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(setting: &'a Setting<'a>, now: Timestamp) -> Self {
        Self {
            setting,
            now,
            time: setting.start,
            variables: setting.env.clone(),
            arguments: Vec::new(),
            name: "sh".to_owned(),
            code: 0,
            substituted: None,
            directory: "/".to_owned(),
            errexit: false,
            nounset: false,
            pipefail: false,
            xtrace: false,
            tested: 0,
            steps: 0,
            sees_time: false,
            stdin: Content::default(),
            out: Sink::Log,
            err: Sink::Log,
            captured: Content::default(),
            log: Vec::new(),
            line: String::new(),
            writes: Vec::new(),
        }
    }

    pub(super) fn set_arguments(&mut self, shell: &str, arguments: &[&str]) {
        let mut all = arguments.iter().map(|a| (*a).to_owned());
        self.name = all.next().unwrap_or_else(|| shell.to_owned());
        self.arguments = all.collect();
    }

    pub(super) fn set_flags(&mut self, flags: &str) {
        let on = flags.starts_with('-');
        for flag in flags.chars().skip(1) {
            match flag {
                'e' => self.errexit = on,
                'u' => self.nounset = on,
                'x' => self.xtrace = on,
                _ => {}
            }
        }
    }

    pub(super) fn set_option(&mut self, name: &str, on: bool) {
        match name {
            "errexit" => self.errexit = on,
            "nounset" => self.nounset = on,
            "xtrace" => self.xtrace = on,
            "pipefail" => self.pipefail = on,
            _ => {}
        }
    }

    pub(super) fn script(&mut self, text: &str) -> Outcome {
        match parse::script(text) {
            Ok(node) => {
                let ended = self.exec(&node);
                self.outcome(ended)
            }
            Err(why) => {
                self.complain(&why);
                Outcome::Exited {
                    code: 2,
                    at: self.time,
                }
            }
        }
    }

    /// Runs a program without a shell.
    pub(super) fn words(&mut self, words: &[String]) -> Outcome {
        let ended = commands::run(self, words);
        self.outcome(ended)
    }

    fn outcome(&self, ended: Result<i32, Stop>) -> Outcome {
        match ended {
            Ok(code) | Err(Stop::Exit(code)) => Outcome::Exited {
                code,
                at: self.time,
            },
            Err(Stop::Until(wakes)) => Outcome::Running { wakes: Some(wakes) },
            Err(Stop::Forever) => Outcome::Running { wakes: None },
            Err(Stop::Break | Stop::Continue) => Outcome::Exited {
                code: 0,
                at: self.time,
            },
        }
    }

    /// What it said and wrote.
    pub(super) fn done(mut self) -> (Log, Writes) {
        if !self.line.is_empty() {
            self.log.push((self.time, std::mem::take(&mut self.line)));
        }
        (self.log, self.writes)
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: SignedDuration) -> Result<(), Stop> {
        let until = self.time.checked_add(time).map_err(|_| Stop::Forever)?;
        if until > self.now {
            return Err(Stop::Until(until));
        }
        self.time = until;
        Ok(())
    }

    pub(super) fn print(&mut self, content: Content) -> Result<(), Stop> {
        let sink = self.out.clone();
        self.put(&sink, content)
    }

    /// Says what is wrong.
    pub(super) fn complain(&mut self, message: &str) {
        let sink = self.err.clone();
        // Where complaints can't be put, they are lost.
        let _ = self.put(&sink, format!("{message}\n").into());
    }

    fn put(&mut self, sink: &Sink, content: Content) -> Result<(), Stop> {
        match sink {
            Sink::Null => {}
            Sink::Capture => self.captured.extend(content),
            Sink::Log => {
                for c in content.text().chars() {
                    if c == '\n' {
                        self.log.push((self.time, std::mem::take(&mut self.line)));
                    } else {
                        self.line.push(c);
                    }
                }
            }
            Sink::File(path) => {
                let mut all = self.read(path).unwrap_or_default();
                all.extend(content);
                if let Err(why) = self.write(path, Some(all)) {
                    let log = Sink::Log;
                    self.put(&log, format!("{}: write error: {why}\n", self.name).into())?;
                    self.code = 1;
                }
            }
        }
        Ok(())
    }

    pub(super) fn exec(&mut self, node: &Node) -> Result<i32, Stop> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(Stop::Forever);
        }
        let code = match node {
            Node::Sequence(all) => {
                let mut code = 0;
                for node in all {
                    code = self.exec(node)?;
                }
                return Ok(code);
            }
            Node::And(left, right) => match self.test(left)? {
                0 => return self.exec(right),
                code => code,
            },
            Node::Or(left, right) => match self.test(left)? {
                0 => 0,
                _ => return self.exec(right),
            },
            Node::Not(inner) => i32::from(self.test(inner)? == 0),
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if self.test(condition)? == 0 {
                        return self.exec(body);
                    }
                }
                match otherwise {
                    Some(body) => return self.exec(body),
                    None => 0,
                }
            }
            Node::Loop {
                until,
                condition,
                body,
            } => return self.repeat(*until, condition, body),
            Node::For { name, words, body } => {
                let mut code = 0;
                for word in self.expand_all(words)? {
                    self.variables.insert(name.clone(), word);
                    match self.exec(body) {
                        Err(Stop::Break) => break,
                        Err(Stop::Continue) => {}
                        other => code = other?,
                    }
                }
                return Ok(code);
            }
            Node::Pipe(stages) => {
                let code = self.pipe(stages)?;
                self.check(code)?
            }
            Node::Group {
                body,
                subshell,
                redirections,
            } => {
                return self.redirected(redirections, |machine| {
                    if *subshell {
                        machine.subshell(body)
                    } else {
                        machine.exec(body)
                    }
                });
            }
            Node::Simple {
                assignments,
                words,
                redirections,
            } => {
                let code = self.simple(assignments, words, redirections)?;
                self.check(code)?
            }
        };
        self.code = code;
        Ok(code)
    }

    /// With `set -e`, a failure that nobody tests ends the script.
    fn check(&mut self, code: i32) -> Result<i32, Stop> {
        self.code = code;
        if code != 0 && self.errexit && self.tested == 0 {
            return Err(Stop::Exit(code));
        }
        Ok(code)
    }

    fn test(&mut self, node: &Node) -> Result<i32, Stop> {
        self.tested += 1;
        let code = self.exec(node);
        self.tested -= 1;
        if let Ok(code) = code {
            self.code = code;
        }
        code
    }

    fn repeat(&mut self, until: bool, condition: &Node, body: &Node) -> Result<i32, Stop> {
        let mut code = 0;
        let mut last: Option<(Timestamp, Round)> = None;
        loop {
            let round = self.round();
            if let Some((since, before)) = &last
                && *before == round
                && !self.sees_time
            {
                self.wait_for_change(*since)?;
            }
            last = Some((self.time, round));
            if (self.test(condition)? == 0) == until {
                return Ok(code);
            }
            match self.exec(body) {
                Err(Stop::Break) => return Ok(0),
                Err(Stop::Continue) => {}
                other => code = other?,
            }
            // So that a loop that never sleeps doesn't stand still in time.
            self.pass(SignedDuration::from_millis(1))?;
        }
    }

    /// What the next round of a loop depends on, apart from time and what others write.
    fn round(&self) -> Round {
        Round {
            variables: self.variables.clone(),
            arguments: self.arguments.clone(),
            directory: self.directory.clone(),
            code: self.code,
            said: (self.log.len(), self.line.len(), self.captured.len()),
            writes: self.writes.len(),
        }
    }

    /// A round that began at `since` has changed nothing, so those after it won't either, until
    /// something changes in what is mounted: goes on with the last round before that.
    fn wait_for_change(&mut self, since: Timestamp) -> Result<(), Stop> {
        let volumes = self.setting.mounts.iter();
        let volumes = volumes.filter_map(|mount| self.setting.files.get(&mount.volume));
        let change = volumes
            .filter_map(|volume| volume.next_change(&self.setting.writer, since))
            .min()
            .ok_or(Stop::Forever)?;
        let takes = self.time.duration_since(since);
        let left = change.duration_since(self.time);
        let rounds = left.as_nanos().max(0) / takes.as_nanos().max(1);
        let skipped = i32::try_from(rounds)
            .ok()
            .and_then(|rounds| takes.checked_mul(rounds));
        if let Some(later) = skipped.and_then(|skipped| self.time.checked_add(skipped).ok()) {
            self.time = later;
        }
        Ok(())
    }

    /// Runs in a shell of its own: variables and options don't come back.
    fn subshell(&mut self, body: &Node) -> Result<i32, Stop> {
        let variables = self.variables.clone();
        let directory = self.directory.clone();
        let options = (self.errexit, self.nounset, self.pipefail, self.xtrace);
        let code = match self.exec(body) {
            Err(Stop::Exit(code)) => Ok(code),
            other => other,
        };
        self.variables = variables;
        self.directory = directory;
        (self.errexit, self.nounset, self.pipefail, self.xtrace) = options;
        self.check(code?)
    }

    fn pipe(&mut self, stages: &[Node]) -> Result<i32, Stop> {
        let outer = self.stdin.clone();
        let mut failed = 0;
        let mut code = 0;
        for (index, stage) in stages.iter().enumerate() {
            let is_last = index + 1 == stages.len();
            self.tested += 1;
            let ended = if is_last {
                self.subshell(stage)
            } else {
                let (output, ended) = self.capture(|machine| machine.subshell(stage));
                self.stdin = output;
                ended
            };
            self.tested -= 1;
            code = ended?;
            if code != 0 {
                failed = code;
            }
        }
        self.stdin = outer;
        Ok(if self.pipefail { failed } else { code })
    }

    /// Runs something, and takes what it puts out.
    pub(super) fn capture(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<i32, Stop>,
    ) -> (Content, Result<i32, Stop>) {
        let out = std::mem::replace(&mut self.out, Sink::Capture);
        let before = std::mem::take(&mut self.captured);
        let ended = run(self);
        self.out = out;
        (std::mem::replace(&mut self.captured, before), ended)
    }

    /// Runs a command substitution.
    pub(super) fn substitute(&mut self, node: &Node) -> Result<String, Stop> {
        let (output, ended) = self.capture(|machine| machine.subshell_quietly(node));
        self.code = ended?;
        self.substituted = Some(self.code);
        Ok(output.text().trim_end_matches('\n').to_owned())
    }

    fn subshell_quietly(&mut self, node: &Node) -> Result<i32, Stop> {
        self.tested += 1;
        let ended = self.subshell(node);
        self.tested -= 1;
        ended
    }

    fn simple(
        &mut self,
        assignments: &[(String, parse::Word)],
        words: &[parse::Word],
        redirections: &[Redirection],
    ) -> Result<i32, Stop> {
        self.substituted = None;
        let words = self.expand_all(words)?;
        let mut set = Vec::new();
        for (name, word) in assignments {
            set.push((name.clone(), self.expand(word)?));
        }
        if words.is_empty() {
            self.variables.extend(set);
            let code = self.substituted.unwrap_or(0);
            return self.redirected(redirections, |_| Ok(code));
        }
        if self.xtrace {
            self.complain(&format!("+ {}", words.join(" ")));
        }
        let before = self.variables.clone();
        self.variables.extend(set.iter().cloned());
        if words[0] == "exec" {
            let code =
                self.redirected(redirections, |machine| commands::run(machine, &words[1..]))?;
            return if words.len() > 1 {
                Err(Stop::Exit(code))
            } else {
                Ok(code)
            };
        }
        let code = self.redirected(redirections, |machine| commands::run(machine, &words));
        if !set.is_empty() {
            // They were for this command only.
            for (name, _) in set {
                match before.get(&name) {
                    Some(value) => self.variables.insert(name, value.clone()),
                    None => self.variables.remove(&name),
                };
            }
        }
        code
    }

    fn redirected(
        &mut self,
        redirections: &[Redirection],
        run: impl FnOnce(&mut Self) -> Result<i32, Stop>,
    ) -> Result<i32, Stop> {
        let before = (self.stdin.clone(), self.out.clone(), self.err.clone());
        let mut failed = false;
        for redirection in redirections {
            if let Err(why) = self.redirect(redirection)? {
                self.complain(&why);
                failed = true;
                break;
            }
        }
        let ended = if failed { Ok(1) } else { run(self) };
        (self.stdin, self.out, self.err) = before;
        ended
    }

    fn redirect(&mut self, redirection: &Redirection) -> Result<Result<(), String>, Stop> {
        let sink = match &redirection.to {
            To::Same(1) => self.out.clone(),
            To::Same(2) => self.err.clone(),
            To::Same(_) => return Ok(Ok(())),
            To::Read(word) => {
                let path = self.expand(word)?;
                let read = self.read(&path);
                return Ok(match read {
                    Some(content) => {
                        self.stdin = content;
                        Ok(())
                    }
                    None => Err(format!("{}: can't open {path}: no such file", self.name)),
                });
            }
            To::Write(word) | To::Append(word) => {
                let path = self.expand(word)?;
                if path == "/dev/null" {
                    Sink::Null
                } else if matches!(
                    path.as_str(),
                    "/dev/stdout" | "/dev/stderr" | "/proc/1/fd/1"
                ) {
                    Sink::Log
                } else {
                    let keeps =
                        matches!(redirection.to, To::Append(_)) && self.read(&path).is_some();
                    let made = if keeps {
                        self.may_write(&path)
                    } else {
                        self.write(&path, Some(Content::default()))
                    };
                    if let Err(why) = made {
                        return Ok(Err(format!("{}: can't create {path}: {why}", self.name)));
                    }
                    Sink::File(path)
                }
            }
        };
        if redirection.from == 2 {
            self.err = sink;
        } else {
            self.out = sink;
        }
        Ok(Ok(()))
    }

    /// Whether variables that aren't set are an error.
    pub(super) fn is_strict(&self) -> bool {
        self.nounset
    }
}
