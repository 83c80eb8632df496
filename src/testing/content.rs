//! Whether two batches hold the same records, whatever else is different about their bytes: clients
//! that make a batch anew for each attempt (kafkajs) give it other timestamps, and its compression may
//! differ. No socket, no clock.

use crate::record::decode::{self, DecodedRecord};

/// How the records of the two batches differ: in their number, or in the key, the value or the headers
/// of one. None if they do not.
pub(super) fn difference(earlier: &[u8], later: &[u8]) -> Option<String> {
    let (Ok((_, earlier)), Ok((_, later))) = (decode::decode(earlier), decode::decode(later))
    else {
        return Some("one of the two cannot be read".to_owned());
    };
    if earlier.len() != later.len() {
        return Some(format!("{} records before", earlier.len()));
    }
    let pairs = earlier.iter().zip(&later);
    pairs.enumerate().find_map(|(index, (earlier, later))| {
        let part = other_part(earlier, later)?;
        Some(format!("record {index} had {part} before"))
    })
}

fn other_part(earlier: &DecodedRecord, later: &DecodedRecord) -> Option<&'static str> {
    if earlier.value != later.value {
        Some("another value")
    } else if earlier.key != later.key {
        Some("another key")
    } else if earlier.headers != later.headers {
        Some("other headers")
    } else {
        None
    }
}
