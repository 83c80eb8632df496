//! Stopping with a deadline, and keeping what could not be delivered: `close_and_return` hands the
//! failed records back, each with the answer to "may it be in the log?".
//!
//! `cargo run --example graceful_shutdown`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::time::Duration;

use linger::testing::MockCluster;
use linger::{Fate, Producer, ProducerRecord, Properties};

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 1).start()?;
    let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: Producer<[u8], [u8]> = Producer::new(&properties)?;
    let send = |event: &'static str| {
        let record = ProducerRecord::new("orders", event.as_bytes());
        producer.send(record, |_| ())
    };

    send("placed")?;
    producer.flush()?;
    // The broker takes this record and hangs before it answers. Then it goes down.
    cluster.pause_broker(1);
    send("paid")?;
    if let Err(error) = producer.flush_timeout(Duration::from_millis(500)) {
        println!("{error}");
    }
    cluster.stop_broker(1);
    // This one can only wait in the producer's memory.
    send("shipped")?;

    // The program has to end now: what is not acknowledged within the limit comes back.
    let (report, records) = producer.close_and_return(Duration::from_millis(500))?;
    println!(
        "not written: {}, may be written: {}",
        report.not_written, report.may_be_written
    );
    let mut to_send_again = Vec::new();
    for record in records {
        let event = String::from_utf8_lossy(record.value().unwrap_or_default());
        match record.fate() {
            Fate::NotWritten => {
                println!("{event}: certainly not in the log, safe to send again");
                to_send_again.push(record);
            }
            // Sent again, it could be there twice. A person, or the reader's own check, decides.
            Fate::MayBeWritten => println!("{event}: may be in the log: {}", record.error()),
        }
    }

    // A real program would write these to a file. Here the broker comes back at once.
    cluster.restart_broker(1)?;
    let producer: Producer<[u8], [u8]> = Producer::new(&properties)?;
    for record in &to_send_again {
        let event = String::from_utf8_lossy(record.value().unwrap_or_default());
        println!("{event}: {}", producer.send_wait(record.as_record())?);
    }
    // Dropping a producer closes it, too; but then nothing is handed back. A producer in a static is never
    // dropped: close it before `main` ends, or what it has not sent is lost.
    Ok(())
}
