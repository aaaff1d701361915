//! Layers good and hostile, unpacked into folders that stand beside what must not change.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::error::ErrorKind;
use crate::samples::{Item, file, folder, gzip, hard_link, symlink, tar, tree};

/// Layers on top of each other in a folder of their own. Beside them is a file that no layer may
/// reach.
struct Stack {
    dir: TempDir,
    layers: Vec<PathBuf>,
    limits: Limits,
}

impl Stack {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("outside"), "untouched").unwrap();
        Self { dir, layers: Vec::new(), limits: Limits::default() }
    }

    fn add(&mut self, items: &[Item]) -> Result<Unpacked, ImageError> {
        self.add_bytes(&tar(items))
    }

    fn add_bytes(&mut self, bytes: &[u8]) -> Result<Unpacked, ImageError> {
        let dir = self.dir.path().join(self.layers.len().to_string());
        std::fs::create_dir(&dir).unwrap();
        let unpacked = layer(bytes, &dir, &self.layers, &self.limits);
        self.layers.push(dir.join(FS));
        unpacked
    }

    fn top(&self) -> BTreeMap<String, String> {
        tree(self.layers.last().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.layers.last().unwrap().join(name)
    }

    /// Whether everything beside the layers is as it was.
    fn is_intact(&self) -> bool {
        let mut names: Vec<String> = crate::files::names_in(self.dir.path()).unwrap();
        names.retain(|name| name.parse::<usize>().is_err());
        let outside = self.dir.path().join("outside");
        let ours = |name: &String| name == FS || name == "gone";
        let beside = |layer: &PathBuf| {
            crate::files::names_in(layer.parent().unwrap())
                .is_ok_and(|names| names.iter().all(ours))
        };
        names == ["outside"]
            && self.layers.iter().all(beside)
            && std::fs::read(&outside).unwrap() == b"untouched"
            && outside.metadata().unwrap().nlink() == 1
    }
}

#[track_caller]
fn check(items: &[Item], want: &[(&str, &str)]) {
    let mut stack = Stack::new();
    stack.add(items).unwrap();
    let want: BTreeMap<String, String> =
        want.iter().map(|(path, what)| ((*path).to_owned(), (*what).to_owned())).collect();
    assert_eq!(stack.top(), want);
    assert!(stack.is_intact());
}

#[test]
fn every_kind_of_file_comes_with_its_owner_and_mode() {
    let items = [
        folder("d/").mode(0o1777).owner(7, 8),
        file("d/f", "content").mode(0o6755).owner(1, 2),
        symlink("d/l", "/anywhere/../else").owner(3, 4),
        hard_link("h", "./d/f").mode(0o6755).owner(1, 2),
        Item::new(b'6', "p").mode(0o620),
        Item::new(b'3', "null"),
        Item::new(b'4', "disk"),
    ];
    let mut stack = Stack::new();
    let unpacked = stack.add(&items).unwrap();
    assert_eq!((unpacked.n_entries, unpacked.n_devices_skipped, unpacked.n_bytes), (7, 2, 7));
    let want = [
        ("d", "folder 1777 7:8"),
        ("d/f", "content 6755 1:2"),
        ("d/l", "-> /anywhere/../else 777 3:4"),
        ("h", "content 6755 1:2"),
        ("p", "other 620 0:0"),
    ];
    let want = want.map(|(path, what)| (path.to_owned(), what.to_owned()));
    assert_eq!(stack.top(), BTreeMap::from(want));
    let (a, b) = (stack.path("h").metadata().unwrap(), stack.path("d/f").metadata().unwrap());
    assert_eq!(a.ino(), b.ino());
}

#[test]
fn times_are_kept_those_of_folders_too() {
    let mut stack = Stack::new();
    let items = [
        folder("./").mode(0o750).mtime(5),
        folder("d").mtime(6),
        file("d/f", "").pax("mtime", b"7.5"),
        symlink("d/l", "f").mtime(8),
        file("d/later", "").mtime(9),
        Item::new(b'0', "x/y/z").mtime(10),
    ];
    stack.add(&items).unwrap();
    let time = |name: &str| {
        let metadata = stack.path(name).symlink_metadata().unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    };
    assert_eq!(time(""), (5, 0));
    assert_eq!(stack.path("").metadata().unwrap().mode() & 0o7777, 0o750);
    assert_eq!(time("d"), (6, 0));
    assert_eq!(time("d/f"), (7, 500_000_000));
    assert_eq!(time("d/l"), (8, 0));
    assert_eq!(time("x"), (0, 0), "a folder that nobody named has no time of ours");
}

