//! The demo's messages: `proto/info.proto`.

use std::fmt::Write as _;
use std::time::SystemTime;

use prost::Message as _;

mod generated {
    #![expect(unreachable_pub, reason = "generated")]
    tamtam::include_proto!("_");
}

pub(crate) use generated::Info;
use generated::info::{Message as Text, MessageType};

/// Makes the messages of one demo, and knows what each must look like.
#[derive(Debug)]
pub(crate) struct Template {
    info: Info,
    padding: String,
}

impl Template {
    /// Messages whose text has `padding` bytes after the words.
    pub(crate) fn new(padding: u32) -> Self {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let messages = vec![Text { text: String::new(), r#type: MessageType::Debug.into() }];
        let padding = "x".repeat(usize::try_from(padding).unwrap_or_default());
        Self { info: Info { date, id: 0, messages }, padding }
    }

    /// Encodes message number `id`.
    pub(crate) fn encode(&mut self, id: i32) -> Vec<u8> {
        self.info.id = id;
        for message in &mut self.info.messages {
            message.text.clear();
            write_text(&mut message.text, id, &self.padding);
        }
        self.info.encode_to_vec()
    }

    /// Decodes a body and returns its number if everything in it is as it was sent.
    pub(crate) fn check(&self, body: &[u8], expected: &mut String) -> Option<i32> {
        let info = Info::decode(body).ok()?;
        let [message] = info.messages.as_slice() else { return None };
        expected.clear();
        write_text(expected, info.id, &self.padding);
        let intact =
            message.text == *expected && message.r#type() == MessageType::Debug && !info.date.is_empty();
        intact.then_some(info.id)
    }
}

fn write_text(text: &mut String, id: i32, padding: &str) {
    // Writing to a string cannot fail.
    let _ = write!(text, "Hello, ZMQ & Protobuf! {id}{padding}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_recognised() {
        let mut expected = String::new();
        for padding in [0, 1, 5_000] {
            let mut template = Template::new(padding);
            for id in [0, 1, 127, 128, i32::MAX] {
                let body = template.encode(id);
                assert!(body.len() > usize::try_from(padding).unwrap());
                assert_eq!(template.check(&body, &mut expected), Some(id));
            }
        }
    }

    #[test]
    fn every_damage_is_noticed() {
        let mut template = Template::new(3);
        let mut expected = String::new();
        let body = template.encode(41);
        for index in 0..body.len() {
            let mut damaged = body.clone();
            damaged[index] ^= 1;
            let date_only = template.check(&damaged, &mut expected) == Some(41);
            // The date is not part of the contract: any text will do.
            assert!(!date_only || (2..22).contains(&index), "octet {index}");
        }
        assert_eq!(template.check(&body[..body.len() - 1], &mut expected), None);
        assert_eq!(template.check(b"", &mut expected), None);
        assert_eq!(Template::new(4).check(&body, &mut expected), None);
    }
}
