//! The long texts of `--help`: examples that work as printed, and the exit codes.

const EXIT_CODES: &str = "\
Exit codes:
  0  done (a closed output pipe is a normal end)
  1  failed
  2  wrong usage
  3  no such topic, type, service, mechanism or file
  4  time-out, or barrier not met
  5  schema incompatible
  6  data loss detected
  130 / 143  interrupted (Ctrl-C / SIGTERM)";

/// Returns what follows the options in a command's `--help`.
pub(crate) fn after(examples: &str) -> String {
    format!("Examples:\n  {}\n\n{EXIT_CODES}", examples.trim())
}

pub(crate) const MAIN: &str = "\
  tamtam demo                                                        # one publisher, three subscribers, 100000 messages
  tamtam list -v                                                     # topics, types, who publishes and subscribes
  tamtam echo /imu -n 10                                             # decoded by the publisher's own schema
  tamtam doctor                                                      # what may be wrong here
  tamtam zmq rep --bind tcp://127.0.0.1:5555                         # an echo server
  tamtam zmq req tcp://127.0.0.1:5555 --message hello
  tamtam zmq sub tcp://localhost:5561 --decode message.proto:Info --end END";

pub(crate) const DEMO: &str = "\
  tamtam demo
  tamtam demo --subscribers 5 --messages 20000 --transport tcp --size 1kB
  tamtam demo --transport inproc --json
  tamtam demo --verbose                                              # shows each subscriber's pid; kill one and see";

pub(crate) const EXPLAIN: &str = "\
  tamtam ipc explain                                                 # all of them, and which can be used here
  tamtam ipc explain shm-ring
  tamtam ipc explain posix-queue --json";

pub(crate) const CHOOSE: &str = "\
  tamtam ipc choose                                                  # asks, if there is a terminal
  tamtam ipc choose --defaults
  tamtam ipc choose --writers many --reply no --languages rust,python
  tamtam ipc choose --readers each --reply no --delivery latest --json
  tamtam ipc choose --size 64 --rate 100kHz --priority latency --measure
  tamtam ipc choose --defaults --bench bench.json                    # written by tamtam ipc bench --json

Questions that no flag answers are asked on a terminal. Elsewhere, or with --defaults, they take their
defaults, which is told. Answers exclude candidates by the rules of docs/ipc-choose.md; the others are
ranked by numbers of this machine, if there are any. If nothing does all of what is needed, the exit code
is 1, and other answers are told with which something would.";

pub(crate) const IPC_BENCH: &str = "\
  tamtam ipc bench                                                   # everything, in about 20 seconds
  tamtam ipc bench --quick -m pipe,unix-stream,shm-ring -p round-trip
  tamtam ipc bench -p throughput -s 64,64KiB -m tamtam-tcp,libzmq-tcp --libzmq ./libzmq.so.5
  tamtam ipc bench -p fan-out --readers 1,4,16 --duration 10s
  tamtam ipc bench --full --html report.html --csv report.csv
  tamtam ipc bench --quick --json                                    # kept in old.json, say, and after the change:
  tamtam ipc bench --quick --compare old.json

What cannot be used here is told with the reason, and the rest goes on. A message may be lost, a
sender held up, a figure noisy: that is shown, too. How it is measured stands in docs/ipc-bench.md.";

pub(crate) const COMPLETION: &str = "\
  tamtam completion bash                                             # in ~/.bashrc: source <(tamtam completion bash)
  tamtam completion zsh                                              # in ~/.zshrc: source <(tamtam completion zsh)
  tamtam completion fish                                             # in config.fish: tamtam completion fish | source";

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

pub(crate) const TOPIC_ECHO: &str = "\
  tamtam echo /imu
  tamtam echo /imu --once --format json
  tamtam echo /imu --field pose.x --field pose.y --format csv -n 100
  tamtam echo /log --filter 'level >= WARNING and not (text contains \"noise\")'
  tamtam echo /weather --connect tcp://localhost:5561 --plain=END --proto message.proto:Info

A filter compares fields: == != < <= > >= and contains (a part of a text), joined by and, or, not
and parentheses. Of a list, any element may fit; items.0 is its first one, labels.name an entry of
a map. Losses are told as they are noticed, and make the exit code 6.";

