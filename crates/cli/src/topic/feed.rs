//! The bodies that are published: given once, lines of standard input, or lines of a file.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _};
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use super::args::PubArgs;
use crate::codec::Codec;
use crate::exit::{Failure, Outcome};
use crate::stop::Stop;
use crate::units;
use crate::zmq::{Interruptible, to_frame};

/// Yields bodies until there are no more, or enough.
#[derive(Debug)]
pub(crate) struct Feed {
    source: Source,
    codec: Option<Codec>,
    left: Option<u64>,
}

#[derive(Debug)]
enum Source {
    Given(Bytes),
    Lines { stdin: Interruptible, number: u64 },
    File { reader: BufReader<File>, name: String, number: u64, is_repeated: bool, seen: bool },
}

impl Feed {
    /// Opens what the command line says. `codec` is absent for octets.
    pub(crate) fn open(stop: &Stop, args: &PubArgs, codec: Option<Codec>) -> Outcome<Self> {
        let is_endless = args.forever || args.count == Some(0);
        let is_repeated = is_endless || args.count.is_some();
        let left = if is_endless { None } else { args.count };
        Ok(match (&args.from, args.data.as_deref()) {
            (Some(file), _) => {
                let name = file.display().to_string();
                Self { source: open_file(file, name, is_repeated)?, codec, left }
            }
            (None, Some("-") | None) => {
                let source = Source::Lines { stdin: Interruptible::new(stop), number: 0 };
                Self { source, codec, left }
            }
            (None, Some(data)) => {
                let body = match &codec {
                    Some(codec) => {
                        codec.encode(data.as_bytes()).map(Bytes::from).map_err(Failure::incompatible)
                    }
                    None => units::octets(data).map_err(Failure::usage),
                };
                let left = if is_endless { None } else { Some(args.count.unwrap_or(1)) };
                Self { source: Source::Given(body?), codec, left }
            }
        })
    }

    /// Returns the next line's message; `None` at the end.
    fn read(&mut self) -> Outcome<Option<Bytes>> {
        let codec = self.codec.as_ref();
        match &mut self.source {
            Source::Given(body) => Ok(Some(body.clone())),
            Source::Lines { stdin, number } => loop {
                let Some(line) = stdin.read_line()? else { return Ok(None) };
                *number += 1;
                let Some(codec) = codec else { return Ok(Some(line.into())) };
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let refuse = |why| Failure::incompatible(format!("line {number}: {why}"));
                return codec.encode(&line).map(|body| Some(body.into())).map_err(refuse);
            },
            Source::File { reader, name, number, is_repeated, seen } => loop {
                let mut line = Vec::new();
                let cannot = |error: io::Error| Failure::failed(format!("cannot read {name}: {error}"));
                if reader.read_until(b'\n', &mut line).map_err(cannot)? == 0 {
                    if !(*is_repeated && std::mem::take(seen)) {
                        return Ok(None);
                    }
                    reader.rewind().map_err(cannot)?;
                    *number = 0;
                    continue;
                }
                *number += 1;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                *seen = true;
                let refuse = |why| Failure::incompatible(format!("{name}, line {number}: {why}"));
                return encode_json(&line, codec).map(Some).map_err(refuse);
            },
        }
    }
}

impl Iterator for Feed {
    type Item = Outcome<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        self.read().transpose()
    }
}

fn open_file(file: &Path, name: String, is_repeated: bool) -> Outcome<Source> {
    let reader = match File::open(file) {
        Ok(opened) => BufReader::new(opened),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::not_found(format!("no such file: {name}")));
        }
        Err(error) => return Err(Failure::failed(format!("cannot read {name}: {error}"))),
    };
    Ok(Source::File { reader, name, number: 0, is_repeated, seen: false })
}

/// Reads a message that is written as JSON, alone or in what `tamtam echo --json` prints.
fn encode_json(line: &[u8], codec: Option<&Codec>) -> Result<Bytes, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let is_echoed = ["topic", "seq", "latched", "type"].iter().all(|key| value.get(key).is_some());
    let message = value.get("message").filter(|_| is_echoed).unwrap_or(&value);
    match codec {
        None => to_frame(message).map(Bytes::from),
        Some(codec) if message.is_object() => codec.encode(message.to_string().as_bytes()).map(Bytes::from),
        Some(codec) => Err(format!("not a {}: {message} is no object", codec.type_name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_what_echo_has_printed() {
        let read = |line: &str| encode_json(line.as_bytes(), None);
        assert_eq!(read("\"a\""), Ok(Bytes::from("a")));
        assert_eq!(read("{\"hex\":\"00ff\"}"), Ok(Bytes::from_static(b"\x00\xff")));
        let echoed = r#"{"topic":"/a","seq":1,"latched":false,"type":"bytes","message":"b"}"#;
        assert_eq!(read(echoed), Ok(Bytes::from("b")));
        assert!(read("{\"message\":\"b\"}").is_err());
        assert!(read("nope").is_err());
    }

    #[test]
    fn a_file_is_repeated_up_to_the_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.ndjson");
        std::fs::write(&file, "\"a\"\n\n\"b\"\n").unwrap();
        let source = open_file(&file, "a.ndjson".into(), true).unwrap();
        let feed = Feed { source, codec: None, left: Some(5) };
        let all: Vec<Bytes> = feed.map(Result::unwrap).collect();
        assert_eq!(all, ["a", "b", "a", "b", "a"]);
        let source = open_file(&file, "a.ndjson".into(), false).unwrap();
        assert_eq!(Feed { source, codec: None, left: None }.count(), 2);
        std::fs::write(&file, "\n").unwrap();
        let source = open_file(&file, "a.ndjson".into(), true).unwrap();
        assert_eq!(Feed { source, codec: None, left: None }.count(), 0, "nothing is not repeated for ever");
    }
}
