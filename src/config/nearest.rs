//! Finds the name that was probably meant by a misspelled one.

/// The nearest of `names` by the number of characters to change, add or remove; the first of
/// several. Case does not count.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    names.min_by_key(|known| distance(&name, &known.to_lowercase()))
}

/// Levenshtein's distance, with one row of the table in memory.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (removed, from_character) in from.chars().enumerate() {
        let mut diagonal = removed;
        let mut left = removed + 1;
        for (cell, to_character) in row.iter_mut().skip(1).zip(to.chars()) {
            let changed = diagonal + usize::from(from_character != to_character);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = removed + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_changes_additions_and_removals() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("acks", "ack", 1),
            ("linger_ms", "linger.ms", 1),
            ("flaw", "lawn", 2),
        ];
        for (from, to, expected) in cases {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn finds_the_nearest_name_whatever_the_case() {
        let names = ["batch.size", "linger.ms", "acks"];
        assert_eq!(nearest("LINGER.MS", names.into_iter()), Some("linger.ms"));
        assert_eq!(nearest("bach.sise", names.into_iter()), Some("batch.size"));
        assert_eq!(nearest("ack", names.into_iter()), Some("acks"));
    }
}
