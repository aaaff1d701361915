//! What a program says of itself: for which machine it is, which loader it wants and which
//! libraries.

use std::fs::File;
use std::path::Path;

use object::elf;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::{Endianness, ReadCache, ReadRef, StringTable};

use crate::error::ImageError;

/// A program or a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    /// As Go names it: `amd64`.
    pub(super) architecture: String,
    /// The path of its loader; none where it is statically linked, or a library.
    pub(super) interpreter: Option<String>,
    /// The names of the libraries that it needs.
    pub(super) needed: Vec<String>,
    /// The name by which others need it.
    pub(super) soname: Option<String>,
}

/// Reads the head of a file; none where it is no ELF file.
pub(super) fn read(path: &Path) -> Result<Option<Elf>, ImageError> {
    let file = File::open(path)
        .map_err(|error| ImageError::io(format!("could not open {}", path.display()), error))?;
    let data = ReadCache::new(file);
    let Ok(ident) = (&data).read_bytes_at(0, 5) else { return Ok(None) };
    let parsed = match ident {
        [0x7f, b'E', b'L', b'F', class] if *class == elf::ELFCLASS64.0 => {
            parse::<elf::FileHeader64<Endianness>>(&data)
        }
        [0x7f, b'E', b'L', b'F', ..] => parse::<elf::FileHeader32<Endianness>>(&data),
        _ => return Ok(None),
    };
    parsed.map(Some).map_err(|error| {
        ImageError::damaged(format!("could not read the program {}: {error}", path.display()))
    })
}

fn parse<H: FileHeader<Endian = Endianness>>(
    data: &ReadCache<File>,
) -> Result<Elf, object::read::Error> {
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut found = Elf {
        architecture: architecture(header.e_machine(endian)),
        interpreter: None,
        needed: Vec::new(),
        soname: None,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            found.interpreter = Some(text(interpreter));
        }
        let Some(entries) = segment.dynamic(endian, data)? else { continue };
        let value = |wanted| {
            let entry = entries.iter().find(|entry| entry.tag(endian) == wanted);
            entry.map(|entry| entry.val(endian))
        };
        let (Some(address), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else {
            continue;
        };
        // The table is known by its address in memory; a segment says where that is in the file.
        let offset = segments.iter().find_map(|segment| {
            let start: u64 = segment.p_vaddr(endian).into();
            let n_bytes: u64 = segment.p_filesz(endian).into();
            let offset: u64 = segment.p_offset(endian).into();
            let inside = address.checked_sub(start).filter(|at| *at < n_bytes);
            inside.filter(|_| segment.p_type(endian) == elf::PT_LOAD)?.checked_add(offset)
        });
        let Some(offset) = offset else { continue };
        let strings = StringTable::new(data, offset, offset.saturating_add(size));
        for entry in entries.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL) {
            let tag = entry.tag(endian);
            if tag == elf::DT_NEEDED {
                found.needed.push(text(entry.string(endian, strings)?));
            } else if tag == elf::DT_SONAME {
                found.soname = Some(text(entry.string(endian, strings)?));
            }
        }
    }
    Ok(found)
}

fn architecture(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "amd64".to_owned(),
        elf::EM_AARCH64 => "arm64".to_owned(),
        elf::EM_386 => "386".to_owned(),
        elf::EM_ARM => "arm".to_owned(),
        elf::EM_RISCV => "riscv64".to_owned(),
        other => format!("elf{}", other.0),
    }
}
