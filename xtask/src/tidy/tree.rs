//! The text files of a folder.

use std::fs;
use std::io;
use std::path::Path;

/// Folders that hold what was built or found, not what was written.
const SKIPPED: [&str; 7] =
    ["target", ".git", "corpus", "artifacts", "coverage", "__pycache__", "node_modules"];

/// The text files of a folder, in memory.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: Vec<TextFile>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// From the tree's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Tree {
    /// Reads every file below `root` that is UTF-8 text.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut folders = vec![(root.to_path_buf(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name();
                let Some(name) = name.to_str().filter(|name| !SKIPPED.contains(name)) else { continue };
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{prefix}{name}/")));
                } else if kind.is_file()
                    && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
                {
                    files.push(TextFile { path: format!("{prefix}{name}"), text });
                }
            }
        }
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A tree of these paths and texts, for the tests of the checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |&(path, text): &(&str, &str)| TextFile { path: path.to_owned(), text: text.to_owned() };
        Self { files: files.iter().map(file).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter()
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &TextFile> {
        self.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Returns the text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Tells whether there is such a file, or a folder with files.
    pub(crate) fn has(&self, path: &str) -> bool {
        let below = |file: &TextFile| {
            file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.iter().any(below)
    }
}

/// Returns the path from the tree's root of what a file links to; `None` if that is outside the tree.
pub(crate) fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_file_is_in_the_tree_and_nothing_that_was_built() {
        let tree = Tree::read(&crate::root()).expect("readable");
        assert!(tree.text("xtask/src/tidy/tree.rs").is_some_and(|text| text.contains("this_very_file")));
        assert!(tree.text(".ci/run").is_some(), "hidden files count");
        assert!(tree.iter().all(|file| !file.path.contains("target/")));
        assert!(tree.rust().count() > 50);
    }

    #[test]
    fn files_and_their_folders_are_there() {
        let tree = Tree::of(&[("docs/adr/0001.md", ""), ("README.md", "")]);
        for path in ["README.md", "docs/adr/0001.md", "docs/adr", "docs"] {
            assert!(tree.has(path), "{path}");
        }
        for path in ["README", "docs/ad", "adr", "nothing"] {
            assert!(!tree.has(path), "{path}");
        }
    }
}
