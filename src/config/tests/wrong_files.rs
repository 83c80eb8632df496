//! Files that are no properties files: refused at once, in few words.

use super::*;

#[test]
fn of_one_endless_line_are_refused_in_few_words() {
    let line = "ab+/".repeat(400_000);
    for text in [
        line.clone(),
        format!("acks={line}"),
        format!("topic.{line}.acks=1"),
    ] {
        let properties = minimal().merge(Properties::parse(&text));
        let message = refused(&properties);
        assert!(message.len() < 1000, "{}", message.len());
        assert!(format!("{properties:?}").len() < 1000);
    }
    let long = format!("{}=1", "my.own.".repeat(100_000));
    let message = refused(&minimal().merge(Properties::parse(&long)));
    assert!(message.len() < 1000, "{}", message.len());
}

/// Not with a clock: what took four seconds would take the square of the names, or a minute here.
#[test]
fn of_very_many_names_are_refused_with_the_first_of_them() {
    let text: String = (0..40_000)
        .map(|n| format!("name.of.number{n}=1\n"))
        .collect();
    let properties = Properties::parse(&text);
    let message = refused(&properties);
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "40001 problems:");
    assert_eq!(lines[1], "  line 1: unknown property \"name.of.number0\"");
    assert_eq!(lines.len(), 23);
    assert_eq!(lines[22], "  and 39980 more");
    let lenient = warnings(&minimal().merge(properties).lenient());
    assert_eq!(lenient.len(), 1);
    assert!(lenient[0].ends_with(", and 39980 more"), "{lenient:?}");
}

#[test]
fn of_other_kinds_are_refused_with_what_is_wrong() {
    let json = "{\n  \"bootstrap.servers\": \"localhost:9092\",\n  \"acks\": \"all\"\n}";
    let message = refused(&Properties::parse(json));
    assert!(
        message.contains("unknown property \"\\\"bootstrap.servers\\\"\"; did you mean"),
        "{message}"
    );
    let yaml = "kafka:\n  bootstrap-servers: a:1\n";
    let message = refused(&Properties::parse(yaml));
    assert!(
        message.contains("did you mean \"bootstrap.servers\"?"),
        "{message}"
    );
}

#[test]
fn without_an_end_are_not_read_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.properties");
    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = Properties::from_file(&path).unwrap_err().to_string();
    assert!(
        error.ends_with("it has more than 16 MiB, so it is no properties file"),
        "{error}"
    );
}
