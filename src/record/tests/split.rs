//! A batch taken apart: nothing of it is lost, changed or turned round.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Owned, any_record, append, forge, small};
use crate::ids::sequence_after;
use crate::record::batch::{BatchEncoder, ProducerStamp, restamp};
use crate::record::decode::{BatchHeader, DecodedRecord, decode};
use crate::record::split::split;

fn sealed(records: &[Owned], stamp: ProducerStamp) -> Vec<u8> {
    let mut batch = BatchEncoder::new(16_384);
    for record in records {
        append(&mut batch, record);
    }
    batch.seal(stamp)
}

fn any_stamp() -> impl Strategy<Value = ProducerStamp> {
    let sequence = prop_oneof![0..=i32::MAX, (i32::MAX - 10)..=i32::MAX];
    let of_a_producer =
        (0..=i64::MAX, 0..=i16::MAX, sequence).prop_map(|(producer_id, epoch, base_sequence)| {
            ProducerStamp {
                producer_id,
                epoch,
                base_sequence,
            }
        });
    prop_oneof![4 => of_a_producer, 1 => Just(ProducerStamp::NONE)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_parts_are_the_whole(
        records in vec(any_record(), 1..12),
        stamp in any_stamp(),
        limit in prop_oneof![0..200usize, 0..30_000usize, Just(usize::MAX)],
        // Transactional, or with the time of append: whatever is no codec.
        attributes in (0i16..4).prop_map(|bits| bits << 3),
    ) {
        let bytes = forge(sealed(&records, stamp), 21, &attributes.to_be_bytes());
        let (_, original) = decode(&bytes).unwrap();
        let parts = split(&bytes, limit, BatchEncoder::pack);
        let mut together: Vec<DecodedRecord> = Vec::new();
        for part in &parts {
            let (header, mut records) = decode(&part.bytes).unwrap();
            prop_assert_eq!(records.len(), part.records);
            prop_assert!(part.bytes.len() <= limit || part.records == 1);
            prop_assert_eq!(header.attributes, attributes);
            prop_assert_eq!(header.base_timestamp_ms, records[0].timestamp_ms);
            let latest = records.iter().map(|record| record.timestamp_ms).max();
            prop_assert_eq!(Some(header.max_timestamp_ms), latest);
            let mut expected = stamp;
            if stamp != ProducerStamp::NONE {
                expected.base_sequence = sequence_after(stamp.base_sequence, together.len());
            }
            prop_assert_eq!(header.producer, expected);
            for record in &mut records {
                record.offset_delta += i32::try_from(together.len()).unwrap();
            }
            together.append(&mut records);
        }
        prop_assert_eq!(together, original);
        let splits = bytes.len() > limit && records.len() > 1;
        prop_assert_eq!(parts.len() > 1, splits);
        if !splits {
            prop_assert_eq!(&parts[0].bytes, &bytes);
        }
    }

    #[test]
    fn a_part_takes_what_fits(records in vec(any_record(), 2..12), limit in 0..30_000usize) {
        let parts = split(
            &sealed(&records, ProducerStamp::NONE),
            limit,
            BatchEncoder::pack,
        );
        let mut first = 0;
        for part in parts.iter().take(parts.len() - 1) {
            let with_one_more = &records[first..=first + part.records];
            prop_assert!(sealed(with_one_more, ProducerStamp::NONE).len() > limit);
            first += part.records;
        }
    }

    #[test]
    fn another_stamp_changes_nothing_else(
        records in vec(any_record(), 1..6),
        from in any_stamp(),
        to in any_stamp(),
    ) {
        prop_assert_eq!(restamp(&sealed(&records, from), to), sealed(&records, to));
    }
}

#[test]
fn headers_survive_repeated_and_null() {
    let mut record = small("value");
    record.headers = vec![
        ("a".into(), Some(b"1".to_vec())),
        ("a".into(), None),
        ("".into(), Some(Vec::new())),
        ("a".into(), Some(b"1".to_vec())),
    ];
    let headers = record.headers.clone();
    let records = [small("first"), record];
    let parts = split(
        &sealed(&records, ProducerStamp::NONE),
        0,
        BatchEncoder::pack,
    );
    let (_, second) = decode(&parts[1].bytes).unwrap();
    assert_eq!(second[0].headers, headers);
}

#[test]
fn sequences_go_on_through_the_largest_one() {
    let records = vec![small("x"); 3];
    let stamp = ProducerStamp {
        producer_id: 5,
        epoch: 2,
        base_sequence: i32::MAX,
    };
    let sequences: Vec<i32> = split(&sealed(&records, stamp), 0, BatchEncoder::pack)
        .iter()
        .map(|part| {
            BatchHeader::read(&part.bytes)
                .unwrap()
                .producer
                .base_sequence
        })
        .collect();
    assert_eq!(sequences, [i32::MAX, 0, 1]);
}
