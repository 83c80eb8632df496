//! Makes a record of a line, as Kafka's LineMessageReader does: headers, key and value between
//! separators that reader properties set. Reads nothing and sends nothing.

use std::fmt::Write;

use linger::{ProducerRecord, Properties};
use regex::Regex;

use crate::lines::Line;

/// The names of all reader properties.
const NAMES: [&str; 9] = [
    "headers.delimiter",
    "headers.key.separator",
    "headers.separator",
    "ignore.error",
    "key.separator",
    "null.marker",
    "parse.headers",
    "parse.key",
    "topic",
];

/// So many characters of a line are shown when something is wrong with it.
const SHOWN: usize = 200;

/// What a line consists of.
#[derive(Debug)]
pub(crate) struct Parser {
    topic: String,
    /// What comes before the key, if headers are to be parsed.
    headers: Option<Headers>,
    /// What stands between key and value, if keys are to be parsed.
    key_separator: Option<String>,
    /// A line that lacks something is taken for a line without.
    ignores_errors: bool,
    null_marker: Option<String>,
}

#[derive(Debug)]
struct Headers {
    delimiter: String,
    separator: Regex,
    key_separator: String,
}

/// The parts of a line; none is null.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parts<'a> {
    pub(crate) headers: Vec<(&'a str, Option<&'a str>)>,
    pub(crate) key: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
}

impl Parser {
    /// A parser for these reader properties, of which `topic` is one.
    pub(crate) fn new(properties: &Properties) -> Result<Self, String> {
        let text = |name, default| properties.get(name).unwrap_or(default).to_owned();
        let is_on = |name| {
            let value = properties.get(name).unwrap_or_default();
            value.trim().eq_ignore_ascii_case("true")
        };
        let key_separator = text("key.separator", "\t");
        let delimiter = text("headers.delimiter", "\t");
        let separator = text("headers.separator", ",");
        let header_key_separator = text("headers.key.separator", ":");
        let null_marker = properties.get("null.marker").map(str::to_owned);
        let pattern = Regex::new(&separator)
            .map_err(|error| format!("headers.separator is no regular expression: {error}"))?;
        let marker = null_marker.as_ref();
        for (equal, names) in [
            (
                delimiter == separator,
                "headers.delimiter and headers.separator",
            ),
            (
                delimiter == header_key_separator,
                "headers.delimiter and headers.key.separator",
            ),
            (
                separator == header_key_separator,
                "headers.separator and headers.key.separator",
            ),
            (
                marker == Some(&key_separator),
                "null.marker and key.separator",
            ),
            (
                marker == Some(&separator),
                "null.marker and headers.separator",
            ),
            (
                marker == Some(&delimiter),
                "null.marker and headers.delimiter",
            ),
            (
                marker == Some(&header_key_separator),
                "null.marker and headers.key.separator",
            ),
        ] {
            if equal {
                return Err(format!("{names} may not be equal"));
            }
        }
        Ok(Self {
            topic: text("topic", ""),
            headers: is_on("parse.headers").then_some(Headers {
                delimiter,
                separator: pattern,
                key_separator: header_key_separator,
            }),
            key_separator: is_on("parse.key").then_some(key_separator),
            ignores_errors: is_on("ignore.error"),
            null_marker,
        })
    }

    /// The reader properties that mean nothing.
    pub(crate) fn unknown(properties: &Properties) -> impl Iterator<Item = &str> {
        let names = properties.iter().map(|(name, _)| name);
        names.filter(|name| !NAMES.contains(name))
    }

    /// Where records go.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// The parts of this line, or what is wrong with it.
    pub(crate) fn parse<'a>(&self, line: &'a Line<'_>) -> Result<Parts<'a>, String> {
        let text: &'a str = &line.text;
        let (mut headers, mut key, mut rest) = (None, None, text);
        if let Some(wanted) = &self.headers {
            match rest.split_once(wanted.delimiter.as_str()) {
                Some((before, after)) => (headers, rest) = (Some((wanted, before)), after),
                None => self.lacks("headers delimiter", line)?,
            }
        }
        if let Some(separator) = &self.key_separator {
            match rest.split_once(separator.as_str()) {
                Some((before, after)) => (key, rest) = (Some(before), after),
                None => self.lacks("key separator", line)?,
            }
        }
        let headers = match headers {
            Some((wanted, headers)) if !self.is_null(headers) => {
                self.headers(wanted, headers, line.number)?
            }
            _ => Vec::new(),
        };
        Ok(Parts {
            headers,
            key: key.filter(|key| !self.is_null(key)),
            value: Some(rest).filter(|value| !self.is_null(value)),
        })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    fn lacks(&self, what: &str, line: &Line<'_>) -> Result<(), String> {
        if self.ignores_errors {
            return Ok(());
        }
        let (number, text) = (line.number, shown(&line.text));
        Err(format!("No {what} found on line number {number}: '{text}'"))
    }

    fn headers<'a>(
        &self,
        wanted: &Headers,
        text: &'a str,
        number: u64,
    ) -> Result<Vec<(&'a str, Option<&'a str>)>, String> {
        let mut headers = Vec::new();
        for pair in split(&wanted.separator, text) {
            let Some((key, value)) = pair.split_once(wanted.key_separator.as_str()) else {
                if self.ignores_errors {
                    headers.push((pair, None));
                    continue;
                }
                let pair = shown(pair);
                return Err(format!(
                    "No header key separator found in pair '{pair}' on line number {number}"
                ));
            };
            if self.is_null(key) {
                return Err(format!(
                    "Header keys should not be equal to the null marker '{}' as they can't be \
                     null, on line number {number}",
                    shown(key)
                ));
            }
            headers.push((key, Some(value).filter(|value| !self.is_null(value))));
        }
        Ok(headers)
    }
}

