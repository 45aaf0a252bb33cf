//! The guide as text: its chapters, and the shell blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the chapters.
pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/src")
}

/// Returns every chapter with its path, in the order of their paths.
pub(crate) fn chapters() -> Vec<(String, String)> {
    let mut chapters = Vec::new();
    let mut folders = vec![source()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(source()).unwrap().display().to_string();
                chapters.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    chapters.sort();
    chapters
}

/// How a shell block is checked: the word behind `console` in the line that opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Nothing: its output is what the commands print, to the letter.
    Exact,
    /// `about`: the same, but for numbers and units, which differ from run to run.
    About,
    /// `elsewhere`: it needs several shells, other programs or a long time. Its commands have to exist.
    Elsewhere,
}

/// A command in a shell block, and what the guide says that it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) chapter: String,
    pub(crate) line: usize,
    pub(crate) check: Check,
    /// What stands behind `$ `, without a comment.
    pub(crate) text: String,
    pub(crate) output: String,
}

/// Returns the commands of a chapter.
pub(crate) fn commands(chapter: &str, text: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut block = None;
    for (line, number) in text.lines().zip(1..) {
        match (block, line.strip_prefix("```")) {
            (None, Some("console")) => block = Some(Some(Check::Exact)),
            (None, Some("console,about")) => block = Some(Some(Check::About)),
            (None, Some("console,elsewhere")) => block = Some(Some(Check::Elsewhere)),
            (None, Some(other)) => {
                assert!(!other.starts_with("console"), "{chapter}:{number}: {other}: no way to check it");
                block = Some(None);
            }
            (None, None) => {}
            (Some(_), Some(_)) => block = None,
            (Some(None), None) => {}
            (Some(Some(check)), None) => match line.strip_prefix("$ ") {
                Some(text) => commands.push(Command {
                    chapter: chapter.to_owned(),
                    line: number,
                    check,
                    text: text.split("  #").next().unwrap_or(text).trim_end().to_owned(),
                    output: String::new(),
                }),
                None => {
                    let command = commands.last_mut();
                    let command = command.unwrap_or_else(|| panic!("{chapter}:{number}: output of nothing"));
                    command.output.extend([line, "\n"]);
                }
            },
        }
    }
    assert!(block.is_none(), "{chapter}: a block does not end");
    commands
}

/// Returns a text with each number, and a unit of time or octets behind it, replaced by `N`, and blanks run together.
pub(crate) fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let is_number =
            letter.is_ascii_digit() && !shape.ends_with(|last: char| last.is_alphabetic() || last == '_');
        if is_number {
            rest = rest
                .trim_start_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ','));
            let unit = ["ns", "µs", "us", "ms", "s", "MiB", "KiB"].into_iter().find(|unit| {
                let behind = rest.strip_prefix(unit).map(|behind| behind.chars().next());
                behind.is_some_and(|next| !next.is_some_and(char::is_alphanumeric))
            });
            rest = &rest[unit.map_or(0, str::len)..];
            shape.push('N');
        } else {
            if letter != ' ' || !shape.ends_with(' ') {
                shape.push(letter);
            }
            rest = &rest[letter.len_utf8()..];
        }
    }
    shape
}

/// Fails unless a command has printed what the guide says.
pub(crate) fn compare(command: &Command, printed: &str) {
    let Command { chapter, line, text, .. } = command;
    let (said, is) = match command.check {
        Check::Exact => (command.output.clone(), printed.to_owned()),
        _ => (shape(&command.output), shape(printed)),
    };
    assert_eq!(said, is, "{chapter}:{line}: $ {text}\nprinted:\n{printed}");
}

#[test]
fn commands_are_found_with_what_they_print() {
    let text =
        "# A\n```console\n$ a b   # why\n1\n$ c\n```\n```console,elsewhere\n$ d\n```\n```text\n$ e\n```\n";
    let found: Vec<_> =
        commands("x.md", text).into_iter().map(|c| (c.line, c.check, c.text, c.output)).collect();
    let expected = [
        (3, Check::Exact, "a b".to_owned(), "1\n".to_owned()),
        (5, Check::Exact, "c".to_owned(), String::new()),
        (8, Check::Elsewhere, "d".to_owned(), String::new()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn numbers_may_differ_and_words_may_not() {
    assert_eq!(shape("1 sent   after 12.5µs, 2,000 lost"), shape("1 sent after 7ms, 31 lost"));
    assert_ne!(shape("1 sent"), shape("1 lost"));
    assert_eq!(shape("libzmq4 at /imu2"), "libzmq4 at /imu2");
    assert_eq!(shape("N 3 slow"), "N N slow");
}
