//! Protobuf messages whose type is known at run time only: `FILE.proto:TYPE`, compiled here, without `protoc`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use prost_reflect::prost::Message as _;
use prost_reflect::text_format::FormatOptions;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use tamtam::schema::Schema;

use crate::exit::{Failure, Outcome};

/// Which type, and the file that defines it, as the command line names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeName {
    file: PathBuf,
    /// Without it the file's only message type is meant.
    name: Option<String>,
}

impl FromStr for TypeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (file, name) = text.rsplit_once(':').map_or((text, None), |(file, name)| (file, Some(name)));
        if file.is_empty() || name == Some("") {
            return Err("write FILE.proto:TYPE, such as message.proto:Info".to_owned());
        }
        Ok(Self { file: file.into(), name: name.map(str::to_owned) })
    }
}

impl TypeName {
    /// The type of this name, in this file.
    pub(crate) fn new(file: &Path, name: &str) -> Self {
        Self { file: file.to_owned(), name: Some(name.to_owned()) }
    }
}

/// A message type that bytes are decoded as and text is encoded as.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    descriptor: MessageDescriptor,
}

impl Codec {
    /// Decodes and encodes messages of a type that is known already.
    pub(crate) const fn of(descriptor: MessageDescriptor) -> Self {
        Self { descriptor }
    }

    /// Returns the type as what topics and services tell each other of it.
    pub(crate) fn schema(&self) -> Outcome<Schema> {
        Schema::new(self.type_name(), &self.descriptor.parent_pool().encode_to_vec())
            .map_err(|error| Failure::incompatible(format!("{}: {error}", self.type_name())))
    }

    /// Compiles the file, whose imports are looked up in its own folder and in `proto_path`, and finds the type.
    ///
    /// # Errors
    ///
    /// Exit 3 if there is no such file or type, exit 1 if the file does not compile.
    pub(crate) fn load(wanted: &TypeName, proto_path: &[PathBuf]) -> Outcome<Self> {
        let file = wanted.file.display();
        if !wanted.file.is_file() {
            return Err(Failure::not_found(format!("no such file: {file}")));
        }
        // The user's own folders come first: a file inside one of them is named relative to it, as its imports expect.
        let folder = wanted.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let includes =
            proto_path.iter().map(PathBuf::as_path).chain([folder.unwrap_or_else(|| Path::new("."))]);
        let mut compiler = protox::Compiler::new(includes)
            .map_err(|error| Failure::failed(format!("cannot compile {file}: {error}")))?;
        let own_name = compiler
            .open_file(&wanted.file)
            .map_err(|error| Failure::failed(format!("cannot compile {file}: {}", chain(&error))))?
            .files()
            .find(|compiled| !compiled.is_import())
            .map(|compiled| compiled.name().to_owned());
        let pool = compiler.descriptor_pool();
        let own: Vec<MessageDescriptor> =
            pool.all_messages().filter(|m| Some(m.parent_file().name()) == own_name.as_deref()).collect();
        let descriptor = match &wanted.name {
            Some(name) => find(&pool, &own, name),
            None => only(&own),
        };
        descriptor.map(|descriptor| Self { descriptor }).ok_or_else(|| {
            let known: Vec<&str> = own.iter().map(MessageDescriptor::full_name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Failure::not_found(match &wanted.name {
                Some(name) => format!("no message type {name} in {file} (there: {known})"),
                None => format!("which message type of {file}? write {file}:TYPE (there: {known})"),
            })
        })
    }

    /// Returns the type's full name.
    pub(crate) fn type_name(&self) -> &str {
        self.descriptor.full_name()
    }

    /// Decodes a message body.
    pub(crate) fn decode(&self, body: &[u8]) -> Result<Decoded, String> {
        DynamicMessage::decode(self.descriptor.clone(), body)
            .map(Decoded)
            .map_err(|error| format!("cannot decode {} bytes as {}: {error}", body.len(), self.type_name()))
    }

    /// Encodes a message that is written as JSON (an object) or in Protobuf's text format.
    pub(crate) fn encode(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        let refuse = |why: String| format!("not a {}: {why}", self.type_name());
        let text = str::from_utf8(text).map_err(|error| refuse(error.to_string()))?;
        let message = if text.trim_start().starts_with('{') {
            let mut json = serde_json::Deserializer::from_str(text);
            let message = DynamicMessage::deserialize(self.descriptor.clone(), &mut json)
                .map_err(|error| refuse(error.to_string()))?;
            json.end().map_err(|error| refuse(error.to_string()))?;
            message
        } else {
            DynamicMessage::parse_text_format(self.descriptor.clone(), text)
                .map_err(|error| refuse(chain(&error)))?
        };
        Ok(message.encode_to_vec())
    }
}

/// A decoded message. Fields with their default value are shown: that an id is 0 is worth seeing.
#[derive(Clone, Debug)]
pub(crate) struct Decoded(DynamicMessage);

impl Decoded {
    /// One that was decoded elsewhere.
    pub(crate) const fn new(message: DynamicMessage) -> Self {
        Self(message)
    }

