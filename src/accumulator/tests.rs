//! What callers and the sender can observe of the queues, without threads and sockets.

use std::thread;
use std::time::{Duration, Instant};

use super::append::Appended;
use super::*;
use crate::compression::{Codec, Compression};
use crate::config::TopicSettings;
use crate::error::{ErrorKind, Fate, Result};
use crate::record::Record;
use crate::record::batch::BatchEncoder;
use crate::record::decode::decode;
use crate::record::metadata::RecordMetadata;

const MEMORY: usize = 1 << 20;

#[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
fn now() -> Instant {
    Instant::now()
}

fn record(value: &[u8]) -> Record<'_> {
    Record {
        timestamp_ms: 1_000,
        key: None,
        value: Some(value),
        headers: &[],
    }
}

fn ignore(_: Result<RecordMetadata>) {}

/// An accumulator with topic "t" of three partitions.
fn accumulator(batch_size: usize, memory: usize) -> Accumulator {
    let accumulator = Accumulator::new(batch_size, memory, true);
    accumulator.publish(&Arc::from("t"), 3, vec![0, 1, 2]);
    accumulator
}

fn queue(accumulator: &Accumulator, partition: i32) -> Arc<PartitionQueue> {
    Arc::clone(accumulator.topic("t").unwrap().queue(partition).unwrap())
}

fn append<'t>(
    accumulator: &Accumulator,
    queue: &'t Arc<PartitionQueue>,
    value: &[u8],
) -> Result<Appended<'t>, Refused> {
    append_at(accumulator, now(), queue, value, None)
}

fn append_at<'t>(
    accumulator: &Accumulator,
    now: Instant,
    queue: &'t Arc<PartitionQueue>,
    value: &[u8],
    reserved: Option<Reservation>,
) -> Result<Appended<'t>, Refused> {
    let mut callback = OwnCallback::new(ignore);
    let mut callback = callback.by_ref();
    let mut new = NewRecord::new(record(value), &mut callback);
    let target = Target::Partition(queue);
    accumulator.append(&|| now, target, &mut new, reserved)
}

fn notices(accumulator: &Accumulator) -> Vec<Notice> {
    let mut notices = Vec::new();
    accumulator.take_notices(&mut notices);
    notices
}

#[test]
fn the_record_that_does_not_fit_opens_the_next_batch_and_fills_the_last() {
    let accumulator = accumulator(200, MEMORY);
    let queue = queue(&accumulator, 0);
    let first = append(&accumulator, &queue, &[1; 100]).unwrap();
    assert!(first.wake && !first.filled);
    assert!(!queue.head().unwrap().is_ready);
    let second = append(&accumulator, &queue, &[2; 100]).unwrap();
    assert_ne!(first.batch, second.batch);
    assert!(queue.head().unwrap().is_ready);
    let (_, records) = decode(queue.take().unwrap().seal(&queue, None).bytes.as_slice()).unwrap();
    assert_eq!(records.len(), 1);
    assert!(matches!(
        notices(&accumulator)[..],
        [
            Notice::Opened { .. },
            Notice::Ready(_),
            Notice::Opened { .. }
        ]
    ));
}

#[test]
fn a_record_larger_than_batch_size_has_a_batch_of_its_own() {
    let accumulator = accumulator(100, MEMORY);
    let queue = queue(&accumulator, 0);
    assert!(append(&accumulator, &queue, &[1; 500]).unwrap().filled);
    append(&accumulator, &queue, b"small").unwrap();
    let large = queue.take().unwrap();
    assert_eq!(large.completions.len(), 1);
    assert_eq!(queue.take().unwrap().completions.len(), 1);
}

