//! A unit test without a cluster: the program sends to whatever it is given, and the test gives it a
//! `MockProducer`.
//!
//! `cargo run --example mock_producer`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use linger::{ErrorKind, Fate, MockProducer, Produce, ProducerRecord, Properties};

/// The program: with `Arc<dyn Produce<…>>` in place of `Producer<…>`, which is the real one.
struct Shop {
    producer: Arc<dyn Produce<str, str>>,
    lost: Arc<AtomicU32>,
}

impl Shop {
    fn place(&self, customer: &str, order: &str) -> linger::Result<()> {
        let lost = Arc::clone(&self.lost);
        let record = ProducerRecord::new("orders", order).key(customer);
        let callback = Box::new(move |result: linger::Result<_>| {
            if result.is_err() {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        });
        self.producer.send(record, callback)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // The properties are the program's own, so that serializers and partitions are, too.
    let mock: Arc<MockProducer<str, str>> = Arc::new(MockProducer::new(&Properties::new())?);
    mock.add_topic("orders", 3);
    let producer: Arc<dyn Produce<str, str>> = Arc::<MockProducer<str, str>>::clone(&mock);
    let lost = Arc::default();
    let shop = Shop { producer, lost };

    shop.place("alice", "a book")?;
    let sent = mock.history();
    let first = sent.first().ok_or("nothing was sent")?;
    assert_eq!(first.topic, "orders");
    assert_eq!(first.key.as_deref(), Some("alice"));
    println!("sent: {:?} for {:?}", first.value, first.key);

    // What the program does when a record fails.
    mock.fail_next_send(ErrorKind::TimedOut, Fate::MayBeWritten);
    shop.place("bob", "a pen")?;
    assert_eq!(shop.lost.load(Ordering::Relaxed), 1);
    println!("lost: {}", shop.lost.load(Ordering::Relaxed));

    // And when memory is full.
    mock.refuse_sends(ErrorKind::BufferFull);
    match shop.place("carol", "a cup") {
        Err(refused) if refused.kind() == ErrorKind::BufferFull => println!("refused: {refused}"),
        other => panic!("it was to be refused: {other:?}"),
    }
    Ok(())
}
