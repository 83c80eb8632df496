//! What a broker that means harm can make a producer hold: a binary of its own, because it counts
//! every byte that is allocated.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions are tests, too"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use linger::{Producer, ProducerRecord, Properties};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// The largest answer that a producer reads.
const FRAME: usize = 100 * 1024 * 1024;
/// ApiVersions, and Metadata in one version; nothing else is needed.
const APIS: [i16; 6] = [18, 0, 0, 3, 4, 4];

/// What comes before so many elements.
type Head<'a> = &'a (dyn Fn(i32) -> Vec<u8> + Sync);

/// The body of the next request: api, version, correlation id, the rest.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut body = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut body).unwrap();
    body
}

/// Says what it speaks; the client asks in its newest version first.
fn shake_hands(stream: &mut TcpStream) {
    for error in [35_i16, 0] {
        let asked = request(stream);
        let mut answer = asked[4..8].to_vec();
        answer.extend(error.to_be_bytes());
        answer.extend(2_i32.to_be_bytes());
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

#[test]
fn an_answer_takes_at_most_twice_its_frame() {
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
