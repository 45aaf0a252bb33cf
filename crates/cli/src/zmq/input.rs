//! The messages a command sends: given on the command line, read from files, or lines of standard input.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Stdin};
use std::path::Path;

use serde_json::Value;
use tamtam_zmq::{Frame, Message};

use super::args::{InputArgs, InputFormat, ProtoArgs};
use crate::codec::Codec;
use crate::exit::{Failure, Outcome};
use crate::stop::Stop;
use crate::units;

/// Yields messages until the input or the count is over.
#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
    parser: Parser,
}

#[derive(Debug)]
enum Source {
    /// Messages known beforehand, taken in turn; how many are still to come.
    Given { messages: Vec<Message>, next: usize, left: u64 },
    /// Lines of standard input; how many were read, and how many may still be read.
    Lines { stdin: Interruptible, read: u64, left: u64 },
    /// All of standard input; `None` once it was read.
    Whole(Option<Interruptible>),
}

#[derive(Debug)]
struct Parser {
    format: InputFormat,
    codec: Option<Codec>,
    /// Put before each message.
    prefix: Option<Frame>,
}

impl Input {
    /// Opens the input. `count` is how many messages there shall be at most, or, for given messages, exactly.
    pub(crate) fn open(
        stop: &Stop,
        args: &InputArgs,
        proto: &ProtoArgs,
        count: Option<u64>,
        prefix: Option<Frame>,
    ) -> Outcome<Self> {
        let codec = args.encode.as_ref().map(|wanted| Codec::load(wanted, &proto.proto_path)).transpose()?;
        if codec.is_some() && !matches!(args.input, InputFormat::Text | InputFormat::Raw) {
            return Err(Failure::usage(
                "--encode reads JSON and Protobuf text format by itself; leave --input out",
            ));
        }
        let parser = Parser { format: args.input, codec, prefix };
        let source = if args.message.is_empty() && args.file.is_empty() {
            match args.input {
                InputFormat::Raw => Source::Whole((count != Some(0)).then(|| Interruptible::new(stop))),
                _ => Source::Lines {
                    stdin: Interruptible::new(stop),
                    read: 0,
                    left: count.unwrap_or(u64::MAX),
                },
            }
        } else {
            let texts = args.message.iter().map(|text| parser.parse(text.as_bytes(), text));
            let files = args
                .file
                .iter()
                .map(|file| parser.parse(&read_file(stop, file)?, &file.display().to_string()));
            let messages = texts.chain(files).collect::<Outcome<Vec<_>>>()?;
            let once = u64::try_from(messages.len()).unwrap_or(u64::MAX);
            Source::Given { messages, next: 0, left: count.unwrap_or(once) }
        };
        Ok(Self { source, parser })
    }
}

impl Iterator for Input {
    type Item = Outcome<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Given { messages, next, left } => {
                *left = left.checked_sub(1)?;
                let message = messages.get(*next)?.clone();
                *next = (*next + 1) % messages.len();
                Some(Ok(message))
            }
            Source::Lines { stdin, read, left } => {
                *left = left.checked_sub(1)?;
                let line = stdin.read_line().transpose()?;
                *read += 1;
                Some(line.and_then(|line| self.parser.parse(&line, &format!("line {read}"))))
            }
            Source::Whole(stdin) => {
                let whole = stdin.take()?.read_to_end();
                Some(whole.and_then(|whole| self.parser.parse(&whole, "standard input")))
            }
        }
    }
}

impl Parser {
    /// Makes a message of one piece of the input, which errors call `name`.
    fn parse(&self, text: &[u8], name: &str) -> Outcome<Message> {
        let body = match &self.codec {
            Some(codec) => {
                let encoded =
                    codec.encode(text).map_err(|why| Failure::incompatible(format!("{name}: {why}")))?;
                Message::from(encoded)
            }
            None => to_message(text, self.format).map_err(|why| Failure::failed(format!("{name}: {why}")))?,
        };
        let mut message = body;
        if let Some(prefix) = &self.prefix {
            message.push_front(prefix.clone());
        }
        Ok(message)
    }
}

/// Encodes a text that is not from the input, such as a reply.
pub(crate) fn encode_text(text: &str, codec: Option<&Codec>) -> Outcome<Message> {
    match codec {
        Some(codec) => codec.encode(text.as_bytes()).map(Message::from).map_err(Failure::incompatible),
        None => Ok(Message::from(text)),
    }
}

