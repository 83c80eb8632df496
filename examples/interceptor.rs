//! An interceptor: sees each record before it is sent, may change it, and sees each outcome.
//! This one adds a header to every record and counts failures.
//!
//! `cargo run --example interceptor`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use linger::testing::MockCluster;
use linger::{
    Acknowledgement, InterceptedRecord, Producer, ProducerInterceptor, ProducerRecord, Properties,
    PropertyObject,
};

/// Says in a header where a record comes from, and counts outcomes.
#[derive(Default)]
struct Origin {
    written: AtomicU64,
    failed: AtomicU64,
}

impl ProducerInterceptor for Origin {
    /// Runs on the thread that sends, after the serializers: key and value are bytes here.
    fn on_send(
        &self,
        record: &mut InterceptedRecord<'_>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        record.add_header("origin", b"shop-7");
        Ok(())
    }

    /// Runs before the record's callback, on the producer's own thread: keep it short.
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        let count = match acknowledgement.result() {
            Ok(_) => &self.written,
            Err(_) => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 1).start()?;
    let origin = Arc::new(Origin::default());
    // Several interceptors: PropertyObject::list([…]). By name in a file: Properties::register.
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set_object(
            "interceptor.classes",
            PropertyObject::interceptor(Arc::clone(&origin)),
        );
    let producer: Producer<str, str> = Producer::new(&properties)?;

    for event in ["placed", "paid"] {
        producer.send(ProducerRecord::new("orders", event), |_| ())?;
    }
    producer.close()?;

    for record in cluster.records("orders", 0) {
        for (name, value) in &record.headers {
            let value = value.as_deref().unwrap_or_default();
            println!(
                "offset {}: {name}={}",
                record.offset,
                String::from_utf8_lossy(value)
            );
        }
    }
    let (written, failed) = (&origin.written, &origin.failed);
    println!(
        "{} written, {} failed",
        written.load(Ordering::Relaxed),
        failed.load(Ordering::Relaxed)
    );
    Ok(())
}
