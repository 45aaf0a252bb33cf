//! What a shared library says about itself: its name, and what it exports. Reads ELF of 64 bits, little-endian, by its
//! sections; every number in it is checked before it is used.

/// A shared library's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) soname: Option<String>,
    /// Sorted.
    pub(crate) exported: Vec<String>,
}

const SECTION_DYNAMIC: u32 = 6;
const SECTION_DYNAMIC_SYMBOLS: u32 = 11;
const TAG_SONAME: u64 = 14;
const BINDING_LOCAL: u8 = 0;
const VISIBLE: [u8; 2] = [0, 3];

/// A section: what it is, where it stands, and which other section holds its strings.
#[derive(Clone, Copy, Debug)]
struct Section {
    kind: u32,
    offset: u64,
    size: u64,
    link: u32,
}

impl Shared {
    /// Reads a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return Err("no ELF of 64 bits, little-endian".to_owned());
        }
        let short = || "an ELF that ends too early".to_owned();
        read(bytes).ok_or_else(short)
    }
}

fn read(bytes: &[u8]) -> Option<Shared> {
    let table = number::<8>(bytes, 40)?;
    let (entry, count) = (number::<2>(bytes, 58)?, number::<2>(bytes, 60)?);
    let section = |index: u64| {
        let at = table.checked_add(index.checked_mul(entry)?)?;
        Some(Section {
            kind: u32::try_from(number::<4>(bytes, at.checked_add(4)?)?).ok()?,
            offset: number::<8>(bytes, at.checked_add(24)?)?,
            size: number::<8>(bytes, at.checked_add(32)?)?,
            link: u32::try_from(number::<4>(bytes, at.checked_add(40)?)?).ok()?,
        })
    };
    let mut found = Shared::default();
    for index in 0..count {
        let this = section(index)?;
        let strings = || section(u64::from(this.link));
        match this.kind {
            SECTION_DYNAMIC => {
                for at in entries(this, 16) {
                    if number::<8>(bytes, at)? == TAG_SONAME {
                        let offset = number::<8>(bytes, at.checked_add(8)?)?;
                        found.soname = Some(string(bytes, strings()?, offset)?);
                    }
                }
            }
            SECTION_DYNAMIC_SYMBOLS => {
                for at in entries(this, 24) {
                    let name = number::<4>(bytes, at)?;
                    let info = u8::try_from(number::<1>(bytes, at.checked_add(4)?)?).ok()?;
                    let other = u8::try_from(number::<1>(bytes, at.checked_add(5)?)?).ok()?;
                    let defined = number::<2>(bytes, at.checked_add(6)?)? != 0;
                    if defined && info >> 4 != BINDING_LOCAL && VISIBLE.contains(&(other & 3)) {
                        found.exported.push(string(bytes, strings()?, name)?);
                    }
                }
            }
            _ => {}
        }
    }
    found.exported.sort_unstable();
    Some(found)
}

/// Where a section's entries of this size stand.
fn entries(section: Section, size: u64) -> impl Iterator<Item = u64> {
    (0..section.size / size).map_while(move |index| section.offset.checked_add(index.checked_mul(size)?))
}

/// A little-endian number of `N` octets.
fn number<const N: usize>(bytes: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let octets = bytes.get(at..at.checked_add(N)?)?;
    Some(octets.iter().rev().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}

/// A string of a section of strings.
fn string(bytes: &[u8], section: Section, offset: u64) -> Option<String> {
    let start = usize::try_from(section.offset.checked_add(offset)?).ok()?;
    let end = usize::try_from(section.offset.checked_add(section.size)?).ok()?;
    let text = bytes.get(start..end)?;
    Some(String::from_utf8_lossy(text.split(|octet| *octet == 0).next()?).into_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_library_of_the_compiler_is_read() {
        let folder = std::env::temp_dir().join(format!("tamtam-elf-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (source, library) = (folder.join("a.c"), folder.join("a.so"));
        let text = "int zmq_b(void) { return 1; }\nint zmq_a(void) { return zmq_b(); }\nstatic int zmq_c(void) { return 2; }\n__attribute__((visibility(\"hidden\"))) int zmq_d(void) { return zmq_c(); }\n";
        std::fs::write(&source, text).expect("a source");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libzmq.so.5", "-o"])
            .arg(&library)
            .arg(&source);
        assert!(compiler.status().expect("a compiler").success());
        let bytes = std::fs::read(&library).expect("the library");
        let found = Shared::read(&bytes).expect("well-formed");
        assert_eq!(found.soname.as_deref(), Some("libzmq.so.5"));
        assert_eq!(found.exported, ["zmq_a", "zmq_b"]);
        for end in (0..bytes.len()).step_by(97) {
            drop(Shared::read(&bytes[..end]));
        }
        std::fs::remove_dir_all(folder).expect("our own folder");
    }

    #[test]
    fn other_files_are_refused() {
        assert!(Shared::read(b"").is_err());
        assert!(Shared::read(b"\x7fELF\x01\x01").is_err());
        assert!(Shared::read(b"\x7fELF\x02\x01").is_err());
    }
}
