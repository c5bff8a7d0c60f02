//! Holds the pages for users to what psk really has: commands, flags, settings, exit codes, files.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't read its files has failed"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory, Parser};
use psk::cli::Cli;
use psk::exit::Exit;
use psk::inventory::FileKind;
use psk_lab::faults::Faults;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// README.md and every page of docs/, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    std::iter::once(root().join("README.md"))
        .chain(docs)
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

/// The fenced blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => {
                let (wanted, text) = open.take().unwrap();
                blocks.extend(wanted.then_some(text));
            }
            (Some(named), None) => open = Some((named == language, String::new())),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block isn't closed");
    blocks
}

/// Every flag of a command and of those under it, as it is typed.
fn flags(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().flat_map(|argument| {
        let names = argument.get_long_and_visible_aliases();
        let names = names.unwrap_or_default().into_iter();
        names.map(|name| format!("--{name}")).collect::<Vec<_>>()
    });
    own.chain(command.get_subcommands().flat_map(flags))
        .collect()
}

/// Every flag that a text mentions.
fn mentioned(text: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split(|c| !part(c))
        .filter(|word| word.starts_with("--") && word.len() > 2 && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_in_the_pages_is_one_that_psk_understands() {
    let mut found = 0;
    for (path, text) in pages() {
        let lines = blocks(&text, "sh").join("");
        for line in lines.lines() {
            let arguments = line
                .strip_prefix("psk ")
                .or_else(|| line.strip_prefix("cargo run -- "));
            let Some(arguments) = arguments else {
                continue;
            };
            let words = ["psk"].into_iter().chain(arguments.split_whitespace());
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{}: {line}\n{error}", path.display());
            }
            found += 1;
        }
    }
    assert!(found >= 10, "only {found} commands were found");
}

#[test]
fn the_pages_name_every_flag_of_psk_and_no_other() {
    let mut mentions = BTreeSet::new();
    for (path, text) in pages() {
        // cargo's own flags are none of psk's.
        let of_psk: String = text
            .lines()
            .filter(|line| !line.contains("cargo ") || line.contains("cargo run"))
            .map(|line| format!("{line}\n"))
            .collect();
        let known = flags(&Cli::command());
        for flag in mentioned(&of_psk) {
            let is_of_the_aws_cli = flag == "--region";
            assert!(
                known.contains(&flag) || is_of_the_aws_cli,
                "{}: psk has no {flag}",
                path.display()
            );
            mentions.insert(flag);
        }
    }
    let missing: Vec<String> = flags(&Cli::command())
        .difference(&mentions)
        .cloned()
        .collect();
    assert_eq!(missing, <[&str; 0]>::default(), "not in any page");
}

#[test]
fn the_readme_has_the_table_of_exit_codes() {
    let readme = read("README.md");
    let (_, table) = readme
        .split_once("| code | meaning |\n| --- | --- |\n")
        .unwrap();
    let rows: Vec<&str> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .collect();
    let expected: Vec<String> = Exit::ALL
        .iter()
        .map(|exit| format!("| {} | {} |", *exit as u8, exit.meaning()))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_key_of_every_file_is_documented() {
    let page = read("docs/inventory.md");
    for kind in FileKind::ALL {
        let schema: Value = serde_json::from_str(&kind.schema()).unwrap();
        let mut keys = BTreeSet::new();
        collect_keys(&schema, &mut keys);
        assert!(keys.len() >= 6, "{keys:?}");
        for key in keys {
            assert!(
                page.contains(&format!("`{key}`"))
                    || page.contains(&format!("{key}:"))
                    || page.contains(&format!("`{key}:")),
                "{} isn't in docs/inventory.md",
                key
            );
        }
    }
}

/// The names of all properties that a schema has anywhere.
fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (name, value) in map {
                if let ("properties", Some(properties)) = (name.as_str(), value.as_object()) {
                    keys.extend(properties.keys().cloned());
                }
                collect_keys(value, keys);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}

#[test]
fn the_file_of_faults_in_the_page_is_one_that_the_lab_reads() {
    let page = read("docs/lab.md");
    let [faults] = blocks(&page, "json").try_into().unwrap();
    let written: Value = serde_json::from_str(&faults).unwrap();
    let faults = Faults::parse(&faults, Path::new("docs/lab.md")).unwrap();
    let written = written["rules"].as_array().unwrap();
    assert!(!written.is_empty());
    assert_eq!(faults.rules.len(), written.len());
}

#[test]
fn every_block_of_json_is_json() {
    for (path, text) in pages() {
        for block in blocks(&text, "json") {
            let parsed: Result<Value, _> = serde_json::from_str(&block);
            assert!(parsed.is_ok(), "{}: {parsed:?}\n{block}", path.display());
        }
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut found = 0;
    for (path, text) in pages() {
        for (_, link) in text
            .match_indices("](")
            .map(|(at, _)| text.split_at(at + 2))
        {
            let (target, _) = link.split_once(')').unwrap();
            let file = target.split('#').next().unwrap();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            let directory = path.parent().unwrap();
            assert!(
                directory.join(file).exists(),
                "{} links to {file}",
                path.display()
            );
            found += 1;
        }
    }
    assert!(found >= 10, "only {found} links were found");
}
