//! What a broker that means harm can make a producer hold: a binary of its own, because it counts
//! every byte that is allocated.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions are tests, too"
)]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use linger::{Producer, ProducerRecord, Properties};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// The largest answer that a producer reads.
const FRAME: usize = 100 * 1024 * 1024;
/// ApiVersions, Metadata and Produce, in one version each; nothing else is needed.
const APIS: [i16; 9] = [18, 0, 0, 3, 4, 4, 0, 3, 3];

/// What comes before so many elements.
type Head<'a> = &'a (dyn Fn(i32) -> Vec<u8> + Sync);

/// The body of the next request: api, version, correlation id, the rest.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    next_request(stream).unwrap()
}

/// The same, unless the peer hangs up.
fn next_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Says what it speaks; the client asks in its newest version first.
fn shake_hands(stream: &mut TcpStream) {
    for error in [35_i16, 0] {
        let asked = request(stream);
        let mut answer = asked[4..8].to_vec();
        answer.extend(error.to_be_bytes());
        answer.extend(3_i32.to_be_bytes());
        answer.extend(APIS.iter().flat_map(|number| number.to_be_bytes()));
        stream
            .write_all(&i32::try_from(answer.len()).unwrap().to_be_bytes())
            .unwrap();
        stream.write_all(&answer).unwrap();
    }
}

/// Answers the first metadata request with one of the largest frame there is: `head`, and then
/// `element` over and over. Returns when the producer has hung up.
fn answer_with(listener: &TcpListener, element: &[u8], head: Head<'_>) {
    let (mut stream, _) = listener.accept().unwrap();
    shake_hands(&mut stream);
    let asked = request(&mut stream);
    let room = FRAME - 4 - head(0).len();
    let count = room / element.len();
    let head = head(i32::try_from(count).unwrap());
    let length = 4 + head.len() + count * element.len();
    let mut frame = i32::try_from(length).unwrap().to_be_bytes().to_vec();
    frame.extend(&asked[4..8]);
    frame.extend(&head);
    let many = 100_000_usize.div_ceil(element.len());
    let some = element.repeat(many);
    // The producer may hang up before it has read everything.
    let mut sent = stream.write_all(&frame);
    let mut left = count;
    while sent.is_ok() && left > 0 {
        let now = left.min(many);
        sent = stream.write_all(&some[..now * element.len()]);
        left -= now;
    }
    stream.read_to_end(&mut Vec::new()).ok();
}

fn numbers(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|one| one.to_be_bytes()).collect()
}

/// Id, host, port, no rack.
fn broker(host: &[u8]) -> Vec<u8> {
    let length = u16::try_from(host.len()).unwrap().to_be_bytes();
    [&[0, 0, 0, 1], &length[..], host, &[0, 0, 0, 1, 255, 255]].concat()
}

/// The tests count what the whole process allocates, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn an_answer_takes_at_most_twice_its_frame() {
    let _turn = TURN.lock().unwrap();
    // What comes before: throttle time and brokers, or also cluster id, controller and topics.
    let in_brokers = |count: i32| numbers(&[0, count]);
    let in_topics = |count: i32| [numbers(&[0, 0]), vec![255; 6], numbers(&[count])].concat();
    let in_partitions = |count: i32| {
        let topic = [0, 0, 0, 1, b't', 0];
        [in_topics(1), topic.to_vec(), numbers(&[count])].concat()
    };
    let hostile: [(&str, Vec<u8>, Head<'_>); 4] = [
        ("small brokers", broker(b""), &in_brokers),
        ("large brokers", broker(&[b'x'; 30_000]), &in_brokers),
        (
            "topics",
            [&[0, 0, 0, 1, b't', 0][..], &[0; 4]].concat(),
            &in_topics,
        ),
        ("partitions", vec![0; 18], &in_partitions),
    ];
    for (what, element, head) in hostile {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let properties = Properties::new()
            .set("bootstrap.servers", address)
            .set("reconnect.backoff.ms", 60_000)
            .set("reconnect.backoff.max.ms", 60_000)
            .set("key.serializer", "string")
            .set("value.serializer", "string");
        let producer: Producer<str, str> = Producer::new(&properties).unwrap();
        ALLOCATED.reset_peak_usage();
        thread::scope(|scope| {
            let hostile = scope.spawn(|| answer_with(&listener, &element, head));
            // Asks for the topic, and does not wait for it.
            let refused = producer.try_send(ProducerRecord::new("t", "value"), |_| {});
            assert!(refused.is_err());
            hostile.join().unwrap();
        });
        let peak = ALLOCATED.peak_usage();
        println!("{what}: {} MiB", peak / 1024 / 1024);
        assert!(peak < 2 * FRAME, "{what}: {peak} bytes");
        drop(listener);
        drop(producer);
    }
}