impl<'a> Parts<'a> {
    /// The record to send.
    pub(crate) fn record(&self, topic: &'a str) -> ProducerRecord<'a, [u8], [u8]> {
        let record = match self.value {
            Some(value) => ProducerRecord::new(topic, value.as_bytes()),
            None => ProducerRecord::tombstone(topic),
        };
        record
            .key_opt(self.key.map(str::as_bytes))
            .headers(self.headers.iter().copied())
    }
}

/// Cuts a text at each match as Java's `Pattern.split` does: nothing empty at the end, and nothing
/// before an empty match at the start.
fn split<'a>(separator: &Regex, text: &'a str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let (mut piece_start, mut search_from) = (0, 0);
    // A search that may begin behind the last character, but not behind that.
    while search_from <= text.len() {
        let Some(found) = separator.find_at(text, search_from) else {
            break;
        };
        let (start, end) = (found.start(), found.end());
        search_from = if start < end {
            end
        } else {
            let next = text.get(end..).and_then(|rest| rest.chars().next());
            end + next.map_or(1, char::len_utf8)
        };
        if end > 0 {
            pieces.extend(text.get(piece_start..start));
            piece_start = end;
        }
    }
    if piece_start == 0 {
        return vec![text];
    }
    pieces.extend(text.get(piece_start..));
    while pieces.last().is_some_and(|piece| piece.is_empty()) {
        pieces.pop();
    }
    pieces
}

