//! Cuts the input into lines and decodes them as Java's readers do, so that the same bytes make the
//! same records: a line ends at `\n`, `\r` or `\r\n`, the last one may go without, and what is no
//! UTF-8 is replaced by U+FFFD. Remembers one line only, and prints nothing.

use std::borrow::Cow;
use std::io::{self, BufRead};

/// No record can be longer: Kafka's sizes are signed 32-bit numbers. Keeps an input without line
/// ends from filling the memory.
const LONGEST: usize = i32::MAX as usize;

/// A longer buffer is given back before the next line.
const KEPT: usize = 1 << 20;

/// Reads lines.
pub(crate) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    longest: usize,
    number: u64,
    /// The line before ended at `\r`: a `\n` that comes now belongs to it. It is not waited for,
    /// which would keep a line from a terminal back.
    after_return: bool,
}

/// A line without its end.
#[derive(Debug, PartialEq)]
pub(crate) struct Line<'a> {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) text: Cow<'a, str>,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            longest: LONGEST,
            number: 0,
            after_return: false,
        }
    }

    /// The next line; none at the end of the input.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, String> {
        self.number += 1;
        let number = self.number;
        let cannot = |error| format!("cannot read line number {number}: {error}");
        if !self.read().map_err(cannot)? {
            return Ok(None);
        }
        let text = decode(&self.line);
        Ok(Some(Line { number, text }))
    }

    /// Whether there was a line.
    fn read(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.line.shrink_to(KEPT);
        loop {
            let bytes = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(!self.line.is_empty());
            }
            if std::mem::take(&mut self.after_return) && bytes.first() == Some(&b'\n') {
                self.input.consume(1);
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if part.len() > self.longest - self.line.len() {
                let longest = self.longest;
                return Err(io::Error::other(format!("longer than {longest} bytes")));
            }
            self.line.extend_from_slice(part);
            self.after_return = rest.first() == Some(&b'\r');
            let used = part.len() + usize::from(!rest.is_empty());
            self.input.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

/// The text of these bytes, with U+FFFD for each piece that is no UTF-8. Java's pieces are those of
/// [`String::from_utf8_lossy`], but that an encoded surrogate is one piece, not three.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        let (_, invalid) = rest.split_at(chunk.valid().len());
        let length = match invalid {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => chunk.invalid().len(),
        };
        if length > 0 {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        (_, rest) = invalid.split_at(length);
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn texts(input: &[u8], buffer_bytes: usize) -> Vec<String> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer_bytes, input));
        let mut texts = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            texts.push(line.text.into_owned());
            assert_eq!(line.number, texts.len() as u64);
        }
        texts
    }

    #[test]
    fn a_line_ends_where_java_says_it_does() {
        for (input, lines) in [
            ("", vec![]),
            ("\n", vec![""]),
            ("a", vec!["a"]),
            ("a\n", vec!["a"]),
            ("a\n\nb", vec!["a", "", "b"]),
            ("a\r\nb\r\n", vec!["a", "b"]),
            ("a\rb\r", vec!["a", "b"]),
            ("a\r\r\n\nb", vec!["a", "", "", "b"]),
            ("a\n\rb", vec!["a", "", "b"]),
            (" a \t\n", vec![" a \t"]),
        ] {
            for buffer_bytes in 1..5 {
                assert_eq!(texts(input.as_bytes(), buffer_bytes), lines, "{input:?}");
            }
        }
    }

    #[test]
    fn a_line_does_not_wait_for_what_comes_after_its_end() {
        let mut lines = Lines::new(BufReader::new((&b"a\r"[..]).chain(Broken)));
        assert_eq!(lines.next().unwrap().unwrap().text, "a");
        let error = lines.next().unwrap_err();
        assert_eq!(error, "cannot read line number 2: the disk is on fire");
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }

    /// Java 17's InputStreamReader made the same of these.
    #[test]
    fn what_is_no_utf_8_is_replaced_as_java_does_it() {
        for (bytes, text) in [
            (&b"caf\xc3\xa9"[..], "café"),
            (b"caf\xe9!", "caf\u{fffd}!"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xe2\x82", "\u{fffd}"),
            (b"\xe2\x82a", "\u{fffd}a"),
            (b"\xf0\x9f\x98", "\u{fffd}"),
            (b"\xf0\x80\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xe0\x80\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xed\xa0\x80", "\u{fffd}"),
            (b"\xed\xa0\x80\xed\xb0\x80", "\u{fffd}\u{fffd}"),
            (b"\xed\xa0a", "\u{fffd}a"),
            (b"\xed\xa0", "\u{fffd}"),
            (b"\xed", "\u{fffd}"),
            (b"\xf5\x80\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xef\xbb\xbfa", "\u{feff}a"),
            (b"a\0b", "a\0b"),
        ] {
            assert_eq!(decode(bytes), text, "{bytes:x?}");
            assert_eq!(texts(bytes, 1), [text], "{bytes:x?}");
        }
    }

    #[test]
    fn a_long_line_is_read_and_its_memory_given_back() {
        let input = [vec![b'x'; 8 * KEPT], b"\nshort\n".to_vec()].concat();
        let mut lines = Lines::new(&input[..]);
        assert_eq!(lines.next().unwrap().unwrap().text.len(), 8 * KEPT);
        assert_eq!(lines.next().unwrap().unwrap().text, "short");
        assert!(lines.line.capacity() <= KEPT);
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut lines = Lines::new(BufReader::new(io::repeat(0)));
        lines.longest = 100_000;
        let error = lines.next().unwrap_err();
        assert_eq!(error, "cannot read line number 1: longer than 100000 bytes");
    }
}
