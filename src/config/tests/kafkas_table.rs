//! The table against the one that Kafka prints of itself.

use super::*;

/// A row of the table that Kafka prints of itself.
struct Row {
    name: String,
    kind: String,
    default: String,
    valid: String,
}

fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/producer-configs.tsv");
    let rows: Vec<_> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            let mut column = || columns.next().unwrap();
            Row {
                name: column(),
                kind: column(),
                default: column(),
                valid: column(),
            }
        })
        .collect();
    assert_eq!(rows.len(), 120);
    rows
}

/// The rows of Kafka's table that have one here.
fn known_rows() -> impl Iterator<Item = Row> {
    rows()
        .into_iter()
        .filter(|row| table::find(&row.name).is_some())
}

impl Row {
    /// The default as a user would write it.
    fn preset(&self) -> Option<String> {
        match self.default.as_str() {
            "null" | "(required)" => None,
            text => Some(
                match text
                    .strip_prefix('[')
                    .and_then(|text| text.strip_suffix(']'))
                {
                    Some(elements) => elements.replace(", ", ","),
                    None => text.strip_prefix("class ").unwrap_or(text).to_owned(),
                },
            ),
        }
    }

    /// The numbers between which the value must be, where Kafka says so.
    fn bounds(&self) -> Option<(&str, Option<&str>)> {
        let (range, _) = self.valid.strip_prefix('[')?.split_once(']')?;
        let (min, max) = range.split_once(",...")?;
        Some((min, max.strip_prefix(',')))
    }

    fn choices(&self) -> Option<Vec<&str>> {
        let list = self.valid.trim_start_matches("(case insensitive) ");
        let list = list.strip_prefix('[')?.strip_suffix(']')?;
        (!list.contains("...")).then(|| list.split(", ").collect())
    }
}

#[test]
fn each_property_has_one_class_and_nothing_else_has() {
    let kafkas: BTreeSet<_> = rows().into_iter().map(|row| row.name).collect();
    let ours: BTreeSet<_> = table::kafkas().map(|row| row.name.to_owned()).collect();
    assert_eq!(ours, kafkas);
    assert_eq!(table::kafkas().count(), ours.len(), "a row stands twice");
}

#[test]
fn every_default_is_kafkas_and_passes_silently() {
    for row in known_rows() {
        let definition = table::find(&row.name).unwrap();
        let ours = match definition.default {
            Preset::Required => {
                assert_eq!(row.default, "(required)", "{}", row.name);
                continue;
            }
            Preset::Null => None,
            Preset::Text(text) => Some(text.to_owned()),
        };
        assert_eq!(ours, row.preset(), "{}", row.name);
        let Some(preset) = ours else { continue };
        let warnings = warnings(&minimal().set(row.name.as_str(), &preset));
        if row.name != "enable.metrics.push" {
            assert!(warnings.is_empty(), "{}: {warnings:?}", row.name);
        }
    }
}

#[test]
fn every_type_is_kafkas() {
    for row in known_rows() {
        let kind = &table::find(&row.name).unwrap().kind;
        let fits = match row.kind.as_str() {
            "INT" | "LONG" | "SHORT" => {
                matches!(kind, Kind::Integer { .. } | Kind::Level { .. })
            }
            "DOUBLE" => matches!(kind, Kind::Decimal { .. }),
            "BOOLEAN" => matches!(kind, Kind::Boolean),
            "STRING" => matches!(kind, Kind::Text | Kind::NonEmptyText | Kind::Choice { .. }),
            "LIST" => matches!(kind, Kind::List | Kind::Classes),
            "CLASS" => matches!(kind, Kind::Class),
            "PASSWORD" => matches!(kind, Kind::Secret),
            other => panic!("unknown type {other}"),
        };
        assert!(fits, "{}: {} is {kind:?}", row.name, row.kind);
    }
}

#[test]
fn refuses_numbers_outside_kafkas_ranges() {
    let mut checked = 0;
    for row in known_rows() {
        let Some((min, max)) = row.bounds() else {
            continue;
        };
        let mut outside = Vec::new();
        let max = match (max, row.kind.as_str()) {
            (Some(max), _) => Some(max.to_owned()),
            (None, "INT") => Some(i32::MAX.to_string()),
            (None, _) => None,
        };
        if let Ok(min) = min.parse::<i64>() {
            // −1 stands for the codec's own level.
            let below = if row.valid.ends_with("or -1") {
                0
            } else {
                min - 1
            };
            outside.push(below.to_string());
            outside.extend(max.map(|max| (max.parse::<i64>().unwrap() + 1).to_string()));
        } else {
            outside.push((min.parse::<f64>().unwrap() - 0.01).to_string());
            outside.push((max.unwrap().parse::<f64>().unwrap() + 0.01).to_string());
        }
        outside.push("NaN".to_owned());
        outside.push(String::new());
        for value in outside {
            let message = refused(&minimal().set(row.name.as_str(), &value));
            let start = format!("{}={value:?}: ", row.name);
            assert!(message.starts_with(&start), "{message}");
            assert!(message.contains("; it takes "), "{message}");
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn takes_kafkas_choices_and_no_others() {
    let mut checked = 0;
    for row in known_rows() {
        let Some(choices) = row.choices() else {
            continue;
        };
        for value in &choices {
            let result = ProducerConfig::from_properties(&minimal().set(&*row.name, value));
            if let Err(error) = result {
                assert!(
                    error.to_string().contains("is not supported yet"),
                    "{error}"
                );
            }
            checked += 1;
        }
        let message = refused(&minimal().set(row.name.as_str(), "neither"));
        let start = format!("{}=\"neither\": it takes ", row.name);
        assert!(message.starts_with(&start), "{message}");
    }
    assert!(checked > 20, "{checked}");
}
