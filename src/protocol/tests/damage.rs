//! Good messages, damaged: decoding them may fail, but must not panic, nor take more memory than so many
//! bytes can reasonably need.

use super::messages::{example_request, example_response, request_bytes, response_bytes};
use super::{request_body, response_body};
use crate::protocol::broker::decode_request;
use crate::protocol::{ApiKey, decode_response};

/// How often each message is damaged in each version, each time at one to three offsets.
const ROUNDS: u64 = 300;

#[test]
fn survives_damaged_requests() {
    for (api, version) in all_versions() {
        let good = request_body(&example_request(api), version);
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
        let good = response_body(&example_response(api), version);
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
        let request = request_body(&example_request(api), version);
        for length in 0..request.len() {
            assert!(decode_request(&request[..length]).is_err());
        }
        let response = response_body(&example_response(api), version);
        for length in 0..response.len() {
            assert!(decode_response(api, version, &response[..length]).is_err());
        }
    }
}

#[test]
fn survives_a_huge_length_at_every_offset() {
    for (api, version) in all_versions() {
        let request = request_body(&example_request(api), version);
        let response = response_body(&example_response(api), version);
        for huge in HUGE {
            for offset in 0..request.len() {
                drop(decode_request(&overwrite(&request, offset, huge)));
            }
            for offset in 0..response.len() {
                drop(decode_response(
                    api,
                    version,
                    &overwrite(&response, offset, huge),
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
        let offset = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[offset] ^= 1 << random.below(8),
            1 => bytes[offset] = random.byte(),
            2 => bytes.truncate(offset.max(1)),
            3 => bytes.insert(offset, random.byte()),
            _ => bytes = overwrite(&bytes, offset, HUGE[random.below(HUGE.len())]),
        }
    }
    bytes
}

fn overwrite(bytes: &[u8], offset: usize, with: &[u8]) -> Vec<u8> {
    let after = (offset + with.len()).min(bytes.len());
    [&bytes[..offset], with, &bytes[after..]].concat()
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
