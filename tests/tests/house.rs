//! Holds the rules of the house on this tree: layers, tidiness, manifests, documents. The second
//! half plants one fault of each kind and looks that it is found: a check that finds nothing in a
//! clean tree has shown nothing yet.

#![expect(clippy::expect_used, reason = "a set-up that fails ends the test with its reason")]

use std::path::{Path, PathBuf};

use gofer_tests::house::layers::{Dependency, Member};
use gofer_tests::house::{Fault, docs, layers, manifests, markdown, root, tidy};

fn assert_none(faults: &[Fault]) {
    let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), listed.join("\n  "));
}

#[test]
fn every_crate_names_only_what_its_layer_allows() {
    let members = layers::members(&root()).expect("cargo knows the workspace");
    assert!(members.len() > 10, "found only {} crates", members.len());
    assert_none(&layers::faults(&members));
}

#[test]
fn every_source_file_is_tidy() {
    assert_none(&tidy::faults(&root()).expect("the tree can be read"));
}

#[test]
fn every_version_stands_in_the_root_manifest_and_every_crate_takes_the_lints() {
    let root = root();
    let mut faults = Vec::new();
    for member in layers::members(&root).expect("cargo knows the workspace") {
        let place = format!("{}/Cargo.toml", member.folder);
        let text = std::fs::read_to_string(root.join(&place)).expect("a member has a manifest");
        faults.extend(manifests::faults(&member.name, &place, &text));
    }
    assert_none(&faults);
}

#[test]
fn every_link_and_path_in_the_documents_leads_somewhere() {
    let root = root();
    let mut faults = docs::faults(&root).expect("the documents can be read");
    let members = layers::members(&root).expect("cargo knows the workspace");
    faults.extend(docs::map_faults(&root, &members).expect("the architecture page can be read"));
    assert_none(&faults);
}

#[test]
fn every_command_line_in_the_documents_is_one_that_gofer_takes() {
    let root = root();
    let documents = docs::documents(&root).expect("the documents can be read");
    let lines = docs::command_lines(&root, &documents);
    assert!(lines.len() > 10, "found only {} command lines", lines.len());
    let binary = docs::binary().expect("the tests of the documents run the built binary");
    let faults: Vec<Fault> = lines
        .into_iter()
        .filter_map(|line| {
            let refusal = docs::refusal(&binary, &line.arguments).expect("gofer can be started");
            refusal.map(|said| {
                Fault::new(line.place, format!("`gofer {}`: {said}", line.arguments.join(" ")))
            })
        })
        .collect();
    assert_none(&faults);
}

// ---- planted faults ------------------------------------------------------------------------------

/// Asserts that exactly one fault is found, with these words in it.
fn assert_one(faults: &[Fault], words: &str) {
    let listed: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 1, "wanted one fault with {words:?}, got {listed:?}");
    assert!(listed.iter().all(|f| f.contains(words)), "wanted {words:?}, got {listed:?}");
}

fn member(name: &str, folder: &str, dependencies: &[(&str, &[&str])]) -> Member {
    let dependencies = dependencies.iter().map(|(name, features)| Dependency {
        name: (*name).to_owned(),
        features: features.iter().map(|f| (*f).to_owned()).collect(),
        default_features: false,
    });
    Member {
        name: name.to_owned(),
        folder: folder.to_owned(),
        dependencies: dependencies.collect(),
    }
}

/// The faults of one crate in a workspace with the others in it.
fn layer_faults(planted: Member) -> Vec<Fault> {
    let mut members = vec![planted];
    for layer in layers::LAYERS {
        members.push(member(layer.name, "elsewhere", &[]));
    }
    let faults = layers::faults(&members);
    // The real tree takes the same way as the planted one: without the fault there is none.
    assert_none(&layers::faults(members.get(1..).unwrap_or_default()));
    faults
}

#[test]
fn a_crate_that_looks_up_is_found() {
    let up = member("gofer-core", "server/core", &[("gofer-engine", &[])]);
    assert_one(&layer_faults(up), "names gofer-engine");
    let wire = member("gofer", "cli", &[("gofer-client", &[]), ("gofer-proto", &["grpc"])]);
    assert_one(&layer_faults(wire), "names gofer-proto");
    let tests = member("gofer-tests", "tests", &[("gofer-core", &[])]);
    let mut members = vec![tests, member("gofer-store", "server/store", &[("gofer-tests", &[])])];
    assert_one(&layers::faults(&members), "names gofer-tests");
    members.pop();
    assert_none(&layers::faults(&members));
}

