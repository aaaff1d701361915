//! Bad input to every method of every service, found by the descriptors, so that none can be
//! forgotten: an error of the caller's, never one of ours, and nothing lost.

use gofer_client::model::{PipelineRef, RunStatus};
use gofer_client::{ErrorKind, NewNamespace};
use gofer_tests::fake::Program;
use tonic::Code;
use tonic::transport::Channel;

use super::support::{Dice, House, declared, deploy, origin, simple, start};
use super::wire::{self, Fill, Method, Schema};

/// Names that exist, so that what comes after the names is looked at as well. `id` is a namespace's.
const VICTIM: &[(&str, &str)] = &[
    ("namespace_id", "victims"),
    ("id", "victims"),
    ("pipeline_id", "victim"),
    ("task_id", "work"),
    ("task_ids", "work"),
];
const MIB: usize = 1024 * 1024;
const N_GARBAGE: u64 = 25;

/// The codes that say that the caller did something wrong, or asked for what is not there.
fn is_the_callers(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::ResourceExhausted
    )
}

/// What is sent to a method: a name for the failure's text, and the bytes.
fn bodies(schema: &Schema, method: &Method) -> Vec<(String, Vec<u8>)> {
    let plausible = schema.encode(&method.input, &Fill::text_everywhere(b"nosuch"));
    let mut bodies = vec![("nothing".to_owned(), Vec::new())];
    let texts: [(&str, &[u8]); 6] = [
        ("unknown names", b"nosuch"),
        ("empty texts", b""),
        ("NULs", b"a\0b"),
        ("bytes that are no text", &[0xff, 0xfe, 0x80]),
        ("paths", b"../../etc/passwd"),
        ("SQL", b"x'; DROP TABLE runs; --"),
    ];
    for (what, text) in texts {
        let fill = Fill::text_everywhere(text);
        bodies.push((what.to_owned(), schema.encode(&method.input, &fill)));
    }
    let huge = vec![b'x'; MIB];
    bodies.push((
        "huge texts".to_owned(),
        schema.encode(&method.input, &Fill::text_everywhere(&huge)),
    ));
    for field in schema.text_fields(&method.input) {
        let fill = Fill { only: Some(field), ..Fill::text_everywhere(&huge) };
        bodies.push((format!("huge field {field}"), schema.encode(&method.input, &fill)));
    }
    for number in [0, u64::MAX, i64::MAX as u64, 1 << 63, u64::from(u32::MAX), 77] {
        for names in [VICTIM, &[][..]] {
            let fill = Fill { number, flag: true, names, ..Fill::text_everywhere(b"nosuch") };
            bodies.push((format!("numbers {number}"), schema.encode(&method.input, &fill)));
        }
    }
    let cut = plausible.split_last().map(|(_, rest)| rest.to_vec());
    bodies.extend(cut.map(|cut| ("a message cut off".to_owned(), cut)));
    for seed in 0..N_GARBAGE {
        bodies.push((format!("garbage of seed {seed}"), wire::garbage(&mut Dice(seed))));
    }
    bodies
}

async fn check_method(schema: &Schema, channel: &Channel, method: &Method) -> Vec<String> {
    let mut broken = Vec::new();
    for (what, body) in bodies(schema, method) {
        if let Err(status) = wire::call(channel, method, body).await {
            let (code, message) = (status.code(), status.message());
            if !is_the_callers(code) || message.is_empty() {
                broken.push(format!("{} to {what}: {code:?} {message}", method.path));
            }
        }
    }
    broken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_the_callers_fault_at_every_method_and_loses_nothing() {
    let house = House::up().await;
    house.fake.program("talks", Program::exit(0).out("precious\n"));
    let witness = house.start_new(simple("witness", "talks")).await;
    house.ends(&witness, RunStatus::Successful).await;
    victim(&house).await;
    let (schema, channel) = (Schema::read(), wire::channel(house.server.data_dir()).await);
    let methods = schema.methods();
    assert!(methods.len() >= 34, "only {} methods were found", methods.len());
    let mut broken = Vec::new();
    for method in &methods {
        broken.extend(check_method(&schema, &channel, method).await);
        house.client.info().await.unwrap_or_else(|error| panic!("after {}: {error}", method.path));
    }
    assert!(broken.is_empty(), "{} answers:\n{}", broken.len(), broken.join("\n"));
    assert_eq!(house.log_bytes(&witness, "work").await, b"precious\n");
    house.client.set_ingress(true).await.unwrap();
    let run = house.start(&witness.pipeline).await;
    assert_eq!(run.run, 2);
    house.ends(&run, RunStatus::Successful).await;
    house.nothing_is_left().await;
}

/// A pipeline whose name is used in bad requests.
async fn victim(house: &House) {
    let id = "victims".to_owned();
    house.client.create_namespace(NewNamespace { id, ..NewNamespace::default() }).await.unwrap();
    let client = &house.client;
    let declared = declared(simple("victim", "talks"));
    client
        .register_pipeline("victims", &declared, origin(), gofer_client::Mode::Commit)
        .await
        .unwrap();
    let victim = PipelineRef::new("victims", "victim");
    client.deploy(deploy(&victim, 1)).await.unwrap();
    let run = client.start_run(start(&victim)).await.unwrap().run.reference();
    house.ends(&run, RunStatus::Successful).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_read_says_so_with_a_word_and_a_next_step() {
    let house = House::up().await;
    let channel = wire::channel(house.server.data_dir()).await;
    for method in Schema::read().methods() {
        let status = wire::call(&channel, &method, vec![0xff; 7]).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{}: {status:?}", method.path);
        let info = tonic_types_info(&status);
        assert!(info.contains("BAD_MESSAGE"), "{}: {info:?}", method.path);
    }
}

/// The details as text: the reason word stands in them as it is.
fn tonic_types_info(status: &tonic::Status) -> String {
    String::from_utf8_lossy(status.details()).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_knows_is_told_so() {
    let house = House::up().await;
    let channel = wire::channel(house.server.data_dir()).await;
    for path in ["/gofer.v1.RunService/StopRun", "/gofer.v9.RunService/StartRun"] {
        let method = Method { path: path.to_owned(), input: String::new(), streams: false };
        let status = wire::call(&channel, &method, Vec::new()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
}

async fn check_name(house: &House, id: &str, part: &str) {
    let new = NewNamespace { id: id.to_owned(), ..NewNamespace::default() };
    let error = house.client.create_namespace(new).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{id:?}");
    let rule = &error.violations.first().unwrap_or_else(|| panic!("{error:?}")).rule;
    assert!(rule.contains(part), "{rule:?} says nothing of {part:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_name_is_refused_with_its_rule_and_its_character() {
    let house = House::up().await;
    check_name(&house, "ab", "3 to 32").await;
    check_name(&house, &"x".repeat(33), "3 to 32").await;
    check_name(&house, "with-dash", "'-'").await;
    check_name(&house, "with space", "' '").await;
    check_name(&house, "straße", "'ß'").await;
    check_name(&house, "nul\0nul", "'\\0'").await;
}