#[test]
fn a_later_member_replaces_an_earlier_one() {
    check(&[file("f", "one"), file("f", "two").mode(0o600)], &[("f", "two 600 0:0")]);
    check(
        &[folder("d"), file("d/x", ""), folder("d").mode(0o700)],
        &[("d", "folder 700 0:0"), ("d/x", " 644 0:0")],
    );
    check(&[folder("d"), file("d/x", ""), file("d", "f")], &[("d", "f 644 0:0")]);
    check(&[folder("d"), file("d/x", ""), file("d", "f"), folder("d")], &[("d", "folder 755 0:0")]);
    check(&[symlink("l", "outside"), file("l", "f")], &[("l", "f 644 0:0")]);
    check(&[file("f", "one"), symlink("f", "x"), file("f", "two")], &[("f", "two 644 0:0")]);
    check(
        &[file("a", "1"), hard_link("b", "a"), file("a", "2")],
        &[("a", "2 644 0:0"), ("b", "1 644 0:0")],
    );
    check(&[file("a", "1"), hard_link("a", "a")], &[("a", "1 644 0:0")]);
    check(
        &[file("a", "1"), hard_link("b", "a"), hard_link("a", "b")],
        &[("a", "1 644 0:0"), ("b", "1 644 0:0")],
    );
}

#[test]
fn a_folder_that_was_replaced_does_not_give_its_mode_to_what_came() {
    let mut stack = Stack::new();
    let outside = stack.dir.path().join("outside");
    let before = outside.metadata().unwrap().mode();
    let items = [folder("d").mode(0o777), symlink("d", "../../outside"), folder("e").mode(0o711)];
    stack.add(&items).unwrap();
    assert_eq!(stack.path("e").metadata().unwrap().mode() & 0o7777, 0o711);
    assert_eq!(outside.metadata().unwrap().mode(), before);
}

#[test]
fn links_on_the_way_lead_inside() {
    check(
        &[folder("run"), folder("var"), symlink("var/run", "/run"), file("var/run/x", "1")],
        &[
            ("run", "folder 755 0:0"),
            ("run/x", "1 644 0:0"),
            ("var", "folder 755 0:0"),
            ("var/run", "-> /run 777 0:0"),
        ],
    );
    check(
        &[symlink("up", "../../../.."), file("up/outside", "mine")],
        &[("outside", "mine 644 0:0"), ("up", "-> ../../../.. 777 0:0")],
    );
    check(
        &[symlink("root", "/"), file("root/outside", "mine")],
        &[("outside", "mine 644 0:0"), ("root", "-> / 777 0:0")],
    );
    // Behind a link that leads nowhere the folder is made where it leads.
    check(
        &[symlink("l", "../a/b"), file("l/x", "1")],
        &[
            ("a", "folder 755 0:0"),
            ("a/b", "folder 755 0:0"),
            ("a/b/x", "1 644 0:0"),
            ("l", "-> ../a/b 777 0:0"),
        ],
    );
    check(
        &[symlink("l", "outside"), file("outside", "mine"), hard_link("h", "l")],
        &[("h", "-> outside 777 0:0"), ("l", "-> outside 777 0:0"), ("outside", "mine 644 0:0")],
    );
}

