//! Finds the name that was probably meant by a misspelled one.

/// The nearest of `names` by the number of letters to change, add or remove; the first of several.
/// `None` if none is near: a guess at any distance would send the reader the wrong way. Neither case
/// nor dots, dashes and underscores count: `bootstrap-servers` is `bootstrap.servers`.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let name = letters(name);
    let mut nearest = None;
    let mut below = usize::MAX;
    for known in names {
        let letters = letters(known);
        // One letter in four.
        let most = (name.len().max(letters.len()) / 4).min(below.saturating_sub(1));
        let found = distance(&name, &letters, most);
        if let Some(distance) = found.filter(|distance| *distance < below) {
            (nearest, below) = (Some(known), distance);
        }
    }
    nearest
}

/// No property has a longer name; what is longer is no misspelled one. The work grows with the square.
const LONGEST: usize = 80;

fn letters(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|one| one.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Levenshtein's distance, with one row of the table in memory; `None` if it is more than `most`.
fn distance(from: &[char], to: &[char], most: usize) -> Option<usize> {
    if from.len().abs_diff(to.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (removed, from_letter) in from.iter().enumerate() {
        let mut diagonal = removed;
        let mut left = removed + 1;
        let mut least = left;
        for (cell, to_letter) in row.iter_mut().skip(1).zip(to) {
            let changed = diagonal + usize::from(from_letter != to_letter);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
            least = least.min(left);
        }
        if let Some(first) = row.first_mut() {
            *first = removed + 1;
        }
        if least > most {
            return None;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
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
            ("flaw", "lawn", 2),
        ];
        for (from, to, expected) in cases {
            let (from, to) = (letters(from), letters(to));
            assert_eq!(distance(&from, &to, 9), Some(expected), "{from:?} {to:?}");
            assert_eq!(distance(&from, &to, expected), Some(expected));
            if let Some(too_few) = expected.checked_sub(1) {
                assert_eq!(distance(&from, &to, too_few), None, "{from:?} {to:?}");
            }
        }
    }

    #[test]
    fn finds_the_nearest_name_whatever_the_case_and_the_separators() {
        let names = ["batch.size", "linger.ms", "acks"];
        let cases = [
            ("LINGER.MS", "linger.ms"),
            ("linger_ms", "linger.ms"),
            ("lingerMs", "linger.ms"),
            ("linger", "linger.ms"),
            ("bach.sise", "batch.size"),
            ("ack", "acks"),
        ];
        for (name, meant) in cases {
            assert_eq!(nearest(name, names.into_iter()), Some(meant), "{name}");
        }
    }

    #[test]
    fn does_not_guess_when_nothing_is_near() {
        let names = ["batch.size", "linger.ms", "acks"];
        for name in [
            "timeout.ms",
            "badge.sine",
            "a",
            "",
            "ms",
            &"linger.ms".repeat(10),
        ] {
            assert_eq!(nearest(name, names.into_iter()), None, "{name}");
        }
    }
}
