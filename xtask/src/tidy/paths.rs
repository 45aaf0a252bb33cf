//! Paths of one person's machine have no place in a tree for everybody.

use super::Finding;
use super::tree::Tree;

/// Folders that stand at the root of somebody's machine. Taken apart, so that this file does not find itself.
const FOREIGN: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// Finds them in every text file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.iter() {
        for (line, number) in file.text.lines().zip(1..) {
            if let Some(path) = FOREIGN.iter().find(|path| has_absolute(line, path)) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("{path}: a path of one person's machine"),
                ));
            }
        }
    }
    findings
}

/// Tells whether `path` stands in the line as the beginning of a path, not in the middle of one.
fn has_absolute(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before
            .is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/' | '*'))
            || line.get(..at).is_some_and(|text| text.ends_with("://"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_of_a_machine_are_found() {
        let [user, root, ..] = FOREIGN;
        let text =
            format!("ok\n \"{user}me/x\"\nipc://{user}me/x\na{root}b ../{root}x\n#!{root}bin\n/tmp/x /etc\n");
        let tree = Tree::of(&[("a.md", &text)]);
        assert_eq!(check(&tree).iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 3, 5]);
    }
}
