//! From async code: the record's callback completes a future. Works with every runtime, because
//! it needs only what `std::task` has.
//!
//! `cargo run --example from_async`
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use linger::testing::MockCluster;
use linger::{Producer, ProducerRecord, Properties, RecordMetadata};

type Outcome = linger::Result<RecordMetadata>;

/// The outcome of a record, as a future. Dropping it does not take the record back. (With a runtime
/// at hand, its oneshot channel does as well.)
#[derive(Clone, Default)]
struct Delivery(Arc<Mutex<(Option<Outcome>, Option<Waker>)>>);

impl Delivery {
    fn complete(&self, outcome: Outcome) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = Some(outcome);
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Delivery {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(context.waker().clone());
        state.0.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Sends without blocking. An async function must not call `send`, which may wait for memory or for
/// a topic: run that on a thread for blocking calls (`spawn_blocking` in Tokio).
fn deliver(producer: &Producer<str, str>, event: &str) -> linger::Result<Delivery> {
    let delivery = Delivery::default();
    let callback = delivery.clone();
    let record = ProducerRecord::new("orders", event);
    producer.try_send(record, move |outcome| callback.complete(outcome))?;
    Ok(delivery)
}

async fn place_orders(producer: &Producer<str, str>) -> linger::Result<()> {
    let deliveries = [deliver(producer, "placed")?, deliver(producer, "paid")?];
    for delivery in deliveries {
        println!("written: {}", delivery.await?);
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MockCluster::builder().topic("orders", 1).start()?;
    let properties = Properties::new().set("bootstrap.servers", cluster.bootstrap_servers());
    let producer: Producer<str, str> = Producer::new(&properties)?;
    // Asks for the topic before the async part begins, as `try_send` refuses unknown topics.
    producer.partitions_for("orders")?;
    block_on(place_orders(&producer))?;
    producer.close()?; // This blocks, too.
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
