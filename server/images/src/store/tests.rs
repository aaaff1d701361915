//! The store as its callers see it: images that come, are found, share and go; after crashes too.

use std::io::Write as _;
use std::sync::Barrier;

use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::samples::{Item, docker_save, file, folder, hard_link, oci_blobs, tar, tree};

struct Case {
    dir: TempDir,
    store: Store,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        Self { dir, store }
    }

    fn archive(&self, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(files::fresh_name("archive"));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn import(&self, layers: &[Vec<u8>], names: &[&str]) -> Result<Vec<Entry>, ImageError> {
        self.store.import(&self.archive(&tar(&docker_save(layers, names))), None)
    }

    fn prune(&self) -> Pruned {
        self.store.prune(&BTreeSet::new(), false).unwrap()
    }

    fn names(&self, inside: &str) -> Vec<String> {
        files::names_in(&self.store.path(inside)).unwrap()
    }

    /// Whether nothing of any image is here.
    fn is_empty(&self) -> bool {
        ["layers", "l", "images", "refs", "trash", "tmp"]
            .iter()
            .all(|name| self.names(name).is_empty())
    }

    fn write_blob(&self, digest: &Digest, bytes: &[u8]) {
        let mut writer = self.store.blob(&digest.to_string(), bytes.len() as u64).unwrap();
        writer.write_all(bytes.get(usize::try_from(writer.written()).unwrap()..).unwrap()).unwrap();
        writer.finish().unwrap();
    }

    /// Fetches an image as a pull does; how many blobs it took.
    fn pull(&self, name: &str, layers: &[Vec<u8>]) -> (StoredImage, usize) {
        let blobs = oci_blobs(layers);
        let (manifest, bytes) = blobs.last().unwrap();
        self.write_blob(manifest, bytes);
        let mut n_fetched = 1;
        loop {
            let missing = self.store.missing(&manifest.to_string()).unwrap();
            if missing.is_empty() {
                return (self.store.commit(Some(name), &manifest.to_string()).unwrap(), n_fetched);
            }
            for descriptor in missing {
                let digest = descriptor.digest().unwrap();
                let (_, bytes) = blobs.iter().find(|(known, _)| *known == digest).unwrap();
                self.write_blob(&digest, bytes);
                n_fetched += 1;
            }
        }
    }
}

fn layer(path: &str, data: &str) -> Vec<u8> {
    tar(&[file(path, data)])
}

fn base() -> Vec<u8> {
    tar(&[folder("bin"), file("bin/a", "program").mode(0o755)])
}

#[test]
fn an_image_comes_is_found_by_each_of_its_names_and_goes() {
    let case = Case::new();
    let entries = case.import(&[base(), layer("f", "1")], &["app:1", "me/app:latest"]).unwrap();
    let id = entries[0].id.clone();
    assert_eq!(entries[0].names, ["app:1", "me/app:latest"]);
    assert_eq!(entries[0].size_bytes, 8);
    assert_eq!(entries[0].created_ms, Some(1_577_836_800_000));
    for name in ["app:1", "docker.io/library/app:1", "me/app", "index.docker.io/me/app", &id] {
        let image = case.store.find(name).unwrap().unwrap();
        assert_eq!(
            (&image.id, image.config.cmd.as_slice()),
            (&id, &["/a".to_owned()][..]),
            "{name}"
        );
        assert_eq!(image.digest, None);
        assert_eq!(image.layers.len(), 2);
        assert_eq!(tree(&image.layers[0]).len(), 2);
        assert_eq!(tree(&image.layers[1])["f"], "1 644 0:0");
        let short = image.layers[0].file_name().unwrap().len();
        assert_eq!(short, 6, "128 of them fit one page");
    }
    for name in ["app", "app:2", "other/app:1"] {
        assert!(case.store.find(name).unwrap().is_none(), "{name}");
    }
    assert!(case.store.remove("app:1").unwrap());
    assert!(!case.store.remove("app:1").unwrap());
    assert_eq!(case.prune(), Pruned::default(), "it has a name still");
    assert_eq!(case.store.list().unwrap()[0].names, ["me/app:latest"]);
    assert!(case.store.remove(&id).unwrap());
    let all = Pruned { images: vec![id.clone()], freed_bytes: 8 };
    assert_eq!(case.store.prune(&BTreeSet::new(), true).unwrap(), all);
    assert_eq!(case.store.list().unwrap()[0].names, Vec::<String>::new());
    assert_eq!(case.prune(), all);
    assert!(case.is_empty());
    assert!(!case.store.remove(&id).unwrap());
}

