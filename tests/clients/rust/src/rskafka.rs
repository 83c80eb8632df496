//! rskafka: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC. Its callers choose the partition and build the
//! batch.

use std::collections::BTreeMap;

use chrono::Utc;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use rskafka::record::Record;

type Anything = Box<dyn std::error::Error>;

fn main() -> Result<(), Anything> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<(), Anything> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (rounds, per_round): (u64, u64) = (args[2].parse()?, args[3].parse()?);
    let brokers = args[0].split(',').map(str::to_owned).collect();
    let client = ClientBuilder::new(brokers).build().await?;
    // A topic without a leader has no partitions for this client.
    let ids = loop {
        let topics = client.list_topics().await?;
        let found = topics.into_iter().find(|topic| topic.name == args[1]);
        match found {
            Some(topic) if !topic.partitions.is_empty() => break topic.partitions,
            _ => {}
        }
    };
    let mut partitions = Vec::new();
    for id in ids {
        let retry = UnknownTopicHandling::Retry;
        partitions.push(client.partition_client(args[1].as_str(), id, retry).await?);
    }
    let compression = match args[4].as_str() {
        "none" => Compression::NoCompression,
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        _ => Compression::Zstd,
    };
    let (mut acked, mut failed, mut first) = (0, 0, String::new());
    for round in 0..rounds {
        for (index, partition) in (0..).zip(&partitions) {
            let values = round * per_round..(round + 1) * per_round;
            let mine = values.filter(|value| value % partitions.len() as u64 == index);
            let records: Vec<Record> = mine
                .map(|value| Record {
                    key: Some(value.to_string().into_bytes()),
                    value: Some(format!("{value}{}", ".".repeat(200)).into_bytes()),
                    headers: BTreeMap::new(),
                    timestamp: Utc::now(),
                })
                .collect();
            let count = records.len();
            match partition.produce(records, compression).await {
                Ok(_) => acked += count,
                Err(error) => {
                    failed += count;
                    if first.is_empty() {
                        first = error.to_string();
                    }
                }
            }
        }
    }
    println!("acked={acked} failed={failed} {first}");
    Ok(())
}
