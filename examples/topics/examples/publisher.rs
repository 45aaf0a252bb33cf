//! Publishes to as many subscribers as the first argument says (1), and ends.
use std::time::Duration;

use tamtam::Node;
use tamtam_examples::demo::Imu;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let subscribers = std::env::args().nth(1).map_or(Ok(1), |count| count.parse())?;
    let node = Node::open("driver")?;
    let publisher = node.publisher::<Imu>("/imu").create()?;
    publisher.wait_for(subscribers, Duration::from_secs(30))?;
    for number in 0..1000 {
        publisher.send(&Imu { x: f64::from(number), ..Imu::default() })?;
    }
    let published = publisher.finish().drain(Duration::from_secs(5))?;
    println!("{published} messages to {subscribers} subscribers");
    Ok(())
}
