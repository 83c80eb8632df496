//! A handle as a future: a runtime of a few lines, made by hand, with nothing but `std::task`.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use linger::{ErrorKind, Fate, Producer, ProducerRecord, RecordMetadata, Result};

use crate::observe::now;
use crate::support::{PATIENCE, Setup, values};

/// Tells by its name who is woken.
struct Bell {
    name: &'static str,
    rung: Sender<&'static str>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Nobody listens any more if the test is over.
        self.rung.send(self.name).unwrap_or_default();
    }
}

/// Panics when it is rung.
struct Bomb;

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("a runtime's mistake");
    }
}

/// Where bells are heard.
struct Bells(Sender<&'static str>, Receiver<&'static str>);

impl Bells {
    fn new() -> Self {
        let (rung, heard) = mpsc::channel();
        Self(rung, heard)
    }

    fn waker(&self, name: &'static str) -> Waker {
        let rung = self.0.clone();
        Waker::from(Arc::new(Bell { name, rung }))
    }

    fn next(&self) -> &'static str {
        self.1.recv_timeout(PATIENCE).expect("somebody is woken")
    }

    fn is_silent(&self) -> bool {
        self.1.try_recv().is_err()
    }
}

/// Polls the future whenever it has woken its task.
fn block_on<F: Future>(future: F) -> F::Output {
    let bells = Bells::new();
    let waker = bells.waker("the only task");
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => _ = bells.next(),
        }
    }
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// A producer that knows its topic, as `try_send` needs it.
fn start() -> (linger::testing::MockCluster, Producer<str, str>) {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    producer.partitions_for("t").unwrap();
    (cluster, producer)
}

async fn send(producer: &Producer<str, str>, value: &str) -> Result<RecordMetadata> {
    producer
        .try_send_with_handle(ProducerRecord::new("t", value))?
        .await
}

#[test]
fn an_awaited_handle_gives_the_outcome() {
    let (cluster, producer) = start();
    let offsets = block_on(async {
        let first = send(&producer, "one").await?.offset();
        let second = send(&producer, "two").await?.offset();
        Ok::<_, linger::Error>((first, second))
    });
    assert_eq!(offsets.unwrap(), (Some(0), Some(1)));
    assert_eq!(values(&cluster, "t", 0), ["one", "two"]);
}

#[test]
fn a_task_is_woken_when_the_record_has_its_outcome_and_not_before() {
    let (cluster, producer) = start();
    cluster.pause_broker(1);
    let bells = Bells::new();
    let record = ProducerRecord::new("t", "v");
    let mut handle = producer.try_send_with_handle(record).unwrap();
    assert!(poll(&mut handle, &bells.waker("first")).is_pending());
    // Another poll, of another task perhaps: the first one is not woken any more.
    assert!(poll(&mut handle, &bells.waker("second")).is_pending());
    assert!(bells.is_silent());
    cluster.resume_broker(1);
    assert_eq!(bells.next(), "second");
    let outcome = poll(&mut handle, &bells.waker("third"));
    assert!(matches!(outcome, Poll::Ready(Ok(_))), "{outcome:?}");
    let again = poll(&mut handle, &bells.waker("third"));
    assert!(matches!(again, Poll::Ready(Ok(_))), "{again:?}");
    producer.close().unwrap();
    assert!(bells.is_silent(), "each outcome wakes once");
}

#[test]
fn what_fails_wakes_too() {
    let (cluster, producer) = start();
    cluster.pause_broker(1);
    let bells = Bells::new();
    let record = ProducerRecord::new("t", "v");
    let mut handle = producer.try_send_with_handle(record).unwrap();
    assert!(poll(&mut handle, &bells.waker("task")).is_pending());
    // However slow the machine is: what this leaves to do is done soon.
    producer.close_timeout(Duration::ZERO).ok();
    assert_eq!(bells.next(), "task");
    let Poll::Ready(Err(error)) = poll(&mut handle, &bells.waker("task")) else {
        panic!("the producer is closed");
    };
    assert!(error.is_closed(), "{error}");
}

#[test]
fn a_future_that_is_dropped_takes_no_record_back() {
    let (cluster, producer) = start();
    cluster.pause_broker(1);
    let bells = Bells::new();
    let record = ProducerRecord::new("t", "v");
    let mut handle = producer.try_send_with_handle(record).unwrap();
    assert!(poll(&mut handle, &bells.waker("task")).is_pending());
    drop(handle);
    cluster.resume_broker(1);
    assert_eq!(producer.close().unwrap().acknowledged, 1);
    assert_eq!(values(&cluster, "t", 0), ["v"]);
}

#[test]
fn a_waker_that_panics_is_contained() {
    let (cluster, producer) = start();
    cluster.pause_broker(1);
    let record = || ProducerRecord::new("t", "v");
    let mut bad = producer.try_send_with_handle(record()).unwrap();
    assert!(poll(&mut bad, &Waker::from(Arc::new(Bomb))).is_pending());
    let good = producer.try_send_with_handle(record()).unwrap();
    cluster.resume_broker(1);
    assert!(block_on(good).is_ok());
    assert!(block_on(bad).is_ok(), "its outcome is there all the same");
    producer.close().unwrap();
    assert_eq!(producer.metrics().callbacks_panicked, 1);
}

#[test]
fn a_thread_can_wait_for_what_a_task_has_polled() {
    let (_cluster, producer) = start();
    let bells = Bells::new();
    let record = ProducerRecord::new("t", "v");
    let mut handle = producer.try_send_with_handle(record).unwrap();
    drop(poll(&mut handle, &bells.waker("task")));
    assert_eq!(handle.wait().unwrap().offset(), Some(0));
}

#[test]
fn sending_for_a_task_never_blocks() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("buffer.memory", 20_000)
        .set("batch.size", 1_000)
        .start();
    cluster.pause_broker(1);
    let value = "v".repeat(900);
    let record = || ProducerRecord::new("t", &value);
    let started = now();
    let unheard_of = producer.try_send_with_handle(record()).unwrap_err();
    assert!(unheard_of.is_retriable(), "{unheard_of}");
    assert_eq!(unheard_of.topic(), Some("t"));
    cluster.resume_broker(1);
    producer.partitions_for("t").unwrap();
    cluster.pause_broker(1);
    let full = loop {
        if let Err(error) = producer.try_send_with_handle(record()) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::BufferFull);
    assert_eq!(full.fate(), Fate::NotWritten);
    assert!(now() - started < PATIENCE, "max.block.ms is longer");
    cluster.resume_broker(1);
    assert_eq!(producer.close().unwrap().failed, 0);
}
