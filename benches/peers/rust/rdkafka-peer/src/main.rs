//! rust-rdkafka's `ThreadedProducer` (one polling thread), with a word-sized opaque per record.

use peerlib::*;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use std::time::Duration;

struct Count;
impl ClientContext for Count {}
impl ProducerContext for Count {
    type DeliveryOpaque = usize;
    fn delivery(&self, r: &DeliveryResult<'_>, sent: usize) {
        on_ack(sent as u64, r.is_err());
    }
}

fn main() {
    let a = args();
    let d = Data::new(&a);
    let producer: ThreadedProducer<Count> = ClientConfig::new()
        .set("bootstrap.servers", &a.bootstrap)
        .set("acks", &a.acks)
        .set("enable.idempotence", a.idempotence.to_string())
        .set("compression.type", &a.compression)
        .set("linger.ms", a.linger_ms.to_string())
        .set("batch.size", a.batch_size.to_string())
        // batch.num.messages stays 10,000: librdkafka sizes each batch's buffer by min(queue, that count).
        // The queue's own limit on records is lifted: bytes should decide, as in Java.
        .set("queue.buffering.max.messages", "10000000")
        .set(
            "queue.buffering.max.kbytes",
            (a.buffer_memory / 1024).to_string(),
        )
        .set("max.in.flight", a.in_flight.to_string())
        .create_with_context(Count)
        .unwrap();
    let producer = &producer;
    let a = &a;
    let send = |first: u64, n: u64, rate: f64| {
        std::thread::scope(|s| {
            let one = move |first: u64, n: u64| {
                let mut pace = Pacer::new(rate / a.threads as f64);
                let c = CallerClock::start();
                for i in first..first + n {
                    if let Some(t) = pace.wait() {
                        std::thread::sleep(t);
                    }
                    let sent = if i % a.sample == 0 { now() } else { 0 };
                    let mut r =
                        BaseRecord::with_opaque_to(&a.topic, sent as usize).payload(d.value(i));
                    if let Some(k) = d.key(i) {
                        r = r.key(k);
                    }
                    if a.partitions > 0 {
                        r = r.partition((i % a.partitions as u64) as i32);
                    }
                    while let Err((e, back)) = producer.send(r) {
                        assert!(
                            matches!(
                                e,
                                KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
                            ),
                            "{e}"
                        );
                        std::thread::sleep(Duration::from_micros(500));
                        r = back;
                    }
                }
                c.stop();
            };
            let parts = split(first, n, a.threads);
            for &(f, n) in &parts[1..] {
                s.spawn(move || one(f, n));
            }
            one(parts[0].0, parts[0].1);
        });
    };
    let version = rdkafka::util::get_rdkafka_version().1;
    // Its flush() looks only every 100 ms; what lingers goes by itself within linger.ms.
    drive("rust-rdkafka", &version, a, send, || ());
}
