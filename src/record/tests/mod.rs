//! Encoder and decoder against each other, against the format's arithmetic, and against the
//! kafka-protocol crate.

mod split;

use kafka_protocol::records::RecordBatchDecoder;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::compression::{Codec, Damaged};
use crate::record::batch::{BatchEncoder, ProducerStamp};
use crate::record::decode::{BatchError, BatchHeader, DecodedRecord, check, decode};
use crate::record::encoded_size_upper_bound;
use crate::record::{Header, Record};

type OwnedHeaders = Vec<(String, Option<Vec<u8>>)>;

#[derive(Clone, Debug)]
struct Owned {
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

fn any_bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(prop_oneof![
        4 => vec(any::<u8>(), 0..20),
        1 => vec(any::<u8>(), 60..70),
        1 => vec(any::<u8>(), 8190..8195),
    ])
}

fn any_record() -> impl Strategy<Value = Owned> {
    let headers = vec(("[a-cé]{0,3}", any_bytes()), 0..4);
    let timestamp = prop_oneof![4 => 1_000_000_000_000i64..1_000_000_010_000, 1 => any::<i64>()];
    (timestamp, any_bytes(), any_bytes(), headers).prop_map(
        |(timestamp_ms, key, value, headers)| Owned {
            timestamp_ms,
            key,
            value,
            headers,
        },
    )
}

fn append(batch: &mut BatchEncoder, record: &Owned) {
    let headers: Vec<Header<'_>> = record
        .headers
        .iter()
        .map(|(name, value)| Header {
            name,
            value: value.as_deref(),
        })
        .collect();
    let record = Record {
        timestamp_ms: record.timestamp_ms,
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &headers,
    };
    let content = record.content_size();
    let next = batch.next(record.timestamp_ms, content);
    let (before, promised) = (batch.len(), next.bytes());
    let bound = encoded_size_upper_bound(content);
    batch.append(&record, next);
    assert_eq!(batch.len(), before + promised);
    assert!(BatchEncoder::HEADER_BYTES + promised <= bound);
}

fn encode(records: &[Owned]) -> Vec<u8> {
    let mut batch = BatchEncoder::new(16_384);
    for record in records {
        append(&mut batch, record);
    }
    batch.seal(ProducerStamp::NONE)
}

fn small(value: &str) -> Owned {
    Owned {
        timestamp_ms: 1_000,
        key: None,
        value: Some(value.into()),
        headers: vec![("a".into(), None)],
    }
}

/// The batch with bytes of the header replaced and the checksum made right again.
fn forge(mut bytes: Vec<u8>, offset: usize, new: &[u8]) -> Vec<u8> {
    bytes[offset..offset + new.len()].copy_from_slice(new);
    rehash(bytes)
}

fn rehash(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = i32::try_from(bytes.len() - 12).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn comes_back_as_it_was_appended(records in vec(any_record(), 1..12)) {
        let bytes = encode(&records);
        let (header, decoded) = decode(&bytes).unwrap();
        prop_assert_eq!(header.batch_bytes, bytes.len());
        prop_assert_eq!(usize::try_from(header.record_count), Ok(records.len()));
        prop_assert_eq!(header.base_timestamp_ms, records[0].timestamp_ms);
        let latest = records.iter().map(|record| record.timestamp_ms).max().unwrap();
        prop_assert_eq!(header.max_timestamp_ms, latest);
        prop_assert_eq!(decoded.len(), records.len());
        for (index, (record, decoded)) in (0..).zip(records.iter().zip(decoded)) {
            let expected = DecodedRecord {
                offset_delta: index,
                timestamp_ms: record.timestamp_ms,
                key: record.key.clone(),
                value: record.value.clone(),
                headers: record.headers.clone(),
            };
            prop_assert_eq!(decoded, expected);
        }
        prop_assert_eq!(check(&bytes), Ok(header));
    }

    #[test]
    fn damage_is_noticed_and_never_panics(
        records in vec(any_record(), 1..4),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        repaired in any::<bool>(),
    ) {
        let mut bytes = encode(&records);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if repaired {
            // Only the records' own checks are left; what they let pass must still decode.
            let bytes = rehash(bytes);
            prop_assert_eq!(check(&bytes).is_ok(), decode(&bytes).is_ok());
        } else if (8..12).contains(&at) || at >= 16 {
            prop_assert!(check(&bytes).is_err());
        }
    }

    #[test]
    fn another_decoder_reads_the_same(records in vec(any_record(), 1..8)) {
        let mut records = records;
        for record in &mut records {
            // The other decoder keeps timestamp deltas in 32 bits, and headers in a map.
            record.timestamp_ms = record.timestamp_ms.rem_euclid(1_000_000);
            record.headers.truncate(1);
        }
        let bytes = encode(&records);
        let set = RecordBatchDecoder::decode(&mut bytes.as_slice()).unwrap();
        prop_assert_eq!(set.version, 2);
        prop_assert_eq!(set.records.len(), records.len());
        for (offset, (ours, theirs)) in (0..).zip(records.iter().zip(&set.records)) {
            prop_assert_eq!(theirs.offset, offset);
            prop_assert_eq!(theirs.timestamp, ours.timestamp_ms);
            prop_assert_eq!(theirs.key.as_deref(), ours.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), ours.value.as_deref());
            let headers: OwnedHeaders = theirs
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.as_ref().map(|value| value.to_vec())))
                .collect();
            prop_assert_eq!(&headers, &ours.headers);
        }
    }
}

