//! Records that are sent while faults happen, and the account of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
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
        self.producer
            .send(record, Deliveries::telling(told, value.clone()))
            .expect("accepted");
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

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
