//! What the command line says about a suite.

use std::path::PathBuf;

/// The options of a suite; each suite refuses those that say nothing to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Judge the build with draft functions.
    pub(crate) draft: bool,
    /// Only programs or tests of these names.
    pub(crate) only: Vec<String>,
    /// Judge this library instead of our own.
    pub(crate) library: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let mut found = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match *word {
                "--draft" => found.draft = true,
                "--only" => found.only.push((*value()?).to_owned()),
                "--library" => found.library = Some(PathBuf::from(value()?)),
                unknown => return Err(format!("unknown option {unknown:?}")),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let found = Arguments::parse(&["--draft", "--only", "a", "--library", "x.so", "--only", "b"]);
        let expected = Arguments {
            draft: true,
            only: vec!["a".to_owned(), "b".to_owned()],
            library: Some(PathBuf::from("x.so")),
        };
        assert_eq!(found, Ok(expected));
        assert_eq!(Arguments::parse(&[]), Ok(Arguments::default()));
        assert_eq!(Arguments::parse(&["--only"]), Err("--only needs a value".to_owned()));
        assert_eq!(Arguments::parse(&["x"]), Err("unknown option \"x\"".to_owned()));
    }
}