fn to_message(text: &[u8], format: InputFormat) -> Result<Message, String> {
    match format {
        InputFormat::Text | InputFormat::Raw => Ok(Message::from(text)),
        InputFormat::Hex => {
            let frames = text.split(|octet| *octet == b' ').map(units::from_hex);
            let frames = frames.collect::<Result<Vec<_>, _>>()?;
            Message::from_frames(frames).ok_or_else(|| "no frame".to_owned())
        }
        InputFormat::Json => {
            let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
            let frames = value.get("frames").unwrap_or(&value);
            let frames = frames.as_array().ok_or("write [\"frame\", …] or {\"frames\":[…]}")?;
            let frames = frames.iter().map(to_frame).collect::<Result<Vec<_>, _>>()?;
            Message::from_frames(frames).ok_or_else(|| "a message has at least one frame".to_owned())
        }
    }
}

/// Reads octets that are written as [`to_json`](crate::output::to_json) writes them.
pub(crate) fn to_frame(value: &Value) -> Result<Vec<u8>, String> {
    if let Some(text) = value.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let digits = value.get("hex").and_then(Value::as_str);
    let digits =
        digits.ok_or_else(|| format!("{value} is no frame; write \"text\" or {{\"hex\":\"00ff\"}}"))?;
    units::from_hex(digits.as_bytes())
}

fn read_file(stop: &Stop, file: &Path) -> Outcome<Vec<u8>> {
    if file == Path::new("-") {
        return Interruptible::new(stop).read_to_end();
    }
    fs::read(file).map_err(|error| {
        let text = format!("cannot read {}: {error}", file.display());
        if error.kind() == io::ErrorKind::NotFound { Failure::not_found(text) } else { Failure::failed(text) }
    })
}

/// Standard input whose reading ends when the command is to stop.
#[derive(Debug)]
pub(crate) struct Interruptible {
    stop: Stop,
    /// Larger than the buffer inside of `Stdin`, which stays empty therefore: what is not in here is in the kernel, and
    /// can be waited for.
    reader: BufReader<Stdin>,
}

impl Interruptible {
    /// Standard input, up to when the command is to stop.
    pub(crate) fn new(stop: &Stop) -> Self {
        Self { stop: stop.clone(), reader: BufReader::with_capacity(64 * 1024, io::stdin()) }
    }

    /// Returns the next line without its end, `None` at the end of the input.
    pub(crate) fn read_line(&mut self) -> Outcome<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            let mut parts = chunk.splitn(2, |octet| *octet == b'\n');
            let part = parts.next().unwrap_or_default();
            let ended = parts.next().is_some();
            line.extend_from_slice(part);
            let used = part.len() + usize::from(ended);
            self.reader.consume(used);
            if ended {
                return Ok(Some(line));
            }
        }
    }

    /// Returns all that is still to come.
    pub(crate) fn read_to_end(mut self) -> Outcome<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let chunk = self.fill()?;
            if chunk.is_empty() {
                return Ok(whole);
            }
            whole.extend_from_slice(chunk);
            let used = chunk.len();
            self.reader.consume(used);
        }
    }

    /// Returns what can be read without waiting once there is something; empty at the end.
    fn fill(&mut self) -> Outcome<&[u8]> {
        if self.reader.buffer().is_empty() {
            self.stop.await_readable(self.reader.get_ref())?;
        }
        self.reader
            .fill_buf()
            .map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(text: &str, format: InputFormat) -> Result<Vec<Vec<u8>>, String> {
        let message = to_message(text.as_bytes(), format)?;
        Ok(message.frames().map(|frame| frame.to_vec()).collect())
    }

    #[test]
    fn every_format_is_read() {
        assert_eq!(frames("a b", InputFormat::Text), Ok(vec![b"a b".to_vec()]));
        assert_eq!(frames("746f  00ff", InputFormat::Hex), Ok(vec![b"to".to_vec(), vec![], vec![0, 255]]));
        assert_eq!(frames("", InputFormat::Hex), Ok(vec![vec![]]));
        let json = "[\"to\",\"\",{\"hex\":\"00ff\"}]";
        assert_eq!(frames(json, InputFormat::Json), Ok(vec![b"to".to_vec(), vec![], vec![0, 255]]));
        assert_eq!(
            frames(&format!("{{\"frames\":{json}}}"), InputFormat::Json),
            frames(json, InputFormat::Json)
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for wrong in ["", "[]", "{}", "[1]", "\"text\"", "[{\"hex\":\"0\"}]", "[\"a\"] b"] {
            assert!(frames(wrong, InputFormat::Json).is_err(), "{wrong}");
        }
        assert!(frames("0", InputFormat::Hex).is_err());
        assert!(frames("zz", InputFormat::Hex).is_err());
    }

    #[test]
    fn given_messages_are_repeated_up_to_the_count() {
        let messages = vec![Message::from("a"), Message::from("b")];
        let parser = Parser { format: InputFormat::Text, codec: None, prefix: None };
        let input = Input { source: Source::Given { messages, next: 0, left: 5 }, parser };
        let sent: Vec<Message> = input.map(Result::unwrap).collect();
        assert_eq!(sent, ["a", "b", "a", "b", "a"].map(Message::from));
    }
}
