//! Messages on standard output: as text, hexadecimal digits, JSON or raw bytes.

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use clap::{ColorChoice, ValueEnum};
use serde_json::{Value, json};
use tamtam_zmq::Message;

use crate::codec::Codec;
use crate::exit::{Failure, Outcome};

/// How a received message is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One line a message, frames separated by " | "; escaped on a terminal
    Text,
    /// One line a message, frames as hexadecimal digits, separated by blanks
    Hex,
    /// One object a line: {"frames":["text",{"hex":"00ff"}]}; with --decode also "type" and "message"
    Json,
    /// The bytes and nothing between or after them
    Raw,
}

/// Prints messages on standard output.
#[derive(Debug)]
pub(crate) struct Output {
    writer: BufWriter<Stdout>,
    format: Format,
    codec: Option<Codec>,
    escaped: bool,
    undecodable: u64,
}

impl Output {
    /// Prints in `format`, the last frame decoded with `codec` if there is one.
    pub(crate) fn new(format: Format, codec: Option<Codec>) -> Self {
        let stdout = io::stdout();
        let escaped = stdout.is_terminal();
        Self { writer: BufWriter::new(stdout), format, codec, escaped, undecodable: 0 }
    }

    /// Prints a message; call [`flush`](Self::flush) before waiting for the next one.
    ///
    /// A message that cannot be decoded is shown undecoded; the return value then says why.
    pub(crate) fn print(&mut self, message: &Message) -> Outcome<Option<String>> {
        let (line, trouble) = render(message, self.format, self.codec.as_ref(), self.escaped);
        self.undecodable += u64::from(trouble.is_some());
        self.writer.write_all(&line).map_err(|error| Failure::output(&error))?;
        Ok(trouble)
    }

    /// Prints one line of our own.
    pub(crate) fn line(&mut self, line: &str) -> Outcome {
        writeln!(self.writer, "{line}").map_err(|error| Failure::output(&error))
    }

    /// Hands what was printed to the system.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.writer.flush().map_err(|error| Failure::output(&error))
    }

    /// Flushes, and fails with exit 5 if messages could not be decoded.
    pub(crate) fn finish(mut self) -> Outcome {
        self.flush()?;
        match (self.undecodable, &self.codec) {
            (0, _) | (_, None) => Ok(()),
            (count, Some(codec)) => {
                Err(Failure::incompatible(format!("{count} messages are no {}", codec.type_name())))
            }
        }
    }
}

/// Returns whether to colour what goes to standard output.
pub(crate) fn coloured(choice: ColorChoice) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

fn render(
    message: &Message,
    format: Format,
    codec: Option<&Codec>,
    escaped: bool,
) -> (Vec<u8>, Option<String>) {
    let decoded = codec.map(|codec| (codec, codec.decode(message.last())));
    let trouble = decoded.as_ref().and_then(|(_, decoded)| decoded.as_ref().err().cloned());
    // A decoded last frame replaces its bytes, in the formats that are for reading.
    let decoded = decoded.and_then(|(codec, decoded)| decoded.ok().map(|decoded| (codec, decoded)));
    let shown = message.frame_count() - usize::from(decoded.is_some());
    let frames = message.frames().take(shown);
    let mut line = Vec::new();
    match format {
        Format::Text => {
            let text = decoded.map(|(_, decoded)| decoded.to_text());
            let parts = frames.map(|frame| frame.as_slice()).chain(text.as_ref().map(|text| text.as_bytes()));
            for (index, part) in parts.enumerate() {
                if index > 0 {
                    line.extend_from_slice(b" | ");
                }
                if escaped {
                    line.extend_from_slice(escape(part).as_bytes());
                } else {
                    line.extend_from_slice(part);
                }
            }
        }
        Format::Hex => {
            let hex: Vec<String> = message.frames().map(|frame| to_hex(frame)).collect();
            line.extend_from_slice(hex.join(" ").as_bytes());
        }
        Format::Json => {
            let mut object = json!({ "frames": frames.map(|frame| to_json(frame)).collect::<Vec<_>>() });
            if let Some((codec, decoded)) = decoded {
                object["type"] = codec.type_name().into();
                // Only a message that holds an `Any` of an unknown type has no JSON form.
                object["message"] = decoded.to_json().unwrap_or_else(|_| to_json(message.last()));
            }
            line.extend_from_slice(object.to_string().as_bytes());
        }
        Format::Raw => {
            message.frames().for_each(|frame| line.extend_from_slice(frame));
            return (line, trouble);
        }
    }
    line.push(b'\n');
    (line, trouble)
}

/// Returns the octets as a JSON string if they are UTF-8, as `{"hex": "…"}` otherwise.
pub(crate) fn to_json(octets: &[u8]) -> Value {
    str::from_utf8(octets).map_or_else(|_| json!({ "hex": to_hex(octets) }), Value::from)
}

/// Returns the octets as hexadecimal digits.
pub(crate) fn to_hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len().saturating_mul(2)), |mut hex, octet| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{octet:02x}");
        hex
    })
}

/// Makes octets from somebody else harmless on a terminal: control characters, those that change the direction of
/// writing, and what is not UTF-8 are shown as escapes, and the backslash is doubled.
pub(crate) fn escape(octets: &[u8]) -> String {
    let mut safe = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => safe.push_str("\\\\"),
                '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                    safe.extend(letter.escape_unicode());
                }
                _ if letter.is_control() => safe.extend(letter.escape_default()),
                _ => safe.push(letter),
            }
        }
        for octet in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(safe, "\\x{octet:02x}");
        }
    }
    safe
}

/// As [`escape`], for text whose backslashes and line breaks are ours already.
pub(crate) fn harmless(text: &str) -> String {
    let parts: Vec<String> =
        text.split('\n').map(|line| escape(line.as_bytes()).replace("\\\\", "\\")).collect();
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &Message, format: Format, escaped: bool) -> String {
        String::from_utf8(render(message, format, None, escaped).0).unwrap()
    }

    #[test]
    fn every_format_shows_all_frames() {
        let message = Message::from_frames([&b"topic"[..], b"", b"\x00\xff"]).unwrap();
        assert_eq!(shown(&message, Format::Text, true), "topic |  | \\u{0}\\xff\n");
        assert_eq!(render(&message, Format::Text, None, false).0, b"topic |  | \x00\xff\n");
        assert_eq!(shown(&message, Format::Hex, true), "746f706963  00ff\n");
        assert_eq!(shown(&message, Format::Json, true), "{\"frames\":[\"topic\",\"\",{\"hex\":\"00ff\"}]}\n");
        assert_eq!(render(&message, Format::Raw, None, true).0, b"topic\x00\xff");
    }

    #[test]
    fn escapes_cannot_reach_a_terminal() {
        assert_eq!(escape(b"a\x1b[31m\r\nb\\c"), "a\\u{1b}[31m\\r\\nb\\\\c");
        assert_eq!(escape("Grüße \u{202e}x\u{9b}".as_bytes()), "Grüße \\u{202e}x\\u{9b}");
        assert_eq!(escape(b"\xc3"), "\\xc3");
    }
}
