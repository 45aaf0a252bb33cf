//! Lays the drop-in library out as a package of libzmq would: `cargo xtask dist-libzmq`.

mod cmake;
mod elf;
mod layout;
mod pkg_config;
pub(crate) mod symbols;

use std::fs;
use std::path::{Path, PathBuf};

use crate::conformance;

const USAGE: &str = "cargo xtask dist-libzmq [--prefix DIR] [--draft]";

/// The version of libzmq whose interface the library has.
const VERSION: &str = "4.3.5";

/// The file's name, and the names by which programs and linkers ask for it.
const FILE: &str = "libzmq.so.5.2.5";
const SONAME: &str = "libzmq.so.5";
const LINK_NAME: &str = "libzmq.so";

/// Builds the library, lays it out below the prefix, and checks what has come out.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let (prefix, draft) = parse(root, words)?;
    lay_out(root, &prefix, draft)?;
    println!("{}", prefix.display());
    Ok(())
}

/// The same for other tasks.
pub(crate) fn lay_out(root: &Path, prefix: &Path, draft: bool) -> Result<(), String> {
    let built = conformance::build_library(root, draft)?;
    let archive = built.with_file_name("libzmq.a");
    layout::install(root, &built, &archive, prefix, draft)
        .map_err(|error| format!("cannot lay out {}: {error}", prefix.display()))?;
    check(&prefix.join("lib").join(FILE), draft)
}

fn parse(root: &Path, words: &[&str]) -> Result<(PathBuf, bool), String> {
    let mut prefix = None;
    let mut draft = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (*word, words.clone().next()) {
            ("--draft", _) => draft = true,
            ("--prefix", Some(folder)) => {
                prefix = Some(root.join(folder));
                words.next();
            }
            _ => return Err(format!("what is {word:?}?\n{USAGE}")),
        }
    }
    Ok((prefix.unwrap_or_else(|| root.join("target/dist/libzmq")), draft))
}

/// Checks the name inside the library and what it exports.
fn check(file: &Path, draft: bool) -> Result<(), String> {
    let bytes = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let object = elf::Shared::read(&bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    if object.soname.as_deref() != Some(SONAME) {
        return Err(format!("the library calls itself {:?}, not {SONAME}", object.soname));
    }
    let wanted = symbols::expected(draft);
    let complaints = symbols::compare(&object.exported, &wanted);
    if !complaints.is_empty() {
        return Err(format!(
            "what the library exports is not what libzmq {VERSION} does:\n{}",
            complaints.join("\n")
        ));
    }
    println!("{SONAME} exports the {} functions of libzmq {VERSION} and {} of its own", wanted.len(), {
        object.exported.iter().filter(|name| name.starts_with(symbols::OURS)).count()
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_taken_from_the_workspace_on() {
        let root = Path::new("/r");
        assert_eq!(parse(root, &[]), Ok((PathBuf::from("/r/target/dist/libzmq"), false)));
        assert_eq!(parse(root, &["--draft", "--prefix", "x"]), Ok((PathBuf::from("/r/x"), true)));
        assert_eq!(parse(root, &["--prefix", "/x"]), Ok((PathBuf::from("/x"), false)));
        assert!(parse(root, &["--prefix"]).is_err());
        assert!(parse(root, &["x"]).is_err());
    }
}