    /// Returns the message.
    pub(crate) const fn message(&self) -> &DynamicMessage {
        &self.0
    }

    /// Writes it in Protobuf's text format, a line for each field.
    pub(crate) fn to_lines(&self) -> String {
        let options = FormatOptions::new().pretty(true).skip_default_fields(false).skip_unknown_fields(false);
        self.0.to_text_format_with_options(&options)
    }

    /// Writes it in Protobuf's text format, on one line.
    pub(crate) fn to_text(&self) -> String {
        // The library's own one-line form leaves the blanks out. Line breaks inside of strings are escaped.
        let lines = self.to_lines();
        lines.lines().map(str::trim_start).collect::<Vec<_>>().join(" ")
    }

    /// Writes it in Protobuf's JSON form.
    pub(crate) fn to_json(&self) -> Result<serde_json::Value, String> {
        let options = SerializeOptions::new().skip_default_fields(false);
        self.0
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|error| error.to_string())
    }
}

/// Finds a type by its full name, or by the end of its name if only one type of the file has that end.
fn find(pool: &DescriptorPool, own: &[MessageDescriptor], name: &str) -> Option<MessageDescriptor> {
    let name = name.trim_start_matches('.');
    if let Some(exact) = pool.get_message_by_name(name) {
        return Some(exact);
    }
    let ends =
        |m: &&MessageDescriptor| m.full_name().strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    let mut matching = own.iter().filter(ends);
    let first = matching.next()?;
    matching.next().is_none().then(|| first.clone())
}

/// Returns the only message type at the top of the file.
fn only(own: &[MessageDescriptor]) -> Option<MessageDescriptor> {
    let mut top = own.iter().filter(|message| message.parent_message().is_none());
    let first = top.next()?;
    top.next().is_none().then(|| first.clone())
}

