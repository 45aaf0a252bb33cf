//! Names of topics, services, nodes and domains.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest name of a topic or service, in octets, with its namespace.
pub const NAME_MAX: usize = 200;
/// Longest name of a domain or node, in octets.
pub const WORD_MAX: usize = 64;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing.
    #[error("the name is empty")]
    Empty,
    /// It is too long.
    #[error("{0:?}… is too long: {1} octets, at most {2}")]
    TooLong(String, usize, usize),
    /// It has a character that does not belong there.
    #[error(
        "{name:?}: {character:?} at {at}; letters, digits, `_`, `-` and `.` may stand between the slashes"
    )]
    Character {
        /// The name.
        name: String,
        /// The character.
        character: char,
        /// Where it stands, in octets.
        at: usize,
    },
    /// There is nothing between two slashes, or behind the last.
    #[error("{0:?}: nothing stands between two slashes, or behind the last one")]
    EmptyPart(String),
    /// A part is `.` or `..`.
    #[error("{0:?}: a part cannot be `.` or `..`")]
    Dots(String),
    /// A domain or a node is one word.
    #[error("{0:?}: one word, without slashes")]
    Slash(String),
}

/// The full name of a topic or service: `/camera/image`.
///
/// Parts begin with a slash and consist of letters, digits, `_`, `-` and `.`; all in all at most [`NAME_MAX`] octets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Takes a full name; one without a slash in front is given one.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let full = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
        if text.is_empty() || full == "/" {
            return Err(NameError::Empty);
        }
        if full.len() > NAME_MAX {
            return Err(too_long(&full, NAME_MAX));
        }
        for part in full.split('/').skip(1) {
            match part {
                "" => return Err(NameError::EmptyPart(full)),
                "." | ".." => return Err(NameError::Dots(full)),
                _ => {}
            }
        }
        check_characters(&full, |character| character == '/')?;
        Ok(Self(full.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

fn too_long(name: &str, max: usize) -> NameError {
    NameError::TooLong(name.chars().take(40).collect(), name.len(), max)
}

fn check_characters(name: &str, also: impl Fn(char) -> bool) -> Result<(), NameError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') || also(c);
    match name.char_indices().find(|(_, character)| !allowed(*character)) {
        Some((at, character)) => Err(NameError::Character { name: name.to_owned(), character, at }),
        None => Ok(()),
    }
}

/// Checks the name of a domain or node: one word.
pub(crate) fn check_word(word: &str) -> Result<(), NameError> {
    match word {
        "" => Err(NameError::Empty),
        "." | ".." => Err(NameError::Dots(word.to_owned())),
        _ if word.contains('/') => Err(NameError::Slash(word.to_owned())),
        _ if word.len() > WORD_MAX => Err(too_long(word, WORD_MAX)),
        _ => check_characters(word, |_| false),
    }
}

/// How a node turns the names in its code into full ones: first its namespace, then what was remapped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Naming {
    /// Empty, or a full name.
    pub(crate) namespace: String,
    pub(crate) node: String,
    pub(crate) remapped: HashMap<String, String>,
}

impl Naming {
    /// `/a` is a full name; `a` stands in the namespace; `~a` below the node's own name there.
    pub(crate) fn resolve(&self, name: &str) -> Result<Name, NameError> {
        let full = match (name.strip_prefix('~'), name.starts_with('/')) {
            _ if name.is_empty() => return Err(NameError::Empty),
            (Some(own), _) => format!("{}/{}/{}", self.namespace, self.node, own.trim_start_matches('/')),
            (None, true) => name.to_owned(),
            (None, false) => format!("{}/{name}", self.namespace),
        };
        self.remapped.get(&full).map_or(full.as_str(), String::as_str).parse()
    }

    pub(crate) fn remap(&mut self, from: &str, to: &str) -> Result<(), NameError> {
        let plain = Self { remapped: HashMap::new(), ..self.clone() };
        let (from, to) = (plain.resolve(from)?, plain.resolve(to)?);
        self.remapped.insert(from.to_string(), to.to_string());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["/imu", "/a/b/c", "/a.b_c-9", "imu"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        assert_eq!("imu".parse::<Name>().unwrap().as_str(), "/imu");
        for bad in ["", "/", "//", "/a/", "/a//b", "/a b", "/ä", "/a/..", "/.", "/a\n", "/a*"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert!(format!("/{}", "x".repeat(NAME_MAX - 1)).parse::<Name>().is_ok());
        let long = format!("/{}", "x".repeat(NAME_MAX)).parse::<Name>().unwrap_err();
        assert!(matches!(long, NameError::TooLong(_, 201, 200)), "{long}");
        assert!(check_word("lab").is_ok());
        for bad in ["", "a/b", "..", "a b", &"x".repeat(WORD_MAX + 1)] {
            assert!(check_word(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_resolved_and_remapped() {
        let mut naming = Naming { namespace: "/arm".into(), node: "driver".into(), ..Naming::default() };
        let resolve = |naming: &Naming, name: &str| naming.resolve(name).unwrap().to_string();
        assert_eq!(resolve(&naming, "joint"), "/arm/joint");
        assert_eq!(resolve(&naming, "/joint"), "/joint");
        assert_eq!(resolve(&naming, "~state"), "/arm/driver/state");
        naming.remap("joint", "/left/joint").unwrap();
        assert_eq!(resolve(&naming, "joint"), "/left/joint");
        assert_eq!(resolve(&naming, "/arm/joint"), "/left/joint");
        assert!(naming.remap("", "x").is_err());
        assert!(naming.resolve("").is_err());
        assert!(naming.resolve("~").is_err());
    }
}
