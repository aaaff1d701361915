//! The filters of system calls that every container runs under. Without them no container starts.
//!
//! Two are stacked. The first allows what [`super::syscalls`] lists and forbids the rest (EPERM); it
//! kills a program of another architecture. The second says "no such system call" (ENOSYS) to
//! `clone3`, whose flags lie in memory where no filter can look, and to all that is newer than the
//! list. Where both say no, the kernel takes the answer of the one that was loaded last.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::syscalls::{ALLOWED, NONE, UNKNOWN_FROM};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// The same number on every architecture.
const CLONE3: u32 = 435;
/// All flags of `clone` that make a namespace. It may make none.
const CLONE_NAMESPACES: u64 = 0x7E02_0000;
/// Protocol families that reach past the container: the kernel's cryptography and the hypervisor.
const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;
/// What `personality` may be set to: Linux, 32 bit, each with or without a fixed address space, and
/// the question what it is.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xFFFF_FFFF];

/// Both filters, compiled.
#[derive(Debug, Clone)]
pub(super) struct Filters {
    allowed: BpfProgram,
    unknown: BpfProgram,
}

impl Filters {
    /// Compiles the filters for the architecture that this program runs on.
    pub(super) fn compile() -> Result<Self, seccompiler::BackendError> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let filter = SeccompFilter::new(
            rules(arch)?,
            SeccompAction::Errno(EPERM),
            SeccompAction::Allow,
            arch,
        )?;
        Ok(Self { allowed: filter.try_into()?, unknown: no_such_call() })
    }

    /// Puts the calling thread under both filters. Nothing can take them off again.
    pub(super) fn load(&self) -> Result<(), seccompiler::Error> {
        seccompiler::apply_filter(&self.allowed)?;
        seccompiler::apply_filter(&self.unknown)
    }
}

fn rules(arch: TargetArch) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let is_x86 = matches!(arch, TargetArch::x86_64);
    let of_arch = |x86_64, aarch64| if is_x86 { x86_64 } else { aarch64 };
    let numbers = ALLOWED.iter().map(|(_, x86_64, aarch64)| of_arch(*x86_64, *aarch64));
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        numbers.filter(|number| *number != NONE).map(|number| (number, Vec::new())).collect();

    let when = |length, operator, value| {
        SeccompRule::new(vec![SeccompCondition::new(0, length, operator, value)?])
    };
    let word = SeccompCmpArgLen::Dword;
    let no_namespace = SeccompCmpOp::MaskedEq(CLONE_NAMESPACES);
    rules.insert(of_arch(56, 220), vec![when(SeccompCmpArgLen::Qword, no_namespace, 0)?]);
    let personalities = PERSONALITIES.map(|value| when(word.clone(), SeccompCmpOp::Eq, value));
    rules.insert(of_arch(135, 92), personalities.into_iter().collect::<Result<_, _>>()?);
    let families = vec![
        when(word.clone(), SeccompCmpOp::Lt, AF_ALG)?,
        when(word.clone(), SeccompCmpOp::Eq, AF_ALG + 1)?,
        when(word, SeccompCmpOp::Gt, AF_VSOCK)?,
    ];
    rules.insert(of_arch(41, 198), families);
    Ok(rules)
}