pub(crate) const TOPIC_PUB: &str = "\
  tamtam pub /cmd demo.Cmd 'x: 1 y: 2' --wait 1 --timeout 5s
  tamtam pub /cmd demo.Cmd '{\"x\": 1}' --proto demo.proto -r 10/s -n 50
  tamtam pub /greeting bytes hello --forever -r 1Hz
  tamtam pub /imu demo.Imu --from imu.ndjson -r 200Hz --wait 1 --end
  seq 1000 | tamtam pub /numbers bytes - --wait 1 --end
  tamtam pub /weather bytes sunny --bind tcp://127.0.0.1:5561 --plain --wait 1

DATA that begins with { is JSON, and Protobuf text format otherwise. Of type bytes it is the text's
own octets, or 0x and hexadecimal digits; a line of --from then is \"text\" or {\"hex\":\"00ff\"}.
--from also reads what `tamtam echo --json` prints.";

pub(crate) const TOPIC_HZ: &str = "\
  tamtam hz /imu /camera/image
  tamtam hz /imu --duration 10s --json
  tamtam hz /imu --window 100 --once --timeout 5s";

pub(crate) const TOPIC_BW: &str = "\
  tamtam bw /camera/image
  tamtam bw /camera/image /imu --duration 10s";

pub(crate) const TOPIC_DELAY: &str = "\
  tamtam delay /imu
  tamtam delay /imu --window 1000 --once --json";

pub(crate) const TOPIC_WAIT: &str = "\
  tamtam wait /cmd --subscribers 2 --timeout 10s
  tamtam wait /imu --publishers 1 --message --timeout 5s";

pub(crate) const TOPIC_CALL: &str = "\
  tamtam call /add 'a: 1 b: 2'
  tamtam call /add '{\"a\": 1}' --timeout 2s --json
  tamtam call /add 'a: 1' --type demo.Pair:demo.Sum --proto demo.proto

Without --timeout an answer is awaited for 10 seconds, and a service that is not there not at all.";

pub(crate) const TOPIC_SERVE: &str = "\
  tamtam serve /upper --exec 'tr a-z A-Z'
  tamtam serve /add --type demo.Pair:demo.Sum --proto demo.proto --exec 'jq -c \"{sum: (.a + .b)}\"'

The command gets the request as JSON (or as the bytes it is), and writes the reply as JSON or
Protobuf text format (or as bytes). If it fails, the caller is told what it wrote on standard error.
--timeout limits each run.";

pub(crate) const LIST: &str = "\
  tamtam list
  tamtam list camera -v                                              # topics with \"camera\" in their name, in detail
  tamtam list '/robot/*' --json
  tamtam list --domain lab --peer tcp://robot:7400                   # with what a node on another host knows";

pub(crate) const INFO: &str = "\
  tamtam info /imu
  tamtam info /imu --json";

pub(crate) const TYPE: &str = "\
  tamtam type /imu
  tamtam type /imu --json";

pub(crate) const FIND: &str = "\
  tamtam find demo.Imu
  tamtam find Imu";

pub(crate) const NODES: &str = "\
  tamtam nodes
  tamtam nodes 'camera*' -v --domain lab";

pub(crate) const SERVICES: &str = "\
  tamtam services
  tamtam services add -v --json";

pub(crate) const GRAPH: &str = "\
  tamtam graph
  tamtam graph --format mermaid
  tamtam graph --format dot | dot -Tsvg -o graph.svg";

pub(crate) const SCHEMA: &str = "\
  tamtam schema show /imu
  tamtam schema check /imu imu.proto:demo.Imu                        # exit 5: such a reader would not understand it";

pub(crate) const SCHEMA_SHOW: &str = "\
  tamtam schema show /imu
  tamtam schema show Imu --format json
  tamtam schema show /imu --format fds | protoc --decode_raw";

pub(crate) const SCHEMA_PULL: &str = "\
  tamtam schema pull /imu -o imu.fds                                 # for protoc --descriptor_set_in=imu.fds";

pub(crate) const SCHEMA_DIFF: &str = "\
  tamtam schema diff old/imu.proto:demo.Imu new/imu.proto:demo.Imu
  tamtam schema diff imu.fds:demo.Imu /imu                           # old recordings, today's type";

pub(crate) const SCHEMA_CHECK: &str = "\
  tamtam schema check /imu imu.proto:demo.Imu
  tamtam schema check /imu -I proto proto/demo/imu.proto:demo.Imu";

pub(crate) const DOCTOR: &str = "\
  tamtam doctor                                                      # exit 1: something failed
  tamtam doctor --domain lab --json";

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