#[test]
fn memory_is_charged_as_a_batch_grows_and_comes_back_with_its_last_owner() {
    let accumulator = accumulator(10_000, MEMORY);
    let queue = queue(&accumulator, 0);
    append(&accumulator, &queue, &[1; 100]).unwrap();
    let one = accumulator.budget().used();
    assert!(
        one >= 100 + append::BATCH_COST + append::RECORD_COST,
        "{one}"
    );
    append(&accumulator, &queue, &[1; 100]).unwrap();
    let two = accumulator.budget().used();
    assert!(two > one + 100 && two <= 2 * one + 200, "{two}");

    let sealed = queue.take().unwrap().seal(&queue, None);
    // What was reserved ahead is given back.
    let two = accumulator.budget().used();
    assert!(two > one + 100 && two < 2 * one, "{two}");
    let request = sealed.bytes.clone();
    drop(sealed.succeed(Some(0), None));
    assert_eq!(
        accumulator.budget().used(),
        two,
        "the request still has the bytes"
    );
    drop(request);
    assert_eq!(accumulator.budget().used(), 0);
}

/// docs/ARCHITECTURE.md names this figure.
#[test]
#[cfg(target_pointer_width = "64")]
fn the_bookkeeping_of_a_record_costs_40_bytes() {
    assert_eq!(append::RECORD_COST, 40);
}

#[test]
fn a_full_budget_refuses_and_hands_the_callback_back() {
    let accumulator = accumulator(10_000, 2_000);
    let queue = queue(&accumulator, 0);
    append(&accumulator, &queue, &[1; 1_000]).unwrap();
    assert_eq!(
        append(&accumulator, &queue, &[1; 1_000]).unwrap_err(),
        Refused::NoMemory
    );
    assert_eq!(accumulator.accepted(), 1);

    let reserved = {
        drop(queue.take());
        let needed = most_needed(record(&[1; 1_000]).content_size(), 0);
        accumulator.budget().wait(needed, None, || {}).unwrap()
    };
    append_at(&accumulator, now(), &queue, &[1; 1_000], Some(reserved)).unwrap();
    drop(queue.take());
    assert_eq!(accumulator.budget().used(), 0);
}

#[test]
fn nothing_is_accepted_after_close_and_nothing_accepted_is_lost() {
    let accumulator = accumulator(10_000, MEMORY);
    let queue = queue(&accumulator, 0);
    append(&accumulator, &queue, b"before").unwrap();
    accumulator.close();
    assert_eq!(
        append(&accumulator, &queue, b"after").unwrap_err(),
        Refused::Closed
    );
    accumulator.publish(&Arc::from("t"), 4, vec![0, 1, 2, 3]);
    let new = Arc::clone(accumulator.topic("t").unwrap().queue(3).unwrap());
    assert_eq!(
        append(&accumulator, &new, b"after").unwrap_err(),
        Refused::Closed
    );
    assert_eq!(queue.take().unwrap().completions.len(), 1);
}

#[test]
fn a_batch_is_never_older_than_the_one_before_it() {
    let accumulator = accumulator(1, MEMORY);
    let queue = queue(&accumulator, 0);
    let early = now();
    let late = early + Duration::from_millis(1);
    for time in [late, early] {
        append_at(&accumulator, time, &queue, b"x", None).unwrap();
    }
    let times = [(); 2].map(|()| queue.take().unwrap().opened);
    assert_eq!(times, [late, late]);
}

#[test]
fn a_waiting_caller_makes_its_batch_ready_until_it_has_left() {
    let accumulator = accumulator(10_000, MEMORY);
    let queue = queue(&accumulator, 0);
    let appended = append(&accumulator, &queue, b"waited for").unwrap();
    assert!(accumulator.expedite(&queue, appended.batch));
    assert!(queue.head().unwrap().is_ready);
    drop(queue.take());
    assert!(!accumulator.expedite(&queue, appended.batch));
}

/// Appends keyless records of 100 bytes and counts them by partition.
fn spread(accumulator: &Accumulator, records: usize) -> Vec<usize> {
    let mut counts = vec![0; 3];
    let topic = accumulator.topic("t").unwrap();
    for _ in 0..records {
        let mut callback = OwnCallback::new(ignore);
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record(&[0; 100]), &mut callback);
        let appended = accumulator.append(&now, Target::Sticky(&topic), &mut new, None);
        counts[usize::try_from(appended.unwrap().queue.index()).unwrap()] += 1;
    }
    counts
}

