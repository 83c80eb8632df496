//! krafka: `enqueue` per record, handles awaited in order by a collector task.

use bytes::Bytes;
use krafka::producer::{Acks, DeliveryHandle};

use krafka::{Compression, Kafka, Record};
use peerlib::*;
use std::time::Duration;

fn main() {
    let a: &'static Args = Box::leak(Box::new(args()));
    let d = Data::new(a);
    let rt = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let producer = rt.block_on(async {
        let k = Kafka::builder(&a.bootstrap)
            .max_in_flight_requests(a.in_flight)
            .connect()
            .await
            .unwrap();
        k.producer()
            .acks(match a.acks.as_str() {
                "all" | "-1" => Acks::All,
                "1" => Acks::Leader,
                _ => Acks::None,
            })
            .idempotent(a.idempotence)
            .compression(match a.compression.as_str() {
                "none" => Compression::None,
                "gzip" => Compression::Gzip,
                "snappy" => Compression::Snappy,
                "lz4" => Compression::Lz4,
                _ => Compression::Zstd,
            })
            .linger(Duration::from_secs_f64(a.linger_ms / 1e3))
            .batch_size(a.batch_size)
            .buffer_memory(a.buffer_memory)
            .build()
            .await
            .unwrap()
    });
    let producer: &'static _ = Box::leak(Box::new(producer));
    // Handles travel in groups, one by one only when every record is timed.
    let group = if a.sample == 1 { 1 } else { 256 };
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel::<Vec<(u64, DeliveryHandle)>>();
    rt.spawn(async move {
        while let Some(g) = rx.recv().await {
            for (sent, h) in g {
                let r = h.await;
                on_ack(sent, r.is_err());
            }
        }
    });
    let one =
        move |first: u64,
              n: u64,
              rate: f64,
              tx: tokio::sync::mpsc::UnboundedSender<Vec<(u64, DeliveryHandle)>>| async move {
            let mut pace = Pacer::new(rate / a.threads as f64);
            let c = CallerClock::start();
            let mut g = Vec::with_capacity(group);
            for i in first..first + n {
                if let Some(t) = pace.wait() {
                    tokio::time::sleep(t).await;
                }
                let sent = if i % a.sample == 0 { now() } else { 0 };
                let mut r = Record::new(a.topic.as_str(), Bytes::from_static(d.value(i)));
                if let Some(k) = d.key(i) {
                    r = r.key(Bytes::from_static(k));
                }
                if a.partitions > 0 {
                    r = r.partition((i % a.partitions as u64) as i32);
                }
                let h = producer.enqueue(r).await.unwrap();
                g.push((sent, h));
                if g.len() == group {
                    tx.send(std::mem::replace(&mut g, Vec::with_capacity(group)))
                        .ok()
                        .unwrap();
                }
            }
            tx.send(g).ok().unwrap();
            c.stop();
        };
    let send = |first: u64, n: u64, rate: f64| {
        let parts = split(first, n, a.threads);
        if a.caller == "spawn" {
            let hs: Vec<_> = parts
                .into_iter()
                .map(|(f, n)| rt.spawn(one(f, n, rate, tx.clone())))
                .collect();
            hs.into_iter().for_each(|h| rt.block_on(h).unwrap());
        } else {
            std::thread::scope(|s| {
                let rt = &rt;
                for &(f, n) in &parts[1..] {
                    let tx = tx.clone();
                    s.spawn(move || rt.block_on(one(f, n, rate, tx)));
                }
                rt.block_on(one(parts[0].0, parts[0].1, rate, tx.clone()));
            });
        }
    };
    drive("krafka", "0.28", a, send, || {
        rt.block_on(producer.flush()).unwrap()
    });
}