#[test]
fn wrong_names_are_told() {
    let case = Case::new();
    for name in ["", "A", "../x", "sha256:zz"] {
        assert!(case.store.find(name).is_err(), "{name}");
    }
    let archive = case.archive(&tar(&docker_save(&[base()], &["app:1"])));
    assert_eq!(case.store.import(&archive, Some("A b")).unwrap_err().kind, ErrorKind::Refused);
    assert!(case.is_empty());
    let entries = case.store.import(&archive, Some("other")).unwrap();
    assert_eq!(entries[0].names, ["other:latest"], "in place of its own");
}

#[test]
fn a_name_moves_and_shared_layers_stay() {
    let case = Case::new();
    case.import(&[base(), layer("f", "1")], &["app:1"]).unwrap();
    case.import(&[base(), layer("f", "2")], &["app:1"]).unwrap();
    assert_eq!(case.names("layers").len(), 3, "the lower layer is there once");
    let entries = case.store.list().unwrap();
    assert_eq!(entries.iter().map(|entry| entry.names.len()).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(case.prune().freed_bytes, 1);
    assert_eq!((case.names("layers").len(), case.names("l").len()), (2, 2));
    let image = case.store.find("app:1").unwrap().unwrap();
    assert_eq!(tree(&image.layers[1])["f"], "2 644 0:0");
    assert!(image.layers.iter().all(|layer| layer.is_dir()));
}

#[test]
fn the_same_layer_on_another_is_another() {
    let case = Case::new();
    let link = tar(&[hard_link("h", "f")]);
    case.import(&[layer("f", "1"), link.clone()], &["a:1"]).unwrap();
    case.import(&[layer("f", "2"), link], &["a:2"]).unwrap();
    for (name, data) in [("a:1", "1 644 0:0"), ("a:2", "2 644 0:0")] {
        let image = case.store.find(name).unwrap().unwrap();
        assert_eq!(tree(&image.layers[1])["h"], data);
    }
}

#[test]
fn what_is_in_use_stays() {
    let case = Case::new();
    let id = case.import(&[base()], &["app:1"]).unwrap()[0].id.clone();
    let held = case.store.find("app:1").unwrap().unwrap();
    case.store.remove("app:1").unwrap();
    assert_eq!(case.prune(), Pruned::default(), "someone is about to use it");
    let copy = held.clone();
    drop(held);
    assert_eq!(case.prune(), Pruned::default());
    drop(copy);
    let in_use = BTreeSet::from([id.clone()]);
    assert_eq!(case.store.prune(&in_use, false).unwrap(), Pruned::default());
    assert_eq!(case.prune().images, [id]);
}

#[test]
fn nothing_is_kept_of_a_damaged_image() {
    let case = Case::new();
    let mut torn = tar(&docker_save(&[base(), layer("f", "1")], &["app:1"]));
    let at = torn.windows(7).position(|bytes| bytes == b"program").unwrap();
    torn[at] ^= 1;
    let error = case.store.import(&case.archive(&torn), None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Damaged, "{error}");
    assert!(error.message.contains("diff id"), "{error}");
    assert!(case.is_empty());

    // The second layer is bad, the first good.
    let bad = tar(&[file("../x", "")]);
    assert_eq!(case.import(&[base(), bad], &["app:1"]).unwrap_err().kind, ErrorKind::Refused);
    assert!(case.is_empty());

    // What others have of it stays.
    case.import(&[base()], &["app:1"]).unwrap();
    let bad = tar(&[hard_link("h", "nothing")]);
    assert!(case.import(&[base(), bad], &["app:2"]).is_err());
    assert_eq!(case.names("layers").len(), 1);
    assert!(case.store.find("app:1").unwrap().is_some());
    assert!(case.store.find("app:2").unwrap().is_none());
}

#[test]
fn one_name_is_for_one_image() {
    let case = Case::new();
    let mut items = docker_save(&[base()], &["a:1"]);
    let other = docker_save(&[layer("f", "1")], &["a:2"]);
    let text = |items: &[Item]| String::from_utf8(items.last().unwrap().data.clone()).unwrap();
    let renamed = text(&other).replace("0/layer.tar", "9/layer.tar");
    let both =
        format!("{},{}", text(&items).trim_end_matches(']'), renamed.trim_start_matches('['));
    *items.last_mut().unwrap() = file("manifest.json", &both);
    items.push(Item { data: layer("f", "1"), ..Item::new(b'0', "9/layer.tar") });
    items.push(other[2].clone());
    let archive = case.archive(&tar(&items));
    assert_eq!(case.store.import(&archive, Some("x")).unwrap_err().kind, ErrorKind::Refused);
    assert!(case.is_empty());
    let names: Vec<Vec<String>> =
        case.store.import(&archive, None).unwrap().into_iter().map(|entry| entry.names).collect();
    assert_eq!(names, [["a:1"], ["a:2"]]);
}

#[test]
fn a_pull_fetches_what_is_missing_and_the_image_knows_its_digest() {
    let case = Case::new();
    let layers = [base(), layer("f", "1")];
    let (image, n_fetched) = case.pull("127.0.0.1:5000/app:1", &layers);
    assert_eq!(n_fetched, 4);
    let digest = image.digest.clone().unwrap();
    assert!(digest.starts_with("127.0.0.1:5000/app@sha256:"));
    assert_eq!(case.store.find(&digest).unwrap().unwrap().id, image.id);
    assert_eq!(case.store.find(&image.id).unwrap().unwrap().digest, Some(digest));
    let (_, n_fetched) = case.pull("127.0.0.1:5000/app:2", &[base(), layer("f", "2")]);
    assert_eq!(n_fetched, 3, "the lower layer was there");
    // The layers' blobs are of no use any more once they are old.
    for name in case.names("blobs/sha256") {
        age(&case.store.path("blobs/sha256").join(name), 2);
    }
    case.prune();
    assert_eq!(case.names("blobs/sha256").len(), 4, "two manifests, two configs");
    let (_, n_fetched) = case.pull("127.0.0.1:5000/app:3", &layers);
    assert_eq!(n_fetched, 1, "all is unpacked");
}

/// Makes a file some hours old.
fn age(path: &Path, hours: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - std::time::Duration::from_secs(hours * 3600 + 60)).unwrap();
}

