//! What messages, the log and `Debug` show of the user's names and values: no secrets, and nothing
//! endless. Text that got into the wrong place may be either.

use super::librdkafka;
use super::table::{self, Kind};

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "[hidden]";

/// Whether this crate knows what the property is: Kafka's, librdkafka's, or one for a topic.
pub(super) fn is_known(name: &str) -> bool {
    table::find(name).is_some()
        || table::find_per_topic(name).is_some()
        || librdkafka::names().any(|known| known == name)
}

/// Whether a value must not be shown. Kafka says it of its properties, and librdkafka's are judged by
/// their names. What nobody knows is a secret: a misspelled password is still a password.
pub(super) fn is_secret(name: &str) -> bool {
    match table::find(name).or_else(|| Some(table::find_per_topic(name)?.1)) {
        Some(definition) => matches!(definition.kind, Kind::Secret),
        None => !is_known(name) || SMELLS.iter().any(|word| name.contains(word)),
    }
}

const SMELLS: [&str; 11] = [
    "auth",
    "certificate",
    "credential",
    "jaas",
    "key",
    "passphrase",
    "passwd",
    "password",
    "pem",
    "secret",
    "token",
];

/// The value as messages show it, without quotes.
pub(super) fn value(name: &str, text: &str) -> String {
    match is_secret(name) {
        true => HIDDEN.to_owned(),
        false => plain(text),
    }
}

/// Text that is no secret as a whole: cut if it is long, and without the user and the password that
/// addresses may have in front of an `@`.
pub(super) fn plain(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => cut(&format!("{HIDDEN}@{host}")),
        _ => cut(text),
    }
}

/// As much of the text as a reader needs to recognise it.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => {
            let start = text.get(..end).unwrap_or_default();
            format!("{start}… ({} characters)", text.chars().count())
        }
    }
}

/// In characters. No property has a longer name.
const MOST_SHOWN: usize = 80;

/// The name of a property that nobody knows; `None` if it does not look like one. A line of a key whose
/// end misses its backslash is read as a name.
pub(super) fn unknown_name(name: &str) -> Option<String> {
    let is_separator = |character: char| ".-_".contains(character);
    let is_word = |word: &str| {
        word.len() <= LONGEST_WORD
            && word.chars().all(|one| one.is_ascii_alphanumeric())
            && !is_random(word)
    };
    let has_words = !name.is_empty() && name.split(is_separator).all(is_word);
    let is_a_mark = (1..=3).contains(&name.len()) && !name.chars().any(char::is_alphanumeric);
    (is_a_mark || has_words).then(|| cut(name))
}

/// Between two separators.
const LONGEST_WORD: usize = 40;

/// Whether a word looks like a part of a key: no words of a language have digits and letters of both
/// cases in turn.
fn is_random(word: &str) -> bool {
    let has = |is: fn(&char) -> bool| word.chars().any(|one| is(&one));
    word.len() >= 8
        && has(char::is_ascii_digit)
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_users_and_passwords_of_addresses() {
        let cases = [
            ("sasl://me:hush@host:9092", "[hidden]@host:9092"),
            ("me:hush@host:9092", "[hidden]@host:9092"),
            ("https://me:hu/s@h@host/x,b:1", "[hidden]@host/x,b:1"),
            ("kafka/host@REALM", "kafka/host@REALM"),
            ("host:9092", "host:9092"),
        ];
        for (text, shown) in cases {
            assert_eq!(plain(text), shown);
        }
    }

    #[test]
    fn hides_names_that_are_none() {
        for name in ["linger", "app.name", "my-own_property", "{", "<?", "a"] {
            assert_eq!(unknown_name(name).as_deref(), Some(name));
        }
        let hidden = [
            "",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
            "Us8cKjA3",
            "h+sh/",
            "\"hush\";",
            "pass word",
        ];
        for name in hidden {
            assert_eq!(unknown_name(name), None, "{name}");
        }
        let long = "ab.".repeat(1000);
        let shown = unknown_name(&format!("{long}c")).unwrap();
        assert!(shown.ends_with("… (3001 characters)"), "{shown}");
        assert!(shown.len() < 110);
    }
}
