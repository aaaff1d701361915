//! A store whose process is killed at any moment, and one whose disk is full. The process is this
//! very test program, started again with the part that it has to play in its environment. The full
//! disk is a small one in memory, mounted where only that process sees it; it needs root.
#![expect(clippy::unwrap_used, reason = "test code: a panic is how a check fails")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gofer_images::{Digest, ErrorKind, Store};
use tar::EntryType;

/// What the started process imports, and into which store.
const ARCHIVE: &str = "GOFER_TEST_ARCHIVE";
const STORE: &str = "GOFER_TEST_STORE";
/// Kills; each a little later than the last.
const N_KILLS: u32 = 20;
const FILES: usize = 60;

fn add(tar: &mut tar::Builder<Vec<u8>>, path: &str, data: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(data.len() as u64);
    tar.append_data(&mut header, path, data).unwrap();
}

fn layer(n: usize) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in 0..FILES {
        add(&mut tar, &format!("l{n}/d{}/f{file}", file % 7), &vec![b'x'; 2000 + n]);
    }
    tar.into_inner().unwrap()
}

/// An image of several layers as `docker save` writes it.
fn archive(dir: &Path) -> PathBuf {
    let layers: Vec<Vec<u8>> = (0..4).map(layer).collect();
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = serde_json::json!({ "rootfs": { "type": "layers", "diff_ids": ids } }).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    let files: Vec<String> = (0..layers.len()).map(|n| format!("{n}/layer.tar")).collect();
    let list = serde_json::json!([{ "Config": "c.json", "RepoTags": ["app:1"], "Layers": files }]);
    add(&mut tar, "manifest.json", list.to_string().as_bytes());
    add(&mut tar, "c.json", config.as_bytes());
    for (file, layer) in files.iter().zip(&layers) {
        add(&mut tar, file, layer);
    }
    let path = dir.join("archive.tar");
    std::fs::write(&path, tar.into_inner().unwrap()).unwrap();
    path
}

/// Whether this process was started to import something; then it does, and prints what it came to.
#[test]
fn the_started_process_imports() {
    let (Ok(archive), Ok(root)) = (std::env::var(ARCHIVE), std::env::var(STORE)) else { return };
    let store = Store::open(Path::new(&root)).unwrap();
    let imported = store.import(Path::new(&archive), None);
    println!("imported: {:?}", imported.as_ref().map_err(|error| error.kind));
    let layers = std::fs::read_dir(Path::new(&root).join("layers")).unwrap().count();
    println!("layers: {layers}");
}

fn play(mut command: Command, archive: &Path, store: &Path) -> Command {
    command.args(["--exact", "the_started_process_imports", "--nocapture"]);
    command.env(ARCHIVE, archive).env(STORE, store).stdin(Stdio::null());
    command
}

/// Everything that a whole image has.
fn check_whole(store: &Store) -> bool {
    let Some(image) = store.find("app:1").unwrap() else { return false };
    assert_eq!(image.layers.len(), 4);
    for (n, layer) in image.layers.iter().enumerate() {
        for file in 0..FILES {
            let path = layer.join(format!("l{n}/d{}/f{file}", file % 7));
            assert_eq!(std::fs::metadata(&path).unwrap().len(), 2000 + n as u64, "{path:?}");
        }
    }
    true
}

#[test]
fn a_killed_import_leaves_a_whole_image_or_none_and_can_be_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(dir.path());
    let (mut n_whole, mut n_none) = (0, 0);
    for kill in 0..N_KILLS {
        let root = dir.path().join(format!("store-{kill}"));
        let own = Command::new(std::env::current_exe().unwrap());
        let mut child = play(own, &archive, &root).stdout(Stdio::null()).spawn().unwrap();
        // The time at which it dies is what the test is about; nothing waits for it.
        std::thread::sleep(Duration::from_millis(u64::from(kill) * 4));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(&root).unwrap();
        *if check_whole(&store) { &mut n_whole } else { &mut n_none } += 1;
        if kill % 2 == 0 {
            store.prune(&BTreeSet::new(), false).unwrap();
            assert_eq!(check_whole(&store), store.find("app:1").unwrap().is_some());
        }
        store.import(&archive, None).unwrap();
        assert!(check_whole(&store));
        store.prune(&BTreeSet::new(), false).unwrap();
        assert!(check_whole(&store), "it has a name");
        for (folder, want) in [("layers", 4), ("l", 4), ("tmp", 0), ("trash", 0)] {
            let n = std::fs::read_dir(root.join(folder)).unwrap().count();
            assert_eq!(n, want, "{folder} after kill {kill}");
        }
    }
    assert!(n_none > 0, "no import was killed in time ({n_whole} were not)");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let archive = archive(dir.path());
    let at = dir.path().join("disk");
    std::fs::create_dir(&at).unwrap();
    let own = std::env::current_exe().unwrap();
    // Room for one layer and some of the next.
    let script = r#"mount -t tmpfs -o size=400k t "$1" && shift && exec "$@""#;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(&at)
        .arg(own);
    let output = play(command, &archive, &at.join("store")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("imported: Err({:?})", ErrorKind::NoSpace)), "{said}");
    assert!(said.contains("layers: 0"), "{said}");
}
