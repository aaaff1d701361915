//! What the reader makes of archives, whole, odd and torn.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::samples::{Item, file, folder, gzip, record, symlink, tar};

fn read(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, ImageError> {
    let mut archive = Tarball::new(bytes);
    let mut found = Vec::new();
    while let Some(member) = archive.next()? {
        let mut data = Vec::new();
        archive.read_to_end(&mut data).map_err(|error| ImageError::reading("data", error))?;
        found.push((member, data));
    }
    Ok(found)
}

#[test]
fn members_come_with_their_data_and_their_records() {
    let long = "d/".repeat(150) + "f";
    let items = [
        folder("a/"),
        file("a/b", "content").mode(0o4755).owner(1, 2),
        symlink("l", "a/b"),
        file(&long, "x").pax("mtime", b"7.25").pax("uid", b"70000").xattr("user.k", b"a\nb\0"),
    ];
    let found = read(&tar(&items)).unwrap();
    let kinds: Vec<Kind> = found.iter().map(|(member, _)| member.kind).collect();
    assert_eq!(kinds, [Kind::Directory, Kind::File, Kind::Symlink, Kind::File]);
    let (b, data) = &found[1];
    assert_eq!((b.mode, b.uid, b.gid, data.as_slice()), (0o4755, 1, 2, &b"content"[..]));
    assert_eq!(found[2].0.link, b"a/b");
    let last = &found[3].0;
    assert_eq!(last.path, long.as_bytes());
    assert_eq!(last.mtime, Time { seconds: 7, nanoseconds: 250_000_000 });
    assert_eq!(last.uid, 70000);
    assert_eq!(last.xattrs, [(b"user.k".to_vec(), b"a\nb\0".to_vec())]);
}

#[test]
fn data_that_nobody_reads_is_passed_over() {
    let bytes = tar(&[file("a", &"x".repeat(2000)), file("b", "y")]);
    let mut archive = Tarball::new(bytes.as_slice());
    assert_eq!(archive.next().unwrap().unwrap().path, b"a");
    assert_eq!(archive.position(), 512);
    assert_eq!(archive.next().unwrap().unwrap().path, b"b");
    assert_eq!(archive.position(), 512 + 2048 + 512);
    assert_eq!(archive.next().unwrap(), None);
}

#[test]
fn names_of_gnu_go_over_records_and_records_over_the_header() {
    let mut long = Item::new(b'L', "././@LongLink");
    long.data = b"gnu\0rest".to_vec();
    let items =
        [file("header", "").pax("path", b"pax"), long, file("header", "").pax("path", b"pax")];
    let paths: Vec<Vec<u8>> =
        read(&tar(&items)).unwrap().into_iter().map(|(member, _)| member.path).collect();
    assert_eq!(paths, [&b"pax"[..], b"gnu"]);
}

#[test]
fn a_size_of_a_record_is_the_size() {
    let mut big = file("a", "0123456789");
    big.pax.push(("size".to_owned(), b"4".to_vec()));
    // The header says 10, the record 4: the next header is where the record says.
    let found = read(&tar(&[big, file("b", "")])).unwrap();
    assert_eq!(found[0].1, b"0123");
    assert_eq!(found[1].0.path, b"b");
}

#[test]
fn kinds_that_hold_nothing_have_no_data_whatever_they_say() {
    let mut link = symlink("l", "x");
    link.data = vec![];
    let mut bytes = tar(&[link, file("b", "y")]);
    // The size of the link's header: 512 bytes, of which there are none.
    let mut header = Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&bytes[..512]);
    header.set_size(512);
    header.set_cksum();
    bytes[..512].copy_from_slice(header.as_bytes());
    let found = read(&bytes).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].1, b"y");
}

#[test]
fn a_sum_that_is_wrong_and_an_owner_that_is_none_are_faults() {
    let mut bytes = tar(&[file("a", "x")]);
    bytes[0] ^= 1;
    assert_eq!(read(&bytes).unwrap_err().kind, ErrorKind::Damaged);
    for item in
        [file("a", "").owner(u64::from(u32::MAX), 0), file("a", "").pax("gid", b"99999999999")]
    {
        assert_eq!(read(&tar(&[item])).unwrap_err().kind, ErrorKind::Damaged);
    }
}

#[test]
fn a_cut_inside_of_a_member_is_a_fault() {
    let whole = tar(&[file("a", "0123456789").pax("mtime", b"1"), file("b", "y")]);
    let n_ends = whole.len() - 1024;
    for n in 1..n_ends {
        let result = read(&whole[..n]);
        // Between members the end is one: not every tool writes the zeros.
        let between = [0, 2048].contains(&n) || (n > n_ends - 512 && n >= n_ends - 511);
        if !between {
            assert!(result.is_err(), "cut at {n}");
        }
    }
    assert!(read(&whole[..2048]).is_ok());
}