const BROKERS: usize = 12;
/// Of one byte each, to each of them.
const RECORDS: usize = 40_000;

/// Metadata about a topic "t" with one partition on each of these brokers.
fn metadata(ports: &[u16]) -> Vec<u8> {
    let numbered = || (0_i32..).zip(ports);
    let count = numbers(&[i32::try_from(ports.len()).unwrap()]);
    let mut body = [numbers(&[0]), count.clone()].concat();
    for (id, port) in numbered() {
        body.extend(numbers(&[id]));
        body.extend(b"\x00\x09127.0.0.1");
        body.extend(numbers(&[i32::from(*port)]));
        body.extend([255, 255]);
    }
    body.extend([255; 6]);
    body.extend(numbers(&[1]));
    body.extend([0, 0, 0, 1, b't', 0]);
    body.extend(count);
    for (id, _) in numbered() {
        body.extend([0, 0]);
        body.extend(numbers(&[id, id, 1, id, 1, id]));
    }
    body
}

/// Answers metadata requests, and each Produce request with all but the end of an answer of this
/// length. Tells when no more of the first such answer can be sent.
fn stall(mut stream: TcpStream, metadata: &[u8], length: usize, done: &Sender<()>) {
    shake_hands(&mut stream);
    while let Ok(asked) = next_request(&mut stream) {
        let is_produce = asked[..2] == [0, 0];
        let length = match is_produce {
            true => length,
            false => 4 + metadata.len(),
        };
        let mut frame = i32::try_from(length).unwrap().to_be_bytes().to_vec();
        frame.extend(&asked[4..8]);
        if !is_produce {
            frame.extend(metadata);
            stream.write_all(&frame).unwrap();
            continue;
        }
        let mut sent = stream.write_all(&frame);
        let mut left = length - 4 - 1;
        while sent.is_ok() && left > 0 {
            let now = left.min(100_000);
            sent = stream.write_all(&vec![0; now]);
            left -= now;
        }
        done.send(()).ok();
        stream.read_to_end(&mut Vec::new()).ok();
        return;
    }
}

/// The most that the process holds beyond its records while twelve brokers each answer with all but the end of an answer of
/// this length.
fn peak_with_stalled_answers(length: usize) -> usize {
    let listeners = [(); BROKERS].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = listeners
        .each_ref()
        .map(|one| one.local_addr().unwrap().port());
    let metadata: &'static [u8] = metadata(&ports).leak();
    let (done, all_done) = mpsc::channel();
    for listener in listeners {
        let done = done.clone();
        // Both threads live as long as the process: there is nothing to end them.
        let accept = move || {
            while let Ok((stream, _)) = listener.accept() {
                let done = done.clone();
                let stall = move || stall(stream, metadata, length, &done);
                thread::Builder::new().spawn(stall).unwrap();
            }
        };
        thread::Builder::new().spawn(accept).unwrap();
    }
    let properties = Properties::new()
        .set("bootstrap.servers", format!("127.0.0.1:{}", ports[0]))
        .set("enable.idempotence", false)
        .set("batch.size", 1 << 20)
        .set("linger.ms", 60_000)
        .set("reconnect.backoff.ms", 60_000)
        .set("reconnect.backoff.max.ms", 60_000)
        .set("key.serializer", "string")
        .set("value.serializer", "string");
    let producer: Producer<str, str> = Producer::new(&properties).unwrap();
    for partition in (0_i32..).take(BROKERS) {
        for _ in 0..RECORDS {
            let record = ProducerRecord::new("t", "x").partition(partition);
            producer.send(record, |_| {}).unwrap();
        }
    }
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    assert!(producer.flush_timeout(Duration::ZERO).is_err());
    for _ in 0..BROKERS {
        all_done.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    let peak = ALLOCATED.peak_usage();
    producer.close_timeout(Duration::ZERO).ok();
    peak - before
}

#[test]
fn many_brokers_together_make_a_producer_hold_no_more_than_one_can() {
    let _turn = TURN.lock().unwrap();
    // Longer than such an answer can be; and as long as that of so many records may be.
    for length in [99 * 1024 * 1024, RECORDS * 512] {
        let peak = peak_with_stalled_answers(length);
        println!("{BROKERS} answers of {length} bytes: {} MiB", peak >> 20);
        assert!(peak < 2 * FRAME, "{length}: {peak} bytes");
    }
}