#[test]
fn the_producer_is_in_the_header() {
    let mut batch = BatchEncoder::new(1_000);
    append(&mut batch, &small("x"));
    let stamp = ProducerStamp {
        producer_id: 0x0102_0304_0506_0708,
        epoch: 9,
        base_sequence: 77,
    };
    let bytes = batch.seal(stamp);
    assert_eq!(BatchHeader::read(&bytes).unwrap().producer, stamp);
    let theirs = &RecordBatchDecoder::decode(&mut bytes.as_slice())
        .unwrap()
        .records[0];
    assert_eq!(theirs.producer_id, stamp.producer_id);
    assert_eq!((theirs.producer_epoch, theirs.sequence), (9, 77));
    assert_eq!(theirs.partition_leader_epoch, -1);
}

#[test]
fn a_known_record_has_known_bytes() {
    let mut batch = BatchEncoder::new(1_000);
    append(&mut batch, &small("hi"));
    append(
        &mut batch,
        &Owned {
            timestamp_ms: 998,
            key: Some(b"k".to_vec()),
            value: None,
            headers: Vec::new(),
        },
    );
    let bytes = batch.seal(ProducerStamp::NONE);
    #[rustfmt::skip]
    let records = [
        // length 11, attributes, timestamp +0, offset 0, no key, "hi", one header "a" = null
        22, 0, 0, 0, 1, 4, b'h', b'i', 2, 2, b'a', 1,
        // length 7, attributes, timestamp −2, offset 1, "k", no value, no headers
        14, 0, 3, 2, 2, b'k', 1, 0,
    ];
    assert_eq!(bytes[61..], records);
    #[rustfmt::skip]
    let header = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 69, 255, 255, 255, 255, 2,
    ];
    assert_eq!(bytes[..17], header);
    assert_eq!(check(&bytes).unwrap().max_timestamp_ms, 1_000);
}

#[test]
fn one_small_record_takes_little_memory_and_the_buffer_stops_doubling_at_the_limit() {
    let mut batch = BatchEncoder::new(16_384);
    assert_eq!((batch.capacity(), batch.len()), (0, 61));
    append(&mut batch, &small("x"));
    assert_eq!(batch.capacity(), 256);
    while batch.len() < 16_000 {
        append(&mut batch, &small(&"x".repeat(90)));
    }
    assert_eq!(batch.capacity(), 16_384);
    append(&mut batch, &small(&"x".repeat(20_000)));
    assert!((36_000..37_000).contains(&batch.capacity()));
}

#[test]
fn a_record_larger_than_the_limit_still_fits() {
    let bytes = {
        let mut batch = BatchEncoder::new(10);
        append(&mut batch, &small(&"x".repeat(1_000)));
        batch.seal(ProducerStamp::NONE)
    };
    assert_eq!(check(&bytes).unwrap().record_count, 1);
}

#[test]
fn each_lie_has_its_error() {
    let good = encode(&[small("first"), small("second")]);
    let record_problem = |bytes: Vec<u8>| match check(&rehash(bytes)) {
        Err(BatchError::Record { index, problem }) => (index, problem),
        other => panic!("{other:?}"),
    };
    assert_eq!(check(&good[..60]), Err(BatchError::Truncated));
    assert_eq!(check(&good[..good.len() - 1]), Err(BatchError::Truncated));
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(check(&longer), Err(BatchError::TrailingBytes));
    assert_eq!(check(&rehash(longer)), Err(BatchError::RecordBytes));
    let mut old = good.clone();
    old[16] = 1;
    assert_eq!(check(&old), Err(BatchError::Magic(1)));
    let mut damaged = good.clone();
    damaged[70] ^= 1;
    assert!(matches!(check(&damaged), Err(BatchError::Checksum { .. })));
    let counts = |count: i32| {
        let bytes = forge(good.clone(), 57, &count.to_be_bytes());
        check(&forge(bytes, 23, &(count - 1).to_be_bytes()))
    };
    assert_eq!(counts(0), Err(BatchError::RecordCount(0)));
    assert_eq!(counts(-1), Err(BatchError::RecordCount(-1)));
    assert_eq!(counts(1), Err(BatchError::RecordBytes));
    assert!(matches!(
        counts(i32::MAX),
        Err(BatchError::Record { index: 2, .. })
    ));
    let uneven = forge(good.clone(), 57, &3i32.to_be_bytes());
    assert_eq!(check(&uneven), Err(BatchError::RecordCount(3)));
    let lz4 = forge(good.clone(), 21, &3i16.to_be_bytes());
    let damaged = BatchError::Compression(Damaged::Stream(Codec::Lz4));
    assert_eq!(damaged.to_string(), "the records are no lz4 stream");
    assert_eq!(check(&lz4), Err(damaged));
    let unknown = forge(good.clone(), 21, &5i16.to_be_bytes());
    assert_eq!(check(&unknown), Err(BatchError::UnknownCodec(5)));

    // The first record: length 14 at 61, offset at 64, value's length at 66, headers from 72 on.
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(record_problem(with(61, 126)), (0, "it ends early"));
    assert_eq!(
        record_problem(with(61, 26)),
        (0, "a header's value ends early")
    );
    assert_eq!(
        record_problem(with(64, 2)),
        (0, "its offset is out of order")
    );
    assert_eq!(record_problem(with(66, 126)), (0, "its value ends early"));
    assert_eq!(record_problem(with(66, 3)), (0, "its value ends early"));
    assert_eq!(
        record_problem(with(72, 1)),
        (0, "its header count is negative or no number")
    );
    assert_eq!(
        record_problem(with(72, 126)),
        (0, "it has fewer headers than it says")
    );
    assert_eq!(
        record_problem(with(72, 0)),
        (0, "it is longer than its parts")
    );
    assert_eq!(record_problem(with(73, 1)), (0, "a header has no name"));
    assert_eq!(
        record_problem(with(74, 0xff)),
        (0, "a header's name is not UTF-8")
    );
}