#[test]
fn names_that_take_too_much_are_refused_before_they_are_read() {
    // A terabyte of name, which the archive only promises.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let endless = header.as_bytes().chain(io::repeat(b'a'));
    let error = Tarball::new(endless).next().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
}

/// A sparse file of 10,000 bytes: `head` at 0 and `tail` at 9,000.
fn sparse(version: &str) -> Vec<u8> {
    let mut item = Item::new(b'0', "GNUSparseFile/s").pax("GNU.sparse.name", b"s");
    let (head, tail) = ([b'h'; 512], [b't'; 512]);
    let data = [head, tail].concat();
    match version {
        "0.0" => {
            item = item.pax("GNU.sparse.size", b"10000").pax("GNU.sparse.numblocks", b"2");
            for number in
                [("offset", "0"), ("numbytes", "512"), ("offset", "9000"), ("numbytes", "512")]
            {
                item = item.pax(&format!("GNU.sparse.{}", number.0), number.1.as_bytes());
            }
            item.data = data;
        }
        "0.1" => {
            item = item.pax("GNU.sparse.size", b"10000").pax("GNU.sparse.map", b"0,512,9000,512");
            item.data = data;
        }
        _ => {
            item = item.pax("GNU.sparse.major", b"1").pax("GNU.sparse.minor", b"0");
            item = item.pax("GNU.sparse.realsize", b"10000");
            let mut map = b"2\n0\n512\n9000\n512\n".to_vec();
            map.resize(512, 0);
            item.data = [map, data].concat();
        }
    }
    tar(&[item, file("after", "y")])
}

#[test]
fn sparse_files_of_all_versions_have_one_map() {
    for version in ["0.0", "0.1", "1.0"] {
        let found = read(&sparse(version)).unwrap();
        let (member, data) = &found[0];
        assert_eq!((member.path.as_slice(), member.size), (&b"s"[..], 10_000), "{version}");
        let extents = [Extent { offset: 0, length: 512 }, Extent { offset: 9000, length: 512 }];
        assert_eq!(member.extents.as_deref(), Some(&extents[..]), "{version}");
        assert_eq!(data.len(), 1024, "{version}");
        assert_eq!(found[1].1, b"y", "{version}");
    }
}

#[test]
fn the_old_sparse_header_of_gnu_is_read() {
    let mut header = Header::new_gnu();
    header.set_path("s").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(512);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.set_real_size(5000);
    gnu.sparse[0].set_offset(4096);
    gnu.sparse[0].set_length(512);
    header.set_cksum();
    let bytes = [header.as_bytes().as_slice(), &[b'x'; 512], &[0; 1024]].concat();
    let found = read(&bytes).unwrap();
    assert_eq!(found[0].0.size, 5000);
    assert_eq!(found[0].0.extents.as_deref(), Some(&[Extent { offset: 4096, length: 512 }][..]));
}

#[test]
fn maps_that_are_out_of_order_or_not_of_the_data_are_faults() {
    for map in [
        "0,512,100,512",
        "9000,512,0,512",
        "0,512",
        "0,512,9900,512",
        "0,512,9000",
        "x",
        "0,1024,0,0",
    ] {
        let mut item = Item::new(b'0', "s").pax("GNU.sparse.size", b"10000");
        item = item.pax("GNU.sparse.map", map.as_bytes());
        item.data = vec![b'x'; 1024];
        assert_eq!(read(&tar(&[item])).unwrap_err().kind, ErrorKind::Damaged, "{map}");
    }
}

proptest! {
    #[test]
    fn changed_archives_are_read_or_are_faults(
        changes in proptest::collection::vec((0_usize..4096, any::<u8>()), 1..8),
        compressed in any::<bool>(),
    ) {
        let mut bytes = tar(&[
            file("a/b", "0123456789").pax("path", b"c").xattr("user.a", b"v"),
            symlink("l", "a"),
        ]);
        if compressed {
            bytes = gzip(&bytes);
        }
        for (at, byte) in changes {
            let n = bytes.len();
            bytes[at % n] = byte;
        }
        if let Ok(stream) = crate::compression::open(bytes.as_slice()) {
            let mut archive = Tarball::new(stream);
            while let Ok(Some(_member)) = archive.next() {}
        }
    }

    #[test]
    fn any_records_are_read_or_are_faults(key in "[a-zA-Z.]{0,20}", value in any::<Vec<u8>>()) {
        let bytes = record(&key, &value);
        let _read = Pax::parse(&bytes);
    }
}