#[test]
fn what_leads_out_or_makes_no_sense_is_refused_and_touches_nothing() {
    let damaged = ErrorKind::Damaged;
    let refused = ErrorKind::Refused;
    let deep = "d/".repeat(2100);
    let cases: Vec<(&str, Vec<Item>, ErrorKind)> = vec![
        ("a path with ..", vec![file("../outside", "mine")], refused),
        ("a path with .. later", vec![folder("a"), file("a/../../outside", "mine")], refused),
        ("a path that ends in ..", vec![folder("a/..")], refused),
        ("a hard link with ..", vec![hard_link("h", "../outside")], refused),
        ("a whiteout of ..", vec![file(".wh...", "")], refused),
        ("a whiteout of .", vec![file(".wh..", "")], refused),
        ("a whiteout of nothing", vec![file(".wh.", "")], refused),
        ("a hard link to nothing", vec![hard_link("h", "nothing")], damaged),
        ("a hard link to itself", vec![hard_link("h", "h")], damaged),
        (
            "a hard link out by a link",
            vec![symlink("l", ".."), hard_link("h", "l/outside")],
            damaged,
        ),
        ("a hard link to a folder", vec![folder("d"), hard_link("h", "d")], damaged),
        ("a hard link to the root", vec![hard_link("h", "/")], damaged),
        ("a file as a folder", vec![file("f", ""), file("f/x", "")], damaged),
        (
            "a link to a file as a folder",
            vec![file("f", ""), symlink("l", "f"), file("l/x", "")],
            damaged,
        ),
        ("a circle of links", vec![symlink("a", "b"), symlink("b", "a"), file("a/x", "")], refused),
        ("a link to itself", vec![symlink("a", "a/x"), file("a/x", "")], refused),
        (
            "a magic link",
            vec![symlink("a", "/proc/self/root"), file("a/x", "y")],
            ErrorKind::Missing,
        ),
        ("the root as a file", vec![file("/", "x")], damaged),
        ("the root as a link", vec![symlink("./", "..")], damaged),
        ("an empty link", vec![symlink("l", "")], damaged),
        ("a name with a zero", vec![file("x", "").pax("path", b"a\0b")], refused),
        ("a name that is too long", vec![file("x", "").pax("path", &[b'n'; 256])], refused),
        ("a path that is too long", vec![file("x", "").pax("path", deep.as_bytes())], refused),
        ("a kind that nobody knows", vec![Item::new(b'Z', "x")], ErrorKind::Unsupported),
        ("an owner that means nobody", vec![file("f", "").owner(0xffff_ffff, 0)], damaged),
        (
            "capabilities that are none",
            vec![file("f", "").xattr("security.capability", b"x")],
            damaged,
        ),
    ];
    for (name, items, want) in cases {
        let mut stack = Stack::new();
        match (stack.add(&items), want) {
            // Not a magic link at all: it leads into the layer's own /proc, which is made.
            (Ok(_), ErrorKind::Missing) => assert!(stack.path("proc/self/root/x").exists()),
            (Ok(_), _) => panic!("{name} was unpacked"),
            (Err(error), want) => assert_eq!(error.kind, want, "{name}: {error}"),
        }
        assert!(stack.is_intact(), "{name}");
    }
}

#[test]
fn what_a_layer_deletes_is_marked_for_overlayfs() {
    let mut stack = Stack::new();
    stack
        .add(&[file("f", ""), folder("d"), file("d/x", ""), folder("o"), file("o/x", "")])
        .unwrap();
    let top = [
        file(".wh.f", ""),
        folder("d"),
        file("d/.wh.x", ""),
        file("d/.wh.never", ""),
        folder("o"),
        file("o/.wh..wh..opq", ""),
        file("o/.wh.x", ""),
        file("o/y", ""),
        file(".wh..wh.plnk", ""),
    ];
    stack.add(&top).unwrap();
    let want = [
        ("f", "device 0 0 0:0"),
        ("d", "folder 755 0:0"),
        ("d/x", "device 0 0 0:0"),
        ("o", "folder 755 0:0"),
        ("o/y", " 644 0:0"),
    ];
    let want = want.map(|(path, what)| (path.to_owned(), what.to_owned()));
    assert_eq!(stack.top(), BTreeMap::from(want));
    assert!(opaque(&stack, "o"));
    assert!(!opaque(&stack, "d"));
}

fn opaque(stack: &Stack, name: &str) -> bool {
    let folder = std::fs::File::open(stack.path(name)).unwrap();
    lower::is_opaque(&folder.into(), metadata::Rights::current()).unwrap()
}

