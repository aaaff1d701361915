//! Images that are made here, taken in by the store as anyone would.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::manifest::Platform;
use crate::samples::tree;
use crate::store::{Store, StoredImage};

struct Case {
    dir: TempDir,
}

impl Case {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// The image of an archive, from a new store.
    fn stored(&self, archive: &[u8], id: &str) -> StoredImage {
        let path = self.file("archive", archive, 0o600);
        let store = Store::open(&self.path("store")).unwrap();
        assert_eq!(store.import(&path, None).unwrap()[0].id, id);
        store.find(id).unwrap().unwrap()
    }
}

/// A program that is statically linked, as far as its head says.
fn static_program() -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    bytes[16] = 2; // an executable
    bytes[18] = if Platform::current().architecture == "arm64" { 183 } else { 62 };
    bytes[20] = 1;
    bytes[52] = 64; // the head's own size
    bytes[54] = 56;
    bytes
}

fn binary(program: PathBuf) -> Binary {
    Binary { program, at: None, files: Vec::new(), settings: Settings::default() }
}

#[test]
fn a_program_becomes_an_image_that_depends_on_nothing_else() {
    let case = Case::new();
    let settings = Settings {
        names: vec!["app".to_owned(), "docker.io/library/app:latest".to_owned()],
        env: vec![("A".to_owned(), "b".to_owned())],
        user: Some("1000".to_owned()),
        workdir: Some("/w".to_owned()),
        ..Settings::default()
    };
    let extra = ExtraFile { source: case.file("data", b"x", 0o640), at: "etc/data".to_owned() };
    let make = |name: &str| {
        let program = case.file(name, &static_program(), 0o600);
        let at = Some("/bin/app".to_owned());
        let binary = Binary { program, at, files: vec![extra.clone()], settings: settings.clone() };
        let mut archive = Vec::new();
        let packed = from_binary(&binary, &mut archive).unwrap();
        assert_eq!(packed.n_bytes, archive.len() as u64);
        (packed.id, archive)
    };
    let (id, archive) = make("one");
    assert_eq!(
        make("two"),
        (id.clone(), archive.clone()),
        "the same bytes at another time and place"
    );
    let image = case.stored(&archive, &id);
    assert_eq!(image.config.entrypoint, ["/bin/app"]);
    assert_eq!(image.config.env, [("A".to_owned(), "b".to_owned())]);
    assert_eq!(
        (image.config.user.as_deref(), image.config.workdir.as_deref()),
        (Some("1000"), Some("/w"))
    );
    assert_eq!(image.config.created_ms, Some(0));
    let files = tree(&image.layers[0]);
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["bin", "bin/app", "etc", "etc/data"]);
    assert!(files["bin/app"].ends_with(" 755 0:0") && files["etc/data"].ends_with(" 640 0:0"));
}

#[test]
fn the_id_of_an_image_is_the_same_in_every_version_that_makes_it() {
    let case = Case::new();
    let mut binary = binary(case.file("app", &static_program(), 0o755));
    binary.settings.cmd = vec!["x".to_owned()];
    let mut archive = Vec::new();
    let packed = from_binary(&binary, &mut archive).unwrap();
    if Platform::current().architecture == "amd64" {
        // A change here makes every user's layer caches and pinned ids useless.
        assert_eq!(
            packed.id,
            "sha256:219ab71ccaef1026050e00a01cee906f04f350a178eaeabcff7abac2e0deb4a3"
        );
    }
}

#[test]
fn a_program_that_would_not_start_is_refused_in_a_clear_sentence() {
    let case = Case::new();
    let own = std::env::current_exe().unwrap();
    let error = from_binary(&binary(own.clone()), &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    for word in ["dynamically linked", "ld-linux", "libc.so.6", "statically"] {
        assert!(error.message.contains(word), "{error}");
    }
    let script = case.file("script", b"#!/bin/sh\n", 0o755);
    let empty = case.file("empty", b"", 0o755);
    let torn = case.file("torn", &static_program()[..40], 0o755);
    let kind = |program: PathBuf| from_binary(&binary(program), &mut Vec::new()).unwrap_err().kind;
    assert_eq!(kind(script), ErrorKind::Refused);
    assert_eq!(kind(empty), ErrorKind::Refused);
    assert_eq!(kind(torn), ErrorKind::Damaged);
    assert_eq!(kind(case.path("none")), ErrorKind::Missing);

    let elf = elf::read(&own).unwrap().unwrap();
    assert_eq!(elf.architecture, Platform::current().architecture);
    let with = |n: usize| {
        let loader = elf.interpreter.clone().unwrap();
        let mut files = vec![ExtraFile { source: loader.clone().into(), at: loader }];
        let libraries = elf.needed.iter().filter_map(|name| found(name)).take(n);
        files.extend(libraries.map(|path| ExtraFile { at: path.clone(), source: path.into() }));
        from_binary(&Binary { files, ..binary(own.clone()) }, &mut Vec::new())
    };
    assert!(with(usize::MAX).is_ok(), "with its libraries it is taken: {elf:?}");
    assert_eq!(with(1).unwrap_err().kind, ErrorKind::Refused);
}

/// Where this machine keeps a library.
fn found(name: &str) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.ends_with(name));
    path.map(str::to_owned)
}

