//! The queues and the memory under schedules that a model checker chooses: whoever appends, waits,
//! drains and closes at the same time. See [`crate::sync::model`].

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::append::Appended;
use super::*;
use crate::compression::{Codec, Compression};
use crate::config::TopicSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::record::Record;
use crate::record::decode::decode;
use crate::record::metadata::RecordMetadata;
use crate::sync::model::{check, join, pass, start};
use crate::sync::{AtomicBool, AtomicUsize, thread};

fn reserve(budget: &Arc<MemoryBudget>, bytes: usize) -> Option<Reservation> {
    let mut reservation = Reservation::empty(budget);
    reservation.try_grow(bytes).then_some(reservation)
}

/// As a caller does: at once, or else in line.
fn acquire(
    budget: &Arc<MemoryBudget>,
    bytes: usize,
    deadline: Option<Instant>,
) -> Result<Reservation, NoMemory> {
    match reserve(budget, bytes) {
        Some(reservation) => Ok(reservation),
        None => budget.wait(bytes, deadline, || {}),
    }
}

fn assert_at_rest(budget: &MemoryBudget) {
    assert_eq!(budget.used(), 0);
    assert!(!budget.has_waiters());
}

mod memory {
    use super::*;

    #[test]
    fn whoever_waits_is_served_when_memory_comes_back() {
        check(50_000, || {
            let budget = Arc::new(MemoryBudget::new(3, 1));
            let threads = [1, 2, 3].map(|bytes| {
                let budget = Arc::clone(&budget);
                thread::spawn(move || {
                    let held = acquire(&budget, bytes, None).unwrap();
                    assert!(budget.used() <= 3);
                    drop(held);
                })
            });
            join(threads);
            assert_at_rest(&budget);
        });
    }

    /// The one in front gives up, or is served at that moment: no memory is lost with an answer that
    /// nobody looked at.
    #[test]
    fn who_gives_up_loses_nothing() {
        check(50_000, || {
            let budget = Arc::new(MemoryBudget::new(3, 1));
            let deadline = start() + Duration::from_secs(1);
            let held = reserve(&budget, 2).unwrap();
            let large = spawn_waiter(&budget, 3, Some(deadline));
            let small = spawn_waiter(&budget, 1, None);
            let clock = thread::spawn(move || pass(deadline));
            drop(held);
            let (large, small) = (large.join().unwrap(), small.join().unwrap());
            clock.join().unwrap();
            assert_ne!(large.err(), Some(NoMemory::Closed));
            assert_eq!(small.err(), None);
            assert_at_rest(&budget);
        });
    }

    #[test]
    fn who_waits_gives_up_at_the_deadline() {
        check(20_000, || {
            let budget = Arc::new(MemoryBudget::new(1, 1));
            let all = reserve(&budget, 1).unwrap();
            let deadline = start() + Duration::from_secs(1);
            let waiters = [(); 2].map(|()| spawn_waiter(&budget, 1, Some(deadline)));
            pass(deadline);
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap().err(), Some(NoMemory::TimedOut));
            }
            drop(all);
            assert_at_rest(&budget);
        });
    }

    /// Nothing comes back meanwhile, so whoever was overlooked would wait for ever.
    #[test]
    fn closing_answers_everybody_who_waits_or_comes_later() {
        check(50_000, || {
            let budget = Arc::new(MemoryBudget::new(2, 1));
            let held = reserve(&budget, 2).unwrap();
            let deadline = start() + Duration::from_secs(1);
            let waiters = [None, Some(deadline), None].map(|until| spawn_waiter(&budget, 1, until));
            let clock = thread::spawn(move || pass(deadline));
            budget.close();
            let [one, _, other] = join(waiters).map(Result::err);
            assert_eq!([one, other], [Some(NoMemory::Closed); 2]);
            clock.join().unwrap();
            drop(held);
            assert_at_rest(&budget);
        });
    }

    #[test]
    fn when_the_first_in_line_gives_up_the_next_one_has_its_turn() {
        check(50_000, || {
            let budget = Arc::new(MemoryBudget::new(3, 1));
            let deadline = start() + Duration::from_secs(1);
            let held = reserve(&budget, 2).unwrap();
            let large = spawn_waiter(&budget, 3, Some(deadline));
            let small = spawn_waiter(&budget, 1, None);
            pass(deadline);
            assert_eq!(large.join().unwrap().err(), Some(NoMemory::TimedOut));
            assert_eq!(small.join().unwrap().err(), None);
            drop(held);
            assert_at_rest(&budget);
        });
    }

    /// Each small one may have looked just before the large one came, once; after that nobody
    /// overtakes.
    #[test]
    fn a_large_request_is_not_starved_by_small_ones() {
        const SMALL: usize = 2;
        check(20_000, || {
            let budget = Arc::new(MemoryBudget::new(SMALL, 1));
            let overtaken = Arc::new(AtomicUsize::new(0));
            let is_queued = Arc::new(AtomicBool::new(false));
            let small = [(); SMALL].map(|()| {
                let budget = Arc::clone(&budget);
                let (overtaken, is_queued) = (Arc::clone(&overtaken), Arc::clone(&is_queued));
                thread::spawn(move || {
                    for _ in 0..4 {
                        let was_queued = is_queued.load(Ordering::SeqCst);
                        let got = reserve(&budget, 1);
                        let overtakes = was_queued && got.is_some();
                        overtaken.fetch_add(usize::from(overtakes), Ordering::SeqCst);
                    }
                })
            });
            if reserve(&budget, SMALL).is_none() {
                let queued = || is_queued.store(true, Ordering::SeqCst);
                let served = budget.wait(SMALL, None, queued).unwrap();
                assert_eq!(overtaken.load(Ordering::SeqCst), 0);
                drop(served);
            }
            join(small);
            assert_at_rest(&budget);
        });
    }

    fn spawn_waiter(
        budget: &Arc<MemoryBudget>,
        bytes: usize,
        deadline: Option<Instant>,
    ) -> thread::JoinHandle<Result<(), NoMemory>> {
        let budget = Arc::clone(budget);
        thread::spawn(move || acquire(&budget, bytes, deadline).map(drop))
    }
}