#[test]
fn a_deletion_touches_only_the_layers_below_in_whatever_order_it_comes() {
    let below = [folder("d"), file("d/old", ""), file("f", "old")];
    let new = [folder("d"), file("d/new", ""), file("f", "new")];
    let deletes = [file(".wh.d", ""), file(".wh.f", "")];
    for items in [[&new[..], &deletes].concat(), [&deletes[..], &new].concat()] {
        let mut stack = Stack::new();
        stack.add(&below).unwrap();
        stack.add(&items).unwrap();
        assert!(opaque(&stack, "d"), "d/old must not show");
        assert_eq!(stack.top()["f"], "new 644 0:0");
        assert_eq!(stack.top().len(), 3);
    }
}

#[test]
fn a_file_below_a_deleted_folder_makes_it_anew() {
    let mut stack = Stack::new();
    stack.add(&[folder("d").mode(0o700), file("d/old", "")]).unwrap();
    stack.add(&[file(".wh.d", ""), file("d/new", "")]).unwrap();
    assert!(opaque(&stack, "d"));
}

#[test]
fn at_the_root_everything_is_deleted_by_name() {
    let mut stack = Stack::new();
    stack.add(&[file("a", ""), folder("d"), file("d/x", "")]).unwrap();
    stack.add(&[folder("d"), file(".wh..wh..opq", ""), file("new", "")]).unwrap();
    assert_eq!(stack.top()["a"], "device 0 0 0:0");
    assert!(opaque(&stack, "d"));
    assert_eq!(stack.top().len(), 3);
}

#[test]
fn what_nobody_would_see_is_not_marked() {
    let mut stack = Stack::new();
    stack.add(&[file(".wh.x", ""), folder("d"), file("d/.wh..wh..opq", "")]).unwrap();
    assert_eq!(stack.top().len(), 1);
    assert!(!opaque(&stack, "d"));
    // Deleted in the middle: the topmost layer has nothing to hide.
    stack.add(&[file("f", "")]).unwrap();
    stack.add(&[file(".wh.f", "")]).unwrap();
    stack.add(&[file(".wh.f", "")]).unwrap();
    assert_eq!(stack.top().len(), 0);
}

#[test]
fn a_deletion_behind_a_link_of_the_layer_finds_its_folder() {
    let mut stack = Stack::new();
    stack.add(&[folder("real"), file("real/x", "")]).unwrap();
    stack.add(&[folder("real"), symlink("l", "real"), file("l/.wh.x", "")]).unwrap();
    assert_eq!(stack.top()["real/x"], "device 0 0 0:0");
}

#[test]
fn folders_that_only_lower_layers_name_stay_as_they_are() {
    let mut stack = Stack::new();
    let tmp = folder("tmp").mode(0o1777).owner(5, 6).mtime(77).xattr("user.k", b"v");
    stack.add(&[tmp]).unwrap();
    stack.add(&[file("tmp/x", "")]).unwrap();
    assert_eq!(stack.top()["tmp"], "folder 1777 5:6");
    assert_eq!(stack.path("tmp").metadata().unwrap().mtime(), 77);
}

#[test]
fn a_hard_link_to_a_file_below_becomes_a_copy() {
    let mut stack = Stack::new();
    let caps = [1, 0, 0, 2, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let program = file("f", "content").mode(0o4755).owner(1, 2).xattr("security.capability", &caps);
    stack.add(&[program, symlink("l", "f"), file("gone", "")]).unwrap();
    stack.add(&[file(".wh.gone", "")]).unwrap();
    stack.add(&[hard_link("h", "f"), hard_link("m", "l")]).unwrap();
    assert_eq!(stack.top()["h"], "content 4755 1:2");
    assert_eq!(stack.top()["m"], "-> f 777 0:0");
    assert_eq!(xattr(&stack, "h", "security.capability"), Some(caps.to_vec()));
    assert_eq!(stack.path("h").metadata().unwrap().nlink(), 1);
    assert_eq!(stack.add(&[hard_link("h", "gone")]).unwrap_err().kind, ErrorKind::Damaged);
}

fn xattr(stack: &Stack, name: &str, key: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 100];
    let n = rustix::fs::getxattr(stack.path(name), key, value.as_mut_slice()).ok()?;
    value.truncate(n);
    Some(value)
}