#[test]
fn a_crate_that_names_a_banned_crate_is_found() {
    let core = member("gofer-core", "server/core", &[("serde", &[]), ("tokio-util", &[])]);
    assert_one(&layer_faults(core), "tokio is not for it");
    let engine = member("gofer-engine", "server/engine", &[("rusqlite", &[]), ("tokio", &[])]);
    assert_one(&layer_faults(engine), "names rusqlite");
    let api = member("gofer-api", "server/api", &[("bollard", &[]), ("tonic", &[])]);
    assert_one(&layer_faults(api), "names bollard");
}

#[test]
fn a_pipeline_sdk_that_grows_is_found() {
    let folder = "sdk/rust/pipeline";
    let grpc = member("gofer-sdk", folder, &[("prost", &[]), ("gofer-proto", &["grpc"])]);
    assert_one(&layer_faults(grpc), "messages only");
    let heavy = member("gofer-sdk", folder, &[("prost", &[]), ("serde", &[])]);
    assert_one(&layer_faults(heavy), "names serde");
}

#[test]
fn a_crate_without_a_layer_is_found() {
    assert_one(&layer_faults(member("gofer-util", "server/util", &[])), "stands in no layer");
    let example = member("dag", "sdk/rust/examples/dag", &[("gofer-sdk", &[])]);
    assert_none(&layer_faults(example));
    let wrong = member("dag", "sdk/rust/examples/dag", &[("gofer-client", &[])]);
    assert_one(&layer_faults(wrong), "names gofer-client");
}

#[test]
fn an_untidy_file_is_found() {
    let check = |text: &str, words: &str| {
        assert_one(&tidy::faults_of("server/core/src/x.rs", text), words);
    };
    let lines = |n: usize| format!("//! Why.\n{}", "// A line.\n".repeat(n - 1));
    assert_none(&tidy::faults_of("server/core/src/x.rs", &lines(tidy::LINES_MAX)));
    check(&lines(tidy::LINES_MAX + 1), "has 601 lines");
    check("fn main() {}\n", "does not open with");
    check(concat!("//! Why.\nfn f() { to", "do!() }\n"), "x.rs:2");
    check(concat!("//! Why.\nfn f() { unimpl", "emented!() }\n"), "leave the door out");
    check(concat!("//! Why.\n// FIX", "ME: later\n"), "file an issue");
    check(concat!("//! Why.\n// XX", "X later\n"), "in a sentence");
    check(concat!("//! Why.\n#[test]\n#[ig", "nore = \"slow\"]\nfn f() {}\n"), "x.rs:3");
    check(concat!("//! Why.\n#[al", "low(dead_code)]\nfn f() {}\n"), "#[expect");
    check(concat!("//! Why.\n#![al", "low(dead_code)]\n"), "#![expect");
    check(
        concat!("//! Why.\n#[cfg_attr(test, al", "low(dead_code))]\nfn f() {}\n"),
        "switched off",
    );
}

#[test]
fn generated_files_and_innocent_words_are_left_alone() {
    let generated = concat!("// This file is @generated by a program.\n#[al", "low(dead_code)]\n");
    assert_none(&tidy::faults_of("proto/src/generated/x.rs", generated));
    let innocent = "//! Why.\nlet name = \"gofer.XXXXXX\";\nlet allow = allow(x);\n";
    assert_none(&tidy::faults_of("server/core/src/x.rs", innocent));
    assert_none(&tidy::faults_of("tests/tests/x.rs", "#[test]\nfn f() {}\n"));
}

#[test]
fn a_manifest_with_a_version_of_its_own_is_found() {
    const GOOD: &str = "[package]\nname = \"x\"\nversion.workspace = true\n\n[lints]\nworkspace = true\n\n[dependencies]\n";
    let check = |addition: &str, words: &str| {
        assert_one(&manifests::faults("x", "x/Cargo.toml", &format!("{GOOD}{addition}")), words);
    };
    assert_none(&manifests::faults("x", "x/Cargo.toml", GOOD));
    let inherited = "a.workspace = true\nb = { workspace = true, features = [\"f\"] }\n[dev-dependencies.c]\nworkspace = true\n";
    assert_none(&manifests::faults("x", "x/Cargo.toml", &format!("{GOOD}{inherited}")));
    check("a = \"1\"\n", "x/Cargo.toml:9");
    check("a = { version = \"1\", features = [\"workspace\"] }\n", "root manifest");
    check("a = { path = \"../workspace\" }\n", "root manifest");
    check("[dev-dependencies]\na = \"1\"\n", "root manifest");
    check("[target.'cfg(unix)'.dependencies]\na = \"1\"\n", "root manifest");
    check("[build-dependencies.a]\nversion = \"1\"\n", "x/Cargo.toml:9");
    let versioned = GOOD.replace("version.workspace = true", "version = \"0.1.0\"");
    assert_one(&manifests::faults("x", "x/Cargo.toml", &versioned), "version.workspace");
    let unlinted = GOOD.replace("[lints]\nworkspace = true\n", "");
    assert_one(&manifests::faults("x", "x/Cargo.toml", &unlinted), "lints");
    assert_none(&manifests::faults("gofer-proto", "proto/Cargo.toml", &unlinted));
}

