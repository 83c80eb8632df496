//! All problems are reported at once, each in a line of its own, and only those that are real.

use super::*;

#[test]
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let text = "client.id=x\nlinger.ms=soon\nfoo=1\nbootstrap.servers=localhost\n\
                topic.orders.acks=7\nqueue.buffering.max.kbytes=0\npartitioner.class=com.example.P\n\
                 key.serializer=com.example.S
ssl.keystore.type=JKS
metrics.num.samples=1";
    let message = refused(&Properties::parse(text));
    let wrong = [
        "line 2: linger.ms=",
        "line 3: unknown property \"foo\"",
        "line 4: bootstrap.servers=",
        "line 5: topic.orders.acks=",
        "line 6: queue.buffering.max.kbytes=",
        "line 7: partitioner.class: ",
        "line 8: key.serializer: ",
        "line 10: metrics.num.samples=",
    ];
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "8 problems:", "{message}");
    for (line, start) in lines[1..].iter().zip(wrong) {
        assert!(line.starts_with(&format!("  {start}")), "{line}");
    }
    assert_eq!(lines.len(), 1 + wrong.len(), "{message}");
}

#[test]
fn serializers_that_do_not_fit_are_told_with_everything_else() {
    let properties = Properties::parse("linger.ms=soon\nvalue.serializer=long");
    let error = ProducerConfig::for_types::<i32, str>(&properties).unwrap_err();
    assert_eq!(
        error.to_string(),
        "4 problems:\n  line 1: linger.ms=\"soon\": not a whole number; it takes 0 or more\n  \
         line 2: value.serializer: \"long\" serves i64, but the values of this producer are str; \
         \"string\" serves str\n  bootstrap.servers must be set: Some of the cluster's brokers as \
         `host:port` or `[address]:port`, separated by commas; the others are learned from these\n  \
         key.serializer must be set, as the keys of this producer are i32; \"integer\" serves i32"
    );
    let two = config(&minimal()).serializers::<i32, str>().err().unwrap();
    assert!(two.to_string().starts_with("2 problems:\n  key."), "{two}");
}

#[test]
fn a_serializer_that_nobody_knows_hides_no_misfit_of_the_other() {
    for (known, unknown) in [("key", "value"), ("value", "key")] {
        let properties = minimal()
            .set(format!("{known}.serializer"), "long")
            .set(format!("{unknown}.serializer"), "com.example.S");
        let error = ProducerConfig::for_types::<str, str>(&properties).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("2 problems:"), "{message}");
        let misfit = format!("  {known}.serializer: \"long\" serves i64, but");
        assert!(message.contains(&misfit), "{message}");
    }
}

#[test]
fn a_wrong_value_is_one_problem_and_not_several() {
    // Each would contradict the default of the value that is wrong.
    let cases = [
        [("linger.ms", "soon"), ("delivery.timeout.ms", "30000")],
        [
            ("request.timeout.ms", "1s"),
            ("delivery.timeout.ms", "10000"),
        ],
        [("buffer.memory", "1G"), ("batch.size", "40000000")],
        [("batch.size", "16k"), ("buffer.memory", "10000")],
        [("enable.idempotence", "yes"), ("acks", "1")],
        [("bootstrap.servers", ","), ("linger.ms", "1")],
    ];
    for pairs in cases {
        let message = refused(&with(&pairs));
        assert!(message.starts_with(pairs[0].0), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn malformed_lines_hide_nothing_and_are_not_told_as_missing() {
    let text = "=1\nlinger.ms=soon\nmetadata.broker.list=\\u1\nkey.serializer=\\ud800\nfoo=1\n\
                my.own=\\u\n\\u=1\n\\";
    let escape = "malformed escape: \\u must be followed by four hexadecimal digits";
    let message = refused(&Properties::parse(text));
    assert_eq!(
        message.lines().collect::<Vec<_>>(),
        [
            "8 problems:",
            "  line 1: a value without a name",
            "  line 2: linger.ms=\"soon\": not a whole number; it takes 0 or more",
            &format!("  line 3: metadata.broker.list: {escape}"),
            "  line 4: malformed escape: this \\u is half of a character; both halves must stand \
             together",
            "  line 5: unknown property \"foo\"",
            &format!("  line 6: {escape}"),
            &format!("  line 7: {escape}"),
            "  line 8: a backslash with nothing behind it",
        ]
    );
}

#[test]
fn malformed_lines_stay_with_what_they_are_part_of() {
    let properties = || Properties::parse("p.client.id=\\u\nq.client.id=\\u\np.acks=1\n=1");
    let message = refused(&minimal().merge(properties().subset("p.")).lenient());
    let lines: Vec<_> = message.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{message}");
    assert!(lines[0].starts_with("  line 1: malformed"), "{message}");
    assert_eq!(lines[1], "  line 4: a value without a name");
    let mended = properties().subset("p.").set("client.id", "mine");
    assert_eq!(mended.get("client.id"), Some("mine"));
    assert_eq!(properties().get("p.client.id"), Some("\\u"));
    assert_eq!(
        refused(&minimal().merge(mended)),
        "line 4: a value without a name"
    );
}

#[test]
fn a_value_that_was_meant_otherwise_gets_a_hint() {
    let cases = [
        ("acks=all # safe", "; a comment needs a line of its own"),
        (
            "linger.ms=5\t# quick",
            "; a comment needs a line of its own",
        ),
        (
            "key.serializer=string // text",
            "; a comment needs a line of its own",
        ),
        (
            "linger.ms=${LINGER:5}",
            "; a placeholder like ${…} is not replaced",
        ),
        (
            "queue.buffering.max.ms=${LINGER}",
            "; a placeholder like ${…} is not replaced",
        ),
        ("acks=\"all\"", "; leave out the quotes"),
        ("compression.type='lz4'", "; leave out the quotes"),
        (
            "bootstrap.servers=a:1 # b:2",
            "by commas, not by spaces or semicolons; a comment needs a line of its own",
        ),
        (
            "bootstrap.servers=${HOST:localhost:9092}",
            "localhost:9092}\": a placeholder like ${…} is not replaced",
        ),
    ];
    for (line, hint) in cases {
        let message = refused(&minimal().merge(Properties::parse(line)));
        assert!(message.ends_with(hint), "{message}");
    }
    // In a program there are no comments of this kind.
    let message = refused(&with(&[("acks", "all # safe")]));
    assert!(!message.contains("comment"), "{message}");
}

#[test]
fn a_client_id_that_was_meant_otherwise_is_warned_about() {
    let of = |line: &str| warnings(&minimal().merge(Properties::parse(line)));
    assert_eq!(
        of("client.id=${APP}"),
        ["client.id=\"${APP}\": a placeholder like ${…} is not replaced"]
    );
    assert_eq!(
        of("client.id=shop # ours"),
        ["client.id=\"shop # ours\": a comment needs a line of its own"]
    );
    assert!(of("client.id=shop#1").is_empty());
}