/// As much of a text as a terminal should get: the beginning, without control characters.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN {
            write!(shown, "... ({} bytes)", text.len()).expect("a String takes everything");
            break;
        }
        match character {
            '\t' => shown.push('\t'),
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser(properties: &[&str]) -> Result<Parser, String> {
        let pairs = properties.iter().map(|one| one.split_once('=').unwrap());
        Parser::new(&pairs.collect())
    }

    /// The parts of line 7 as one text, with `null` for null.
    fn parse(properties: &[&str], text: &str) -> Result<String, String> {
        let line = Line {
            number: 7,
            text: text.into(),
        };
        let parser = parser(properties).unwrap();
        let parts = parser.parse(&line)?;
        let or_null = |part: Option<&str>| match part {
            Some(part) => format!("{part:?}"),
            None => "null".to_owned(),
        };
        let mut shown = format!("{}={}", or_null(parts.key), or_null(parts.value));
        for (name, value) in &parts.headers {
            write!(shown, " {name:?}:{}", or_null(*value)).unwrap();
        }
        Ok(shown)
    }

    const KEY: &str = "parse.key=true";
    const HEADERS: &str = "parse.headers=true";
    const IGNORE: &str = "ignore.error=true";
    const NULL: &str = "null.marker=NIL";

    /// Kafka 4.3.1's tool made the same records of these.
    #[test]
    fn cuts_lines_as_kafka_does() {
        for (properties, text, parts) in [
            (&[][..], "a\tb", r#"null="a\tb""#),
            (&[], "", r#"null="""#),
            (&[KEY], "k\tv\tw", r#""k"="v\tw""#),
            (&[KEY], "\t", r#"""="""#),
            (&["parse.key= TRUE "], "k\tv", r#""k"="v""#),
            (&["parse.key=yes"], "k\tv", r#"null="k\tv""#),
            (&[KEY, "key.separator=::"], "k:::v", r#""k"=":v""#),
            (&[KEY, "key.separator="], "kv", r#"""="kv""#),
            (&[KEY, IGNORE], "no key", r#"null="no key""#),
            (&[HEADERS], "a:1,b:2\tv", r#"null="v" "a":"1" "b":"2""#),
            (&[HEADERS, KEY], "a:1\tk\tv", r#""k"="v" "a":"1""#),
            (
                &[HEADERS],
                "a:b:c,:,a:\tv",
                r#"null="v" "a":"b:c" "":"" "a":"""#,
            ),
            (&[HEADERS], ",\tv", r#"null="v""#),
            (&[HEADERS], "a:1,,\tv", r#"null="v" "a":"1""#),
            (
                &[HEADERS, IGNORE],
                "a,b:1\tv",
                r#"null="v" "a":null "b":"1""#,
            ),
            (&[HEADERS, IGNORE], "\tv", r#"null="v" "":null"#),
            (&[HEADERS, KEY, IGNORE], "a:1", r#"null="a:1""#),
            (&[HEADERS, KEY, IGNORE], "a:1\tv", r#"null="v" "a":"1""#),
            (&[KEY, NULL], "NIL\tNIL", "null=null"),
            (&[KEY, NULL], "NILS\t", r#""NILS"="""#),
            (&[HEADERS, NULL], "NIL\tv", r#"null="v""#),
            (&[HEADERS, NULL], "a:NIL\tNIL", r#"null=null "a":null"#),
            (
                &[
                    HEADERS,
                    "headers.separator=[;,]+",
                    "headers.key.separator=->",
                ],
                "a->1;,b->2\tv",
                r#"null="v" "a":"1" "b":"2""#,
            ),
        ] {
            let parsed = parse(properties, text);
            assert_eq!(parsed.as_deref(), Ok(parts), "{properties:?} {text:?}");
        }
    }

    #[test]
    fn says_in_the_words_of_kafka_which_line_is_wrong() {
        let recorded = include_str!("kafka-4.3.1-output.txt");
        for (properties, text) in [
            (&[KEY][..], "no key"),
            (&[HEADERS], "no headers"),
            (&[HEADERS, KEY], "a:1\tno key"),
            (&[HEADERS], "a\tv"),
            (&[HEADERS], "\tv"),
        ] {
            let error = parse(properties, text).unwrap_err();
            assert!(recorded.lines().any(|line| line == error), "{error}");
        }
        let error = parse(&[HEADERS, NULL], "NIL:1\tv").unwrap_err();
        let words = error.strip_suffix(", on line number 7").unwrap();
        assert!(recorded.lines().any(|line| line == words), "{error}");
    }

    #[test]
    fn shows_no_more_of_a_wrong_line_than_a_terminal_should_get() {
        let text = format!("\u{1b}[31m{}", "x".repeat(1_000_000));
        let error = parse(&[KEY], &text).unwrap_err();
        assert!(error.contains("'\\u{1b}[31mxxx"), "{error}");
        assert!(error.ends_with("xxx... (1000005 bytes)'"), "{error}");
        assert!(error.len() < 300);
    }

    #[test]
    fn refuses_separators_that_cannot_be_told_apart() {
        let recorded = include_str!("kafka-4.3.1-output.txt");
        for properties in [
            ["headers.delimiter=,", "parse.key=true"],
            ["headers.delimiter=:", "parse.key=true"],
            ["headers.separator=:", "parse.key=true"],
            ["null.marker=x", "key.separator=x"],
            ["null.marker=x", "headers.separator=x"],
            ["null.marker=x", "headers.delimiter=x"],
            ["null.marker=x", "headers.key.separator=x"],
        ] {
            let error = parser(&properties).unwrap_err();
            assert!(recorded.lines().any(|line| line == error), "{error}");
        }
        let error = parser(&["headers.separator=("]).unwrap_err();
        assert!(error.contains("headers.separator"), "{error}");
    }

    /// What Java's `Pattern.split` makes of these.
    #[test]
    fn splits_as_java_does() {
        for (pattern, text, pieces) in [
            (",", "", &[""][..]),
            (",", "a", &["a"]),
            (",", ",", &[]),
            (",", ",a", &["", "a"]),
            (",", "a,,b,,", &["a", "", "b"]),
            ("", "", &[""]),
            ("", "aé", &["a", "é"]),
            ("|", "ab", &["a", "b"]),
            ("b*", "abbc", &["a", "", "c"]),
            ("x*", "a", &["a"]),
        ] {
            let found = split(&Regex::new(pattern).unwrap(), text);
            assert_eq!(found, pieces, "{pattern:?} in {text:?}");
        }
    }

    #[test]
    fn knows_the_names_of_its_properties() {
        let properties = ["parse.key", "parse.keys", "topic"].map(|name| (name, "true"));
        let properties = Properties::from(properties);
        assert!(Parser::unknown(&properties).eq(["parse.keys"]));
    }
}
