//! Archives of every form, sound and not.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::*;

const LAYER: &[u8] = b"a layer, as far as anybody here looks";

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An archive of these files, in this order.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, data) in files {
        append(&mut tar, EntryType::Regular, path, data, None);
    }
    tar.into_inner().unwrap()
}

/// Appends an entry whose path is written as it is, however it leads.
fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: EntryType,
    path: &str,
    data: &[u8],
    link: Option<&str>,
) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    if let Some(link) = link {
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, data).unwrap();
}

fn saved() -> Vec<u8> {
    let manifest = br#"[{"Config":"c.json","RepoTags":["b:1","a:1"],"Layers":["l/layer.tar"]}]"#;
    let config = br#"{"created":"1970-01-01T00:00:01Z"}"#;
    tar_of(&[("l/layer.tar", LAYER), ("c.json", config), ("manifest.json", manifest)])
}

/// A layout of one image for this machine and one for another, named `name`.
fn layout(annotation: &str, name: &str) -> Vec<u8> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = br#"{"created":"1970-01-01T00:00:02Z"}"#;
    let digest = |bytes: &[u8]| format!("sha256:{}", hex(bytes));
    let manifest = serde_json::json!({
        "config": { "digest": digest(config) }, "layers": [{ "digest": digest(LAYER) }]
    })
    .to_string();
    let inner = serde_json::json!({ "manifests": [
        { "digest": digest(manifest.as_bytes()), "platform": { "os": "linux", "architecture": arch } },
        { "digest": digest(b"absent"), "platform": { "os": "linux", "architecture": "s390x" } },
        { "digest": digest(b"absent"), "platform": { "os": "unknown", "architecture": "unknown" } },
    ] })
    .to_string();
    let index = serde_json::json!({ "manifests": [
        { "digest": digest(inner.as_bytes()), "annotations": { annotation: name } }
    ] })
    .to_string();
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    tar_of(&[
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        ("index.json", index.as_bytes()),
        (&blob(inner.as_bytes()), inner.as_bytes()),
        (&blob(manifest.as_bytes()), manifest.as_bytes()),
        (&blob(config), config),
        (&blob(LAYER), LAYER),
    ])
}

fn survey_of(bytes: &[u8]) -> Result<Survey, DriverError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    survey(file.path())
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let fault = survey_of(bytes).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Image, "{fault:?}");
    assert!(fault.message.contains(why), "{fault:?} does not say {why:?}");
}

#[test]
fn what_docker_saves_is_read_plain_and_gzipped() {
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(&saved()).unwrap();
    let zipped = zipped.finish().unwrap();
    for bytes in [&saved(), &zipped] {
        let found = survey_of(bytes).unwrap();
        let [image] = found.images.as_slice() else { panic!("{found:?}") };
        assert_eq!(image.id, format!("sha256:{}", hex(br#"{"created":"1970-01-01T00:00:01Z"}"#)));
        assert_eq!(image.names, ["a:1", "b:1"]);
        assert_eq!(image.created_ms, Some(1000));
        assert_eq!(image.packed_bytes, LAYER.len() as u64);
    }
    let cut = zipped.get(..zipped.len() - 6).unwrap();
    refused(cut, "could not read the image archive");
}

#[test]
fn an_oci_layout_gives_the_image_for_this_machine() {
    let names =
        |annotation, name| survey_of(&layout(annotation, name)).unwrap().images[0].names.clone();
    assert_eq!(
        names("io.containerd.image.name", "docker.io/library/a:1"),
        ["docker.io/library/a:1"]
    );
    assert_eq!(names("org.opencontainers.image.ref.name", "r.io/a:1"), ["r.io/a:1"]);
    assert_eq!(names("org.opencontainers.image.ref.name", "1"), Vec::<String>::new());
}

#[test]
fn archives_that_are_none_or_damaged_are_refused() {
    refused(b"", "neither");
    refused(b"garbage", "could not read");
    refused(&[7; 2048], "could not read");
    refused(&tar_of(&[("manifest.json", b"[")]), "manifest.json");
    refused(&tar_of(&[("manifest.json", b"[]")]), "no image");
    let manifest = br#"[{"Config":"c.json","Layers":["l"]}]"#;
    refused(&tar_of(&[("manifest.json", manifest)]), "lacks c.json");
    refused(&tar_of(&[("manifest.json", manifest), ("c.json", b"{}")]), "lacks the layer l");
    let whole = saved();
    refused(whole.get(..700).unwrap(), "");
    let text = String::from_utf8(layout("x", "y")).unwrap();
    refused(text.replace("1970-01-01T00:00:02Z", "1970-01-01T00:00:03Z").as_bytes(), "is damaged");
}

#[test]
fn what_leads_out_of_the_archive_is_refused() {
    refused(&tar_of(&[("../x.json", b"{}")]), "leads out");
    refused(&tar_of(&[("/etc/x.json", b"{}")]), "leads out");
    refused(&tar_of(&[("a/../../x", b"{}")]), "leads out");
    refused(&tar_of(&[("manifest.json", br#"[{"Config":"../../etc/passwd"}]"#)]), "leads out");
    for (kind, link) in [
        (EntryType::Symlink, "../../etc"),
        (EntryType::Link, "../etc"),
        (EntryType::Symlink, "/etc"),
    ] {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, kind, "l/layer.tar", b"", Some(link));
        refused(&tar.into_inner().unwrap(), "leads out");
    }
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, EntryType::Char, "dev", b"", None);
    refused(&tar.into_inner().unwrap(), "kind");
}

#[test]
fn a_layer_that_is_a_link_within_the_archive_is_fine() {
    let manifest = br#"[{"Config":"c.json","Layers":["a/layer.tar","b/layer.tar"]}]"#;
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, EntryType::Regular, "a/layer.tar", LAYER, None);
    append(&mut tar, EntryType::Symlink, "b/layer.tar", b"", Some("../a/layer.tar"));
    append(&mut tar, EntryType::Regular, "c.json", b"{}", None);
    append(&mut tar, EntryType::Regular, "manifest.json", manifest, None);
    assert_eq!(survey_of(&tar.into_inner().unwrap()).unwrap().images.len(), 1);
}

#[test]
fn the_copy_names_nothing_and_keeps_every_blob() {
    for bytes in [saved(), layout("io.containerd.image.name", "a:1")] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let before = survey(file.path()).unwrap();
        let mut out = Vec::new();
        copy(file.path(), &before, &mut out).unwrap();
        let after = survey_of(&out).unwrap();
        let nameless = |one: &Packed| Packed { names: Vec::new(), ..one.clone() };
        assert_eq!(after.images, before.images.iter().map(nameless).collect::<Vec<_>>());
        assert!(!String::from_utf8_lossy(&out).contains("oci-layout"));
    }
}
