//! The wire of Gofer: messages, and with the feature `grpc` the clients and servers of its services.
//! Everything here is generated from the files in `proto/gofer/`, whose comments are the reference;
//! `proto/README.md` says how to change them. Nothing of ours is named here, and no rule lives here.

/// Descriptors of everything in this crate, an encoded `google.protobuf.FileDescriptorSet`, for
/// server reflection. Comments are left out.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");

/// What [`sdk::v1::Program::kind`] always holds.
pub const PROGRAM_KIND: &str = "gofer.pipeline.v1";

/// Package `gofer.v1`: what a server offers to its users.
// Generated. Lints would have to be fixed in the generator.
#[allow(clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    include!("generated/gofer.v1.rs");
}

/// What authors of pipelines send.
pub mod sdk {
    /// Package `gofer.sdk.v1`: what a pipeline program prints.
    // Generated. Lints would have to be fixed in the generator.
    #[allow(clippy::all, clippy::pedantic, unreachable_pub)]
    pub mod v1 {
        include!("generated/gofer.sdk.v1.rs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn an_encoded_program_opens_with_known_bytes() {
        let program = sdk::v1::Program { kind: PROGRAM_KIND.to_owned(), ..Default::default() };
        assert_eq!(program.encode_to_vec(), b"\x0a\x11gofer.pipeline.v1");
    }

    #[test]
    fn log_data_is_shared_with_the_buffer_that_it_came_in() {
        let frame = v1::LogFrame { data: vec![0xff; 64].into(), ..Default::default() };
        let wire = bytes::Bytes::from(frame.encode_to_vec());
        let read = v1::LogFrame::decode(wire.clone()).unwrap();
        assert!(wire.as_ptr_range().contains(&read.data.as_ptr()), "the data was copied");
    }

    #[test]
    fn the_descriptors_name_every_service() {
        let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        let mut services: Vec<&str> =
            set.file.iter().flat_map(|file| &file.service).map(|service| service.name()).collect();
        services.sort_unstable();
        let want = [
            "Deployment",
            "Event",
            "Images",
            "Log",
            "Namespace",
            "Pipeline",
            "Run",
            "System",
            "TaskRun",
        ];
        assert_eq!(services, want.map(|noun| format!("{noun}Service")));
    }
}
