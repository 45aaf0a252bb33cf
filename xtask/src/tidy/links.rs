//! Links between the texts of the tree lead somewhere.

use super::Finding;
use super::tree::{Tree, resolve};

/// Finds links of Markdown files to files of the tree that are not there.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.iter().filter(|file| file.path.ends_with(".md")) {
        let mut in_block = false;
        for (line, number) in file.text.lines().zip(1..) {
            if line.trim_start().starts_with("```") {
                in_block = !in_block;
            }
            if in_block {
                continue;
            }
            for target in targets(line) {
                if !resolve(&file.path, target).is_some_and(|path| path.is_empty() || tree.has(&path)) {
                    findings.push(Finding::new(&file.path, number, format!("{target} leads nowhere")));
                }
            }
        }
    }
    findings
}

/// Returns the places in the tree that a line links to.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|behind| behind.split_once(')')).map(|(target, _)| target).filter_map(
        |target| {
            let is_elsewhere =
                target.contains("://") || target.starts_with("mailto:") || target.starts_with('#');
            let place = target.split('#').next().unwrap_or(target);
            (!is_elsewhere).then_some(place)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_from_the_file_they_stand_in() {
        let text = "[a](docs/x.md) and [b](docs)\n[c](docs/x.md#part), [d](#here), [e](https://example.org/x)\n\
                    [f](gone.md) [g](../out.md)\n```\n[h](gone.md)\n```\n";
        let tree = Tree::of(&[
            ("README.md", text),
            ("docs/x.md", "[up](../README.md) [self](x.md) [no](README.md)"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        let expected = [
            "README.md:3: gone.md leads nowhere",
            "README.md:3: ../out.md leads nowhere",
            "docs/x.md:1: README.md leads nowhere",
        ];
        assert_eq!(found, expected);
    }
}
