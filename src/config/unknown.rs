//! What is said about names that are neither Kafka's producer's nor librdkafka's.

use super::findings::Findings;
use super::librdkafka;
use super::nearest::nearest;
use super::properties::{Entry, Properties};
use super::shown;
use super::strangers::{self, Stranger};
use super::table::{self, TOPIC_PREFIX};
use crate::given::GivenProperties;

/// Adds all unknown names to the findings, but those that a serializer or the like has asked for.
pub(super) fn report(
    properties: &Properties,
    given: &GivenProperties<'_>,
    findings: &mut Findings<'_>,
) {
    let mut consumers = Vec::new();
    let mut ignored = Vec::new();
    let mut wrong = Vec::new();
    for (name, entry) in properties.entries() {
        let is_known = table::find(name).is_some() || table::find_per_topic(name).is_some();
        if is_known || given.was_asked_for(name) || entry.fault.is_some() {
            continue;
        }
        if strangers::find(name) == Some(Stranger::Consumers) {
            consumers.push(name);
        } else if properties.is_lenient() || entry.is_from_environment {
            ignored.push((name, entry));
        } else {
            wrong.push((name, entry));
        }
    }
    findings.problems_with_names(wrong, complaint);
    if !consumers.is_empty() {
        let names = consumers.join(", ");
        let warning = format!("without effect, as it is about consumers: {names}");
        findings.warnings.push(warning);
    }
    findings.warnings.extend(warning(&ignored));
}

/// One warning for all names that are ignored.
fn warning(ignored: &[(&str, &Entry)]) -> Option<String> {
    let told = ignored.iter().take(MOST_TOLD);
    let mut names: Vec<_> = told.map(|(name, entry)| short(name, entry)).collect();
    let untold = ignored.len() - names.len();
    if untold > 0 {
        names.push(format!("and {untold} more"));
    }
    let names = names.join(", ");
    (!ignored.is_empty()).then(|| format!("ignored, as nobody knows them: {names}"))
}

/// So many names are told in the warning.
const MOST_TOLD: usize = 20;

/// An ignored name, with what was probably meant.
fn short(name: &str, entry: &Entry) -> String {
    let shown = match (&entry.place, shown::unknown_name(name)) {
        (Some(place), _) if entry.is_from_environment => shown::cut(place),
        (_, Some(name)) => name,
        (Some(place), None) => format!("the name in {place}"),
        (None, None) => "a name that does not look like one".to_owned(),
    };
    let meant = match strangers::find(name) {
        Some(Stranger::Removed(what) | Stranger::Others(what)) => what.to_owned(),
        _ => match suggestion(name) {
            Some(suggestion) => suggestion,
            None => return shown,
        },
    };
    format!("{shown} ({meant})")
}

/// What is wrong with an unknown name.
fn complaint(name: &str) -> String {
    match strangers::find(name) {
        Some(Stranger::Removed(instead)) => {
            return format!("{name} is not a property any more: {instead}");
        }
        Some(Stranger::Others(whose)) => {
            let name = shown::cut(name);
            return format!("{name} {whose}");
        }
        Some(Stranger::Consumers) | None => {}
    }
    match (shown::unknown_name(name), suggestion(name)) {
        (Some(name), Some(suggestion)) => format!("unknown property {name:?}; {suggestion}"),
        (Some(name), None) => format!("unknown property {name:?}"),
        // It is near to what is meant, and so no secret.
        (None, Some(suggestion)) => {
            format!("unknown property {:?}; {suggestion}", shown::cut(name))
        }
        (None, None) => format!(
            "an unknown property; its name ({} characters) does not look like one and is not shown",
            name.chars().count()
        ),
    }
}

/// What was probably meant.
fn suggestion(name: &str) -> Option<String> {
    if name.starts_with(TOPIC_PREFIX) || name.starts_with("topics.") {
        let known = table::per_topic().map(|one| format!("{TOPIC_PREFIX}NAME.{}", one.name));
        let known: Vec<_> = known.collect();
        return Some(format!("for one topic there are {}", known.join(", ")));
    }
    let mut ends = name
        .match_indices('.')
        .filter_map(|(dot, _)| name.split_at_checked(dot + 1));
    if let Some((prefix, rest)) = ends.find(|(_, rest)| table::find(rest).is_some()) {
        let prefix = shown::cut(prefix);
        return Some(format!(
            "Properties::subset({prefix:?}) would make {rest} of it"
        ));
    }
    let kafkas = table::all().map(|definition| definition.name);
    let nearest = nearest(name, kafkas.chain(librdkafka::settings()))?;
    Some(format!("did you mean {nearest:?}?"))
}
