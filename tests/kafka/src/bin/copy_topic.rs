//! Consume, transform, produce: copies a topic, each record exactly once, however often it is killed and
//! started again. It reads with rdkafka's consumer and writes with Linger.
//!
//! `copy_topic SERVERS FROM TO [ABORT_EVERY]` runs until it is stopped, which may be done with SIGKILL. The
//! records keep their partition. With a number at the end, each so manyth transaction is aborted, as one
//! whose work cannot be done.

use std::error::Error as StdError;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use linger::{
    ConsumerGroup, ConsumerOffset, ConsumerOffsets, ErrorKind, ProducerRecord, Properties,
    TransactionalProducer,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// For how long a transaction collects records, and how many of them at most.
const COLLECT: Duration = Duration::from_millis(50);
const RECORDS: usize = 500;
/// For answers to the consumer's questions.
const PATIENCE: Duration = Duration::from_secs(30);

type Producer = TransactionalProducer<[u8], [u8]>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (job, abort_every) = match &arguments[..] {
        [servers, from, to] => (Job { servers, from, to }, 0),
        [servers, from, to, every] => match every.parse() {
            Ok(every) => (Job { servers, from, to }, every),
            Err(_) => return usage(),
        },
        _ => return usage(),
    };
    match job.run(abort_every) {
        Ok(never) => match never {},
        Err(error) => {
            writeln!(io::stderr(), "copy_topic: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    writeln!(
        io::stderr(),
        "usage: copy_topic SERVERS FROM TO [ABORT_EVERY]"
    )
    .ok();
    ExitCode::FAILURE
}

enum Never {}

struct Job<'a> {
    servers: &'a str,
    from: &'a str,
    to: &'a str,
}

impl Job<'_> {
    fn run(&self, abort_every: u64) -> Result<Never, Box<dyn StdError>> {
        // First of all: what the last instance left open is aborted, and if it still runs, it is fenced.
        // Only then are the committed offsets those to go on from.
        let mut producer = self.producer()?;
        let consumer = self.consumer()?;
        self.go_to_committed(&consumer)?;
        say("started");
        for number in 1.. {
            let is_to_abort = abort_every > 0 && number % abort_every == 0;
            match self.copy_some(&mut producer, &consumer, is_to_abort) {
                Ok(records) if !is_to_abort => say(&format!("committed {records}")),
                Ok(records) => {
                    say(&format!("aborted {records}"));
                    self.go_to_committed(&consumer)?;
                }
                // Fenced, or refused for good: another instance goes on, or nobody can.
                Err(error) if error.is_fatal() => return Err(error.into()),
                Err(error) => {
                    say(&format!("failed: {error}"));
                    settle(&mut producer, error)?;
                    self.go_to_committed(&consumer)?;
                }
            }
        }
        Err("more transactions than can be counted".into())
    }

    fn producer(&self) -> linger::Result<Producer> {
        let properties = Properties::new()
            .set("bootstrap.servers", self.servers)
            // The same after each start, so that a new instance ends what the last one left open.
            .set("transactional.id", format!("copy-{}", self.to))
            // If no new instance comes, readers wait no longer than this.
            .set("transaction.timeout.ms", "10000");
        Producer::new(&properties)
    }

    fn consumer(&self) -> Result<BaseConsumer, Box<dyn StdError>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.servers);
        config.set("group.id", self.group());
        // The offsets are committed by the transactions.
        config.set("enable.auto.commit", "false");
        // Of the input, only what is committed; of the group's offsets, too.
        config.set("isolation.level", "read_committed");
        config.set("auto.offset.reset", "earliest");
        Ok(config.create()?)
    }

    fn group(&self) -> String {
        format!("copy-{}", self.to)
    }

    /// One transaction: some records, and how far the input has been read with them.
    fn copy_some(
        &self,
        producer: &mut Producer,
        consumer: &BaseConsumer,
        is_to_abort: bool,
    ) -> linger::Result<usize> {
        // After a commit of which nothing was known, this says what became of it.
        let transaction = producer.begin()?;
        let mut offsets = ConsumerOffsets::new();
        let (mut records, until) = (0, Instant::now() + COLLECT);
        while records < RECORDS {
            let left = until.saturating_duration_since(Instant::now());
            let Some(message) = next(consumer, left) else {
                break;
            };
            // Here is the place to make something of it.
            let record = match message.payload() {
                Some(value) => ProducerRecord::new(self.to, value),
                None => ProducerRecord::tombstone(self.to),
            };
            let record = record.key_opt(message.key()).partition(message.partition());
            // If it fails later on, commit says so.
            transaction.send(record, |_| {})?;
            // The one to be read next.
            let (partition, offset) = (message.partition(), message.offset() + 1);
            offsets.set(ConsumerOffset::new(self.from, partition, offset));
            records += 1;
        }
        transaction.send_offsets(&offsets, &ConsumerGroup::new(self.group()))?;
        match is_to_abort {
            false => transaction.commit()?,
            true => transaction.abort()?,
        }
        Ok(records)
    }

    /// Reads on from where the group has committed, or from the start of what it has not committed. What
    /// the consumer had fetched is thrown away.
    fn go_to_committed(&self, consumer: &BaseConsumer) -> Result<(), Box<dyn StdError>> {
        let metadata = consumer.fetch_metadata(Some(self.from), PATIENCE)?;
        let mut partitions = TopicPartitionList::new();
        for topic in metadata.topics() {
            for partition in topic.partitions() {
                partitions.add_partition(topic.name(), partition.id());
            }
        }
        let mut committed = committed_offsets(consumer, &partitions)?;
        let elements = committed.elements();
        if elements.is_empty() {
            return Err(format!("the topic {} has no partitions", self.from).into());
        }
        let is_new = |offset| matches!(offset, Offset::Invalid);
        let new = elements.iter().filter(|one| is_new(one.offset()));
        let new: Vec<i32> = new.map(|one| one.partition()).collect();
        for partition in new {
            committed.set_partition_offset(self.from, partition, Offset::Beginning)?;
        }
        consumer.assign(&committed)?;
        Ok(())
    }
}

/// The next record, unless none comes in time.
fn next(consumer: &BaseConsumer, left: Duration) -> Option<BorrowedMessage<'_>> {
    let polled = consumer.poll(left)?;
    // A broker that cannot be reached, for example: the consumer tries again by itself.
    polled
        .map_err(|error| say(&format!("reading: {error}")))
        .ok()
}

/// The consumer does not ask again by itself where a coordinator has just moved, or is about to be found.
fn committed_offsets(
    consumer: &BaseConsumer,
    partitions: &TopicPartitionList,
) -> KafkaResult<TopicPartitionList> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = consumer.committed_offsets(partitions.clone(), PATIENCE);
        let answer = answer.and_then(|all| {
            let elements = all.elements();
            elements.iter().try_for_each(|one| one.error())?;
            Ok(all)
        });
        match answer {
            Err(error) if Instant::now() < until => say(&format!("committed offsets: {error}")),
            outcome => return outcome,
        }
        thread::sleep(COLLECT);
    }
}

/// After a failure: waits until it is known whether the transaction is committed. All others are aborted.
fn settle(producer: &mut Producer, mut error: linger::Error) -> linger::Result<()> {
    while error.kind() == ErrorKind::TimedOut {
        match producer.resolve_commit() {
            Err(next) if !next.is_fatal() => error = next,
            outcome => return outcome,
        }
    }
    Ok(())
}

/// Prints a line. Nobody left to read it is no reason to panic, as `println!` would.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").ok();
}
