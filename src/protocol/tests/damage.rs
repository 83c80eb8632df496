//! Good messages, damaged: decoding them may fail, and must not panic or take more memory than the
//! bytes could be worth.

use super::{request_body, response_body, shapes};
use crate::protocol::broker::decode_request;
use crate::protocol::messages::*;
use crate::protocol::{ApiKey, Request, Response, decode_response};

/// How often each message is damaged in each version, each time in one to three places.
const ROUNDS: u64 = 300;

#[test]
fn survives_damaged_requests() {
    for (api, version) in all_versions() {
        let good = request_body(&shapes::example_request(api), version);
        for seed in 0..ROUNDS {
            let bad = damage(&good, seed);
            if let Ok((_, request)) = decode_request(&bad) {
                assert_modest(request_bytes(&request), &bad);
            }
        }
    }
}

#[test]
fn survives_damaged_responses() {
    for (api, version) in all_versions() {
        let good = response_body(&shapes::example_response(api), version);
        for seed in 0..ROUNDS {
            let bad = damage(&good, seed);
            if let Ok((_, response)) = decode_response(api, version, &bad) {
                assert_modest(response_bytes(&response), &bad);
            }
        }
    }
}

#[test]
fn refuses_every_message_that_breaks_off() {
    for (api, version) in all_versions() {
        let request = request_body(&shapes::example_request(api), version);
        for length in 0..request.len() {
            assert!(decode_request(&request[..length]).is_err());
        }
        let response = response_body(&shapes::example_response(api), version);
        for length in 0..response.len() {
            assert!(decode_response(api, version, &response[..length]).is_err());
        }
    }
}

#[test]
fn survives_a_huge_length_in_every_place() {
    for (api, version) in all_versions() {
        let request = request_body(&shapes::example_request(api), version);
        let response = response_body(&shapes::example_response(api), version);
        for huge in HUGE {
            for place in 0..request.len() {
                drop(decode_request(&overwrite(&request, place, huge)));
            }
            for place in 0..response.len() {
                drop(decode_response(
                    api,
                    version,
                    &overwrite(&response, place, huge),
                ));
            }
        }
    }
}

/// Lengths of two and four bytes and of variable length, the largest ones, and null.
const HUGE: [&[u8]; 5] = [
    b"\x7f\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

fn all_versions() -> impl Iterator<Item = (ApiKey, i16)> {
    ApiKey::ALL
        .iter()
        .copied()
        .flat_map(|api| api.versions().iter().map(move |version| (api, version)))
}

fn damage(good: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(3) {
        let place = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[place] ^= 1 << random.below(8),
            1 => bytes[place] = random.byte(),
            2 => bytes.truncate(place.max(1)),
            3 => bytes.insert(place, random.byte()),
            _ => bytes = overwrite(&bytes, place, HUGE[random.below(HUGE.len())]),
        }
    }
    bytes
}

fn overwrite(bytes: &[u8], place: usize, with: &[u8]) -> Vec<u8> {
    let after = (place + with.len()).min(bytes.len());
    [&bytes[..place], with, &bytes[after..]].concat()
}

/// The same numbers for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a small number");
        usize::try_from(self.next() % limit).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// The smallest partition of a response takes 18 bytes on the wire and about a hundred in memory.
fn assert_modest(heap_bytes: usize, wire: &[u8]) {
    let limit = 24 * wire.len() + 256;
    assert!(heap_bytes <= limit, "{heap_bytes} for {} bytes", wire.len());
}

fn request_bytes(request: &Request) -> usize {
    match request {
        Request::Produce(request) => vec_bytes(&request.topics, |topic| {
            topic.name.len()
                + vec_bytes(&topic.partitions, |partition| {
                    partition.records.as_slice().len()
                })
        }),
        Request::Metadata(request) => {
            let topics = request.topics.as_ref();
            topics.map_or(0, |topics| vec_bytes(topics, |name| name.len()))
        }
        Request::ApiVersions(request) => {
            request.client_software_name.capacity() + request.client_software_version.capacity()
        }
        Request::InitProducerId(request) => {
            request.transactional_id.as_ref().map_or(0, |id| id.len())
        }
    }
}

fn response_bytes(response: &Response) -> usize {
    match response {
        Response::Produce(response) => {
            vec_bytes(&response.topics, |topic| {
                topic.name.capacity() + vec_bytes(&topic.partitions, produce_partition_bytes)
            }) + vec_bytes(&response.node_endpoints, |node| node.host.capacity())
        }
        Response::Metadata(response) => {
            vec_bytes(&response.brokers, |broker| broker.host.capacity())
                + vec_bytes(&response.topics, |topic| {
                    vec_bytes(&topic.partitions, |partition| {
                        vec_bytes(&partition.replicas, |_| 0)
                            + vec_bytes(&partition.in_sync_replicas, |_| 0)
                            + vec_bytes(&partition.offline_replicas, |_| 0)
                    })
                })
        }
        Response::ApiVersions(response) => vec_bytes(&response.apis, |_| 0),
        Response::InitProducerId(_) => 0,
    }
}

fn produce_partition_bytes(partition: &ProducePartitionResponse) -> usize {
    vec_bytes(&partition.record_errors, |error| {
        error.message.as_ref().map_or(0, String::capacity)
    }) + partition.error_message.as_ref().map_or(0, String::capacity)
}

/// What a vector holds, its spare room included.
fn vec_bytes<T>(elements: &Vec<T>, inside: impl Fn(&T) -> usize) -> usize {
    elements.capacity() * size_of::<T>() + elements.iter().map(inside).sum::<usize>()
}
