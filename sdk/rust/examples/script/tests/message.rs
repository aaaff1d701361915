//! Runs the example as `gofer up` does and holds the message that it writes.

#[path = "../../../pipeline/tests/message/mod.rs"]
mod message;

#[test]
fn the_program_writes_this_message_and_nothing_else() {
    let (code, program) = message::run(env!("CARGO_BIN_EXE_gofer-example-script"));
    assert_eq!(code, Some(0));
    insta::assert_snapshot!(message::shown(&program));
}
