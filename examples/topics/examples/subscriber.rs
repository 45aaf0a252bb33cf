//! Receives every message of a topic, up to its end.
use tamtam::Node;
use tamtam_examples::demo::Imu;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::open("logger")?;
    let subscriber = node.subscriber::<Imu>("/imu").create()?;
    let mut sum = 0.0;
    while let Some(imu) = subscriber.recv()? {
        sum += imu.x;
    }
    let counted = subscriber.statistics();
    println!("{} messages received, {} lost, the sum of x is {sum}", counted.received, counted.lost);
    Ok(())
}
