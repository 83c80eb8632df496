//! The syntax of Java's `.properties` files, as `java.util.Properties` reads it.
//!
//! A line is `name = value`, `name: value` or `name value`. Lines that begin with `#` or `!` are
//! comments. A line that ends in a backslash continues in the next one, whose indentation does not
//! count. In names and values, `\t`, `\n`, `\r`, `\f` and `\uXXXX` are what they are in Java, and
//! a backslash before any other character means that character.
//!
//! This reader is stricter than Java in four cases, in which a file is broken and Java hides it: a value
//! without a name, a backslash with nothing else in its line or with which the file ends, and a `\u` escape
//! that is only half of a character.

/// The properties of a text, in order.
pub(super) struct Reader<'a> {
    /// What has not been read.
    rest: &'a str,
    /// The number of the line that `rest` begins with.
    line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) value: String,
    /// Where it begins, counted from 1.
    pub(super) line: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) message: &'static str,
    /// The name, if it is only the value that is malformed, and that value as it stands.
    pub(super) property: Option<(String, String)>,
    pub(super) line: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            // A byte order mark, which some editors write, is not part of the first name.
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            line: 1,
        }
    }

    /// The next property's line and its text, continuation lines joined, escapes still in it; and whether
    /// the text ends before the last of its lines does.
    fn next_logical_line(&mut self) -> Option<(usize, String, bool)> {
        let mut logical = String::new();
        let mut first_line = self.line;
        let mut is_continued = false;
        while let Some((line, natural)) = self.next_natural_line() {
            let natural = natural.trim_start_matches(WHITE);
            is_continued = false;
            if logical.is_empty() {
                if natural.is_empty() || natural.starts_with(['#', '!']) {
                    continue;
                }
                first_line = line;
            }
            match natural.strip_suffix('\\') {
                Some(continued) if ends_unescaped(continued) => {
                    logical.push_str(continued);
                    is_continued = true;
                }
                _ => {
                    logical.push_str(natural);
                    return Some((first_line, logical, false));
                }
            }
        }
        (is_continued || !logical.is_empty()).then_some((first_line, logical, is_continued))
    }

    fn next_natural_line(&mut self) -> Option<(usize, &'a str)> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let end = self.rest.find(LINE_ENDS).unwrap_or(self.rest.len());
        let (natural, rest) = self.rest.split_at(end);
        self.rest = rest
            .strip_prefix("\r\n")
            .or_else(|| rest.strip_prefix(LINE_ENDS))
            .unwrap_or(rest);
        self.line += 1;
        Some((line, natural))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Property, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (line, logical, is_cut) = self.next_logical_line()?;
        let property = read_property(line, &logical);
        Some(
            property.and_then(|Property { name, value, line }| match is_cut {
                true => Err(SyntaxError {
                    message: "ends in a backslash, so it goes on, but nothing follows",
                    property: Some((name, value)),
                    line,
                }),
                false => Ok(Property { name, value, line }),
            }),
        )
    }
}

/// The number of the line that follows these bytes (or contains what follows them).
pub(super) fn line_after(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let ends = text.matches(LINE_ENDS).count();
    1 + ends - text.matches("\r\n").count()
}

fn read_property(line: usize, logical: &str) -> Result<Property, SyntaxError> {
    let error = |message, property| SyntaxError {
        message,
        property,
        line,
    };
    let (name, after_name) = logical.split_at(end_of_name(logical));
    let after_name = after_name.trim_start_matches(WHITE);
    let value = after_name.strip_prefix(['=', ':']).unwrap_or(after_name);
    let is_bare = logical.trim_matches(['\\', ' ', '\t', '\x0c']).is_empty();
    if is_bare {
        return Err(error("a backslash with nothing behind it", None));
    }
    if name.is_empty() {
        return Err(error("a value without a name", None));
    }
    let name = unescape(name).map_err(|message| error(message, None))?;
    let raw = value.trim_start_matches(WHITE);
    match unescape(raw) {
        Ok(value) => Ok(Property { name, value, line }),
        Err(message) => Err(error(message, Some((name, raw.to_owned())))),
    }
}