#[test]
fn a_folder_becomes_an_image_as_it_is() {
    let case = Case::new();
    let root = case.path("root");
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(150));
    case.file("root/bin/sh", b"shell", 0o4755);
    case.file(&format!("root/{long}"), b"long", 0o600);
    symlink("/absolute/../odd//target", root.join("link")).unwrap();
    symlink("t".repeat(200), root.join("long-link")).unwrap();
    std::fs::hard_link(root.join("bin/sh"), root.join("a-name")).unwrap();
    std::fs::set_permissions(root.join("bin"), std::fs::Permissions::from_mode(0o1711)).unwrap();
    let settings = Settings { entrypoint: vec!["/bin/sh".to_owned()], ..Settings::default() };
    let folder = Folder { root: root.clone(), settings };
    let mut archive = Vec::new();
    let packed = from_folder(&folder, &mut archive).unwrap();
    let image = case.stored(&archive, &packed.id);
    assert_eq!(tree(&image.layers[0]), tree(&root));
    let again = from_folder(&folder, &mut std::io::sink()).unwrap();
    assert_eq!(again.id, packed.id);
    std::fs::write(root.join("bin/sh"), "SHELL").unwrap();
    assert_ne!(from_folder(&folder, &mut std::io::sink()).unwrap().id, packed.id);
}

#[test]
fn what_no_image_holds_is_refused() {
    let case = Case::new();
    let folder = |name: &str| Folder { root: case.path(name), settings: Settings::default() };
    let kind = |folder: &Folder| from_folder(folder, &mut std::io::sink()).unwrap_err().kind;
    assert_eq!(kind(&folder("none")), ErrorKind::Missing);
    std::fs::create_dir(case.path("empty")).unwrap();
    assert_eq!(kind(&folder("empty")), ErrorKind::Refused);
    std::fs::create_dir(case.path("socket")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(case.path("socket/s")).unwrap();
    assert_eq!(kind(&folder("socket")), ErrorKind::Refused);
    case.file("good/f", b"x", 0o644);
    let mut named = folder("good");
    for name in ["A", &format!("a@{}", crate::Digest::of(b""))] {
        named.settings.names = vec![name.to_owned()];
        assert_eq!(kind(&named), ErrorKind::Refused, "{name}");
    }
}

#[test]
fn two_things_at_one_path_are_refused() {
    let case = Case::new();
    let source = case.file("data", b"x", 0o644);
    let program = case.file("app", &static_program(), 0o755);
    for at in ["/app", "app/inside", "/", "../out"] {
        let files = vec![ExtraFile { source: source.clone(), at: at.to_owned() }];
        let binary = Binary { files, ..binary(program.clone()) };
        assert_eq!(
            from_binary(&binary, &mut Vec::new()).unwrap_err().kind,
            ErrorKind::Refused,
            "{at}"
        );
    }
}

#[test]
fn the_running_program_runs_from_its_own_image() {
    let case = Case::new();
    let mut archive = Vec::new();
    let packed = own_binary("gofer:1.2.3", &mut archive).unwrap();
    let image = case.stored(&archive, &packed.id);
    assert_eq!(image.config.entrypoint, ["/gofer"]);
    let store = Store::open(&case.path("store")).unwrap();
    assert_eq!(store.list().unwrap()[0].names, ["gofer:1.2.3"]);
    let root: &Path = &image.layers[0];
    let inside = Command::new("chroot").arg(root).args(["/gofer", "--list"]).output().unwrap();
    let listed = String::from_utf8(inside.stdout).unwrap();
    assert!(inside.status.success(), "{}", String::from_utf8_lossy(&inside.stderr));
    assert!(listed.contains("the_running_program_runs_from_its_own_image"), "{listed}");
}