/// A small tree with a book in it, to which a test adds its fault.
fn tree(pages: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder");
        std::fs::write(path, text).expect("a page");
    };
    write("docs/SUMMARY.md", "# Summary\n\n- [Page](page.md)\n");
    write("docs/page.md", "# A page\n\n## Two words\n");
    write("server/core/src/lib.rs", "//! Why.\n");
    for (path, text) in pages {
        write(path, text);
    }
    std::fs::create_dir_all(folder.path().join("tui")).expect("an empty folder");
    folder
}

fn doc_faults(pages: &[(&str, &str)]) -> Vec<Fault> {
    docs::faults(tree(pages).path()).expect("the tree can be read")
}

#[test]
fn a_dead_link_is_found() {
    let readme = |text: &str| doc_faults(&[("README.md", text)]);
    assert_none(&readme(
        "[a](docs/page.md) [b](docs/page.md#two-words) [c](https://example.org/x)\n",
    ));
    assert_none(&readme(
        "# Here\n\n[up](#here), not a link: `[x](y.md)`\n\n```text\n[x](y.md)\n```\n",
    ));
    assert_one(&readme("fine\n[a](docs/no.md)\n"), "README.md:2: link to `docs/no.md`");
    assert_one(&readme("[a](docs/page.md#three-words)\n"), "no such heading there");
    assert_one(&readme("[a](#nowhere)\n"), "no such heading on this page");
    assert_one(&readme("[the screen](tui)\n"), "no such file");
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let readme = |text: &str| doc_faults(&[("README.md", text)]);
    assert_none(&readme(
        "`server/core/src/lib.rs`, `server/core/src/{lib.rs}`, `server/<name>/x`\n",
    ));
    assert_one(&readme("see `server/core/src/gone.rs`\n"), "`server/core/src/gone.rs`");
    assert_one(&readme("`server/core/src/{lib,gone}.rs`\n"), "`server/core/src/gone.rs`");
    assert_one(&readme("`server/drivers/<name>/src`\n"), "`server/drivers`");
    // Git keeps no empty folder: the next clone would not have it.
    assert_one(&readme("`tui/`\n"), "`tui/`");
}

#[test]
fn a_page_that_the_book_forgot_is_found() {
    assert_one(&doc_faults(&[("docs/how/new.md", "# New\n")]), "does not list `how/new.md`");
}

#[test]
fn a_crate_that_is_not_on_the_map_is_found() {
    let folder = tree(&[("docs/architecture.md", "# Map\n\n`gofer-core`\n")]);
    let members = [member("gofer-core", "server/core", &[]), member("gofer-x", "server/x", &[])];
    assert_one(&docs::map_faults(folder.path(), &members).expect("a page"), "`gofer-x`");
}

#[test]
fn command_lines_are_found_in_shell_blocks_only() {
    let text = "gofer not code\n\n```console\n$ gofer run list simple # the newest\ngofer output\n```\n\n```sh\nA=b target/debug/gofer up . && gofer run get simple 1 > out\ncat x | gofer run start \"a b\"\ngofer-other\n```\n\n```text\ngofer in a picture\n```\n";
    let documents = [(PathBuf::from("README.md"), markdown::parse(text))];
    let found: Vec<String> = docs::command_lines(Path::new(""), &documents)
        .iter()
        .map(|line| format!("{} {}", line.place, line.arguments.join("|")))
        .collect();
    assert_eq!(
        found,
        [
            "README.md:4 run|list|simple",
            "README.md:9 up|.",
            "README.md:9 run|get|simple|1",
            "README.md:10 run|start|a b",
        ]
    );
}

#[test]
fn a_command_that_gofer_does_not_take_is_found() {
    let binary = docs::binary().expect("the tests of the documents run the built binary");
    let refusal = |line: &str| {
        let calls = docs::gofer_calls(line);
        let arguments = calls.first().expect("a call of gofer");
        docs::refusal(&binary, arguments).expect("gofer can be started")
    };
    assert_eq!(refusal("gofer run list"), None);
    assert!(refusal("gofer run lisst").is_some(), "a command that does not exist was taken");
    assert!(
        refusal("gofer run list --no-such-flag").is_some(),
        "a flag that does not exist was taken"
    );
}
