//! The house rules that a program can check: ordinary functions over the text of the tree.

mod dependencies;
mod guide;
mod length;
mod links;
mod paths;
mod readme;
mod rust_text;
mod sleeps;
mod stubs;
mod tree;
mod unsafe_rooms;

use std::fmt;
use std::path::Path;

use self::tree::Tree;

/// A place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1 on.
    line: usize,
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// Every check, in the order in which findings are printed.
const CHECKS: [fn(&Tree) -> Vec<Finding>; 9] = [
    dependencies::check,
    unsafe_rooms::check,
    length::check,
    stubs::check,
    sleeps::check,
    paths::check,
    readme::check,
    links::check,
    guide::check,
];

/// Checks the tree below `root`.
///
/// # Errors
///
/// The findings, one a line, and how many they are.
pub(crate) fn report(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root).map_err(|error| format!("cannot read {}: {error}", root.display()))?;
    let findings: Vec<String> =
        CHECKS.iter().flat_map(|check| check(&tree)).map(|finding| finding.to_string()).collect();
    match findings.len() {
        0 => {
            println!("{} files, nothing to tidy", tree.len());
            Ok(())
        }
        count => Err(format!("{count} to tidy\n{}", findings.join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        if let Err(findings) = report(&crate::root()) {
            panic!("{findings}");
        }
    }
}
