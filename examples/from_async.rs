//! From async code: a handle is a future that the I/O thread completes. Works with every runtime,
//! because it needs only what `std::task` has.
//!
//! `cargo run --example from_async`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties, RecordMetadata};

/// Nothing in here blocks the task's thread. `send` could, while memory is full or the topic is not
/// known: run that on a thread for blocking calls (`spawn_blocking` in Tokio).
async fn place(producer: &Producer<str, str>, event: &str) -> linger::Result<RecordMetadata> {
    let record = ProducerRecord::new("orders", event);
    producer.try_send_with_handle(record)?.await
}

async fn place_orders(producer: &Producer<str, str>) -> linger::Result<()> {
    println!("written: {}", place(producer, "placed").await?);
    // Both are on their way before the first is awaited, and share a batch.
    let paid = producer.try_send_with_handle(ProducerRecord::new("orders", "paid"))?;
    let packed = producer.try_send_with_handle(ProducerRecord::new("orders", "packed"))?;
    println!("written: {} and {}", paid.await?, packed.await?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 1).start()?;
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    let producer: Producer<str, str> = Producer::new(&properties)?;
    // Asks for the topic before the async part begins, as `try_send` refuses unknown topics.
    producer.prepare(&["orders"], Duration::from_secs(10))?;
    block_on(place_orders(&producer))?;
    // This blocks, too, and so does dropping the last clone: close outside of the tasks.
    producer.close()?;
    Ok(())
}

/// The smallest runtime there is: polls one future, and sleeps until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