#[test]
fn a_look_sees_the_latest_topics_of_the_accumulator_it_asks() {
    let (one, other) = (accumulator(1_000, MEMORY), accumulator(1_000, MEMORY));
    let mut view = None;
    assert!(one.topics(&mut view).find("u").is_none());
    one.publish(&Arc::from("u"), 1, vec![0]);
    assert!(one.topics(&mut view).find("u").is_some());
    assert!(other.topics(&mut view).find("u").is_none());
    one.close();
    assert!(one.topics(&mut view).is_closed());
}

#[test]
fn keyless_records_go_round_the_partitions_batch_by_batch() {
    let accumulator = accumulator(1_000, MEMORY);
    let counts = spread(&accumulator, 270);
    assert!(
        counts.iter().all(|count| (80..=100).contains(count)),
        "{counts:?}"
    );
    // The batches are full: nobody left a half-empty one behind.
    let batches: usize = (0..3).map(|index| queue(&accumulator, index).load()).sum();
    assert!(batches <= 36, "{batches}");
}

/// Whom it finds at the queue is the I/O thread, which is gone at once.
#[test]
fn a_caller_without_company_stays_with_its_batch_until_it_is_full() {
    let accumulator = accumulator(1_000, MEMORY);
    let (told, partitions) = crossbeam_channel::unbounded();
    let (go, allowed) = crossbeam_channel::bounded(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for () in allowed {
                let counts = spread(&accumulator, 1);
                let used = counts.iter().position(|count| *count == 1);
                told.send(i32::try_from(used.unwrap()).unwrap()).unwrap();
            }
        });
        go.send(()).unwrap();
        let first = partitions.recv().unwrap();
        let queue = queue(&accumulator, first);
        let io_thread = queue.state.lock();
        go.send(()).unwrap();
        let moment = Duration::from_millis(100);
        assert!(
            partitions.recv_timeout(moment).is_err(),
            "it went elsewhere"
        );
        drop(io_thread);
        assert_eq!(partitions.recv(), Ok(first));
        drop(go);
    });
}

#[test]
fn keyless_records_avoid_partitions_without_a_leader_unless_none_has_one() {
    let accumulator = accumulator(1_000, MEMORY);
    accumulator.publish(&Arc::from("t"), 3, vec![0, 2]);
    assert_eq!(spread(&accumulator, 100)[1], 0);
    accumulator.publish(&Arc::from("t"), 3, vec![]);
    let counts = spread(&accumulator, 100);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn keyless_records_avoid_stuck_partitions_and_prefer_short_queues() {
    let accumulator = accumulator(1_000, MEMORY);
    queue(&accumulator, 0).set_stuck(true);
    let counts = spread(&accumulator, 100);
    assert_eq!(counts[0], 0);
    queue(&accumulator, 0).set_stuck(false);
    // Partition 0 has nothing queued, the others have: it gets most of what comes.
    let counts = spread(&accumulator, 30);
    assert!(counts[0] > counts[1] && counts[0] > counts[2], "{counts:?}");
}

#[test]
fn a_topic_that_was_made_anew_with_fewer_partitions_gets_no_records_beyond_them() {
    let accumulator = accumulator(1_000, MEMORY);
    let gone = queue(&accumulator, 2);
    accumulator.publish(&Arc::from("t"), 2, vec![0, 1]);
    let topic = accumulator.topic("t").unwrap();
    assert_eq!(topic.partition_count(), 2);
    assert!(topic.queue(2).is_none());
    assert_eq!(spread(&accumulator, 100)[2], 0);
    // Closing reaches the queue that is out of use, too: somebody may be about to append.
    accumulator.close();
    assert_eq!(
        append(&accumulator, &gone, b"v").unwrap_err(),
        Refused::Closed
    );
}

#[test]
fn a_failed_batch_tells_every_caller_once() {
    let accumulator = accumulator(10_000, MEMORY);
    let queue = queue(&accumulator, 0);
    let (answers, answered) = std::sync::mpsc::channel();
    for _ in 0..3 {
        let answers = answers.clone();
        let mut callback = OwnCallback::new(move |result: Result<_>| {
            answers.send(result.is_err()).unwrap();
        });
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record(b"x"), &mut callback);
        let appended = accumulator.append(&now, Target::Partition(&queue), &mut new, None);
        appended.unwrap();
    }
    drop(answers);
    let error = Error::new(ErrorKind::Closed, "closed");
    let outcome = queue.take().unwrap().fail(&queue, error);
    outcome.run_callbacks(|_, called| called.unwrap());
    assert_eq!(answered.iter().collect::<Vec<_>>(), [true; 3]);
}