/// What became of the records of a test: each one says who it is, and its callback notes it.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<Mutex<Vec<(u8, u8)>>>);

impl Calls {
    fn callback(&self, name: (u8, u8)) -> impl FnOnce(Result<RecordMetadata>) + Send + 'static {
        let calls = self.clone();
        move |_| calls.0.lock().push(name)
    }

    fn append<'t>(
        &self,
        accumulator: &Accumulator,
        queue: &'t Arc<PartitionQueue>,
        name: (u8, u8),
    ) -> Result<Appended<'t>, Refused> {
        self.append_padded(accumulator, queue, name, 0)
    }

    /// With so many bytes more, which compress well.
    fn append_padded<'t>(
        &self,
        accumulator: &Accumulator,
        queue: &'t Arc<PartitionQueue>,
        name: (u8, u8),
        padding: usize,
    ) -> Result<Appended<'t>, Refused> {
        let mut value = vec![name.0, name.1];
        value.resize(2 + padding, 7);
        let record = Record {
            timestamp_ms: 0,
            key: None,
            value: Some(&value),
            headers: &[],
        };
        let mut callback = OwnCallback::new(self.callback(name));
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record, &mut callback);
        let target = Target::Partition(queue);
        accumulator.append(&start, target, &mut new, None)
    }

    /// Each of these once.
    fn assert_all(&self, names: impl IntoIterator<Item = (u8, u8)>) {
        let mut calls = self.0.lock().clone();
        calls.sort_unstable();
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        assert_eq!(calls, names);
    }
}

/// Topic "t" with one partition, whose batches hold about two small records.
fn accumulator() -> (Arc<Accumulator>, Arc<PartitionQueue>) {
    let accumulator = Accumulator::new(75, 1 << 20, false);
    accumulator.publish(&Arc::from("t"), 1, vec![0]);
    let queue = Arc::clone(accumulator.topic("t").unwrap().queue(0).unwrap());
    (Arc::new(accumulator), queue)
}

/// What the sender does: hears of batches, and takes those that are ready.
#[derive(Default)]
struct Drainer {
    opened: BTreeSet<BatchId>,
    full: usize,
    /// Records in the order of the queue.
    drained: Vec<(u8, u8)>,
    ready: usize,
}

impl Drainer {
    fn drain(&mut self, accumulator: &Accumulator, queue: &Arc<PartitionQueue>, all: bool) {
        let is_next = |head: &Head| all || head.is_ready && !head.is_compressing;
        while let Some(head) = queue.head().filter(is_next) {
            let batch = queue.take_if(head.id).unwrap();
            self.ready += usize::from(batch.is_full);
            self.hear(accumulator);
            assert!(self.opened.remove(&head.id), "a batch nobody has told of");
            let sealed = batch.seal(queue, None);
            let (_, records) = decode(sealed.bytes.as_slice()).unwrap();
            assert_eq!(records.len(), sealed.completions.len());
            let names = records.iter().map(|record| {
                let value = record.value.as_ref().unwrap();
                (value[0], value[1])
            });
            self.drained.extend(names);
            let outcome = sealed.succeed(Some(0), None);
            outcome.run_callbacks(|_, called| called.unwrap());
        }
    }

