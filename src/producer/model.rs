//! Whole producers, with all their threads and locks, under schedules that a model checker chooses.
//! Only the network is another one: a broker that takes every record; see `driver/model/client.rs`.

use std::time::Duration;

use super::*;
use crate::driver::{DEADLY_TO_KNOW, DEADLY_TO_SEND};
use crate::sync::model::{check, join, pass_all};
use crate::sync::{AtomicUsize, Ordering, thread};

const TOPIC: &str = "t";

fn producer(memory: usize) -> Producer<str, str> {
    let properties = Properties::new()
        .set("bootstrap.servers", "127.0.0.1:9092")
        // The number in a default one is counted across schedules that run at the same time.
        .set("client.id", "model")
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("enable.idempotence", "false")
        .set("linger.ms", "0")
        .set("retry.backoff.ms", "0")
        .set("retry.backoff.max.ms", "0")
        .set("batch.size", "80")
        .set("buffer.memory", memory);
    Producer::new(&properties).unwrap()
}

/// Takes all a test sends.
const ROOMY: usize = 1 << 20;
/// Takes one record, and no second one while its batch is there.
const TIGHT: usize = 1_000;

/// How many callbacks have been called.
#[derive(Clone, Debug, Default)]
struct Called(Arc<AtomicUsize>);

impl Called {
    fn callback(&self) -> impl FnOnce(Result<RecordMetadata>) + Send + 'static {
        let called = self.clone();
        move |_| called.note()
    }

    fn note(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn record(topic: &str) -> ProducerRecord<'_, str, str> {
    ProducerRecord::new(topic, "value")
}

/// Nothing is held and nothing is owed.
fn assert_at_rest(producer: &Producer<str, str>) {
    let metrics = producer.metrics();
    assert_eq!(metrics.buffer_used_bytes, 0);
    let done = metrics.records_acknowledged + metrics.records_failed;
    assert!(done <= metrics.records_accepted, "{metrics:?}");
}

#[test]
fn a_flush_returns_after_the_callbacks_of_what_was_sent_before() {
    check(5_000, || {
        let producer = producer(ROOMY);
        let threads = [(); 2].map(|()| {
            let producer = producer.clone();
            thread::spawn(move || {
                let called = Called::default();
                for sent in 1..=2 {
                    producer.send(record(TOPIC), called.callback()).unwrap();
                    producer.flush().unwrap();
                    assert_eq!(called.count(), sent);
                }
            })
        });
        join(threads);
        producer.close().unwrap();
        assert_at_rest(&producer);
    });
}

#[test]
fn senders_that_wait_for_memory_get_it_in_the_end() {
    check(5_000, || {
        let producer = producer(TIGHT);
        let called = Called::default();
        let threads = [(); 2].map(|()| {
            let (producer, called) = (producer.clone(), called.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    producer.send(record(TOPIC), called.callback()).unwrap();
                }
            })
        });
        join(threads);
        let report = producer.close().unwrap();
        assert_eq!(called.count(), 4);
        assert_eq!(report.failed, 0);
        assert_at_rest(&producer);
    });
}

#[test]
fn what_is_accepted_while_another_clone_closes_has_its_outcome_when_close_returns() {
    check(5_000, || {
        let producer = producer(TIGHT);
        let called = Called::default();
        let threads = [(); 2].map(|()| {
            let (producer, called) = (producer.clone(), called.clone());
            thread::spawn(move || {
                let send = |_: &usize| producer.send(record(TOPIC), called.callback());
                (0..3).take_while(|n| send(n).is_ok()).count()
            })
        });
        producer.close().unwrap();
        let at_close = called.count();
        let accepted: usize = join(threads).iter().sum();
        assert_eq!(called.count(), accepted);
        assert_eq!(at_close, accepted, "a record was accepted after the close");
        assert_at_rest(&producer);
    });
}

#[test]
fn two_clones_that_close_at_once_both_return() {
    check(5_000, || {
        let producer = producer(ROOMY);
        let called = Called::default();
        producer.send(record(TOPIC), called.callback()).unwrap();
        let other = {
            let (producer, called) = (producer.clone(), called.clone());
            thread::spawn(move || {
                producer.close().unwrap();
                assert_eq!(called.count(), 1);
            })
        };
        producer.close().unwrap();
        assert_eq!(called.count(), 1);
        other.join().unwrap();
    });
}