fn sealed() -> SealedBatch {
    let accumulator = accumulator(10_000, MEMORY);
    let queue = queue(&accumulator, 0);
    append(&accumulator, &queue, b"one").unwrap();
    append(&accumulator, &queue, b"two").unwrap();
    queue.take().unwrap().seal(&queue, None)
}

#[test]
fn a_failed_batch_gives_its_own_fate_to_each_record_whatever_the_error_said() {
    let error = || Error::new(ErrorKind::TimedOut, "late");
    let fates = |batch: SealedBatch, said: Fate| {
        let blamed = [(1, error().with_fate(said))].into();
        let failure = Failure::blaming(error().with_fate(said), blamed);
        let failure = batch.fail(failure).result.unwrap_err();
        [0, 1].map(|index| failure.of_record(index).fate())
    };
    let doubted = sealed().doubted();
    assert_eq!(fates(doubted, Fate::NotWritten), [Fate::MayBeWritten; 2]);
    assert_eq!(fates(sealed(), Fate::MayBeWritten), [Fate::NotWritten; 2]);
}

#[test]
fn the_parts_of_a_doubtful_batch_are_doubtful() {
    let fates =
        |batch: SealedBatch| -> Vec<Fate> { batch.split().iter().map(SealedBatch::fate).collect() };
    assert_eq!(fates(sealed()), [Fate::NotWritten; 2]);
    assert_eq!(fates(sealed().doubted()), [Fate::MayBeWritten; 2]);
}

/// Compresses all topics.
fn compressed() -> TopicTable {
    TopicTable::new(TopicSettings {
        compression: Compression::new(Codec::Gzip, 1).ok(),
        ..TopicSettings::default()
    })
}

#[test]
fn what_compressing_saves_goes_back_and_the_rest_stays_charged() {
    let accumulator = Accumulator::new(10_000, MEMORY, true).with_settings(compressed());
    accumulator.publish(&Arc::from("t"), 1, vec![0]);
    let queue = queue(&accumulator, 0);
    for _ in 0..5 {
        append(&accumulator, &queue, &[1; 1_000]).unwrap();
    }
    let before = accumulator.budget().used();
    assert!(before > 5_000, "{before}");
    let sealed = queue.take().unwrap().seal(&queue, None);
    let fixed = append::BATCH_COST + 5 * append::RECORD_COST;
    let records = sealed.len() - BatchEncoder::HEADER_BYTES;
    assert!(records < 500, "{records}");
    assert_eq!(accumulator.budget().used(), fixed + records);
    drop(sealed.succeed(Some(0), None));
    assert_eq!(accumulator.budget().used(), 0);
}

#[test]
fn a_batch_that_fails_unsent_is_not_compressed_for_that() {
    let accumulator = Accumulator::new(10_000, MEMORY, true).with_settings(compressed());
    accumulator.publish(&Arc::from("t"), 1, vec![0]);
    let queue = queue(&accumulator, 0);
    append(&accumulator, &queue, &[1; 1_000]).unwrap();
    let before = queue.compression().unwrap().ratio();
    let error = Error::new(ErrorKind::Closed, "closed");
    let outcome = queue.take().unwrap().fail(&queue, error);
    assert_eq!(outcome.undelivered().len(), 1);
    assert_eq!(queue.compression().unwrap().ratio(), before);
}

#[test]
fn whoever_shows_that_a_batch_is_full_wakes_the_io_thread_wherever_the_record_goes() {
    let accumulator = accumulator(300, MEMORY);
    for partition in 0..3 {
        append(&accumulator, &queue(&accumulator, partition), b"keyed").unwrap();
    }
    let topic = accumulator.topic("t").unwrap();
    for _ in 0..50 {
        notices(&accumulator);
        let mut callback = OwnCallback::new(ignore);
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record(&[0; 100]), &mut callback);
        let appended = accumulator.append(&now, Target::Sticky(&topic), &mut new, None);
        assert!(appended.unwrap().wake || notices(&accumulator).is_empty());
    }
}

