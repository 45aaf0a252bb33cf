//! The long texts of `--help`: examples that work as printed, and the exit codes.

const EXIT_CODES: &str = "\
Exit codes:
  0  done (a closed output pipe is a normal end)
  1  failed
  2  wrong usage
  3  no such topic, type, service or file
  4  time-out, or barrier not met
  5  schema incompatible
  6  data loss detected
  130 / 143  interrupted (Ctrl-C / SIGTERM)";

/// Returns what follows the options in a command's `--help`.
pub(crate) fn after(examples: &str) -> String {
    format!("Examples:\n{}\n\n{EXIT_CODES}", examples.trim_end())
}

pub(crate) const MAIN: &str = "\
  tamtam demo                                                        # one publisher, three subscribers, 100000 messages
  tamtam zmq rep --bind tcp://127.0.0.1:5555                         # an echo server
  tamtam zmq req tcp://127.0.0.1:5555 --message hello
  tamtam zmq sub tcp://localhost:5561 --decode message.proto:Info --end END";

pub(crate) const DEMO: &str = "\
  tamtam demo
  tamtam demo --subscribers 5 --messages 20000 --transport tcp --size 1kB
  tamtam demo --transport inproc --json
  tamtam demo --verbose                                              # shows each subscriber's pid; kill one and see";

pub(crate) const COMPLETION: &str = "\
  tamtam completion bash
  tamtam completion zsh";

pub(crate) const PUB: &str = "\
  tamtam zmq pub --bind tcp://127.0.0.1:5561 --wait 1 --message hello --end END
  tamtam zmq pub --bind 'tcp://*:5561' --topic weather --rate 10Hz --count 100 --message sunny
  tamtam zmq pub --bind tcp://127.0.0.1:5561 --wait 1 --encode message.proto:Info --message 'date: \"today\" id: 1'
  seq 1000 | tamtam zmq pub --bind ipc:///tmp/numbers --wait 2 --timeout 10s --end END";

pub(crate) const SUB: &str = "\
  tamtam zmq sub tcp://localhost:5561 --end END
  tamtam zmq sub tcp://localhost:5561 --topic weather --topic news --count 10 --timeout 5s
  tamtam zmq sub tcp://localhost:5561 --decode message.proto:Info --end END
  tamtam zmq sub ipc:///tmp/numbers --format json --end END";

pub(crate) const PUSH: &str = "\
  tamtam zmq push tcp://127.0.0.1:5557 --message 'job 1' --message 'job 2' --timeout 5s
  seq 100 | tamtam zmq push --bind tcp://127.0.0.1:5557 --end END";

pub(crate) const PULL: &str = "\
  tamtam zmq pull --bind tcp://127.0.0.1:5557 --count 2
  tamtam zmq pull tcp://127.0.0.1:5557 --end END --format hex";

pub(crate) const REQ: &str = "\
  tamtam zmq req tcp://127.0.0.1:5555 --message hello --timeout 2s
  tamtam zmq req tcp://localhost:5562 --message ''                   # one synchronisation request";

pub(crate) const REP: &str = "\
  tamtam zmq rep --bind tcp://127.0.0.1:5555                         # replies with what it got
  tamtam zmq rep --bind tcp://127.0.0.1:5555 --reply OK --count 3";

pub(crate) const DEALER: &str = "\
  tamtam zmq dealer tcp://127.0.0.1:5555 --input json --message '[\"\", \"hello\"]' --count 1   # as a REQ does
  tamtam zmq dealer tcp://127.0.0.1:5556 --identity alice --message hello --count 1";

pub(crate) const ROUTER: &str = "\
  tamtam zmq router --bind tcp://127.0.0.1:5556 --format json
  tamtam zmq router --bind tcp://127.0.0.1:5556 --to alice           # lines go to the peer named alice, once it is there";

pub(crate) const PAIR: &str = "\
  tamtam zmq pair --bind ipc:///tmp/chat
  tamtam zmq pair ipc:///tmp/chat --message hello --count 0          # sends only";

pub(crate) const PROXY: &str = "\
  tamtam zmq proxy tcp://127.0.0.1:5559 tcp://127.0.0.1:5560         # publishers connect to 5559, subscribers to 5560
  tamtam zmq proxy --types router:dealer tcp://127.0.0.1:5559 tcp://127.0.0.1:5560
  tamtam zmq proxy --types pull:push ipc:///tmp/in ipc:///tmp/out --capture ipc:///tmp/seen --stats";

pub(crate) const KEYGEN: &str = "\
  tamtam zmq keygen -o server.key                                    # and the public key in server.key.pub
  tamtam zmq rep --bind ipc://a --curve-server server.key --allow c.pub
  tamtam zmq req ipc://a --curve-client c --server-key 'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'
  tamtam zmq keygen --json

A key file has the form of CZMQ's and pyzmq's certificates. A list for --allow has one public key a line, and a name
behind it if you like; # begins a comment. It is read again when it changes.";

pub(crate) const MONITOR: &str = "\
  tamtam zmq monitor tcp://127.0.0.1:5561
  tamtam zmq monitor --type req tcp://127.0.0.1:5555 --count 3 --timeout 10s --json";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::args::Cli;

    /// Splits a line as a shell does, as far as the examples need it: blanks, quotes, comments.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quoted = false;
        for letter in line.chars() {
            match letter {
                '\'' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                '#' if !quoted && word.is_none() => return words,
                ' ' if !quoted => words.extend(word.take()),
                _ => word.get_or_insert_default().push(letter),
            }
        }
        words.extend(word);
        words
    }

    fn check(command: &mut clap::Command, seen: &mut usize) {
        let help = command.render_long_help().to_string();
        let examples = help.lines().filter(|line| line.starts_with("  ")).filter_map(|line| {
            let line = line.trim_start();
            line.rsplit_once(" | ").map_or(line, |(_, last)| last).strip_prefix("tamtam ").map(|_| line)
        });
        for line in examples {
            let called = line.rsplit_once(" | ").map_or(line, |(_, last)| last);
            if let Err(error) = Cli::try_parse_from(words(called)) {
                panic!("the example `{line}` is refused: {error}");
            }
            *seen += 1;
        }
        for inner in command.get_subcommands_mut() {
            check(inner, seen);
        }
    }

    #[test]
    fn every_example_is_a_valid_command_line() {
        let mut seen = 0;
        let mut command = Cli::command();
        command.build();
        check(&mut command, &mut seen);
        assert!(seen >= 25, "only {seen} examples found");
    }
}