#[test]
fn a_blob_is_gone_on_with_and_checked() {
    let case = Case::new();
    let bytes = b"0123456789";
    let digest = Digest::of(bytes);
    let open = || case.store.blob(&digest.to_string(), 10).unwrap();
    let mut writer = open();
    writer.write_all(&bytes[..4]).unwrap();
    drop(writer);
    let mut writer = open();
    assert_eq!(writer.written(), 4);
    writer.write_all(b"xxxxxx").unwrap();
    assert_eq!(writer.finish().unwrap_err().kind, ErrorKind::Damaged);
    assert!(!case.store.has_blob(&digest.to_string()).unwrap());
    let mut writer = open();
    assert_eq!(writer.written(), 0, "what was wrong is forgotten");
    writer.write_all(&bytes[..9]).unwrap();
    assert_eq!(writer.finish().unwrap_err().kind, ErrorKind::Damaged, "too short");
    let mut writer = open();
    assert_eq!(writer.written(), 9, "the rest may still come");
    assert!(writer.write_all(b"99").is_err(), "more than was promised");
    writer.write_all(b"9").unwrap();
    writer.finish().unwrap();
    assert!(case.store.has_blob(&digest.to_string()).unwrap());
    let mut writer = open();
    assert_eq!(writer.written(), 10);
    writer.restart().unwrap();
    writer.finish().unwrap();
    assert!(case.names("tmp").is_empty());
    assert_eq!(
        case.store.blob(&digest.to_string(), u64::MAX).unwrap_err().kind,
        ErrorKind::Refused
    );
    assert!(case.store.has_blob("sha256:x").is_err());
}

#[test]
fn young_and_locked_downloads_survive_a_prune() {
    let case = Case::new();
    let (old, live, young) = (Digest::of(b"old"), Digest::of(b"live"), Digest::of(b"young"));
    for digest in [&old, &young] {
        case.store.blob(&digest.to_string(), 9).unwrap().write_all(b"x").unwrap();
    }
    let mut writer = case.store.blob(&live.to_string(), 4).unwrap();
    writer.write_all(b"live").unwrap();
    for digest in [&old, &live] {
        age(&case.store.path("tmp").join(format!("{}.part", digest.hex())), 25);
    }
    std::fs::create_dir(case.store.path("tmp/layer-left")).unwrap();
    case.prune();
    let left: BTreeSet<String> = case.names("tmp").into_iter().collect();
    let want = [&live, &young].map(|digest| format!("{}.part", digest.hex()));
    assert_eq!(left, BTreeSet::from(want));
    writer.finish().unwrap();
}

#[test]
fn a_damaged_blob_is_told_and_can_come_anew() {
    let case = Case::new();
    let blobs = oci_blobs(&[base()]);
    let (manifest, _) = blobs.last().unwrap();
    for (digest, bytes) in &blobs {
        case.write_blob(digest, bytes);
    }
    for (digest, bytes) in &blobs {
        let mut changed = bytes.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        std::fs::write(case.store.blob_path(digest), changed).unwrap();
        let error = case.store.commit(Some("app"), &manifest.to_string()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Damaged, "{error}");
        assert!(!case.store.has_blob(&digest.to_string()).unwrap(), "it is out of the way");
        let error = case.store.commit(Some("app"), &manifest.to_string()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Missing, "{error}");
        case.write_blob(digest, bytes);
    }
    case.store.commit(Some("app"), &manifest.to_string()).unwrap();
}

