//! The program without its process: flags make a cluster, producers send to it, and its lines tell.

use clap::Parser;
use linger::{Producer, ProducerRecord, Properties};

use super::*;

/// What was printed, without the time, and counted.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<(String, Tally)>>);

impl Seen {
    fn lines(&self) -> Vec<String> {
        let text = self.0.lock().0.clone();
        let line = |line: &str| line.get(10..).unwrap_or_default().to_owned();
        text.lines().map(line).collect()
    }

    /// The lines about batches, and about Produce requests that went wrong.
    fn produced(&self) -> Vec<String> {
        let of_produce = |line: &String| line.contains("-0 ") || line.starts_with("produce");
        self.lines().into_iter().filter(of_produce).collect()
    }

    fn summary(&self, cluster: &MockCluster) -> String {
        report::summary(cluster, &self.0.lock().1)
    }
}

const PLAIN: Style = Style { is_coloured: false };

fn args(flags: &str) -> Args {
    let line = format!("mock_cluster --port 0 {flags}");
    Args::try_parse_from(line.split_whitespace()).unwrap()
}

fn start_with(flags: &str) -> (MockCluster, Seen) {
    let args = args(flags);
    let seen = Seen::default();
    let (seer, print) = (seen.clone(), args.print.unwrap());
    let observer = move |event: &MockEvent| {
        let (text, tally) = &mut *seer.0.lock();
        tally.count(event);
        text.push_str(&report::lines(event, Duration::ZERO, print, PLAIN));
    };
    (start(&args, 1, observer).unwrap(), seen)
}

fn producer(cluster: &MockCluster, more: &[(&str, &str)]) -> Producer<str, str> {
    let mut properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("client.id", "app")
        .set("key.serializer", "string")
        .set("value.serializer", "string")
        .set("retry.backoff.ms", "1")
        .set("reconnect.backoff.ms", "1");
    for (name, value) in more {
        properties = properties.set(*name, *value);
    }
    Producer::new(&properties).unwrap()
}