#[test]
fn callers_compress_what_they_fill_once_the_io_thread_has_enough_to_do() {
    let accumulator = Accumulator::new(1_000, MEMORY, true).with_settings(compressed());
    accumulator.publish(&Arc::from("t"), 1, vec![0]);
    let queue = queue(&accumulator, 0);
    let mut charged = Vec::new();
    for _ in 0..3 {
        let before = accumulator.budget().used();
        // Alone in its batch, which it fills.
        append(&accumulator, &queue, &[1; 5_000]).unwrap();
        charged.push(accumulator.budget().used() - before);
    }
    assert!(charged[0] > 5_000, "left to the I/O thread: {charged:?}");
    assert!(charged[1] < 1_000 && charged[2] < 1_000, "{charged:?}");
    let full = |notice: &Notice| matches!(notice, Notice::Ready(_));
    assert_eq!(
        notices(&accumulator).iter().filter(|one| full(one)).count(),
        3
    );
    let sealed: Vec<_> = (0..3)
        .map(|_| queue.take().unwrap().seal(&queue, None))
        .collect();
    for batch in &sealed {
        let (_, records) = decode(batch.bytes.as_slice()).unwrap();
        assert_eq!(records[0].value.as_deref(), Some(&[1; 5_000][..]));
    }
    // It has nothing to do any more.
    append(&accumulator, &queue, &[1; 5_000]).unwrap();
    assert!(queue.head().unwrap().bytes > 4_000);
}

/// Compresses all topics so that it takes long.
fn compressed_slowly() -> TopicTable {
    TopicTable::new(TopicSettings {
        compression: Compression::new(Codec::Zstd, 19).ok(),
        ..TopicSettings::default()
    })
}

#[test]
fn at_a_slow_level_a_batch_takes_only_what_is_compressed_in_a_moment() {
    // Room for more by far: a batch may have 2 MiB, and an eighth of the memory is 4 MiB.
    let accumulator = Accumulator::new(2 << 20, 32 << 20, true).with_settings(compressed_slowly());
    accumulator.publish(&Arc::from("t"), 1, vec![0]);
    let queue = queue(&accumulator, 0);
    for _ in 0..100 {
        append_in_a_hurry(&accumulator, &queue, &[1; 1_000]);
    }
    let most = queue.compression().unwrap().most_at_once();
    assert!(most < 40_000, "{most}");
    let lengths: Vec<_> = std::iter::from_fn(|| queue.take())
        .map(|batch| batch.uncompressed_len().unwrap())
        .collect();
    assert_eq!(lengths.len(), 4, "{lengths:?}");
    assert!(lengths.iter().all(|bytes| *bytes <= most), "{lengths:?}");
    // What is larger by itself has a batch of its own.
    for _ in 0..2 {
        append_in_a_hurry(&accumulator, &queue, &vec![1; 2 * most]);
    }
    assert_eq!(queue.take().unwrap().completions.len(), 1);
    assert_eq!(queue.take().unwrap().completions.len(), 1);
}

/// A caller that must not wait.
struct InAHurry;

impl Caller for InAHurry {
    fn now(&self) -> Instant {
        now()
    }

    fn may_compress(&self) -> bool {
        false
    }
}

fn append_in_a_hurry<'t>(
    accumulator: &Accumulator,
    queue: &'t Arc<PartitionQueue>,
    value: &[u8],
) -> Appended<'t> {
    let mut callback = OwnCallback::new(ignore);
    let mut callback = callback.by_ref();
    let mut new = NewRecord::new(record(value), &mut callback);
    let target = Target::Partition(queue);
    let appended = accumulator.append(&InAHurry, target, &mut new, None);
    appended.unwrap()
}

