// Threads of one program need none of the others: values move, nothing is copied or encoded.
use std::error::Error;
use std::sync::mpsc::sync_channel;
use std::thread;

struct Picture {
    number: u32,
    pixels: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    // At most four pictures wait; then the camera does. Without a bound a slow reader costs all memory.
    let (sender, pictures) = sync_channel(4);
    let camera = thread::spawn(move || {
        for number in 1..=10 {
            let picture = Picture { number, pixels: vec![0; 1 << 20] };
            if sender.send(picture).is_err() {
                return; // nobody looks any more
            }
        }
    });

    let mut octets = 0;
    for (picture, number) in pictures.iter().zip(1..) {
        assert_eq!(picture.number, number);
        octets += picture.pixels.len();
    }
    // The loop has ended because the sender is gone.
    assert_eq!(octets, 10 << 20);
    camera.join().expect("no panic");
    Ok(())
}