#[test]
fn only_attributes_that_an_image_may_set_are_set() {
    let mut stack = Stack::new();
    let odd = file("f", "")
        .xattr("user.ok", b"a\nb\0c")
        .xattr("trusted.overlay.opaque", b"y")
        .xattr("trusted.overlay.redirect", b"/etc")
        .xattr("user.overlay.opaque", b"y")
        .xattr("security.selinux", b"x")
        .xattr("system.posix_acl_access", b"x");
    let dir = folder("d").xattr("trusted.overlay.opaque", b"y").xattr("user.d", b"1");
    let unpacked = stack.add(&[odd, dir]).unwrap();
    assert_eq!(unpacked.n_xattrs_skipped, 6);
    assert_eq!(xattr(&stack, "f", "user.ok").as_deref(), Some(&b"a\nb\0c"[..]));
    assert_eq!(xattr(&stack, "d", "user.d").as_deref(), Some(&b"1"[..]));
    for key in ["trusted.overlay.opaque", "trusted.overlay.redirect", "user.overlay.opaque"] {
        assert_eq!(xattr(&stack, "f", key), None, "{key}");
    }
    assert!(!opaque(&stack, "d"));
}

#[test]
fn a_link_that_names_another_owner_changes_the_file_and_keeps_its_capabilities() {
    let mut stack = Stack::new();
    let caps = [1, 0, 0, 2, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let program = file("f", "").mode(0o755).xattr("security.capability", &caps);
    stack.add(&[program, hard_link("h", "f").mode(0o700).owner(1, 1)]).unwrap();
    assert_eq!(stack.top()["f"], " 700 1:1");
    assert_eq!(xattr(&stack, "f", "security.capability"), Some(caps.to_vec()));
}

#[test]
fn holes_stay_holes() {
    let mut item = Item::new(b'0', "s").pax("GNU.sparse.size", b"10000000");
    item = item.pax("GNU.sparse.map", b"0,512,9000000,512");
    item.data = [[b'h'; 512], [b't'; 512]].concat();
    let mut stack = Stack::new();
    stack.add(&[item]).unwrap();
    let data = std::fs::read(stack.path("s")).unwrap();
    assert_eq!(data.len(), 10_000_000);
    assert_eq!((&data[..512], &data[9_000_000..9_000_512]), (&[b'h'; 512][..], &[b't'; 512][..]));
    assert_eq!(data.iter().filter(|byte| **byte != 0).count(), 1024);
    assert!(stack.path("s").metadata().unwrap().blocks() < 1000, "it takes little room");
}

#[test]
fn digests_and_sizes_are_those_of_the_streams() {
    let plain = tar(&[file("f", "content")]);
    let packed = gzip(&plain);
    let mut stack = Stack::new();
    let unpacked = stack.add_bytes(&packed).unwrap();
    assert_eq!(unpacked.diff_id, Digest::of(&plain));
    assert_eq!(unpacked.digest, Digest::of(&packed));
    assert_eq!(unpacked.n_bytes_packed, packed.len() as u64);
    // What follows the end of the archive counts as well.
    let longer = [plain, vec![7; 5000]].concat();
    assert_eq!(stack.add_bytes(&longer).unwrap().diff_id, Digest::of(&longer));
}

#[test]
fn a_layer_that_is_torn_is_damaged() {
    let packed = gzip(&tar(&[file("f", &"content".repeat(500))]));
    for n in [0, 5, 20, packed.len() / 2, packed.len() - 5] {
        let mut stack = Stack::new();
        let cut = stack.add_bytes(&packed[..n]);
        if n > 5 {
            assert_eq!(cut.unwrap_err().kind, ErrorKind::Damaged, "cut at {n}");
        }
    }
}

#[test]
fn limits_hold() {
    let small =
        Limits { n_bytes_max: 100, n_entries_max: 3, n_folder_bytes_max: 400, ..Limits::default() };
    let mut sparse = Item::new(b'0', "s").pax("GNU.sparse.size", b"1000000000000");
    sparse = sparse.pax("GNU.sparse.map", b"");
    let cases = [
        vec![file("f", &"x".repeat(101))],
        vec![file("f", &"x".repeat(60)), file("g", &"x".repeat(60))],
        vec![file("a", ""), file("b", ""), file("c", ""), file("d", "")],
        vec![file("a/b/c/d/e/f/g", "")],
        vec![sparse],
    ];
    for items in cases {
        let mut stack = Stack { limits: small.clone(), ..Stack::new() };
        assert_eq!(stack.add(&items).unwrap_err().kind, ErrorKind::Refused, "{items:?}");
    }
    // Nothing but zeros behind the end, packed so well that the stream is small.
    let mut bomb = tar(&[]);
    bomb.resize(4 << 20, 0);
    let mut stack = Stack { limits: small, ..Stack::new() };
    assert_eq!(stack.add_bytes(&gzip(&bomb)).unwrap_err().kind, ErrorKind::Refused);
}

#[test]
fn folders_deeper_than_a_path_are_made_and_go_again() {
    // Each name is short enough; by way of a link each one lies below the last.
    let chain = "d/".repeat(200);
    let chain = chain.trim_end_matches('/');
    let mut items = vec![file(&format!("{chain}/x"), "")];
    for n in 0..6 {
        let before = if n == 0 { chain.to_owned() } else { format!("l{}/{chain}", n - 1) };
        items.push(symlink(&format!("l{n}"), &before));
        items.push(file(&format!("l{n}/{chain}/x"), ""));
    }
    let mut stack = Stack::new();
    stack.add(&items).unwrap();
    crate::files::remove_all(&stack.dir.path().join("0")).unwrap();
    assert!(stack.is_intact());
}

/// Members over a handful of names, so that they meet each other.
fn any_item() -> impl Strategy<Value = Item> {
    let good = proptest::sample::select(vec![
        "a",
        "a/b",
        "a/b/c",
        "a/c",
        "b",
        "b/a",
        "c",
        "c/a",
        "/a",
        "./b",
        "outside",
        ".wh.a",
        "a/.wh.b",
        ".wh..wh..opq",
        "a/.wh..wh..opq",
        "b/.wh.a",
    ]);
    let bad = proptest::sample::select(vec!["../a", "a/../../c", "../outside", "/", "a/.wh..."]);
    let path = prop_oneof![50 => good, 1 => bad];
    let inside = proptest::sample::select(vec!["a", "b", "../a", "a/b", "/b", ".", "c"]);
    let outside = proptest::sample::select(vec![
        "/",
        "..",
        "../..",
        "../..",
        "../../..",
        "../../outside",
        "/outside",
        "/proc/self/root/tmp",
        "../../../../../../etc/passwd",
    ]);
    let link = prop_oneof![inside, outside];
    let kind = proptest::sample::select(vec![b'0', b'0', b'1', b'2', b'2', b'3', b'5', b'5', b'6']);
    (kind, path, link, 0_u32..0o10000).prop_map(|(kind, path, link, mode)| {
        let mut item = Item::new(kind, path).mode(mode);
        if kind == b'0' {
            item.data = b"mine".to_vec();
        } else if matches!(kind, b'1' | b'2') {
            item.link = link.as_bytes().to_vec();
        }
        item
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_sequence_of_members_reaches_the_outside(
        layers in proptest::collection::vec(proptest::collection::vec(any_item(), 0..12), 1..4),
    ) {
        let mut stack = Stack::new();
        for items in &layers {
            if let Err(error) = stack.add(items) {
                let ours = [ErrorKind::Damaged, ErrorKind::Refused];
                prop_assert!(ours.contains(&error.kind), "{}", error);
                break;
            }
            // No path of the layer is left half made, and nothing stands in for what replaced it.
            prop_assert!(!stack.top().keys().any(|path| path.contains(".wh.")));
        }
        prop_assert!(stack.is_intact());
    }

    #[test]
    fn the_same_members_give_the_same_tree(items in proptest::collection::vec(any_item(), 0..12)) {
        let (mut a, mut b) = (Stack::new(), Stack::new());
        let (first, second) = (a.add(&items), b.add_bytes(&gzip(&tar(&items))));
        match (first, second) {
            (Ok(first), Ok(second)) => {
                prop_assert_eq!(first.diff_id, second.diff_id);
                prop_assert_eq!(a.top(), b.top());
            }
            (Err(first), Err(second)) => prop_assert_eq!(first.to_string(), second.to_string()),
            (first, second) => prop_assert!(false, "{:?} {:?}", first, second),
        }
    }
}