/// Five instructions by hand, since the compiler knows single numbers and no ranges.
fn no_such_call() -> BpfProgram {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let answer = |action: SeccompAction| step(RETURN, 0, 0, u32::from(action));
    vec![
        step(LOAD_WORD, 0, 0, 0), // the number stands first
        step(JUMP_IF_EQUAL, 2, 0, CLONE3),
        step(JUMP_IF_AT_LEAST, 1, 0, UNKNOWN_FROM),
        answer(SeccompAction::Allow),
        answer(SeccompAction::Errno(ENOSYS)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86_64: u32 = 0xC000_003E;
    const AARCH64: u32 = 0xC000_00B7;
    const I386: u32 = 0x4000_0003;

    /// What a filter answers to a call, by the kernel's rules: a machine of five kinds of steps.
    fn answer(program: &[sock_filter], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = [number.to_le_bytes(), arch.to_le_bytes(), [0; 4], [0; 4]].concat();
        arguments.iter().for_each(|argument| data.extend(argument.to_le_bytes()));
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &program[at];
            let goes_on = match step.code {
                0x06 => return step.k,
                0x20 => {
                    let from = usize::try_from(step.k).unwrap();
                    value = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
                    0
                }
                0x54 => {
                    value &= step.k;
                    0
                }
                0x05 => step.k,
                0x15 => u32::from(if value == step.k { step.jt } else { step.jf }),
                0x25 => u32::from(if value > step.k { step.jt } else { step.jf }),
                0x35 => u32::from(if value >= step.k { step.jt } else { step.jf }),
                code => panic!("a step of an unknown kind: {code:#x}"),
            };
            at += 1 + usize::try_from(goes_on).unwrap();
        }
    }

    fn program(arch: TargetArch) -> BpfProgram {
        let (no, yes) = (SeccompAction::Errno(EPERM), SeccompAction::Allow);
        SeccompFilter::new(rules(arch).unwrap(), no, yes, arch).unwrap().try_into().unwrap()
    }

    #[track_caller]
    fn check(arch: u32, number: u32, arguments: [u64; 6], expected: &str) {
        let program =
            program(if arch == AARCH64 { TargetArch::aarch64 } else { TargetArch::x86_64 });
        let first = answer(&program, arch, number, arguments);
        let second = answer(&no_such_call(), arch, number, arguments);
        // The lower number goes first among actions; of two errors the later filter's counts.
        let action = |answer: u32| answer & 0xFFFF_0000;
        let is_first = action(first) == 0x8000_0000 || action(first) < action(second);
        let both = if is_first { first } else { second };
        let found = match both {
            0x7FFF_0000 => "allowed",
            0x0005_0001 => "EPERM",
            0x0005_0026 => "ENOSYS",
            0x8000_0000 => "killed",
            other => panic!("{other:#x}"),
        };
        assert_eq!(found, expected, "call {number} of {arch:#x} with {arguments:x?}");
    }

    /// A call with this first argument.
    const fn with(first: u64) -> [u64; 6] {
        [first, 0, 0, 0, 0, 0]
    }

    #[test]
    fn calls_are_answered_as_docker_answers_them() {
        check(X86_64, 0, with(0), "allowed"); // read
        check(X86_64, 59, with(0), "allowed"); // execve
        check(X86_64, 101, with(0), "allowed"); // ptrace
        check(X86_64, 161, with(0), "allowed"); // chroot
        // pivot_root, mount, init_module, kexec_load, keyctl, unshare, open_by_handle_at, setns,
        // bpf, userfaultfd, io_uring_setup, open_tree
        for forbidden in [155, 165, 175, 246, 250, 272, 304, 308, 321, 323, 425, 428] {
            check(X86_64, forbidden, with(0), "EPERM");
        }
        check(AARCH64, 63, with(0), "allowed"); // read
        check(AARCH64, 40, with(0), "EPERM"); // mount
        check(AARCH64, 97, with(0), "EPERM"); // unshare
        check(AARCH64, 425, with(0), "EPERM"); // io_uring_setup
    }

    #[test]
    fn namespaces_cannot_be_made_by_any_clone() {
        for (arch, clone) in [(X86_64, 56), (AARCH64, 220)] {
            check(arch, clone, with(0x0001_1200 | 17), "allowed");
            for flag in [
                0x0002_0000,
                0x0200_0000,
                0x0400_0000,
                0x0800_0000,
                0x1000_0000,
                0x2000_0000,
                0x4000_0000,
            ] {
                check(arch, clone, with(flag | 17), "EPERM");
            }
            check(arch, CLONE3, with(0), "ENOSYS");
        }
    }

    #[test]
    fn sockets_that_reach_past_the_container_are_refused() {
        for (arch, socket) in [(X86_64, 41), (AARCH64, 198)] {
            for family in [1, 2, 10, 16, 17, 37, 39, 41] {
                check(arch, socket, with(family), "allowed");
            }
            check(arch, socket, with(AF_ALG), "EPERM");
            check(arch, socket, with(AF_VSOCK), "EPERM");
            // The kernel looks at the lower half alone.
            check(arch, socket, with(AF_VSOCK | 1 << 32), "EPERM");
        }
    }

    #[test]
    fn a_personality_is_one_of_five() {
        for (arch, personality) in [(X86_64, 135), (AARCH64, 92)] {
            for value in PERSONALITIES {
                check(arch, personality, with(value), "allowed");
            }
            check(arch, personality, with(0x0040_0000), "EPERM");
        }
    }

    #[test]
    fn what_is_newer_than_the_list_does_not_exist_and_other_architectures_are_killed() {
        check(X86_64, UNKNOWN_FROM, with(0), "ENOSYS");
        check(X86_64, u32::MAX, with(0), "ENOSYS");
        check(X86_64, 0x4000_0000, with(0), "ENOSYS"); // read of the 32-bit pointer kind
        check(AARCH64, UNKNOWN_FROM, with(0), "ENOSYS");
        check(I386, 3, with(0), "killed");
        check(I386, CLONE3, with(0), "killed");
    }

    #[test]
    fn the_list_is_sorted_and_no_number_stands_twice() {
        assert!(ALLOWED.is_sorted_by(|a, b| a.0 < b.0));
        for number_of in [|row: &(&str, i64, i64)| row.1, |row: &(&str, i64, i64)| row.2] {
            let mut numbers: Vec<i64> =
                ALLOWED.iter().map(number_of).filter(|number| *number != NONE).collect();
            let n_rows = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), n_rows);
            assert!(numbers.iter().all(|number| *number < i64::from(UNKNOWN_FROM)));
        }
    }

    /// Filters hold for a thread, so one thread of the test goes under them.
    #[test]
    fn a_thread_under_the_filters_is_held_by_them() {
        let filters = Filters::compile().unwrap();
        let held = std::thread::spawn(move || {
            filters.load().unwrap();
            let unshared = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS);
            // The C library makes threads by clone3, and by clone where that does not exist.
            let has_threads = std::thread::spawn(|| 7).join().is_ok_and(|number| number == 7);
            (unshared, has_threads)
        });
        assert_eq!(held.join().unwrap(), (Err(nix::errno::Errno::EPERM), true));
    }
}
