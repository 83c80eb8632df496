//! `interceptor.classes`: names, objects, and what is neither.

use super::*;

const NAME: &str = "interceptor.classes";

fn idle() -> PropertyObject {
    PropertyObject::interceptor(Idle)
}

/// What the log would call them, in order.
fn names(properties: &Properties) -> String {
    format!("{:?}", config(properties).interceptors())
}

#[test]
fn may_be_none() {
    assert_eq!(names(&minimal()), "None");
    assert_eq!(names(&minimal().set(NAME, "")), "None");
    let none = PropertyObject::list([]);
    assert_eq!(names(&minimal().set_object(NAME, none)), "None");
}

#[test]
fn have_the_names_that_they_are_registered_under_and_their_order() {
    let properties = Properties::parse("interceptor.classes = com.example.B , A,com.example.B")
        .register("A", idle())
        .register("com.example.B", idle());
    assert_eq!(
        names(&minimal().merge(properties)),
        r#"Some(["com.example.B", "A", "com.example.B"])"#
    );
}

#[test]
fn may_be_one_object_or_several_with_the_names_of_their_types() {
    let one = minimal().set_object(NAME, idle());
    let name = "linger::config::tests::Idle";
    assert_eq!(names(&one), format!("Some([{name:?}])"));
    let two = PropertyObject::list([idle(), idle()]);
    let two = minimal().set_object(NAME, two);
    assert_eq!(names(&two), format!("Some([{name:?}, {name:?}])"));
}

#[test]
fn are_refused_when_nobody_knows_them() {
    assert_eq!(
        refused(&with(&[(NAME, "com.example.I")])),
        "interceptor.classes: there is no interceptor \"com.example.I\"; there are what the \
         program registers under a name, and objects"
    );
    let message = refused(&with(&[(NAME, "A,,B")]));
    assert!(message.contains("between two commas"), "{message}");
}

#[test]
fn are_not_taken_for_other_objects() {
    let partitioner = || PropertyObject::partitioner(AlwaysThree);
    let complaint = "interceptor.classes: a partitioner is not an interceptor";
    let cases = [
        minimal().set_object(NAME, partitioner()),
        minimal().set_object(NAME, PropertyObject::list([idle(), partitioner()])),
        minimal().set(NAME, "P").register("P", partitioner()),
    ];
    for properties in cases {
        assert_eq!(refused(&properties), complaint);
    }
    let interceptor = "interceptor linger::config::tests::Idle";
    let message = refused(&minimal().set_object("partitioner.class", idle()));
    assert_eq!(
        message,
        format!("partitioner.class: an {interceptor} is not a partitioner")
    );
    let message = refused(&minimal().set_object("linger.ms", PropertyObject::list([idle()])));
    assert_eq!(
        message,
        format!("linger.ms takes text, not a list of objects [{interceptor}]")
    );
}
