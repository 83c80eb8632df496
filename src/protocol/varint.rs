//! Variable-length integers: unsigned ones for compact lengths and tags, zig-zag ones for records.
//! Pure functions over slices, which may end anywhere, even inside a number.

/// The longest encoding of a 64-bit number.
pub(crate) const MAX_VARLONG_BYTES: usize = 10;

/// Appends `value` in seven-bit groups, the lowest first.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Appends `value` zig-zag encoded: the form of every length and delta inside a record.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    let value = zigzag(value);
    // Nearly all are small.
    match value {
        0..0x80 => out.push((value & 0x7f) as u8),
        0x80..0x4000 => {
            out.extend_from_slice(&[(value & 0x7f) as u8 | 0x80, (value >> 7 & 0x7f) as u8]);
        }
        _ => put_unsigned(out, value),
    }
}

/// [`put_signed`] into an array, from index `at`; returns the index after the number. Bytes that do not
/// fit are dropped.
#[inline]
pub(crate) fn write_signed<const ROOM: usize>(
    room: &mut [u8; ROOM],
    mut at: usize,
    value: i64,
) -> usize {
    let mut value = zigzag(value);
    let mut put = |byte: u64| {
        if let Some(slot) = room.get_mut(at) {
            *slot = (byte & 0xff) as u8;
        }
        at += 1;
    };
    while value >= 0x80 {
        put(value & 0x7f | 0x80);
        value >>= 7;
    }
    put(value);
    at
}

/// How many bytes [`put_signed`] writes for `value`.
#[inline]
pub(crate) fn signed_len(value: i64) -> usize {
    unsigned_len(zigzag(value))
}

/// How many bytes [`put_unsigned`] writes for `value`.
#[inline]
pub(crate) fn unsigned_len(value: u64) -> usize {
    // Nearly all are small: two predicted branches instead of a multiplication.
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => (64 - value.leading_zeros() as usize).div_ceil(7),
    }
}

/// Reads a number and how many bytes it took; `None` if it does not end within ten bytes or the
/// slice.
pub(crate) fn read_unsigned(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(MAX_VARLONG_BYTES).enumerate() {
        let group = u64::from(byte & 0x7f);
        // The tenth group holds one bit only.
        if index == MAX_VARLONG_BYTES - 1 && group > 1 {
            return None;
        }
        value |= group << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Reads a zig-zag number and how many bytes it took.
pub(crate) fn read_signed(bytes: &[u8]) -> Option<(i64, usize)> {
    let (raw, used) = read_unsigned(bytes)?;
    Some(((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed(), used))
}

#[inline]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_at_every_power_of_two() {
        for shift in 0..64 {
            for value in [
                1i64 << shift,
                (1i64 << shift).wrapping_sub(1),
                -(1i64 << (shift % 63)),
            ] {
                let mut out = Vec::new();
                put_signed(&mut out, value);
                assert_eq!(out.len(), signed_len(value));
                let mut room = [0; MAX_VARLONG_BYTES + 1];
                let end = write_signed(&mut room, 1, value);
                assert_eq!(room[1..end], out);
                assert_eq!(read_signed(&out), Some((value, out.len())));
            }
        }
    }

    #[test]
    fn refuses_a_number_that_does_not_end() {
        assert_eq!(read_unsigned(&[0x80; 10]), None);
        assert_eq!(read_unsigned(&[0xff, 0xff]), None);
        assert_eq!(read_unsigned(&[]), None);
    }
}
