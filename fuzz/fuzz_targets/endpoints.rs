//! Endpoints: any text is parsed without panic; what parses is displayed so that it parses to the same; what does not is
//! named in the error, on one line.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tamtam_zmq::{Endpoint, EndpointError};

#[derive(Debug, Arbitrary)]
enum Transport {
    Tcp,
    Ipc,
    Inproc,
    InTheText,
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    transport: Transport,
    text: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    let transport = match input.transport {
        Transport::Tcp => "tcp://",
        Transport::Ipc => "ipc://",
        Transport::Inproc => "inproc://",
        Transport::InTheText => "",
    };
    let text = format!("{transport}{}", input.text);
    check(&text, Endpoint::parse_bind);
    check(&text, Endpoint::parse_connect);
});

fn check(text: &str, parse: impl Fn(&str) -> Result<Endpoint, EndpointError>) {
    match parse(text) {
        Ok(endpoint) => {
            let shown = endpoint.to_string();
            assert!(shown.starts_with(endpoint.transport()));
            assert_eq!(parse(&shown), Ok(endpoint), "{text:?} is shown as {shown:?}");
        }
        Err(error) => {
            assert_eq!(error.endpoint(), text);
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
    }
}
