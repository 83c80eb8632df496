//! Records that are sent while faults happen, and the account of them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use linger::{Producer, ProducerRecord};

use crate::audit::{Payload, Tally, assert_all_true};
use crate::cluster::Cluster;
use crate::deliveries::{Deliveries, Delivery};

/// Per sending thread.
const INTERVAL: Duration = Duration::from_millis(1);
/// Bytes of filling, so that a cut after a few hundred bytes is one inside records.
const FILL: usize = 100;

/// Sends [payloads](Payload) to a topic, and remembers what was accepted and told.
pub struct Load<'a> {
    producer: &'a Producer<[u8], [u8]>,
    topic: &'a str,
    deliveries: Mutex<Deliveries>,
    accepted: Mutex<Vec<Payload>>,
    /// Each record without an outcome has a clone of it, or of one that was here before.
    sent_now: Mutex<Arc<()>>,
    /// By `send`, to each partition, as thread 0.
    sent: AtomicU32,
    /// That have been at work in `send_during`.
    threads: AtomicU32,
}

impl<'a> Load<'a> {
    /// Nothing has been sent yet. The producer sends nothing else.
    pub fn new(producer: &'a Producer<[u8], [u8]>, topic: &'a str) -> Self {
        Self {
            producer,
            topic,
            deliveries: Mutex::default(),
            accepted: Mutex::default(),
            sent_now: Mutex::default(),
            sent: AtomicU32::new(0),
            threads: AtomicU32::new(0),
        }
    }

    /// Sends that many records to each of the partitions.
    ///
    /// # Panics
    ///
    /// Panics when the producer refuses one.
    pub fn send(&self, partitions: i32, records: u32) {
        let told = self.told();
        let first = self.sent.fetch_add(records, Ordering::Relaxed);
        for counter in first..first + records {
            for partition in 0..partitions {
                self.send_one(0, partition, counter, &told);
            }
        }
    }

    /// Sends to that many partitions from two threads while `faults` runs.
    ///
    /// # Panics
    ///
    /// Panics when the producer refuses a record.
    pub fn send_during<T>(&self, partitions: i32, faults: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        let sending = |told: &Sender<Delivery>| {
            let thread = 1 + self.threads.fetch_add(1, Ordering::Relaxed);
            let everywhere =
                (0..).flat_map(|counter| (0..partitions).map(move |one| (counter, one)));
            for (counter, partition) in everywhere {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                self.send_one(thread, partition, counter, told);
                thread::sleep(INTERVAL);
            }
        };
        thread::scope(|scope| {
            // Also when `faults` panics, or the scope would wait for ever.
            let _stop = StopOnDrop(&stop);
            let sending = &sending;
            for _ in 0..2 {
                let told = self.told();
                scope.spawn(move || sending(&told));
            }
            faults()
        })
    }

    /// Everything that has been sent up to now.
    ///
    /// # Panics
    ///
    /// Panics when another thread panicked in here.
    pub fn so_far(&self) -> Sent {
        let mut now = self.sent_now.lock().expect("nothing here panics");
        Sent(std::mem::take(&mut now))
    }

    fn told(&self) -> Sender<Delivery> {
        self.deliveries
            .lock()
            .expect("nothing here panics")
            .sender()
    }

    fn send_one(&self, thread: u32, partition: i32, counter: u32, told: &Sender<Delivery>) {
        let payload = Payload {
            run: self.topic.to_owned(),
            thread,
            partition,
            counter,
            fill: FILL,
        };
        let value = payload.to_string();
        let record = ProducerRecord::new(self.topic, value.as_bytes()).partition(partition);
        let tell = Deliveries::telling(told, value.clone());
        let without_outcome = Arc::clone(&self.sent_now.lock().expect("nothing here panics"));
        let callback = move |outcome| {
            tell(outcome);
            drop(without_outcome);
        };
        self.producer.send(record, callback).expect("accepted");
        let mut accepted = self.accepted.lock().expect("nothing here panics");
        accepted.push(payload);
    }

    /// As [`assert_all_true`](Self::assert_all_true), and that nothing failed.
    ///
    /// # Panics
    ///
    /// Panics if not.
    pub fn assert_all_stored(self, cluster: &Cluster) {
        let accepted = self.accepted.lock().expect("nothing here panics").len();
        let tally = self.assert_all_true(cluster);
        assert_eq!(tally.acknowledged, accepted, "{tally:?}");
    }

    /// Reads the topic back when the producer is closed, and [checks](assert_all_true) that what
    /// was told is true.
    ///
    /// # Panics
    ///
    /// Panics if it is not.
    pub fn assert_all_true(self, cluster: &Cluster) -> Tally {
        self.assert_all_true_within(cluster, Duration::MAX)
    }

    /// The same, and that each outcome came in that time.
    ///
    /// # Panics
    ///
    /// Panics if not.
    pub fn assert_all_true_within(self, cluster: &Cluster, time: Duration) -> Tally {
        let accepted = self.accepted.into_inner().expect("nothing here panics");
        let deliveries = self.deliveries.into_inner().expect("nothing here panics");
        let deliveries = deliveries.all();
        let tally = assert_all_true(&accepted, &deliveries, &cluster.read(self.topic));
        let slowest = deliveries.iter().map(|one| one.took).max();
        println!("{}: {tally:?}, the last after {slowest:?}", self.topic);
        assert!(slowest <= Some(time), "{slowest:?}");
        tally
    }
}

/// What was sent until [some moment](Load::so_far).
#[derive(Debug)]
pub struct Sent(Arc<()>);

impl Sent {
    /// Whether every record of it has its outcome.
    pub fn has_ended(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use linger::testing::MockCluster;

    use super::*;
    use crate::{properties, wait_until};

    #[test]
    fn what_was_sent_has_ended_when_each_record_of_it_has_its_outcome() {
        let cluster = MockCluster::builder().topic("t", 1).start().expect("ports");
        let properties = properties(&cluster.bootstrap_servers()).set("enable.idempotence", false);
        let producer: Producer<[u8], [u8]> = Producer::new(&properties).expect("valid properties");
        let load = Load::new(&producer, "t");
        load.send(1, 1);
        let first = load.so_far();
        wait_until("the first has its outcome", || first.has_ended());
        cluster.pause_broker(1);
        load.send(1, 2);
        let second = load.so_far();
        assert!(load.so_far().has_ended(), "nothing was sent since");
        assert!(!second.has_ended());
        cluster.resume_broker(1);
        wait_until("the others have theirs", || second.has_ended());
        assert_eq!(cluster.records("t", 0).len(), 3);
    }
}
