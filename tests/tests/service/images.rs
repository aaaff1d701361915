//! Images by hand: an archive on its way in, whatever happens to it, and what is done with what came
//! in. The driver's side of it is the conformance suite's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use gofer_client::model::{Image, PullProgress, RunStatus};
use gofer_client::{ClientError, ErrorKind, ImportImages, Mode, Piece};
use gofer_proto::v1 as pb;
use gofer_tests::conformance::fresh_instance;
use gofer_tests::fake::{FakeImage, Program};
use gofer_tests::images::{Saved, saved};
use pb::images_service_client::ImagesServiceClient;
use pb::import_image_request::Item;
use tokio::sync::mpsc;
use tonic::{Code, Status};

use super::errors::{Small, small_house};
use super::support::{House, simple, soon, until};
use super::wire;

const NAME: &str = "app:1";

/// A small image, each time another one.
async fn image(name: &str) -> Saved {
    saved(name, fresh_instance().as_str()).await.unwrap()
}

/// An archive as the client sends it.
fn archive(bytes: &[u8], name: Option<&str>) -> ImportImages {
    let (sender, pieces) = mpsc::channel(2);
    sender.try_send(Piece::Data(Bytes::copy_from_slice(bytes))).unwrap();
    sender.try_send(Piece::End).unwrap();
    ImportImages { name: name.map(str::to_owned), pieces }
}

async fn import(house: &House, bytes: &[u8]) -> Result<Vec<Image>, ClientError> {
    soon("an import", house.client.import_images(archive(bytes, None))).await
}

fn n_uploads(house: &House) -> usize {
    std::fs::read_dir(house.server.data_dir().join("uploads")).map_or(0, Iterator::count)
}

async fn no_upload_is_left(house: &House) {
    until("no upload was left", async || (n_uploads(house) == 0).then_some(())).await;
}

