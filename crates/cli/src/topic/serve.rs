//! `tamtam serve`

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::args::ServeArgs;
use super::presence::count;
use super::types::BYTES;
use crate::codec::Codec;
use crate::exit::{Failure, Outcome};
use crate::output::{Format, Output, escape};
use crate::run::Run;

/// How many letters of what a command says on standard error the caller gets, from its end.
const TEXT_MAX: usize = 4096;

/// Offers a service until Ctrl-C.
pub(crate) fn serve(run: &Run, args: &ServeArgs) -> Outcome {
    let [request, reply] = args.types.load(args.proto.as_deref(), &args.proto_path)?;
    let node = run.node("serve")?;
    let schemas = [&request, &reply].map(|codec| codec.as_ref().map(Codec::schema).transpose());
    let [request_schema, reply_schema] = schemas;
    let running = Arc::new(Running::default());
    let mut worker = Worker {
        run: run.clone(),
        command: args.exec.clone(),
        request,
        reply,
        running: Arc::clone(&running),
        number: 0,
    };
    let [asked, answered] = [&worker.request, &worker.reply]
        .map(|codec| codec.as_ref().map_or(BYTES, Codec::type_name).to_owned());
    let service = node
        .service_raw(&args.service, request_schema?, reply_schema?, move |body| worker.answer(&body))
        .map_err(|error| Failure::failed(format!("{}: {error}", args.service)))?;
    let name = service.name().to_string();
    run.tell(&format!("serving {name} ({asked} to {answered})"));
    let ended = loop {
        if let Err(reason) = run.stop.sleep_until(Instant::now() + Duration::from_secs(3600)) {
            break reason;
        }
    };
    running.stop();
    drop(service);
    let Counts { answered, failed } = *running.counts();
    run.tell(&format!(
        "{name}: {} answered, {failed} of them with an error",
        count(answered, "request", "requests")
    ));
    Err(ended)
}

/// What the handler of requests and the one who ends it share.
#[derive(Debug, Default)]
struct Running {
    /// The command that is at work.
    child: Mutex<Slot>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Slot {
    child: Option<Child>,
    stopped: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    answered: u64,
    failed: u64,
}

impl Running {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the command at work, and what it has started; there will be no other.
    fn stop(&self) {
        self.slot().stopped = true;
        self.kill();
    }

    fn kill(&self) {
        if let Some(child) = &self.slot().child {
            // It is not waited for yet, so the number is still its own.
            let _gone = kill_process_group(Pid::from_child(child), Signal::KILL);
        }
    }
}

struct Worker {
    run: Run,
    command: String,
    request: Option<Codec>,
    reply: Option<Codec>,
    running: Arc<Running>,
    number: u64,
}

impl Worker {
    fn answer(&mut self, body: &Bytes) -> Result<Bytes, String> {
        self.number += 1;
        let begun = Instant::now();
        let outcome = self.execute(body);
        {
            let mut counts = self.running.counts();
            counts.answered += 1;
            counts.failed += u64::from(outcome.is_err());
        }
        let seconds = begun.elapsed().as_secs_f64();
        if let Err(why) = &outcome {
            self.run.tell(&format!("request {}: {}", self.number, escape(why.as_bytes())));
        }
        if self.run.global.json {
            let error = outcome.as_ref().err();
            let object = json!({
                "request": self.number, "bytes": body.len(), "reply_bytes": outcome.as_ref().map(Bytes::len).ok(),
                "error": error, "seconds": seconds,
            });
            let mut output = Output::new(Format::Text, None);
            if let Err(failure) = output.line(&object.to_string()).and_then(|()| output.finish()) {
                self.run.stop.because(failure);
            }
        }
        outcome
    }

    fn execute(&self, body: &Bytes) -> Result<Bytes, String> {
        let input = match &self.request {
            Some(codec) => codec.decode(body)?.to_json()?.to_string().into_bytes(),
            None => body.to_vec(),
        };
        let (status, stdout, stderr) = self.run_command(input)?;
        if !status.success() {
            let text = String::from_utf8_lossy(&stderr);
            let text = text.trim();
            let skipped = text.chars().count().saturating_sub(TEXT_MAX);
            let text: String = text.chars().skip(skipped).collect();
            return Err(if text.is_empty() { format!("the command failed: {status}") } else { text });
        }
        match &self.reply {
            Some(codec) => {
                codec.encode(&stdout).map(Bytes::from).map_err(|why| format!("the command's reply: {why}"))
            }
            None => Ok(stdout.into()),
        }
    }

    fn run_command(&self, input: Vec<u8>) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), String> {
        let cannot = |error: io::Error| format!("cannot run the command: {error}");
        let (stdout, stderr) = {
            let mut slot = self.running.slot();
            if slot.stopped {
                return Err("the service is ending".to_owned());
            }
            let mut child = Command::new("sh")
                .args(["-c", &self.command])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                // A group of its own, which can be ended as a whole, and which Ctrl-C does not reach.
                .process_group(0)
                .spawn()
                .map_err(cannot)?;
            if let Some(mut stdin) = child.stdin.take() {
                // A command need not read what it is asked.
                thread::spawn(move || _ = stdin.write_all(&input));
            }
            let streams = (child.stdout.take(), child.stderr.take());
            slot.child = Some(child);
            streams
        };
        let (stdout, stderr) = (collect(stdout), collect(stderr));
        let deadline = self.run.timeout().and_then(|timeout| Instant::now().checked_add(timeout));
        let take = |stream: &Receiver<Vec<u8>>| match deadline {
            None => stream.recv().ok(),
            Some(deadline) => match stream.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(octets) => Some(octets),
                Err(RecvTimeoutError::Disconnected) => Some(Vec::new()),
                Err(RecvTimeoutError::Timeout) => None,
            },
        };
        let taken = take(&stdout).and_then(|stdout| Some((stdout, take(&stderr)?)));
        if taken.is_none() {
            self.running.kill();
        }
        let mut slot = self.running.slot();
        let status = match slot.child.take() {
            Some(mut child) => child.wait().map_err(cannot)?,
            None => return Err("the command is gone".to_owned()),
        };
        drop(slot);
        let (stdout, stderr) = taken.ok_or("the command took too long, and was ended")?;
        Ok((status, stdout, stderr))
    }
}

/// Reads a stream to its end, elsewhere.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut whole = Vec::new();
        if let Some(mut stream) = stream {
            // What came before it broke off is what there is.
            let _ = stream.read_to_end(&mut whole);
        }
        let _ = sender.send(whole);
    });
    receiver
}