    fn hear(&mut self, accumulator: &Accumulator) {
        let mut notices = Vec::new();
        accumulator.take_notices(&mut notices);
        for notice in notices {
            match notice {
                Notice::Opened { batch, .. } => assert!(self.opened.insert(batch)),
                Notice::Ready(_) => self.full += 1,
            }
        }
    }
}

#[test]
fn appends_and_drains_lose_nothing_and_keep_the_order_of_each_thread() {
    check(10_000, || {
        let (accumulator, queue) = accumulator();
        let calls = Calls::default();
        let threads = [0, 1].map(|thread| {
            let (accumulator, queue) = (Arc::clone(&accumulator), Arc::clone(&queue));
            let calls = calls.clone();
            thread::spawn(move || {
                for record in 0..3 {
                    calls
                        .append(&accumulator, &queue, (thread, record))
                        .unwrap();
                }
            })
        });
        let mut drainer = Drainer::default();
        for _ in 0..3 {
            drainer.drain(&accumulator, &queue, false);
            thread::yield_now();
        }
        join(threads);
        drainer.drain(&accumulator, &queue, true);
        drainer.hear(&accumulator);
        assert_eq!(
            drainer.full, drainer.ready,
            "one notice for each full batch"
        );
        for thread in [0, 1] {
            let own = drainer.drained.iter().filter(|name| name.0 == thread);
            assert!(own.map(|name| name.1).eq(0..3), "{:?}", drainer.drained);
        }
        calls.assert_all(drainer.drained);
        assert_at_rest(accumulator.budget());
    });
}

/// What the I/O thread does at the very end; outcomes that are dropped call their callbacks.
fn sweep(accumulator: &Accumulator) {
    let error = Error::new(ErrorKind::Internal, "the end");
    drop(accumulator.abandon(&error));
}

/// A record that is accepted after the close has begun is seen by the sweep that ends it.
#[test]
fn whatever_is_accepted_while_closing_gets_its_outcome() {
    check(20_000, || {
        let (accumulator, queue) = accumulator();
        let calls = Calls::default();
        let threads = [0, 1].map(|thread| {
            let (accumulator, queue) = (Arc::clone(&accumulator), Arc::clone(&queue));
            let calls = calls.clone();
            thread::spawn(move || {
                let append = |record| calls.append(&accumulator, &queue, (thread, record));
                let accepted = (0..3).take_while(|record| append(*record).is_ok());
                accepted.count() as u8
            })
        });
        accumulator.close();
        sweep(&accumulator);
        let accepted = join(threads);
        let names = (0u8..).zip(accepted);
        calls.assert_all(names.flat_map(|(thread, count)| (0..count).map(move |i| (thread, i))));
        assert_eq!(
            calls.append(&accumulator, &queue, (9, 9)).unwrap_err(),
            Refused::Closed
        );
        assert_at_rest(accumulator.budget());
    });
}

/// Partitions that metadata brings while the producer closes are closed, too.
#[test]
fn partitions_that_come_while_closing_take_nothing_that_is_not_seen() {
    check(20_000, || {
        let (accumulator, _) = accumulator();
        let calls = Calls::default();
        let caller = {
            let (accumulator, calls) = (Arc::clone(&accumulator), calls.clone());
            thread::spawn(move || {
                let topic = accumulator.topic("t").unwrap();
                let queue = topic.queue(1).cloned();
                queue.is_some_and(|queue| calls.append(&accumulator, &queue, (0, 0)).is_ok())
            })
        };
        let closer = {
            let accumulator = Arc::clone(&accumulator);
            thread::spawn(move || accumulator.close())
        };
        // The I/O thread: publishes, and sweeps once it has seen the close.
        accumulator.publish(&Arc::from("t"), 2, vec![0, 1]);
        closer.join().unwrap();
        sweep(&accumulator);
        let accepted = caller.join().unwrap();
        calls.assert_all(accepted.then_some((0, 0)));
        assert_at_rest(accumulator.budget());
    });
}

/// A caller that finds memory short tells the I/O thread, which gives some back.
#[test]
fn a_caller_that_waits_for_memory_appends_in_the_end() {
    check(10_000, || {
        let accumulator = Arc::new(Accumulator::new(75, 1_000, false));
        accumulator.publish(&Arc::from("t"), 1, vec![0]);
        let queue = Arc::clone(accumulator.topic("t").unwrap().queue(0).unwrap());
        let calls = Calls::default();
        let threads = [0, 1, 2].map(|thread| {
            let (accumulator, queue) = (Arc::clone(&accumulator), Arc::clone(&queue));
            let calls = calls.clone();
            thread::spawn(move || send(&accumulator, &queue, &calls, (thread, 0)))
        });
        let mut drainer = Drainer::default();
        while drainer.drained.len() < 3 {
            drainer.drain(&accumulator, &queue, true);
            thread::yield_now();
        }
        join(threads);
        calls.assert_all(drainer.drained);
        assert_at_rest(accumulator.budget());
    });

    /// As the producer does.
    fn send(accumulator: &Accumulator, queue: &Arc<PartitionQueue>, calls: &Calls, name: (u8, u8)) {
        let value = [name.0, name.1];
        let record = Record {
            timestamp_ms: 0,
            key: None,
            value: Some(&value),
            headers: &[],
        };
        let mut callback = OwnCallback::new(calls.callback(name));
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record, &mut callback);
        let mut reserved = None;
        loop {
            let target = Target::Partition(queue);
            match accumulator.append(&start, target, &mut new, reserved.take()) {
                Ok(_) => return,
                Err(Refused::NoMemory) => {}
                Err(Refused::Closed | Refused::Forked) => panic!("nobody closes or forks"),
            }
            let needed = most_needed(new.content, new.callback_bytes);
            reserved = Some(accumulator.budget().wait(needed, None, || {}).unwrap());
        }
    }
}