#[test]
fn prints_a_line_for_each_request_and_each_batch_and_the_records() {
    let (cluster, seen) = start_with("--topic orders:2 --print=records");
    let producer = producer(&cluster, &[]);
    let record = ProducerRecord::new("orders", "order_placed").partition(0);
    let record = record.key("user123").header("trace", "4bf9\u{1b}[31m");
    producer.send_wait(record).unwrap();
    let record = ProducerRecord::new("orders", "x").partition(0);
    producer.send_wait(record).unwrap();
    let lines = seen.lines();
    let versions = format!(
        "api-versions version=5 broker=1 client=app software=linger/{}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(lines[0], versions);
    let about = |what: &str| lines.iter().find(|line| line.contains(what)).cloned();
    let metadata = "metadata version=13 broker=1 client=app topics=orders";
    assert_eq!(about("topics=orders").as_deref(), Some(metadata));
    let id = "init-producer-id version=5 broker=1 client=app";
    assert_eq!(about("init-").as_deref(), Some(id));
    let last = &lines[lines.len() - 4..];
    assert!(
        last[0].starts_with("orders-0 offset=0 records=1 bytes="),
        "{}",
        last[0]
    );
    assert!(
        last[0].ends_with(" codec=none producer=0 epoch=0 sequence=0 acks=all"),
        "{}",
        last[0]
    );
    let record = r"@0 key=user123 value=order_placed header:trace=4bf9\u{1b}[31m";
    assert_eq!(last[1], record);
    assert!(
        last[2].starts_with("orders-0 offset=1 records=1"),
        "{}",
        last[2]
    );
    assert_eq!(last[3], "@1 value=x");
}

#[test]
fn faults_from_flags_happen_and_are_told() {
    let flags = "--topic orders:1 --print --close-after 1x --close-before metadata:0 \
                 --fail produce:NOT_ENOUGH_REPLICAS:1x --delay 1ms";
    let (cluster, seen) = start_with(flags);
    let producer = producer(&cluster, &[]);
    let metadata = producer
        .send_wait(ProducerRecord::new("orders", "x"))
        .unwrap();
    assert_eq!(metadata.to_string(), "orders-0@0");
    let is =
        |line: &str, begins: &str, ends: &str| line.starts_with(begins) && line.ends_with(ends);
    let lines = seen.produced();
    let stamp = "codec=none producer=0 epoch=0 sequence=0 acks=all";
    assert!(
        is(&lines[0], "orders-0 offset=0 records=1 ", stamp),
        "{lines:?}"
    );
    let closed = "client=app batches=1 connection closed after it was done";
    assert!(
        is(&lines[1], "produce version=13 broker=1 ", closed),
        "{lines:?}"
    );
    let refused = "orders-0 error=NOT_ENOUGH_REPLICAS records=1 ";
    assert!(is(&lines[2], refused, stamp), "{lines:?}");
    let repeated = format!("{stamp} repeated");
    assert!(is(&lines[3], "orders-0 offset=0 ", &repeated), "{lines:?}");
    assert_eq!(lines.len(), 4);

    let summary = seen.summary(&cluster);
    let lines: Vec<_> = summary.lines().collect();
    assert_eq!(lines[0], "topic orders: partitions=1 records=1");
    assert!(
        lines[1].starts_with("written: records=1 batches=1 bytes="),
        "{summary}"
    );
    assert!(lines[1].ends_with(" repeated=1"), "{summary}");
    assert_eq!(lines[2], "refused: NOT_ENOUGH_REPLICAS=1");
    assert!(lines[3].starts_with("asked: requests="), "{summary}");
    assert!(
        lines[3].contains(" produce=3 ") && lines[3].ends_with(" closed=1"),
        "{summary}"
    );
    assert_eq!(lines.len(), 4, "{summary}");
}

#[test]
fn codecs_and_acks_are_named() {
    let (cluster, seen) = start_with("--print");
    let value = "x".repeat(1_000);
    for (acks, codec) in [("1", "gzip"), ("all", "zstd")] {
        let settings = [
            ("acks", acks),
            ("compression.type", codec),
            ("enable.idempotence", "false"),
        ];
        let producer = producer(&cluster, &settings);
        producer
            .send_wait(ProducerRecord::new("made", value.as_str()))
            .unwrap();
        let line = seen.produced().pop().unwrap();
        let words = format!(" codec={codec} producer=none acks={acks}");
        assert!(
            line.starts_with("made-0 offset=") && line.ends_with(&words),
            "{line}"
        );
    }
    let summary = seen.summary(&cluster);
    assert!(
        summary.starts_with("topic made: partitions=1 records=2\n"),
        "{summary}"
    );
}

#[test]
fn topics_are_made_as_the_flags_say() {
    let (cluster, seen) = start_with("--auto-create 0 --print");
    let brief = producer(&cluster, &[("max.block.ms", "200")]);
    // The first ones may be refused before the broker was asked.
    let line = (0..100).find_map(|_| {
        let refused = brief.send_wait(ProducerRecord::new("t", "x"));
        assert!(refused.is_err());
        let mut lines = seen.lines().into_iter();
        lines.find(|line| line.contains("topics=t"))
    });
    let line = line.unwrap();
    assert!(
        line.ends_with("topics=t error=UNKNOWN_TOPIC_OR_PARTITION"),
        "{line}"
    );

    let (cluster, _) = start_with("--auto-create 3 --print");
    let metadata = producer(&cluster, &[]).partitions_for("t").unwrap();
    assert_eq!(metadata.len(), 3);
}

#[test]
fn colours_are_around_what_matters() {
    let coloured = Style { is_coloured: true };
    let lines = Arc::new(Mutex::new(String::new()));
    let seer = Arc::clone(&lines);
    let observer = move |event: &MockEvent| {
        let print = args::Print::Batches;
        let text = report::lines(event, Duration::from_millis(1_204), print, coloured);
        seer.lock().push_str(&text);
    };
    let flags = args("--topic orders --fail produce:NOT_ENOUGH_REPLICAS:1x");
    let cluster = start(&flags, 1, observer).unwrap();
    producer(&cluster, &[])
        .send_wait(ProducerRecord::new("orders", "x"))
        .unwrap();
    let lines = lines.lock().clone();
    let dim = "\u{1b}[2m    1.204\u{1b}[0m ";
    assert!(lines.lines().all(|line| line.starts_with(dim)), "{lines}");
    let refused =
        "\u{1b}[1;36morders-0\u{1b}[0m \u{1b}[1;31merror=NOT_ENOUGH_REPLICAS\u{1b}[0m records=1";
    assert!(lines.contains(refused), "{lines}");
    assert!(
        lines.contains("\u{1b}[1;36morders-0\u{1b}[0m offset=0 records=1"),
        "{lines}"
    );
}

#[test]
fn says_at_the_start_what_to_connect_to_and_what_to_expect() {
    let flags = "--brokers 2 --topic orders:6 --topic x --seed 7 --auto-create 0 \
                 --fail produce:NOT_LEADER_OR_FOLLOWER:0.05 --close-after 0.01 --delay 20ms";
    let args = args(flags);
    let cluster = start(&args, 7, |_| ()).unwrap();
    let greeting = greeting(&args, &cluster, 7);
    let servers = cluster.bootstrap_servers();
    let expected = format!(
        "bootstrap.servers={servers}\n\
         topic orders: partitions=6\n\
         topic x: partitions=1\n\
         no other topics\n\
         fault: closes the connection after 1 % of the produce requests\n\
         fault: answers NOT_LEADER_OR_FOLLOWER to 5 % of the batches\n\
         fault: answers 20ms late to all produce requests\n\
         seed=7\n"
    );
    assert_eq!(greeting, expected);
}
