//! Valid messages to begin with: a pipeline program's output, and for every message of the wire one
//! with all fields set, made from the descriptors.

use anyhow::{Context as _, Result};
use gofer_proto::sdk::v1 as sdk;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

pub(crate) fn words(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A program with everything in it.
pub(crate) fn program() -> sdk::Program {
    let retries =
        sdk::Retries { count: 2, delay_ms: Some(10), factor: Some(1.5), cap_ms: Some(1000) };
    let build = sdk::Task {
        id: "build".to_owned(),
        image: "ubuntu:24.04".to_owned(),
        command: vec!["echo".to_owned(), "hi".to_owned()],
        variables: vec![sdk::Variable { key: "KEY".to_owned(), value: "secret{{key}}".to_owned() }],
        retries: Some(retries),
        timeout_ms: Some(60_000),
        cpu_milli: Some(500),
        memory_bytes: Some(64 << 20),
        user: Some("1000:1000".to_owned()),
        workdir: Some("/srv".to_owned()),
        labels: vec!["team=core".to_owned()],
        ..sdk::Task::default()
    };
    let test = sdk::Task {
        id: "test".to_owned(),
        image: "alpine".to_owned(),
        script: Some("#!/bin/sh\ntrue\n".to_owned()),
        depends_on: vec![sdk::DependsOn {
            parent: "build".to_owned(),
            status: sdk::RequiredStatus::Success.into(),
            source: None,
        }],
        ..sdk::Task::default()
    };
    let pipeline = sdk::Pipeline {
        id: "simple".to_owned(),
        name: "Simple".to_owned(),
        parallelism: Some(2),
        timeout_ms: Some(600_000),
        tasks: vec![build, test],
        source: Some(sdk::Source {
            file: "src/main.rs".to_owned(),
            line: 3,
            column: Some(5),
            end_line: Some(9),
        }),
        ..sdk::Pipeline::default()
    };
    sdk::Program {
        kind: gofer_proto::PROGRAM_KIND.to_owned(),
        pipelines: vec![pipeline],
        ..sdk::Program::default()
    }
}

/// A method of a service.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// `/package.Service/Name`.
    pub(crate) path: String,
    input: String,
    pub(crate) streams: bool,
}

/// All messages and methods of the wire.
pub(crate) struct Schema(FileDescriptorSet);

impl Schema {
    pub(crate) fn read() -> Result<Self> {
        Ok(Self(FileDescriptorSet::decode(gofer_proto::DESCRIPTORS)?))
    }

    pub(crate) fn methods(&self) -> Vec<Method> {
        let mut methods = Vec::new();
        for file in &self.0.file {
            for service in &file.service {
                methods.extend(service.method.iter().map(|method| Method {
                    path: format!("/{}.{}/{}", file.package(), service.name(), method.name()),
                    input: method.input_type().to_owned(),
                    streams: method.server_streaming(),
                }));
            }
        }
        methods
    }

    /// A request for this method with every field set, as `names` say or to something plausible.
    pub(crate) fn request(&self, method: &Method, names: &[(&str, &str)]) -> Result<Vec<u8>> {
        self.encode(&method.input, names, 4)
    }

    fn encode(&self, name: &str, names: &[(&str, &str)], depth: u32) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for field in &self.message(name)?.field {
            let number = u32::try_from(field.number())?;
            match field.r#type() {
                Type::String | Type::Bytes => {
                    put(&mut bytes, number, text_of(field, names).as_bytes());
                }
                Type::Message if depth > 0 => {
                    put(&mut bytes, number, &self.encode(field.type_name(), names, depth - 1)?);
                }
                Type::Message | Type::Group => {}
                Type::Double | Type::Fixed64 | Type::Sfixed64 => {
                    encode_key(number, WireType::SixtyFourBit, &mut bytes);
                    bytes.extend(1.0_f64.to_le_bytes());
                }
                Type::Float | Type::Fixed32 | Type::Sfixed32 => {
                    encode_key(number, WireType::ThirtyTwoBit, &mut bytes);
                    bytes.extend(1.0_f32.to_le_bytes());
                }
                Type::Bool
                | Type::Enum
                | Type::Int32
                | Type::Int64
                | Type::Uint32
                | Type::Uint64
                | Type::Sint32
                | Type::Sint64 => {
                    encode_key(number, WireType::Varint, &mut bytes);
                    encode_varint(1, &mut bytes);
                }
            }
        }
        Ok(bytes)
    }

    fn message(&self, name: &str) -> Result<&DescriptorProto> {
        let found = self.0.file.iter().find_map(|file| {
            let own = name.strip_prefix(&format!(".{}.", file.package()))?;
            file.message_type.iter().find(|message| message.name() == own)
        });
        found.with_context(|| format!("no message {name}"))
    }
}

fn text_of<'a>(field: &FieldDescriptorProto, names: &[(&str, &'a str)]) -> &'a str {
    names.iter().find(|(of, _)| *of == field.name()).map_or("simple", |(_, name)| name)
}

fn put(bytes: &mut Vec<u8>, number: u32, value: &[u8]) {
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(value.len() as u64, bytes);
    bytes.extend(value);
}