#[test]
fn a_caller_that_must_not_wait_never_compresses() {
    let accumulator = Accumulator::new(1_000, MEMORY, true).with_settings(compressed());
    accumulator.publish(&Arc::from("t"), 1, vec![0]);
    let queue = queue(&accumulator, 0);
    for _ in 0..3 {
        let before = accumulator.budget().used();
        assert!(append_in_a_hurry(&accumulator, &queue, &[1; 5_000]).filled);
        let charged = accumulator.budget().used() - before;
        assert!(charged > 5_000, "as it came: {charged}");
    }
    // It is ready, and all of the work is left to the I/O thread.
    let head = queue.head().unwrap();
    assert!(head.is_ready && !head.is_compressing && head.work > Duration::ZERO);
    while let Some(batch) = queue.take() {
        let (_, records) = decode(batch.seal(&queue, None).bytes.as_slice()).unwrap();
        assert_eq!(records[0].value.as_deref(), Some(&[1; 5_000][..]));
    }
    assert!(!queue.compression().unwrap().io_thread_has_enough());
}

#[test]
fn what_waits_for_a_broker_that_cannot_be_reached_does_not_keep_the_io_thread_busy() {
    let accumulator = Accumulator::new(1_000, MEMORY, true).with_settings(compressed());
    accumulator.publish(&Arc::from("t"), 2, vec![0, 1]);
    let (dead, alive) = (queue(&accumulator, 0), queue(&accumulator, 1));
    append(&accumulator, &dead, &[1; 5_000]).unwrap();
    assert!(dead.compression().unwrap().io_thread_has_enough());
    dead.discount_left_batches();
    append(&accumulator, &alive, &[1; 5_000]).unwrap();
    assert!(alive.head().unwrap().work > Duration::ZERO, "left to it");
    drop(dead.take().unwrap().seal(&dead, None));
    assert!(dead.compression().unwrap().io_thread_has_enough());
    drop(alive.take().unwrap().seal(&alive, None));
    assert!(!dead.compression().unwrap().io_thread_has_enough());
}

#[test]
fn a_batch_takes_no_more_records_than_it_may() {
    let accumulator = accumulator(10_000, MEMORY).with_record_limits(Some(3), None);
    let queue = queue(&accumulator, 0);
    let filled: Vec<_> = (0..7)
        .map(|_| append(&accumulator, &queue, b"v").unwrap().filled)
        .collect();
    assert_eq!(filled, [false, false, true, false, false, true, false]);
    let counts: Vec<_> = std::iter::from_fn(|| queue.take())
        .map(|batch| batch.completions.len())
        .collect();
    assert_eq!(counts, [3, 3, 1]);
}

/// The partitions that keyless records go to, each of them filling a batch.
fn rounds(accumulator: &Accumulator, records: usize) -> std::collections::BTreeSet<i32> {
    let topic = accumulator.topic("t").unwrap();
    let send = |_| {
        let mut callback = OwnCallback::new(ignore);
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record(&[0; 300]), &mut callback);
        let appended = accumulator.append(&now, Target::Sticky(&topic), &mut new, None);
        appended.unwrap().queue.index()
    };
    (0..records).map(send).collect()
}

/// KIP-1123.
#[test]
fn keyless_records_stay_in_the_own_rack_while_a_broker_there_can_be_reached() {
    let accumulator = accumulator(200, MEMORY);
    let publish = |in_rack: Vec<i32>| {
        let all = vec![0, 1, 2, 3];
        accumulator.change(|topics| topics.publish(&Arc::from("t"), 5, all, in_rack));
    };
    publish(vec![1, 3]);
    assert_eq!(rounds(&accumulator, 12), [1, 3].into());
    let topic = accumulator.topic("t").unwrap();
    topic.queue(1).unwrap().set_stuck(true);
    rounds(&accumulator, 1);
    assert_eq!(rounds(&accumulator, 12), [3].into());
    // None of the own rack can be reached: any other is better.
    topic.queue(3).unwrap().set_stuck(true);
    rounds(&accumulator, 1);
    assert_eq!(rounds(&accumulator, 12), [0, 2].into());
    // Nor can any other.
    topic.queue(0).unwrap().set_stuck(true);
    topic.queue(2).unwrap().set_stuck(true);
    rounds(&accumulator, 1);
    assert_eq!(rounds(&accumulator, 12), [1, 3].into());
    publish(Vec::new());
    for partition in 0..4 {
        topic.queue(partition).unwrap().set_stuck(false);
    }
    rounds(&accumulator, 1);
    assert_eq!(
        rounds(&accumulator, 40),
        [0, 1, 2, 3].into(),
        "no leader there"
    );
}