async fn names(house: &House) -> Vec<Vec<String>> {
    house.client.images().await.unwrap().into_iter().map(|image| image.names).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_image_is_listed_runs_and_goes() {
    let house = House::up().await;
    let file = image(NAME).await;
    let images = import(&house, &file.archive).await.unwrap();
    let [one] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((one.id.as_str(), one.names.as_slice()), (file.id.as_str(), &[NAME.to_owned()][..]));
    assert!(one.size_bytes > 100_000 && one.created_at.is_some(), "{one:?}");
    assert_eq!(house.client.images().await.unwrap(), images);
    no_upload_is_left(&house).await;
    house.fake.program(NAME, Program::exit(0).out("from an archive\n"));
    let run = house.start_new(simple("imported", NAME)).await;
    house.ends(&run, RunStatus::Successful).await;
    assert_eq!(house.log_bytes(&run, "work").await, b"from an archive\n");
    house.nothing_is_left().await;
    house.client.remove_image(NAME).await.unwrap();
    assert!(house.client.images().await.unwrap().is_empty());
    let run = house.start(&run.pipeline).await;
    house.ends(&run, RunStatus::Failed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_the_callers_takes_the_place_of_the_archives() {
    let house = House::up().await;
    let file = image(NAME).await;
    let import = house.client.import_images(archive(&file.layout, Some("team/other")));
    soon("an import", import).await.unwrap();
    assert_eq!(names(&house).await, [["team/other:latest"]]);
    for bad in ["", "UPPER", "a b", "a?force=true", "../containers/x"] {
        let import = house.client.import_images(archive(&file.archive, Some(bad)));
        let error = soon("a refusal", import).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{bad:?}: {error:?}");
        assert_eq!(error.violations.first().map(|one| one.field.as_str()), Some("name"), "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_archive_is_the_callers_fault_and_leaves_nothing() {
    let house = House::up().await;
    let file = image(NAME).await;
    let mut damaged = file.archive.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 16].fill(0xa5);
    let half = &file.archive[..middle];
    for bytes in [&b""[..], b"garbage", half, &damaged] {
        let error = import(&house, bytes).await.unwrap_err();
        assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Invalid, "BAD_ARCHIVE"));
        assert!(error.message.contains("archive") && error.next.is_some(), "{error:?}");
    }
    assert!(names(&house).await.is_empty());
    no_upload_is_left(&house).await;
}

fn message(item: Item) -> pb::ImportImageRequest {
    pb::ImportImageRequest { item: Some(item) }
}

fn begin() -> pb::ImportImageRequest {
    message(Item::Start(pb::ImportImageStart { name: None }))
}

fn piece(n_bytes: usize) -> pb::ImportImageRequest {
    message(Item::Piece(vec![0; n_bytes].into()))
}

async fn sent(house: &House, messages: Vec<pb::ImportImageRequest>) -> Status {
    let mut wire = ImagesServiceClient::new(wire::channel(house.server.data_dir()).await);
    soon("an answer", wire.import_image(stream::iter(messages))).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_out_of_order_are_refused() {
    let house = House::up().await;
    let empty = || pb::ImportImageRequest { item: None };
    for (messages, rule) in [
        (vec![], "first message"),
        (vec![empty()], "first message"),
        (vec![piece(9), begin()], "first message"),
        (vec![begin(), begin()], "brings a piece"),
        (vec![begin(), piece(9), empty()], "brings a piece"),
        (vec![begin(), piece(9)], "before the archive was whole"),
        (vec![begin()], "before the archive was whole"),
        (vec![begin(), piece(4 * 1024 * 1024 + 1)], "at most"),
    ] {
        let status = sent(&house, messages).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(rule), "{status:?} does not say {rule:?}");
    }
    no_upload_is_left(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_cut_off_is_thrown_away() {
    let house = House::up().await;
    let file = image(NAME).await;
    // By whoever makes it: the whole archive, and no word that it is whole.
    let (pieces, incoming) = mpsc::channel(2);
    let import = ImportImages { name: None, pieces: incoming };
    let sending = house.client.import_images(import);
    pieces.send(Piece::Data(Bytes::from(file.archive.clone()))).await.unwrap();
    drop(pieces);
    let error = soon("an end", sending).await.unwrap_err();
    assert_eq!(error.reason, "ARCHIVE_CUT");
    no_upload_is_left(&house).await;
    // By a client that dies in the middle.
    let (pieces, incoming) = mpsc::channel(2);
    let client = house.client.clone();
    let mut dying = tokio::task::JoinSet::new();
    dying.spawn(async move {
        client.import_images(ImportImages { name: None, pieces: incoming }).await
    });
    pieces.send(Piece::Data(Bytes::from(file.archive.clone()))).await.unwrap();
    until("an upload began", async || (n_uploads(&house) == 1).then_some(())).await;
    dying.shutdown().await;
    no_upload_is_left(&house).await;
    assert!(names(&house).await.is_empty(), "half an import came in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_does_not_fit_is_thrown_away_and_runs_go_on() {
    let Some(small) = Small::mount("160m") else { return };
    let house = small_house(&small).await;
    let (pieces, incoming) = mpsc::channel(2);
    let client = house.client.clone();
    let import =
        async move { client.import_images(ImportImages { name: None, pieces: incoming }).await };
    let feed = async move {
        let data = Bytes::from(vec![1; 1024 * 1024]);
        while pieces.send(Piece::Data(data.clone())).await.is_ok() {}
    };
    let (imported, ()) = soon("a refusal", async { tokio::join!(import, feed) }).await;
    let error = imported.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Full, "DISK_FULL"), "{error:?}");
    assert!(error.message.contains("disk") && error.next.is_some(), "{error:?}");
    no_upload_is_left(&house).await;
    let run = house.start_new(simple("after", "img")).await;
    house.ends(&run, RunStatus::Successful).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_removes_what_a_crash_left() {
    let mut house = House::up().await;
    let folder = house.server.data_dir().join("uploads");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("upload-x"), b"half").unwrap();
    house.restart().await;
    assert_eq!(n_uploads(&house), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_not_there_is_told_with_names_that_are() {
    let house = House::up().await;
    import(&house, &image("team/app:1").await.archive).await.unwrap();
    let error = house.client.remove_image("team/ap:1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error:?}");
    assert_eq!(error.nearest, ["team/app:1"]);
    let unknown = format!("sha256:{}", "0".repeat(64));
    let error = house.client.remove_image(&unknown).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error:?}");
    for bad in ["", "A", "sha256:", "sha256:12", "a/../b", "x@y"] {
        let error = house.client.remove_image(bad).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{bad:?}: {error:?}");
    }
    assert_eq!(names(&house).await, [["team/app:1"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prune_says_what_goes_and_takes_it() {
    let house = House::up().await;
    let (old, new) = (image(NAME).await, image(NAME).await);
    import(&house, &old.archive).await.unwrap();
    import(&house, &new.archive).await.unwrap();
    assert_eq!(house.client.images().await.unwrap().len(), 2);
    for mode in [Mode::DryRun, Mode::Commit] {
        let pruned = house.client.prune_images(mode).await.unwrap();
        assert_eq!(pruned.image_ids, [old.id.as_str()], "{mode:?}");
        assert!(pruned.freed_bytes > 0, "{pruned:?}");
    }
    assert_eq!(house.client.prune_images(Mode::Commit).await.unwrap().image_ids.len(), 0);
    assert_eq!(names(&house).await, [[NAME]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_tells_how_far_it_is_and_ends_with_the_image() {
    let house = House::up().await;
    let takes = Duration::from_millis(200);
    house.fake.image("r.io/a:1", FakeImage { takes, bytes: 1000, ..FakeImage::remote() });
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = |now: PullProgress| told.lock().unwrap().push(now);
    let pulled = soon("a pull", house.client.pull_image("r.io/a:1", tell)).await.unwrap();
    assert_eq!(pulled.image.names, ["r.io/a:1"]);
    assert!(pulled.digest.is_some_and(|digest| digest.starts_with("r.io/a:1@sha256:")));
    let told = told.lock().unwrap();
    assert!(told.is_sorted_by_key(|now| now.current_bytes) && !told.is_empty(), "{told:?}");
    assert!(told.iter().all(|now| now.total_bytes == 1000), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_cannot_be_says_why_and_one_that_nobody_waits_for_ends() {
    let house = House::up().await;
    house.fake.image("r.io/missing:1", FakeImage::missing());
    house.fake.image("r.io/stumbles:1", FakeImage { hiccups: 1, ..FakeImage::remote() });
    let takes = Duration::from_secs(1000);
    house.fake.image("r.io/slow:1", FakeImage { takes, ..FakeImage::remote() });
    let pull = |name: &'static str| soon("a pull", house.client.pull_image(name, |_| ()));
    let error = pull("r.io/missing:1").await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::Rejected, "PULL_REFUSED"));
    let error = pull("r.io/stumbles:1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
    pull("r.io/stumbles:1").await.unwrap();
    for bad in ["", "A", "a b", "https://r.io/a", "../a"] {
        let error = pull(bad).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{bad:?}: {error:?}");
    }
    let given_up = house.client.pull_image("r.io/slow:1", |_| ());
    assert!(tokio::time::timeout(Duration::from_millis(300), given_up).await.is_err());
    let none = async || (house.fake.pulls_under_way() == 0).then_some(());
    until("the pull was cancelled", none).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_away_is_unavailable() {
    let house = House::up().await;
    let file = image(NAME).await;
    house.fake.down();
    let errors = [
        house.client.images().await.unwrap_err(),
        house.client.remove_image(NAME).await.unwrap_err(),
        house.client.prune_images(Mode::Commit).await.unwrap_err(),
        import(&house, &file.archive).await.unwrap_err(),
        house.client.pull_image(NAME, |_| ()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error:?}");
        assert!(!error.lost && error.retry_after_ms.is_some(), "{error:?}");
    }
    house.fake.up();
    import(&house, &file.archive).await.unwrap();
    no_upload_is_left(&house).await;
}