#[test]
fn many_at_once_unpack_a_layer_once() {
    let case = Case::new();
    let layers: Vec<Vec<u8>> = vec![base(), layer("f", &"x".repeat(100_000))];
    let archive = case.archive(&tar(&docker_save(&layers, &["app:1"])));
    let barrier = Barrier::new(8);
    let root = case.dir.path().join("store");
    std::thread::scope(|scope| {
        for n in 0..8 {
            // A store of its own for each second one, as another process has it.
            let store = if n % 2 == 0 { case.store.clone() } else { Store::open(&root).unwrap() };
            let (archive, barrier) = (&archive, &barrier);
            scope.spawn(move || {
                barrier.wait();
                store.import(archive, None).unwrap();
                if n % 4 == 0 {
                    store.prune(&BTreeSet::new(), false).unwrap();
                }
                assert!(store.find("app:1").unwrap().is_some());
            });
        }
    });
    assert_eq!(case.names("layers").len(), 2);
    assert_eq!(case.names("l").len(), 2);
    assert!(case.names("tmp").is_empty());
}

#[test]
fn what_a_crash_leaves_is_no_image_and_goes() {
    let case = Case::new();
    let id = case.import(&[base(), layer("f", "1")], &["app:1"]).unwrap()[0].id.clone();
    let hex = id.strip_prefix("sha256:").unwrap().to_owned();
    let record = case.store.path("images").join(format!("{hex}.json"));
    let whole = std::fs::read(&record).unwrap();
    // Before the image was written there were only its layers.
    for torn in [&b""[..], &whole[..whole.len() / 2], b"{}"] {
        std::fs::write(&record, torn).unwrap();
        assert!(case.store.find("app:1").unwrap().is_none());
        assert!(case.store.list().unwrap().is_empty());
    }
    // It comes anew without unpacking, since the layers are whole.
    case.import(&[base(), layer("f", "1")], &["app:1"]).unwrap();
    assert!(case.store.find("app:1").unwrap().is_some());
    // A layer that someone took away is not pretended.
    let image = case.store.find("app:1").unwrap().unwrap();
    let target = std::fs::canonicalize(&image.layers[1]).unwrap();
    files::remove_all(target.parent().unwrap()).unwrap();
    assert!(case.store.find("app:1").unwrap().is_none());
    case.import(&[base(), layer("f", "1")], &["app:1"]).unwrap();
    assert!(case.store.find("app:1").unwrap().is_some());
    // A layer without its record was not whole.
    std::fs::remove_file(target.parent().unwrap().join("layer.json")).unwrap();
    std::fs::write(target.join("f"), "spoilt").unwrap();
    case.import(&[base(), layer("f", "1")], &["app:1"]).unwrap();
    let image = case.store.find("app:1").unwrap().unwrap();
    assert_eq!(tree(&image.layers[1])["f"], "1 644 0:0");
}

#[test]
fn an_interrupted_prune_is_finished_by_the_next() {
    let case = Case::new();
    case.import(&[base()], &["app:1"]).unwrap();
    case.store.remove("app:1").unwrap();
    // Killed after the image went and before its layers did.
    for name in case.names("images") {
        std::fs::remove_file(case.store.path("images").join(name)).unwrap();
    }
    std::fs::create_dir_all(case.store.path("trash/left/deep")).unwrap();
    let pruned = case.prune();
    assert_eq!(pruned, Pruned { images: Vec::new(), freed_bytes: 7 });
    assert!(case.is_empty());
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let error = ImageError::io("x", rustix::io::Errno::NOSPC);
    assert_eq!(error.kind, ErrorKind::NoSpace);
    assert!(error.to_string().contains("No space left"), "{error}");
    let nested = std::io::Error::from(ImageError::io("inner", rustix::io::Errno::DQUOT));
    assert_eq!(ImageError::reading("outer", nested).kind, ErrorKind::NoSpace);
}

#[test]
fn layers_are_many_but_not_too_many() {
    let case = Case::new();
    let layers: Vec<Vec<u8>> = (0..64).map(|n| layer("f", &n.to_string())).collect();
    case.import(&layers, &["app:1"]).unwrap();
    let image = case.store.find("app:1").unwrap().unwrap();
    let options: usize =
        image.layers.iter().map(|layer| layer.file_name().unwrap().len() + 3).sum();
    assert!(image.layers.len() == 64 && options < 4096);
    let many: Vec<Vec<u8>> = vec![tar(&[]); 129];
    assert_eq!(case.import(&many, &["app:2"]).unwrap_err().kind, ErrorKind::Refused);
}
