//! Single fields, in both encodings, and what is no field.

use super::*;

fn body(write: impl FnOnce(&mut Writer), flexible: bool) -> Vec<u8> {
    let mut writer = Writer::new(flexible);
    write(&mut writer);
    writer.into_frame().to_vec().split_off(LENGTH_BYTES)
}

#[test]
fn encodes_strings_as_kafka_does() {
    let write = |writer: &mut Writer| {
        writer.string("ab");
        writer.nullable_string(None);
        writer.classic_nullable_string(Some("c"));
    };
    assert_eq!(body(write, false), b"\0\x02ab\xff\xff\0\x01c");
    assert_eq!(body(write, true), b"\x03ab\0\0\x01c");
}

#[test]
fn shares_records_instead_of_copying_them() {
    let records = SharedBytes::new(vec![7; 100]);
    let mut writer = Writer::new(true);
    writer.records(&records);
    writer.no_tags();
    let frame = writer.into_frame();
    let shared = frame.slices_from(0).nth(1).expect("three chunks");
    assert!(std::ptr::eq(shared, records.as_slice()));
    assert_eq!(frame.slices_from(0).count(), 3);
}

#[test]
fn a_huge_count_costs_nothing() {
    for bytes in [&b"\x7f\xff\xff\xff\x01"[..], &b"\0\0\0\x05\x01\x02\x03"[..]] {
        let mut elements = 0;
        let read = Reader::new(bytes, false).array(|reader| {
            elements += 1;
            reader.i8()
        });
        assert_eq!(read.expect_err("too long").offset, 0);
        assert_eq!(elements, 0);
    }
    let mut reader = Reader::new(b"\xff\xff\xff\xff\x0f\x01", true);
    assert!(reader.array(Reader::i8).is_err());
}

#[test]
fn elements_that_are_small_on_the_wire_fill_no_memory() {
    let count = MAX_DECODED_BYTES / 100 + 1;
    let mut bytes = i32::try_from(count).expect("small").to_be_bytes().to_vec();
    bytes.resize(4 + count, 0);
    let mut reader = Reader::new(&bytes, false);
    let read = reader.array(|reader| reader.i8().map(|byte| [byte; 100]));
    assert_eq!(
        read.expect_err("too much").what,
        "the message takes too much memory"
    );
}

#[test]
fn makes_room_by_the_bytes_there_are() {
    let reader = Reader::new(&[0; 1000], false);
    assert_eq!(reader.affordable::<[u8; 100]>(1000), 10);
    assert_eq!(reader.affordable::<u8>(1000), 1000);
    assert_eq!(reader.affordable::<u8>(3), 3);
}

#[test]
fn skips_unknown_tags_and_reads_known_ones() {
    let bytes = b"\x02\x00\x04\0\0\0\x09\x05\x02zz";
    let mut known = None;
    let mut reader = Reader::new(bytes, true);
    reader
        .tags(|tag, field| {
            if tag == 0 {
                known = Some(field.i32()?);
            }
            Ok(())
        })
        .expect("well formed");
    assert_eq!(known, Some(9));
    assert!(!reader.any_left());
}

#[test]
fn takes_tagged_fields_in_any_order_and_the_last_of_several() {
    let bytes = b"\x03\x07\x00\x00\x04\0\0\0\x08\x00\x04\0\0\0\x09";
    let mut known = None;
    let mut reader = Reader::new(bytes, true);
    reader
        .tags(|tag, field| {
            if tag == 0 {
                known = Some(field.i32()?);
            }
            Ok(())
        })
        .expect("as Kafka reads it");
    assert_eq!(known, Some(9));
    assert!(!reader.any_left());
}

#[test]
fn refuses_a_tagged_field_with_more_than_its_contents() {
    let error = Reader::new(b"\x01\x00\x05\0\0\0\x09\x01", true)
        .tags(|_, field| field.i32().map(|_| ()))
        .expect_err("one byte too many");
    assert_eq!(error.offset, 7);
}

#[test]
fn says_where_a_message_breaks_off() {
    let mut reader = Reader::new(b"\0\0\0\x01\0", false);
    assert_eq!(reader.i32(), Ok(1));
    let error = reader.i16().expect_err("one byte is no i16");
    assert_eq!(
        error.to_string(),
        "the message ends inside a number at byte 4"
    );
}

#[test]
fn refuses_strings_that_are_not_strings() {
    for (bytes, what) in [
        (&b"\xff\xff"[..], "a string is null that must not be"),
        (b"\xff\xfe", "a length is negative"),
        (b"\0\x02a", "a length reaches past the end"),
        (b"\0\x02\xff\xff", "a string is not UTF-8"),
    ] {
        let error = Reader::new(bytes, false).string().expect_err(what);
        assert_eq!(error.what, what);
    }
}

#[test]
fn refuses_a_compact_length_beyond_32_bits() {
    assert!(
        Reader::new(b"\xff\xff\xff\xff\xff\x01", true)
            .string()
            .is_err()
    );
    assert!(Reader::new(b"\xff\xff", true).string().is_err());
}