/// Callers compress what they fill, while the I/O thread takes what is ready.
mod compressing {
    use super::*;

    /// Each record fills a batch. The I/O thread compresses the first one, its caller the second.
    const PADDING: usize = 100;

    fn accumulator() -> (Arc<Accumulator>, Arc<PartitionQueue>) {
        let settings = TopicTable::new(TopicSettings {
            compression: Compression::new(Codec::Snappy, 0).ok(),
            ..TopicSettings::default()
        });
        let accumulator = Accumulator::new(75, 1 << 20, false).with_settings(settings);
        accumulator.publish(&Arc::from("t"), 1, vec![0]);
        let queue = Arc::clone(accumulator.topic("t").unwrap().queue(0).unwrap());
        (Arc::new(accumulator), queue)
    }

    /// Two callers, and the records that each of them got rid of.
    fn callers(
        accumulator: &Arc<Accumulator>,
        queue: &Arc<PartitionQueue>,
        calls: &Calls,
    ) -> [thread::JoinHandle<Vec<(u8, u8)>>; 2] {
        [0, 1].map(|caller| {
            let (accumulator, queue) = (Arc::clone(accumulator), Arc::clone(queue));
            let calls = calls.clone();
            thread::spawn(move || {
                let names = (0..2).map(|record| (caller, record));
                let accepted = |name: &(u8, u8)| {
                    let result = calls.append_padded(&accumulator, &queue, *name, PADDING);
                    result.is_ok()
                };
                names.take_while(accepted).collect()
            })
        })
    }

    #[test]
    fn nothing_is_lost_and_each_full_batch_is_told_once() {
        check(10_000, || {
            let (accumulator, queue) = accumulator();
            let calls = Calls::default();
            let callers = callers(&accumulator, &queue, &calls);
            let mut drainer = Drainer::default();
            for _ in 0..3 {
                drainer.drain(&accumulator, &queue, false);
                thread::yield_now();
            }
            let sent = join(callers).concat();
            drainer.drain(&accumulator, &queue, false);
            drainer.hear(&accumulator);
            assert_eq!((drainer.full, drainer.ready), (4, 4));
            for caller in [0, 1] {
                let own = drainer.drained.iter().filter(|name| name.0 == caller);
                assert!(own.map(|name| name.1).eq(0..2), "{:?}", drainer.drained);
            }
            calls.assert_all(sent);
            assert_at_rest(accumulator.budget());
        });
    }

    /// Whether a caller is at it or not: the I/O thread takes what expires, with all its records.
    #[test]
    fn what_expires_goes_whatever_its_caller_is_at() {
        check(10_000, || {
            let (accumulator, queue) = accumulator();
            let calls = Calls::default();
            let callers = callers(&accumulator, &queue, &calls);
            let mut expired = Vec::new();
            let mut expire = || {
                while let Some(batch) = queue.head().and_then(|head| queue.take_if(head.id)) {
                    let error = Error::new(ErrorKind::TimedOut, "late");
                    let outcome = batch.fail(&queue, error);
                    assert_eq!(outcome.undelivered().len(), 1);
                    expired.push(outcome.batch);
                }
            };
            for _ in 0..3 {
                expire();
                thread::yield_now();
            }
            let sent = join(callers).concat();
            expire();
            assert_eq!(expired.len(), 4);
            assert!(expired.is_sorted());
            calls.assert_all(sent);
            assert_at_rest(accumulator.budget());
        });
    }

    #[test]
    fn a_close_and_the_sweep_after_it_see_every_record() {
        check(10_000, || {
            let (accumulator, queue) = accumulator();
            let calls = Calls::default();
            let callers = callers(&accumulator, &queue, &calls);
            accumulator.close();
            sweep(&accumulator);
            calls.assert_all(join(callers).concat());
            assert_at_rest(accumulator.budget());
        });
    }
}
