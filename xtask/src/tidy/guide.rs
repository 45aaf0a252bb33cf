//! The guide holds together without mdBook: its table of contents, its links and includes, and that all code in it is compiled somewhere.

use super::Finding;
use super::tree::{TextFile, Tree, resolve};

const SOURCE: &str = "docs/guide/src/";
const SUMMARY: &str = "docs/guide/src/SUMMARY.md";

/// Languages of which every block is an excerpt of a file that is compiled or read by a test.
const COMPILED: [&str; 5] = ["rust", "cpp", "python", "proto", "c"];

/// Finds chapters that are not in the table of contents, links and includes that lead nowhere, and code that nobody compiles.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(summary) = tree.text(SUMMARY) else { return vec![Finding::new(SUMMARY, 1, "is missing")] };
    let chapters = || tree.iter().filter(|file| file.path.starts_with(SOURCE) && file.path.ends_with(".md"));
    for chapter in chapters().filter(|file| file.path != SUMMARY) {
        let name = chapter.path.trim_start_matches(SOURCE);
        match summary.matches(&format!("]({name})")).count() {
            1 => {}
            count => findings.push(Finding::new(SUMMARY, 1, format!("{name} is listed {count} times"))),
        }
    }
    for chapter in chapters() {
        check_chapter(tree, chapter, &mut findings);
    }
    findings
}

fn check_chapter(tree: &Tree, chapter: &TextFile, findings: &mut Vec<Finding>) {
    let mut language: Option<&str> = None;
    for (line, number) in chapter.text.lines().zip(1..) {
        let mut find = |text: String| findings.push(Finding::new(&chapter.path, number, text));
        if let Some(info) = line.strip_prefix("```") {
            let word = info.split(',').next().unwrap_or_default();
            language = if language.is_some() { None } else { Some(word) };
            continue;
        }
        let included = line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}"));
        if let Some(target) = included {
            if let Err(text) = include(tree, &chapter.path, target) {
                find(text);
            }
        } else if language.is_some_and(|language| COMPILED.contains(&language)) {
            find(format!("code that no file has: include it from where it is compiled: {line:?}"));
        }
        if language.is_none() {
            for target in links(line) {
                if let Err(text) = link(tree, &chapter.path, target) {
                    find(text);
                }
            }
        }
    }
}

/// Looks for the file, and the anchor in it, that `{{#include FILE:ANCHOR}}` names.
fn include(tree: &Tree, from: &str, target: &str) -> Result<(), String> {
    let (file, anchor) = target.split_once(':').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let text = resolve(from, file).and_then(|path| tree.text(&path));
    let text = text.ok_or_else(|| format!("{file} is not there to be included"))?;
    let Some(anchor) = anchor else { return Ok(()) };
    for word in ["ANCHOR: ", "ANCHOR_END: "] {
        let count = text.lines().filter(|line| line.trim_end().ends_with(&format!("{word}{anchor}"))).count();
        if count != 1 {
            return Err(format!("{file} has {word}{anchor} {count} times"));
        }
    }
    Ok(())
}

/// Looks for the chapter, and the heading in it, to which a link leads. Links to files outside would be dead in the built book.
fn link(tree: &Tree, from: &str, target: &str) -> Result<(), String> {
    if target.contains("://") {
        return Ok(());
    }
    let (file, heading) =
        target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
    let path = if file.is_empty() { Some(from.to_owned()) } else { resolve(from, file) };
    let path = path.filter(|path| path.starts_with(SOURCE));
    let text = path.and_then(|path| tree.text(&path)).ok_or_else(|| format!("{target} is no chapter"))?;
    match heading {
        Some(heading) if !headings(text).any(|known| known == heading) => {
            Err(format!("{target}: there is no such heading"))
        }
        _ => Ok(()),
    }
}

fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|behind| behind.split_once(')')).map(|(target, _)| target)
}

/// Returns the names that mdBook gives to the headings of a chapter.
fn headings(text: &str) -> impl Iterator<Item = String> + '_ {
    let titles =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    titles.map(|title| {
        let letters =
            title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
        letters.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "// ANCHOR: a\nfn main() {}\n// ANCHOR_END: a\n// ANCHOR: open\n";

    fn found(summary: &str, chapter: &str) -> Vec<String> {
        let files = [
            (SUMMARY, summary),
            ("docs/guide/src/1.md", chapter),
            ("examples/guide/examples/x.rs", CODE),
            ("README.md", ""),
        ];
        check(&Tree::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_whole_book_passes() {
        let chapter = "# One: the `first`\n[up](#one-the-first) [far](https://example.org)\n\
                       ```rust\n{{#include ../../../examples/guide/examples/x.rs:a}}\n```\n```text\nany\n```\n";
        assert_eq!(found("[One](1.md)\n", chapter), [""; 0]);
    }

    #[test]
    fn every_hole_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
        assert_eq!(found("", ""), ["docs/guide/src/SUMMARY.md:1: 1.md is listed 0 times"]);
        let chapter = "# One\n[a](#two)\n[b](2.md)\n[c](../../../README.md)\n```rust\nlet x;\n```\n\
                       {{#include x.rs}}\n{{#include ../../../examples/guide/examples/x.rs:open}}\n";
        let expected = [
            "docs/guide/src/1.md:2: #two: there is no such heading",
            "docs/guide/src/1.md:3: 2.md is no chapter",
            "docs/guide/src/1.md:4: ../../../README.md is no chapter",
            "docs/guide/src/1.md:6: code that no file has: include it from where it is compiled: \"let x;\"",
            "docs/guide/src/1.md:8: x.rs is not there to be included",
            "docs/guide/src/1.md:9: ../../../examples/guide/examples/x.rs has ANCHOR_END: open 0 times",
        ];
        assert_eq!(found("[One](1.md)\n", chapter), expected);
    }
}
