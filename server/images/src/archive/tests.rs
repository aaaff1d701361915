//! Archives of every form, and such as lead out of themselves.

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::samples::{
    Item, config, docker_save, file, gzip, hard_link, lay_out, oci_layout, symlink, tar,
};

struct Case {
    dir: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join("archive");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, path: &Path) -> Result<Archive, ImageError> {
        Archive::read(path, self.dir.path(), &Limits::default())
    }

    fn read_items(&self, items: &[Item]) -> Result<Archive, ImageError> {
        self.read(&self.file(&tar(items)))
    }
}

fn layers() -> Vec<Vec<u8>> {
    vec![tar(&[file("a", "1")]), tar(&[file("b", "2")])]
}

fn contents(archive: &Archive) -> Vec<Vec<u8>> {
    let read = |layer| {
        let mut bytes = Vec::new();
        let stream = archive.layer(layer).unwrap();
        crate::compression::open(stream).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    archive.images[0].layers.iter().map(read).collect()
}

#[test]
fn every_form_holds_the_same_image() {
    let id = Digest::of(config(&layers()).as_bytes()).to_string();
    let old = docker_save(&layers(), &["app:1"]);
    let layout = oci_layout(&layers(), "docker.io/library/app:1");
    for items in [old, layout] {
        let case = Case::new();
        let folder = case.dir.path().join("folder");
        lay_out(&items, &folder);
        let zstd = zstd::encode_all(tar(&items).as_slice(), 1).unwrap();
        for path in
            [folder, case.file(&tar(&items)), case.file(&gzip(&tar(&items))), case.file(&zstd)]
        {
            let archive = case.read(&path).unwrap();
            assert_eq!(archive.images().len(), 1);
            assert_eq!(archive.images()[0].id(), id);
            assert_eq!(archive.images()[0].names(), ["app:1"]);
            assert_eq!(contents(&archive), layers());
        }
        let names = crate::files::names_in(case.dir.path()).unwrap();
        assert_eq!(names, ["archive", "folder"], "nothing is left in the scratch folder");
    }
}

#[test]
fn the_newer_form_of_docker_is_read_by_its_names() {
    let mut items = oci_layout(&layers(), "1");
    let id = Digest::of(config(&layers()).as_bytes());
    let blobs = crate::samples::oci_blobs(&layers());
    let files: Vec<String> =
        blobs[..2].iter().map(|(digest, _)| format!("\"blobs/sha256/{}\"", digest.hex())).collect();
    let manifest = format!(
        r#"[{{"Config":"blobs/sha256/{}","RepoTags":["me/app:2"],"Layers":[{}]}}]"#,
        id.hex(),
        files.join(",")
    );
    items.push(file("manifest.json", &manifest));
    let archive = Case::new().read_items(&items).unwrap();
    assert_eq!(archive.images()[0].names(), ["me/app:2"]);
    assert_eq!(contents(&archive), layers());
    // Without Docker's list a bare tag names nothing.
    items.pop();
    assert!(Case::new().read_items(&items).unwrap().images()[0].names().is_empty());
}

#[test]
fn layers_may_be_links_to_each_other_as_docker_writes_them() {
    let mut items = docker_save(&layers(), &["app:1"]);
    let at = items.iter().position(|item| item.path == b"1/layer.tar").unwrap();
    let same = vec![layers()[0].clone(), layers()[0].clone()];
    for link in [symlink("1/layer.tar", "../0/layer.tar"), hard_link("1/layer.tar", "0/layer.tar")]
    {
        items[at] = link;
        let archive = Case::new().read_items(&items).unwrap();
        assert_eq!(contents(&archive), same);
    }
}

#[test]
fn an_image_for_another_machine_is_passed_over_or_said() {
    let mut items = oci_layout(&layers(), "app:1");
    let index = String::from_utf8(items[1].data.clone()).unwrap();
    let platform = r#""platform":{"os":"linux","architecture":"s390x"},"annotations""#;
    items[1] = file("index.json", &index.replace(r#""annotations""#, platform));
    let error = Case::new().read_items(&items).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(error.message.contains("linux/s390x"), "{error}");
}

#[test]
fn what_is_no_archive_is_told_why() {
    let kind = |items: &[Item]| Case::new().read_items(items).unwrap_err().kind;
    let image = docker_save(&layers(), &["app:1"]);
    let manifest = |text: &str| {
        let mut items = image.clone();
        *items.last_mut().unwrap() = file("manifest.json", text);
        items
    };
    let last = String::from_utf8(image.last().unwrap().data.clone()).unwrap();
    assert_eq!(kind(&[file("etc/passwd", "")]), ErrorKind::Damaged);
    assert_eq!(kind(&manifest("{}")), ErrorKind::Damaged);
    assert_eq!(kind(&manifest("[]")), ErrorKind::Damaged);
    assert_eq!(kind(&manifest(&last.replace("app:1", "A b"))), ErrorKind::Refused);
    assert_eq!(kind(&manifest(&last.replace("\"0/layer.tar\",", ""))), ErrorKind::Damaged);
    assert_eq!(kind(&manifest(&last.replace("Config\":\"", "Config\":\"../"))), ErrorKind::Refused);
    assert_eq!(kind(&manifest(&last.replace("Config\":\"", "Config\":\"x"))), ErrorKind::Damaged);
    let mut changed = image.clone();
    let at = changed.len() - 2;
    changed[at].data.push(b' ');
    assert_eq!(kind(&changed), ErrorKind::Damaged, "the config's digest is its name");
    assert_eq!(kind(&docker_save(&[], &["app:1"])), ErrorKind::Unsupported);
    let case = Case::new();
    assert_eq!(case.read(&case.file(b"")).unwrap_err().kind, ErrorKind::Damaged);
    assert_eq!(case.read(&case.file(b"BZh91AY")).unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(case.read(&case.dir.path().join("no")).unwrap_err().kind, ErrorKind::Missing);
    assert_eq!(case.read(Path::new("/dev/null")).unwrap_err().kind, ErrorKind::Refused);
}

#[test]
fn nothing_leads_out_of_an_archive() {
    let kind = |items: &[Item]| Case::new().read_items(items).unwrap_err().kind;
    let image = docker_save(&layers(), &["app:1"]);
    for extra in [
        symlink("0/layer.tar", "../../outside"),
        symlink("0/layer.tar", "/etc/passwd"),
        hard_link("0/layer.tar", "../outside"),
        file("../outside", ""),
    ] {
        assert_eq!(kind(&[&image[..], &[extra]].concat()), ErrorKind::Refused);
    }
    let circle = [symlink("manifest.json", "a"), symlink("a", "manifest.json")];
    assert_eq!(kind(&circle), ErrorKind::Refused);

    // The same in a folder, where the kernel would follow.
    let case = Case::new();
    std::fs::write(case.dir.path().join("outside"), "[]").unwrap();
    let folder = case.dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for target in ["../outside", "/etc/passwd"] {
        std::os::unix::fs::symlink(target, folder.join("manifest.json")).unwrap();
        assert_eq!(case.read(&folder).unwrap_err().kind, ErrorKind::Refused, "{target}");
        std::fs::remove_file(folder.join("manifest.json")).unwrap();
    }
}

#[test]
fn a_torn_archive_is_a_fault() {
    let whole = tar(&docker_save(&layers(), &["app:1"]));
    let case = Case::new();
    // Short of the last block, which is mostly padding.
    for n in (0..whole.len() - 1536).step_by(97) {
        let read = case.read(&case.file(&whole[..n]));
        assert!(read.is_err(), "cut at {n}: the list is last");
    }
    let packed = gzip(&whole);
    for n in [packed.len() / 3, packed.len() - 4] {
        assert_eq!(case.read(&case.file(&packed[..n])).unwrap_err().kind, ErrorKind::Damaged);
    }
}

proptest! {
    #[test]
    fn changed_archives_are_read_or_are_faults(
        layout in any::<bool>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let items = if layout { oci_layout(&layers(), "a:1") } else { docker_save(&layers(), &["a:1"]) };
        let mut bytes = tar(&items);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let case = Case::new();
        if let Ok(archive) = case.read(&case.file(&bytes)) {
            for layer in archive.images.iter().flat_map(|image| &image.layers) {
                let _opened = archive.layer(layer).map(|stream| stream.take(10_000).read_to_end(&mut Vec::new()));
            }
        }
    }
}
