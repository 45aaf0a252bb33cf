//! Talks to a publisher, a subscriber and a service's client of another language, which it starts:
//! `counterpart "python3 publisher.py" "python3 subscriber.py" "python3 client.py"`.
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tamtam::Node;
use tamtam_examples::demo::{AddReply, AddRequest, Imu};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(command: &str, endpoint: &str) -> std::io::Result<Child> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    Command::new(program).args(words).arg(endpoint).stdout(Stdio::piped()).spawn()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let commands: Vec<String> = std::env::args().skip(1).collect();
    let [publisher, subscriber, client] = &commands[..] else { return Err("three commands".into()) };
    let node = Node::open("counterpart")?;

    let endpoint = format!("tcp://127.0.0.1:{}", free_port()?);
    let reader = node.subscriber::<Imu>("/imu").connect(&endpoint).create()?;
    let mut process = start(publisher, &endpoint)?;
    let mut xs = Vec::new();
    while let Some(imu) = reader.recv_timeout(PATIENCE)? {
        xs.push(imu.x);
    }
    assert_eq!(xs, (0..10).map(f64::from).collect::<Vec<_>>(), "{publisher}");
    assert!(process.wait()?.success(), "{publisher}");
    drop(reader);

    let writer = node.publisher::<Imu>("/imu").bind("tcp://127.0.0.1:*").create()?;
    let process = start(subscriber, writer.endpoints().last().ok_or("no endpoint")?)?;
    writer.wait_for(1, PATIENCE)?;
    for x in 0..10 {
        writer.send(&Imu { x: x.into(), ..Imu::default() })?;
    }
    writer.finish().drain(PATIENCE)?;
    let output = process.wait_with_output()?;
    let xs: Vec<f64> = String::from_utf8(output.stdout)?.lines().map(str::parse).collect::<Result<_, _>>()?;
    assert_eq!(xs, (0..10).map(f64::from).collect::<Vec<_>>(), "{subscriber}");

    let service = node.service("/add", |q: AddRequest| Ok(AddReply { sum: q.a + q.b }))?;
    let process = start(client, service.endpoints().first().ok_or("no endpoint")?)?;
    let output = process.wait_with_output()?;
    assert_eq!(String::from_utf8(output.stdout)?, "5\n", "{client}");
    println!("all three have understood each other");
    Ok(())
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