/// Joins an error and its causes, which the libraries leave out of the error's own text.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    const INFO: &str = r#"
        syntax = "proto3";
        message Info { string date = 1; int32 id = 2; repeated Message messages = 3;
          enum MessageType { NONE = 0; DEBUG = 1; WARNING = 2; ERROR = 3; }
          message Message { string text = 1; MessageType type = 2; } }
    "#;

    fn load(text: &str, name: Option<&str>) -> Outcome<Codec> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message.proto");
        std::fs::write(&file, text).unwrap();
        Codec::load(&TypeName { file, name: name.map(str::to_owned) }, &[])
    }

    #[test]
    fn text_format_and_json_encode_to_the_same_bytes() {
        let codec = load(INFO, Some("Info")).unwrap();
        let text = codec.encode(br#"date: "10.10.2023" id: 7 messages { text: "hi" type: DEBUG }"#).unwrap();
        let json = codec
            .encode(br#" {"date":"10.10.2023","id":7,"messages":[{"text":"hi","type":"DEBUG"}]}"#)
            .unwrap();
        assert_eq!(text, json);
        assert_eq!(text, b"\x0a\x0a10.10.2023\x10\x07\x1a\x06\x0a\x02hi\x10\x01");
        let decoded = codec.decode(&text).unwrap();
        assert_eq!(codec.encode(decoded.to_text().as_bytes()).unwrap(), text);
        assert_eq!(codec.encode(decoded.to_json().unwrap().to_string().as_bytes()).unwrap(), text);
    }

    #[test]
    fn default_values_are_shown() {
        let codec = load(INFO, None).unwrap();
        let decoded = codec.decode(b"").unwrap();
        assert!(decoded.to_text().contains("id: 0"), "{}", decoded.to_text());
        assert_eq!(decoded.to_json().unwrap()["id"], 0);
    }

    #[test]
    fn a_nested_type_is_found_by_the_end_of_its_name() {
        assert_eq!(load(INFO, Some("Message")).unwrap().type_name(), "Info.Message");
        assert_eq!(load(INFO, Some("Info.Message")).unwrap().type_name(), "Info.Message");
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there() {
        let error = load(INFO, Some("Nope")).unwrap_err();
        assert_eq!(error.exit, Exit::NotFound);
        assert!(error.text.contains("Nope") && error.text.contains("Info.Message"), "{}", error.text);
        let error = load("syntax = \"proto3\"; message A {} message B {}", None).unwrap_err();
        assert!(error.text.ends_with("(there: A, B)"), "{}", error.text);
        let missing = Codec::load(&"nowhere.proto:A".parse().unwrap(), &[]).unwrap_err();
        assert_eq!(missing.exit, Exit::NotFound);
        assert_eq!(load("syntax = \"proto3\"; message {", None).unwrap_err().exit, Exit::Failed);
    }

    #[test]
    fn imports_are_found_beside_the_file_and_in_the_proto_path() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let shared = folder.path().join("shared");
        std::fs::create_dir(&own).unwrap();
        std::fs::create_dir(&shared).unwrap();
        std::fs::write(own.join("near.proto"), "syntax = \"proto3\"; message Near { int32 n = 1; }").unwrap();
        std::fs::write(shared.join("far.proto"), "syntax = \"proto3\"; package far; message Far {}").unwrap();
        let main = "syntax = \"proto3\"; import \"near.proto\"; import \"far.proto\"; \
                    message Main { Near near = 1; far.Far far = 2; }";
        let file = own.join("main.proto");
        std::fs::write(&file, main).unwrap();
        let wanted = TypeName { file, name: None };
        let codec = Codec::load(&wanted, std::slice::from_ref(&shared)).unwrap();
        assert_eq!(codec.encode(b"near { n: 1 }").unwrap(), b"\x0a\x02\x08\x01");
        assert_eq!(Codec::load(&wanted, &[]).unwrap_err().exit, Exit::Failed);
    }

    #[test]
    fn garbage_is_refused_with_a_reason() {
        let codec = load(INFO, Some("Info")).unwrap();
        assert!(codec.decode(b"\xff\xff\xff").is_err_and(|why| why.contains("3 bytes as Info")));
        assert!(codec.encode(b"nope: 1").is_err());
        assert!(codec.encode(b"{\"id\": 1} trailing").is_err());
        assert!(codec.encode(b"{\"id\": \"x\"}").is_err());
        assert!(codec.encode(b"\xff").is_err());
    }

    #[test]
    fn type_names_are_split_at_the_last_colon() {
        let parsed: TypeName = "a:b/c.proto:demo.Info".parse().unwrap();
        assert_eq!(parsed, TypeName { file: "a:b/c.proto".into(), name: Some("demo.Info".into()) });
        assert!(":Info".parse::<TypeName>().is_err());
        assert!("a.proto:".parse::<TypeName>().is_err());
    }
}