/// The I/O thread ends, though nobody waits for it: one that went on would be a deadlock.
#[test]
fn the_last_clone_may_go_inside_a_callback() {
    check(5_000, || {
        let producer = producer(ROOMY);
        let called = Called::default();
        let last = {
            let (clone, called) = (producer.clone(), called.clone());
            move |_| {
                clone.try_send(record(TOPIC), called.callback()).unwrap();
                drop(clone);
                called.note();
            }
        };
        producer.send(record(TOPIC), last).unwrap();
        let shared = Arc::clone(&producer.handle.shared);
        let other = thread::spawn(move || drop(producer));
        other.join().unwrap();
        while shared.ending().is_none() {
            thread::yield_now();
        }
        assert_eq!(called.count(), 2);
    });
}

/// Whoever drops the last clone waits until everything is done, unless it is a callback.
#[test]
fn dropping_the_last_clone_waits_for_the_callbacks() {
    check(5_000, || {
        let producer = producer(ROOMY);
        let called = Called::default();
        producer.send(record(TOPIC), called.callback()).unwrap();
        drop(producer);
        assert_eq!(called.count(), 1);
    });
}

/// Callers that wait for memory, a flush and an outcome at the moment of the death.
#[test]
fn the_death_of_the_io_thread_lets_every_waiting_caller_go() {
    check(5_000, || {
        let producer = producer(TIGHT);
        let called = Called::default();
        let sender = {
            let (producer, called) = (producer.clone(), called.clone());
            thread::spawn(move || {
                let send = |_: &usize| {
                    producer
                        .send(record(DEADLY_TO_SEND), called.callback())
                        .is_ok()
                };
                (0..2).take_while(send).count()
            })
        };
        let flusher = {
            let producer = producer.clone();
            thread::spawn(move || producer.flush().ok())
        };
        let handle = producer.send_with_handle(record(DEADLY_TO_SEND));
        let outcome = handle.and_then(|handle| handle.wait());
        assert!(outcome.is_err());
        let accepted = sender.join().unwrap();
        flusher.join().unwrap();
        assert_eq!(producer.close().unwrap_err().kind(), ErrorKind::Internal);
        let refused = producer.send(record(TOPIC), |_| {}).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Internal);
        drop(producer);
        assert_eq!(called.count(), accepted);
    });
}

#[test]
fn the_death_of_the_io_thread_lets_callers_go_that_wait_for_metadata() {
    check(5_000, || {
        let producer = producer(ROOMY);
        let waiting = [(); 2].map(|()| {
            let producer = producer.clone();
            thread::spawn(move || producer.partitions_for(DEADLY_TO_KNOW).unwrap_err())
        });
        assert!(producer.send(record(DEADLY_TO_KNOW), |_| {}).is_err());
        join(waiting);
        assert_eq!(producer.close().unwrap_err().kind(), ErrorKind::Internal);
    });
}

/// A callback that never returns in time: the others give up at their deadlines, and when it has
/// returned all is told.
#[test]
fn callers_give_up_while_a_callback_lasts() {
    check(5_000, || {
        let producer = producer(TIGHT);
        let called = Called::default();
        let (release, gate) = gate();
        let slow = {
            let called = called.clone();
            move |_| {
                gate.pass();
                called.note();
            }
        };
        producer.send(record(TOPIC), slow).unwrap();
        let sender = {
            let (producer, called) = (producer.clone(), called.clone());
            thread::spawn(move || {
                let sent =
                    producer.send_timeout(record(TOPIC), Duration::from_secs(1), called.callback());
                usize::from(sent.is_ok())
            })
        };
        let clock = thread::spawn(pass_all);
        let accepted = 1 + sender.join().unwrap();
        release.open();
        clock.join().unwrap();
        drop(producer);
        let count = called.count();
        assert!(count <= accepted, "{count} of {accepted}");
    });
}

/// A door that a callback waits at.
fn gate() -> (Gate, Gate) {
    let gate = Gate(Arc::new((Mutex::default(), crate::sync::Condvar::new())));
    (gate.clone(), gate)
}

#[derive(Clone)]
struct Gate(Arc<(Mutex<bool>, crate::sync::Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.0.lock();
        while !*open {
            self.0.1.wait(&mut open);
        }
    }
}
