//! Speaking to the server without the client: a channel for the generated clients, and calls whose
//! bytes are whatever a test likes, for every method that the descriptors name.

use std::path::Path;

use bytes::{Buf as _, BufMut as _};
use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::support::Dice;

/// A connection to the server that has its data there.
pub(crate) async fn channel(data_dir: &Path) -> Channel {
    let address = std::fs::read_to_string(data_dir.join("address")).unwrap();
    let ca = std::fs::read_to_string(data_dir.join(gofer_server::CA_FILE)).unwrap();
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await.unwrap()
}

/// A method of a service.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    /// `/package.Service/Name`.
    pub(crate) path: String,
    pub(crate) input: String,
    pub(crate) streams: bool,
}

/// All messages and methods that the server describes.
pub(crate) struct Schema {
    set: FileDescriptorSet,
}

impl Schema {
    pub(crate) fn read() -> Self {
        Self { set: FileDescriptorSet::decode(gofer_proto::DESCRIPTORS).unwrap() }
    }

    pub(crate) fn methods(&self) -> Vec<Method> {
        let mut methods = Vec::new();
        for file in &self.set.file {
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

    /// The message with this full name, `.package.Name`.
    fn message(&self, name: &str) -> &DescriptorProto {
        let found = self.set.file.iter().find_map(|file| {
            let package = format!(".{}.", file.package());
            let own = name.strip_prefix(&package)?;
            file.message_type.iter().find(|message| message.name() == own)
        });
        found.unwrap_or_else(|| panic!("no message {name}"))
    }

    /// The text fields of a message, by number.
    pub(crate) fn text_fields(&self, name: &str) -> Vec<i32> {
        let fields = self.message(name).field.iter();
        fields
            .filter(|field| matches!(field.r#type(), Type::String | Type::Bytes))
            .map(FieldDescriptorProto::number)
            .collect()
    }

    /// A message with every field set, messages in it as well.
    pub(crate) fn encode(&self, name: &str, fill: &Fill) -> Vec<u8> {
        self.encode_to_depth(name, fill, 4)
    }

    fn encode_to_depth(&self, name: &str, fill: &Fill, depth: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in &self.message(name).field {
            let number = u64::try_from(field.number()).unwrap();
            match field.r#type() {
                Type::String | Type::Bytes => {
                    put_bytes(&mut bytes, number, &fill.text(field));
                }
                Type::Message if depth > 0 => {
                    let inner = self.encode_to_depth(field.type_name(), fill, depth - 1);
                    put_bytes(&mut bytes, number, &inner);
                }
                Type::Message => {}
                Type::Double | Type::Fixed64 | Type::Sfixed64 => {
                    put_varint(&mut bytes, (number << 3) | 1);
                    bytes.put_f64_le(if fill.number == 1 { 1.0 } else { f64::NAN });
                }
                Type::Bool => {
                    put_varint(&mut bytes, number << 3);
                    put_varint(&mut bytes, u64::from(fill.flag));
                }
                Type::Float | Type::Fixed32 | Type::Sfixed32 | Type::Group => {
                    panic!("teach this test to fill {field:?}")
                }
                Type::Int32
                | Type::Int64
                | Type::Uint32
                | Type::Uint64
                | Type::Sint32
                | Type::Sint64
                | Type::Enum => {
                    put_varint(&mut bytes, number << 3);
                    put_varint(&mut bytes, fill.number);
                }
            }
        }
        bytes
    }
}

/// What goes into the fields of a message.
#[derive(Debug, Clone)]
pub(crate) struct Fill {
    pub(crate) text: Vec<u8>,
    /// Only this text field gets `text`, the others a plausible name.
    pub(crate) only: Option<i32>,
    pub(crate) number: u64,
    pub(crate) flag: bool,
    /// Names by field, before anything else.
    pub(crate) names: &'static [(&'static str, &'static str)],
}

impl Fill {
    pub(crate) fn text_everywhere(text: &[u8]) -> Self {
        Self { text: text.to_vec(), only: None, number: 1, flag: false, names: &[] }
    }

    fn text(&self, field: &FieldDescriptorProto) -> Vec<u8> {
        if let Some((_, name)) = self.names.iter().find(|(of, _)| *of == field.name()) {
            return name.as_bytes().to_vec();
        }
        match self.only {
            Some(number) if number != field.number() => b"nosuch".to_vec(),
            Some(_) | None => self.text.clone(),
        }
    }
}

/// Bytes that mean nothing.
pub(crate) fn garbage(dice: &mut Dice) -> Vec<u8> {
    let n_bytes = 1 + dice.below(300);
    (0..n_bytes).map(|_| u8::try_from(dice.below(256)).unwrap()).collect()
}

fn put_bytes(bytes: &mut Vec<u8>, number: u64, value: &[u8]) {
    put_varint(bytes, (number << 3) | 2);
    put_varint(bytes, value.len() as u64);
    bytes.extend(value);
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// Sends these bytes as the request. Of a stream the first message is awaited, a moment long.
pub(crate) async fn call(channel: &Channel, method: &Method, body: Vec<u8>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let path = PathAndQuery::try_from(method.path.as_str()).unwrap();
    if !method.streams {
        return grpc.unary(Request::new(body), path, Raw).await.map(drop);
    }
    let mut stream = grpc.server_streaming(Request::new(body), path, Raw).await?.into_inner();
    let a_moment = std::time::Duration::from_millis(100);
    match tokio::time::timeout(a_moment, stream.message()).await {
        Ok(first) => first.map(drop),
        Err(_still_open) => Ok(()),
    }
}

/// A codec that changes nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}