/// Where the first white space, `=` or `:` is that no backslash protects.
fn end_of_name(logical: &str) -> usize {
    let mut escaped = false;
    for (index, character) in logical.char_indices() {
        if !escaped && (WHITE.contains(&character) || matches!(character, '=' | ':')) {
            return index;
        }
        escaped = character == '\\' && !escaped;
    }
    logical.len()
}

/// Whether a character behind this text would not be protected by a backslash.
fn ends_unescaped(text: &str) -> bool {
    let backslashes = text.len() - text.trim_end_matches('\\').len();
    backslashes.is_multiple_of(2)
}

/// In UTF-16 on the way, as two `\u` escapes in a row may be one character.
fn unescape(text: &str) -> Result<String, &'static str> {
    let mut units = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let plain = match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('u') => {
                    units.push(hexadecimal_unit(&mut characters).ok_or(
                        "malformed escape: \\u must be followed by four hexadecimal digits",
                    )?);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(
        |_| "malformed escape: this \\u is half of a character; both halves must stand together",
    )
}

fn hexadecimal_unit(characters: &mut impl Iterator<Item = char>) -> Option<u16> {
    (0..4).try_fold(0, |unit, _| {
        let digit = characters.next()?.to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).expect("a digit is below 16"))
    })
}

const WHITE: [char; 3] = [' ', '\t', '\x0c'];
const LINE_ENDS: [char; 2] = ['\n', '\r'];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        Reader::new(text)
            .map(|property| property.unwrap())
            .map(|property| (property.name, property.value))
            .collect()
    }

    fn refused(text: &str) -> SyntaxError {
        Reader::new(text).find_map(Result::err).unwrap()
    }

    #[track_caller]
    fn assert_reads(text: &str, expected: &[(&str, &str)]) {
        let read = read(text);
        let read: Vec<_> = read
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(read, expected, "{text:?}");
    }

    // What is expected here is what java.util.Properties of Java 17 makes of the same texts.

    #[test]
    fn reads_every_escape() {
        assert_reads(r"a\tb=c\nd\re\ff\gh", &[("a\tb", "c\nd\re\x0cfgh")]);
        assert_reads(r"a=\u00e9\u20AC", &[("a", "\u{e9}\u{20ac}")]);
        assert_reads(r"a=\ud83d\ude00", &[("a", "\u{1f600}")]);
        assert_reads(r"\u0061\u003db=c", &[("a=b", "c")]);
        assert_reads(r"a=\U0041", &[("a", "U0041")]);
        assert_reads(r"a=\\", &[("a", r"\")]);
        assert_reads(r"a\\=b", &[(r"a\", "b")]);
        assert_reads(r"a\:b\=c\ d=e", &[("a:b=c d", "e")]);
        assert_reads(r"\#a=b", &[("#a", "b")]);
        assert_reads(r"\!a=b", &[("!a", "b")]);
        assert_reads(r"\=b", &[("=b", "")]);
        assert_reads(r"a=b\ ", &[("a", "b ")]);
        assert_reads("a=\"q\"'", &[("a", "\"q\"'")]);
    }

    #[test]
    fn separates_names_from_values() {
        for text in [
            "a=b",
            "a:b",
            "a b",
            "a\tb",
            "a\x0cb",
            "  a  =  b",
            "a :b",
            "a= b",
        ] {
            assert_reads(text, &[("a", "b")]);
        }
        for text in ["a", "a=", "a\n\n", "a :"] {
            assert_reads(text, &[("a", "")]);
        }
        assert_reads("a = = b", &[("a", "= b")]);
        assert_reads("a  =  b  ", &[("a", "b  ")]);
        assert_reads("a=b\x0cc", &[("a", "b\x0cc")]);
        assert_reads("a#b=c#d", &[("a#b", "c#d")]);
        assert_reads("a\u{a0}b=c", &[("a\u{a0}b", "c")]);
        assert_reads("\u{e9}=\u{85}b", &[("\u{e9}", "\u{85}b")]);
    }

    #[test]
    fn skips_comments_and_empty_lines() {
        assert_reads("  # x\n ! y\n\n \t\na b", &[("a", "b")]);
        assert_reads("# c\\\na=b", &[("a", "b")]);
        assert_reads("", &[]);
        assert_reads("#", &[]);
        assert_reads("\\\n#c=d", &[]);
    }

    #[test]
    fn joins_lines_that_end_in_a_backslash() {
        assert_reads("a=b\\\n  c", &[("a", "bc")]);
        assert_reads("a=b\\\r\n\tc", &[("a", "bc")]);
        assert_reads("a=b\\\n   \\\n c", &[("a", "bc")]);
        assert_reads("a=b\\\n#c\nd=e", &[("a", "b#c"), ("d", "e")]);
        assert_reads("a=b\\\n\nc=d", &[("a", "b"), ("c", "d")]);
        assert_reads("a=\\\\\\\nb", &[("a", "\\b")]);
        assert_reads("a=\\\\\nb=c", &[("a", "\\"), ("b", "c")]);
        assert_reads("a\\\n=b", &[("a", "b")]);
        assert_reads("a\\\n b", &[("ab", "")]);
        assert_reads("   \\\n   a=b", &[("a", "b")]);
        assert_reads("a=x\\u0041\\\nB", &[("a", "xAB")]);
    }

    #[test]
    fn ends_lines_as_every_system_does() {
        assert_reads(
            "a=b\rc=d\r\ne=f\n\rg=h",
            &[("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")],
        );
    }

    #[test]
    fn overlooks_the_mark_of_a_utf_8_file() {
        assert_reads("\u{feff}a=b", &[("a", "b")]);
    }

    #[test]
    fn counts_lines_from_one() {
        let lines: Vec<_> = Reader::new("a=1\r\n\r\n# c\rb=\\\n2\nc=3\\\\\nd")
            .map(|property| property.unwrap().line)
            .collect();
        assert_eq!(lines, [1, 4, 6, 7]);
        assert_eq!(line_after(b"a\r\nb\rc\n"), 4);
        assert_eq!(line_after(b""), 1);
    }

    #[test]
    fn refuses_broken_escapes_and_names_the_line() {
        for text in [
            r"\u00g9",
            r"\u00e",
            r"\u",
            r"\u+041",
            r"\ud83d",
            r"\ud83d\u0041",
            r"\ude00",
        ] {
            let error = refused(&format!("a=1\n# c\nb={text}\n"));
            assert_eq!(error.line, 3, "{text}");
            assert!(error.message.starts_with("malformed escape"), "{text}");
        }
    }

    /// Java makes a property of it whose name is empty or a space.
    #[test]
    fn refuses_a_lone_backslash() {
        for text in ["a=1\n\\", "a=1\n \\\n", "a=1\n\\ \nb=2", "a=1\n\\\\\n"] {
            let error = refused(text);
            assert_eq!(
                error.message, "a backslash with nothing behind it",
                "{text:?}"
            );
            assert_eq!(error.line, 2);
        }
    }

    /// Java takes what is there; half of a list of servers, say.
    #[test]
    fn refuses_a_backslash_with_which_the_file_ends() {
        for text in ["a=1\nb=c\\", "a=1\nb=c\\\n", "a=1\nb=\\\n  c\\"] {
            let error = refused(text);
            assert_eq!(error.line, 2, "{text:?}");
            assert!(error.message.starts_with("ends in a backslash"), "{text:?}");
            assert_eq!(error.property, Some(("b".into(), "c".into())), "{text:?}");
        }
        assert_reads("b=c\\\\", &[("b", "c\\")]);
        assert_reads("b=c\\\n\n", &[("b", "c")]);
    }

    #[test]
    fn refuses_a_value_without_a_name() {
        for text in ["=b", "a=1\n :b"] {
            assert_eq!(refused(text).message, "a value without a name");
        }
    }
}
