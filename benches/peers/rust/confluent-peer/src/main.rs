//! confluent-kafka (Confluent's Rust translation of the Java client): the byte-slice `send` with a callback.

use confluent_kafka::common::serialization::ByteArraySerializer;
use confluent_kafka::producer::{
    Callback, KafkaProducer, Producer, ProducerConfig, ProducerRecord,
};
use peerlib::*;
use std::collections::HashMap;

fn main() {
    let a: &'static Args = Box::leak(Box::new(args()));
    let d = Data::new(a);
    let rt = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let props: HashMap<String, String> = [
        ("bootstrap.servers", a.bootstrap.clone()),
        ("acks", a.acks.clone()),
        ("enable.idempotence", a.idempotence.to_string()),
        ("compression.type", a.compression.clone()),
        ("linger.ms", (a.linger_ms as u64).to_string()),
        ("batch.size", a.batch_size.to_string()),
        ("buffer.memory", a.buffer_memory.to_string()),
        (
            "max.in.flight.requests.per.connection",
            a.in_flight.to_string(),
        ),
        (
            "max.request.size",
            (a.batch_size * 8).max(1 << 20).to_string(),
        ),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_string(), v))
    .collect();
    let producer = rt.block_on(async {
        KafkaProducer::<Vec<u8>, Vec<u8>>::new(
            ProducerConfig::new(&props).unwrap(),
            ByteArraySerializer::new(),
            ByteArraySerializer::new(),
        )
        .unwrap()
    });
    let producer: &'static KafkaProducer<Vec<u8>, Vec<u8>> = Box::leak(Box::new(producer));
    let one = move |first: u64, n: u64, rate: f64| async move {
        let mut pace = Pacer::new(rate / a.threads as f64);
        let c = CallerClock::start();
        for i in first..first + n {
            if let Some(t) = pace.wait() {
                tokio::time::sleep(t).await;
            }
            let topic = a.topic.clone();
            let p = (a.partitions > 0).then(|| (i % a.partitions as u64) as i32);
            let r: ProducerRecord<&[u8], &[u8]> = match (p, d.key(i)) {
                (None, None) => ProducerRecord::new(topic, Some(d.value(i))),
                (None, k) => ProducerRecord::with_key(topic, k, Some(d.value(i))),
                (p, k) => {
                    ProducerRecord::with_partition_key(topic, p, k, Some(d.value(i))).unwrap()
                }
            };
            // A closure without captures needs no allocation in its box.
            let cb: Box<dyn Callback> = if i % a.sample == 0 {
                let sent = now();
                Box::new(move |_: Option<&_>, e: Option<&_>| on_ack(sent, e.is_some()))
            } else {
                Box::new(|_: Option<&_>, e: Option<&_>| on_ack(0, e.is_some()))
            };
            // The future of the outcome is dropped: the callback has it.
            drop(producer.send(r, Some(cb)).await.unwrap());
        }
        c.stop();
    };
    let send = |first: u64, n: u64, rate: f64| {
        let parts = split(first, n, a.threads);
        if a.caller == "spawn" {
            let hs: Vec<_> = parts
                .into_iter()
                .map(|(f, n)| rt.spawn(one(f, n, rate)))
                .collect();
            hs.into_iter().for_each(|h| rt.block_on(h).unwrap());
        } else {
            std::thread::scope(|s| {
                let rt = &rt;
                for &(f, n) in &parts[1..] {
                    s.spawn(move || rt.block_on(one(f, n, rate)));
                }
                rt.block_on(one(parts[0].0, parts[0].1, rate));
            });
        }
    };
    drive("confluent-kafka", "1.0", a, send, || {
        rt.block_on(producer.flush()).unwrap()
    });
}
