//! Pairs, files, and what they show.

use super::*;

#[test]
fn come_from_pairs_and_later_ones_win() {
    let mut properties: Properties = [("a", 1), ("b", 2)].into_iter().collect();
    properties.extend([("b", "3"), ("c", "4")]);
    let properties = properties
        .set("c", 5)
        .merge(Properties::from([("d", true)]));
    let pairs: Vec<_> = properties.iter().collect();
    assert_eq!(pairs, [("a", "1"), ("b", "3"), ("c", "5"), ("d", "true")]);
    assert_eq!(properties.get("c"), Some("5"));
    assert_eq!(properties.get("e"), None);
}

fn file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("producer.properties");
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[test]
fn come_from_files() {
    let (_folder, path) = file(
        b"# a comment\nbootstrap.servers : a:1,\\\n    b:2\nkey.serializer string\n\
          value.serializer=string\nclient.id=caf\xc3\xa9\\u0021\n",
    );
    let config = config(&Properties::from_file(path).unwrap());
    assert_eq!(config.bootstrap_servers().len(), 2);
    assert_eq!(config.client_id(), "caf\u{e9}!");
}

#[test]
fn of_broken_files_are_refused_with_file_and_line() {
    let cases: [(&[u8], &str); 3] = [
        (
            b"acks=1\n\nclient.id=\\u12",
            ":3: malformed escape: \\u must be followed by",
        ),
        (b"acks=1\n=2", ":2: a value without a name"),
        (b"a=1\r\nb=\xe9\r\n", ":2: not UTF-8; "),
    ];
    for (content, complaint) in cases {
        let (_folder, path) = file(content);
        let properties = Properties::from_file(&path).map(|read| read.merge(minimal()));
        let error = properties.and_then(|read| ProducerConfig::from_properties(&read));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let start = format!("{}{complaint}", path.display());
        assert!(error.to_string().starts_with(&start), "{error}");
    }
}

#[test]
fn that_are_wrong_in_a_file_are_refused_with_file_and_line() {
    let (_folder, path) = file(b"acks=all\n\nlinger.ms=\\\n  soon\nlinger=5\nbatch.size=1\n");
    let path_shown = path.display();
    let properties = Properties::from_file(&path).unwrap().merge(minimal());
    assert_eq!(
        refused(&properties),
        format!(
            "2 problems:\n  {path_shown}:3: linger.ms=\"soon\": not a whole number; it takes \
             0 or more\n  {path_shown}:5: unknown property \"linger\"; did you mean \
             \"linger.ms\"?"
        )
    );
    // What is set later has no line in the file.
    let message = refused(&properties.set("linger.ms", "x").set("linger", ""));
    assert!(!message.contains(&path.display().to_string()), "{message}");
}

#[test]
fn of_a_text_are_refused_with_the_line() {
    let message = refused(&minimal().merge(Properties::parse("acks=1\nb=\\ud800")));
    assert!(message.starts_with("line 2: malformed escape"), "{message}");
    let properties = minimal().merge(Properties::parse("\nacks=2"));
    assert_eq!(
        refused(&properties),
        "line 2: acks=\"2\": it takes all, -1, 0, 1"
    );
}

#[test]
fn of_a_file_that_is_missing_are_refused_with_its_name() {
    let error = Properties::from_file("no/such/file.properties").unwrap_err();
    let start = "cannot read the properties file no/such/file.properties: ";
    assert!(error.to_string().starts_with(start), "{error}");
}
