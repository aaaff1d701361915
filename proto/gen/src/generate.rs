//! From proto files to the files in `src/generated/`, in memory: the program writes them, the test
//! compares them.

use crate::paths;
use anyhow::Context;
use prost::Message;
use prost_types::FileDescriptorSet;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The services need tonic, which a pipeline project shall not have to build.
const GRPC_ONLY: &str = "#[cfg(feature = \"grpc\")]";

/// Content by file name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// All proto files of ours as descriptors, comments included. Fails with the place of a fault.
pub(crate) fn compile() -> anyhow::Result<FileDescriptorSet> {
    let root = paths::proto();
    let mut sources = Vec::new();
    collect(&root.join("gofer"), "proto", &mut sources)?;
    sources.sort(); // the order of a folder differs between machines
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&sources)?;
    Ok(compiler.file_descriptor_set())
}

/// What belongs in `src/generated/` for these descriptors.
pub(crate) fn files(descriptors: &FileDescriptorSet) -> anyhow::Result<Files> {
    let folder = tempfile::tempdir().context("create a temporary folder")?;
    tonic_prost_build::configure()
        .bytes(".") // log data is passed on, never copied
        .client_mod_attribute(".", GRPC_ONLY)
        .server_mod_attribute(".", GRPC_ONLY)
        .emit_rerun_if_changed(false)
        .out_dir(folder.path())
        .compile_fds(descriptors.clone())
        .context("generate Rust code")?;
    let mut files = read(folder.path())?;
    files.insert("descriptors.bin".to_owned(), without_comments(descriptors).encode_to_vec());
    Ok(files)
}

/// What `src/generated/` holds now; nothing if it is not there.
pub(crate) fn checked_in() -> anyhow::Result<Files> {
    let folder = paths::generated();
    if folder.exists() { read(&folder) } else { Ok(Files::new()) }
}

/// Every shipped binary carries the set, and reflection needs no comments.
fn without_comments(descriptors: &FileDescriptorSet) -> FileDescriptorSet {
    let mut bare = descriptors.clone();
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    bare
}

fn read(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        files.insert(name, content);
    }
    Ok(files)
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, extension, found)?;
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::FileDescriptorProto;
    use std::collections::HashSet;

    #[test]
    fn what_is_checked_in_is_what_the_proto_files_give() {
        let want = files(&compile().unwrap()).unwrap();
        let have = checked_in().unwrap();
        let names: HashSet<_> = want.keys().chain(have.keys()).collect();
        let differ: Vec<_> =
            names.into_iter().filter(|name| want.get(*name) != have.get(*name)).collect();
        assert!(differ.is_empty(), "{differ:?} are stale: run `cargo run -p gofer-proto-gen`");
    }

    #[test]
    fn every_element_of_the_proto_has_a_comment() {
        let descriptors = compile().unwrap();
        let bare: Vec<String> = descriptors.file.iter().flat_map(uncommented).collect();
        assert!(bare.is_empty(), "the comments are the API reference; none on:\n{bare:#?}");
    }

    /// Paths in a descriptor, as `SourceCodeInfo` counts them, with the name of what lies there.
    fn elements(file: &FileDescriptorProto) -> Vec<(Vec<i32>, String)> {
        let mut all = Vec::new();
        for (m, message) in (0..).zip(&file.message_type) {
            assert!(message.nested_type.is_empty(), "{}: nest no messages", message.name());
            assert!(message.enum_type.is_empty(), "{}: nest no enums", message.name());
            all.push((vec![4, m], message.name().to_owned()));
            for (f, field) in (0..).zip(&message.field) {
                all.push((vec![4, m, 2, f], format!("{}.{}", message.name(), field.name())));
            }
            let n_optional = message.field.iter().filter(|f| f.proto3_optional()).count();
            let n_written = message.oneof_decl.len() - n_optional; // the made-up ones come last
            for (o, oneof) in (0..).zip(message.oneof_decl.iter().take(n_written)) {
                all.push((vec![4, m, 8, o], format!("{}.{}", message.name(), oneof.name())));
            }
        }
        for (e, list) in (0..).zip(&file.enum_type) {
            all.push((vec![5, e], list.name().to_owned()));
            for (v, value) in (0..).zip(&list.value) {
                all.push((vec![5, e, 2, v], format!("{}.{}", list.name(), value.name())));
            }
        }
        for (s, service) in (0..).zip(&file.service) {
            all.push((vec![6, s], service.name().to_owned()));
            for (r, rpc) in (0..).zip(&service.method) {
                all.push((vec![6, s, 2, r], format!("{}.{}", service.name(), rpc.name())));
            }
        }
        all
    }

    fn uncommented(file: &FileDescriptorProto) -> Vec<String> {
        let info = file.source_code_info.as_ref().unwrap();
        let commented: HashSet<&[i32]> = info
            .location
            .iter()
            .filter(|place| !place.leading_comments().trim().is_empty())
            .map(|place| place.path.as_slice())
            .collect();
        elements(file)
            .into_iter()
            .filter(|(path, _)| !commented.contains(path.as_slice()))
            .map(|(_, name)| format!("{}: {name}", file.name()))
            .collect()
    }
}
