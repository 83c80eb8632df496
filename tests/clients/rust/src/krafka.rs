//! krafka: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC

use std::time::Duration;

use bytes::Bytes;
use krafka::producer::Acks;
use krafka::{Compression, Kafka, Record};

type Anything = Box<dyn std::error::Error>;

fn main() -> Result<(), Anything> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<(), Anything> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (rounds, per_round): (u64, u64) = (args[2].parse()?, args[3].parse()?);
    let kafka = Kafka::builder(&args[0]).connect().await?;
    let producer = kafka
        .producer()
        .acks(Acks::All)
        .idempotent(true)
        .compression(match args[4].as_str() {
            "none" => Compression::None,
            "gzip" => Compression::Gzip,
            "snappy" => Compression::Snappy,
            "lz4" => Compression::Lz4,
            _ => Compression::Zstd,
        })
        .linger(Duration::from_millis(5))
        .build()
        .await?;
    let (mut acked, mut failed, mut first) = (0, 0, String::new());
    for round in 0..rounds {
        let mut handles = Vec::new();
        for value in round * per_round..(round + 1) * per_round {
            let key = value.to_string();
            let value = Bytes::from(format!("{key}{}", ".".repeat(200)));
            let record = Record::new(args[1].as_str(), value).key(Bytes::from(key));
            handles.push(producer.enqueue(record).await?);
        }
        for handle in handles {
            match handle.await {
                Ok(_) => acked += 1,
                Err(error) => {
                    failed += 1;
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
