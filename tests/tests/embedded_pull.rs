//! The embedded engine against a registry, and against ways to it that cut, corrupt and lie. It needs
//! root, busybox-static and docker-registry; what both engines must do alike is in the suite.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use gofer_core::ids::{AttemptKey, TaskId};
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{
    ContainerSpec, Driver, DriverError, FaultKind, Observed, ProgressSink, PullProgress,
    PullRequest, PulledImage, RegistryLogin,
};
use gofer_driver_embedded::EmbeddedDriver;
use gofer_tests::conformance::{PATIENCE, expect_fault, fresh_instance};
use gofer_tests::embedded::Ground;
use gofer_tests::registry::bare::BareEngine;
use gofer_tests::registry::craft::{self, Layer, Pushed};
use gofer_tests::registry::proxy::{Asked, Deed, Proxy};
use gofer_tests::registry::{Access, PASSWORD, Registry, SlowWay, USER};

const MIB: usize = 1 << 20;

fn silent() -> ProgressSink {
    Arc::new(|_| {})
}

fn request(image: &str) -> PullRequest {
    PullRequest { image: image.to_owned(), policy: PullPolicy::Always, auth: None }
}

async fn pull(driver: &EmbeddedDriver, image: &str) -> Result<PulledImage, DriverError> {
    driver.pull(request(image), silent()).await
}

/// An image of one layer that nobody else has, as `app:1`, and the layer.
async fn one_layer(registry: &Registry, n_bytes: usize) -> Result<(Pushed, Layer)> {
    let layer = Layer::noise("data", n_bytes, fresh_instance().as_str())?;
    let pushed = registry.put("app", "1", std::slice::from_ref(&layer)).await?;
    Ok((pushed, layer))
}

/// What parts of a blob were asked for, in order.
fn ranges(proxy: &Proxy, layer: &Layer) -> Vec<String> {
    let digest = layer.digest();
    let asked = proxy.blobs().into_iter().filter(|asked| asked.path.ends_with(&digest));
    asked.map(|asked| asked.range.unwrap_or_default()).collect()
}

/// A rule for one layer's content; all else passes.
fn for_layer<R: Fn(&Asked) -> Deed>(layer: &Layer, rule: R) -> impl Fn(&Asked) -> Deed + use<R> {
    let digest = layer.digest();
    move |asked| {
        if asked.is_blob() && asked.path.ends_with(&digest) { rule(asked) } else { Deed::Pass }
    }
}

#[tokio::test]
async fn a_cut_transfer_goes_on_where_it_was_cut() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, layer) = one_layer(&registry, 3 * MIB).await?;
    let cut = |asked: &Asked| match asked.n_before {
        0 => Deed::CutAfter(1_000_000),
        1 => Deed::CutAfter(500_000),
        _ => Deed::Pass,
    };
    let proxy = Proxy::open(&registry, for_layer(&layer, cut)).await?;
    let told: Arc<Mutex<Vec<PullProgress>>> = Arc::default();
    let hearing = Arc::clone(&told);
    let sink: ProgressSink = Arc::new(move |now| hearing.lock().unwrap().push(now));
    let pulled = engine.driver(None)?.pull(request(&proxy.image("app:1")), sink).await?;
    ensure!(pulled.image_id == pushed.id, "{pulled:?}");
    ensure!(pulled.digest == Some(proxy.image(&format!("app@{}", pushed.digest))), "{pulled:?}");
    ensure!(
        ranges(&proxy, &layer) == ["bytes=0-", "bytes=1000000-", "bytes=1500000-"],
        "{:?}",
        ranges(&proxy, &layer)
    );
    let told = told.lock().unwrap();
    let size = layer.blob.len() as u64;
    ensure!(told.is_sorted_by_key(|now| now.current_bytes), "{told:?}");
    ensure!(told.iter().all(|now| now.total_bytes == size), "{told:?}");
    ensure!(told.last().is_some_and(|last| last.current_bytes == size), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn a_registry_that_knows_no_ranges_begins_anew() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, layer) = one_layer(&registry, 2 * MIB).await?;
    let cut = |asked: &Asked| match asked.n_before {
        0 => Deed::CutAfter(1_000_000),
        _ => Deed::Whole,
    };
    let proxy = Proxy::open(&registry, for_layer(&layer, cut)).await?;
    let pulled = pull(&engine.driver(None)?, &proxy.image("app:1")).await?;
    ensure!(pulled.image_id == pushed.id && engine.file("data")?.len() == 2 * MIB, "{pulled:?}");
    Ok(())
}

#[tokio::test]
async fn a_registry_that_always_cuts_is_a_hiccup_and_what_came_is_kept() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, layer) = one_layer(&registry, MIB).await?;
    let bad = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&bad);
    let cut = move |_: &Asked| {
        if now.load(Ordering::Relaxed) { Deed::CutAfter(1000) } else { Deed::Pass }
    };
    let proxy = Proxy::open(&registry, for_layer(&layer, cut)).await?;
    let (driver, image) = (engine.driver(None)?, proxy.image("app:1"));
    let fault = expect_fault(pull(&driver, &image).await, FaultKind::Image)?;
    ensure!(fault.retryable, "{fault:?}");
    let n_kept = fs::metadata(engine.part(&layer.digest()))?.len();
    ensure!(n_kept == ranges(&proxy, &layer).len() as u64 * 1000, "{n_kept}");
    bad.store(false, Ordering::Relaxed);
    let pulled = pull(&driver, &image).await?;
    ensure!(pulled.image_id == pushed.id, "{pulled:?}");
    ensure!(ranges(&proxy, &layer).last() == Some(&format!("bytes={n_kept}-")));
    Ok(())
}

#[tokio::test]
async fn a_corrupted_layer_is_refused_and_nothing_of_it_is_kept() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, layer) = one_layer(&registry, 2 * MIB).await?;
    let bad = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&bad);
    let flip = move |_: &Asked| {
        if now.load(Ordering::Relaxed) { Deed::FlipAt(1_500_000) } else { Deed::Pass }
    };
    let proxy = Proxy::open(&registry, for_layer(&layer, flip)).await?;
    let (driver, image) = (engine.driver(None)?, proxy.image("app:1"));
    let fault = expect_fault(pull(&driver, &image).await, FaultKind::Image)?;
    ensure!(fault.retryable && fault.message.contains("damaged"), "{fault:?}");
    ensure!(fault.message.contains(&layer.digest()), "{fault:?}");
    ensure!(!engine.has(&layer.digest()) && driver.images().list().await?.is_empty());
    ensure!(engine.n_layers()? == 0);
    bad.store(false, Ordering::Relaxed);
    ensure!(pull(&driver, &image).await?.image_id == pushed.id);
    Ok(())
}

#[tokio::test]
async fn a_part_that_is_wrong_from_before_costs_one_more_transfer() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, layer) = one_layer(&registry, MIB).await?;
    let driver = engine.driver(None)?;
    fs::write(engine.part(&layer.digest()), vec![7; 1000])?;
    let proxy = Proxy::open(&registry, |_| Deed::Pass).await?;
    let pulled = pull(&driver, &proxy.image("app:1")).await?;
    ensure!(pulled.image_id == pushed.id, "{pulled:?}");
    ensure!(ranges(&proxy, &layer) == ["bytes=1000-", "bytes=0-"], "{:?}", ranges(&proxy, &layer));
    Ok(())
}

#[tokio::test]
async fn more_than_was_promised_is_refused() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (_, layer) = one_layer(&registry, 300_000).await?;
    let mut longer = layer.blob.clone();
    longer.extend_from_slice(&[0; 100]);
    let mut chunked = format!("{:x}\r\n", longer.len()).into_bytes();
    chunked.extend_from_slice(&longer);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let answer = move |_: &Asked| {
        let lines = vec!["Transfer-Encoding: chunked".to_owned()];
        Deed::Answer("200 OK".to_owned(), lines, chunked.clone())
    };
    let proxy = Proxy::open(&registry, for_layer(&layer, answer)).await?;
    let pulled = pull(&engine.driver(None)?, &proxy.image("app:1")).await;
    let fault = expect_fault(pulled, FaultKind::Image)?;
    ensure!(fault.message.contains("more than"), "{fault:?}");
    ensure!(!engine.has(&layer.digest()));
    Ok(())
}

#[tokio::test]
async fn two_pulls_at_once_fetch_each_blob_once() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let mark = fresh_instance().to_string();
    let layers: Result<Vec<Layer>> =
        (0..5).map(|n| Layer::noise(&format!("f{n}"), MIB, &format!("{mark}{n}"))).collect();
    let pushed = registry.put("app", "1", &layers?).await?;
    let proxy = Proxy::open(&registry, |_| Deed::Pass).await?;
    // Two servers on one store, and two tasks of the second.
    let (one, two) = (engine.driver(None)?, engine.driver(None)?);
    let image = proxy.image("app:1");
    let if_missing = PullRequest { policy: PullPolicy::IfNotPresent, ..request(&image) };
    let (a, b, c, d) = tokio::join!(
        pull(&one, &image),
        pull(&two, &image),
        two.pull(if_missing.clone(), silent()),
        one.pull(if_missing, silent()),
    );
    for pulled in [a?, b?, c?, d?] {
        ensure!(pulled.image_id == pushed.id, "{pulled:?}");
    }
    let blobs = proxy.blobs();
    ensure!(blobs.len() == 6 && blobs.iter().all(|asked| asked.n_before == 0), "{blobs:?}");
    Ok(())
}

#[tokio::test]
async fn a_layer_that_is_here_is_not_fetched() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (_, shared) = one_layer(&registry, 1000).await?;
    let new = Layer::new(&[("new", b"new")])?;
    let pushed = registry.put("other", "1", &[shared, new.clone()]).await?;
    let proxy = Proxy::open(&registry, |_| Deed::Pass).await?;
    let driver = engine.driver(None)?;
    pull(&driver, &proxy.image("app:1")).await?;
    let n_before = proxy.blobs().len();
    pull(&driver, &proxy.image("other:1")).await?;
    let fetched: Vec<String> =
        proxy.blobs().split_off(n_before).into_iter().map(|a| a.path).collect();
    let want = [pushed.id, new.digest()].map(|digest| format!("/v2/other/blobs/{digest}"));
    ensure!(fetched == want, "{fetched:?}");
    Ok(())
}

#[tokio::test]
async fn a_dropped_pull_hangs_up_and_the_next_goes_on() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, layer) = one_layer(&registry, 3 * MIB).await?;
    let driver = engine.driver(None)?;
    let mut way = SlowWay::open(&registry, 256 * 1024).await?;
    let (told, mut telling) = tokio::sync::watch::channel(0);
    let sink: ProgressSink = Arc::new(move |now| {
        told.send_replace(now.current_bytes);
    });
    let slow = driver.pull(request(&way.image("app:1")), sink);
    tokio::select! {
        told = telling.wait_for(|n_bytes| *n_bytes > 0) => { told?; }
        pulled = slow => anyhow::bail!("pulled all in no time: {pulled:?}"),
        () = tokio::time::sleep(PATIENCE) => anyhow::bail!("no progress was told"),
    }
    tokio::time::timeout(Duration::from_secs(10), way.slow(0)).await??;
    way.close().await;
    let proxy = Proxy::open(&registry, |_| Deed::Pass).await?;
    let pulled = pull(&driver, &proxy.image("app:1")).await?;
    ensure!(pulled.image_id == pushed.id, "{pulled:?}");
    let asked = ranges(&proxy, &layer);
    let from = asked.first().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    let from: usize = from.context("no range")?.parse()?;
    ensure!(asked.len() == 1 && (1..256 * 1024).contains(&from), "{asked:?}");
    ensure!(!engine.part(&layer.digest()).exists());
    Ok(())
}

/// A sign-in service and the registry behind it, on one address.
fn bearer(asked: &Asked, service: impl FnOnce(Option<&str>) -> Deed) -> Deed {
    if asked.path.starts_with("/token?") {
        return service(asked.authorization.as_deref());
    }
    if asked.authorization.as_deref() == Some("Bearer good") {
        return Deed::Pass;
    }
    let challenge = format!(
        r#"Www-Authenticate: Bearer realm="http://{}/token",service="gofer-test""#,
        asked.host
    );
    let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    Deed::Answer("401 Unauthorized".to_owned(), vec![challenge], body.to_vec())
}

fn token(status: &str, body: &str) -> Deed {
    Deed::Answer(status.to_owned(), vec![], body.as_bytes().to_vec())
}

#[tokio::test]
async fn a_sign_in_service_gives_a_token_for_the_right_login() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, _) = one_layer(&registry, 1000).await?;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let right = format!("Basic {basic}");
    let proxy = Proxy::open(&registry, move |asked| {
        bearer(asked, |authorization| match authorization {
            Some(found) if found == right => token("200 OK", r#"{"token":"good","expires_in":60}"#),
            Some(_) => token("401 Unauthorized", r#"{"details":"incorrect username or password"}"#),
            None => token("200 OK", r#"{"token":"nobody"}"#),
        })
    })
    .await?;
    let (driver, image) = (engine.driver(None)?, proxy.image("app:1"));
    let with = |login| driver.pull(PullRequest { auth: login, ..request(&image) }, silent());
    let wrong = RegistryLogin { username: USER.to_owned(), password: "guess".to_owned() };
    for login in [Some(wrong), None] {
        let fault = expect_fault(with(login).await, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains("credentials"), "{fault:?}");
        ensure!(!fault.message.contains("guess"), "{fault:?}");
    }
    ensure!(with(Some(Registry::login())).await?.image_id == pushed.id);
    let asked = proxy.asked().into_iter().rfind(|asked| asked.path.starts_with("/token?"));
    let path = asked.context("no token was asked for")?.path;
    ensure!(path.contains("service=gofer-test") && path.contains("scope=repository%3Aapp%3Apull"));
    Ok(())
}

#[tokio::test]
async fn a_sign_in_service_that_is_out_of_order_is_a_hiccup() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    one_layer(&registry, 1000).await?;
    let driver = engine.driver(None)?;
    let answers = [
        ("503 Service Unavailable", "<h1>503 Service Unavailable</h1>"),
        ("200 OK", "{}"),
        ("200 OK", r#"{"token":"a\nb"}"#), // no header can hold that
    ];
    for (status, body) in answers {
        let proxy =
            Proxy::open(&registry, move |asked| bearer(asked, |_| token(status, body))).await?;
        let login = Some(Registry::login());
        let request = PullRequest { auth: login, ..request(&proxy.image("app:1")) };
        let fault = expect_fault(driver.pull(request, silent()).await, FaultKind::Image)?;
        ensure!(fault.retryable && !fault.message.contains(PASSWORD), "{status} {body}: {fault:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_that_has_run_out_is_renewed() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (pushed, layer) = one_layer(&registry, 1000).await?;
    let digest = layer.digest();
    let n_given = AtomicUsize::new(0);
    let proxy = Proxy::open(&registry, move |asked| {
        // The first token does for all but the layer.
        let first = asked.authorization.as_deref() == Some("Bearer good");
        if asked.authorization.as_deref() == Some("Bearer better") {
            return Deed::Pass;
        }
        let asked = if first && asked.path.ends_with(&digest) {
            Asked { authorization: None, ..asked.clone() }
        } else {
            asked.clone()
        };
        bearer(&asked, |_| match n_given.fetch_add(1, Ordering::Relaxed) {
            0 => token("200 OK", r#"{"token":"good"}"#),
            _ => token("200 OK", r#"{"token":"better"}"#),
        })
    })
    .await?;
    let pulled = pull(&engine.driver(None)?, &proxy.image("app:1")).await?;
    ensure!(pulled.image_id == pushed.id, "{pulled:?}");
    ensure!(ranges(&proxy, &layer).len() == 2, "{:?}", proxy.blobs());
    Ok(())
}

#[tokio::test]
async fn many_who_wait_for_a_registry_that_is_out_of_order_ask_it_once() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    // Slow enough that all wait before the first has its answer.
    let proxy = Proxy::open(&registry, |_| {
        std::thread::sleep(Duration::from_millis(200));
        token("503 Service Unavailable", "")
    })
    .await?;
    let driver = engine.driver(None)?;
    let image = proxy.image("app:1");
    let pulls = (0..20).map(|_| {
        let request = PullRequest { policy: PullPolicy::IfNotPresent, ..request(&image) };
        driver.pull(request, silent())
    });
    for pulled in futures_util::future::join_all(pulls).await {
        let fault = expect_fault(pulled, FaultKind::Image)?;
        ensure!(fault.retryable && fault.message.contains("503"), "{fault:?}");
    }
    let n_manifests =
        proxy.asked().iter().filter(|asked| asked.path.contains("/manifests/")).count();
    ensure!(n_manifests == 1, "{:?}", proxy.asked());
    Ok(())
}

#[tokio::test]
async fn a_login_that_cannot_be_used_is_named_when_the_registry_refuses() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Login).await?, BareEngine::new()?);
    let config_file = engine.data_dir().join("config.json");
    let host = registry.image("").trim_end_matches('/').to_owned();
    let check = async |config: serde_json::Value, named: &str| -> Result<()> {
        fs::write(&config_file, config.to_string())?;
        let driver = engine.driver(Some(config_file.clone()))?;
        let fault = expect_fault(pull(&driver, &registry.image("app:1")).await, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains(named), "{fault:?}");
        Ok(())
    };
    check(serde_json::json!({ "credHelpers": { &host: "pass" } }), "docker-credential-pass")
        .await?;
    let identity = serde_json::json!({ "auths": { &host: { "identitytoken": "hush" } } });
    check(identity, "log in with a name and a password").await
}

#[tokio::test]
async fn this_machines_image_is_chosen_of_several() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let other = if craft::architecture() == "arm64" { "amd64" } else { "arm64" };
    let layer = Layer::new(&[("f", b"f")])?;
    let layers = std::slice::from_ref(&layer);
    let ours = registry.put("app", "ours", layers).await?;
    let theirs = registry.put_with("app", "theirs", &craft::config(other, layers), layers).await?;
    registry.put_index("app", "1", &[(other, &theirs), (craft::architecture(), &ours)]).await?;
    registry.put_index("app", "theirs", &[(other, &theirs), ("s390x", &theirs)]).await?;
    let driver = engine.driver(None)?;
    let pulled = pull(&driver, &registry.image("app:1")).await?;
    ensure!(pulled.image_id == ours.id, "{pulled:?}");
    let digest = registry.image(&format!("app@{}", ours.digest));
    ensure!(pulled.digest.as_ref() == Some(&digest), "{pulled:?}");
    ensure!(pull(&driver, &digest).await? == pulled);
    let missing = pull(&driver, &registry.image("app:theirs")).await;
    let fault = expect_fault(missing, FaultKind::Image)?;
    let named = [format!("linux/{other}"), "linux/s390x".to_owned()];
    ensure!(!fault.retryable && named.iter().all(|name| fault.message.contains(name)), "{fault:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_too_large_or_contradicts_itself_is_refused_for_good() -> Result<()> {
    let (registry, engine) = (Registry::start(Access::Open).await?, BareEngine::new()?);
    let (_, layer) = one_layer(&registry, 1000).await?;
    let layers = std::slice::from_ref(&layer);
    let driver = engine.driver(None)?;
    let config = craft::config(craft::architecture(), layers);
    // A layer that its manifest calls larger than any disk.
    let mut huge: serde_json::Value = serde_json::from_slice(&craft::manifest(&config, layers))?;
    huge["layers"][0]["size"] = serde_json::json!(1_u64 << 60);
    huge["layers"][0]["digest"] = serde_json::json!(craft::digest(b"huge"));
    let huge = huge.to_string().into_bytes();
    let proxy = Proxy::open(&registry, move |asked| {
        if !asked.path.contains("/manifests/") {
            return Deed::Pass;
        }
        let kind = vec![format!("Content-Type: {}", craft::MANIFEST)];
        Deed::Answer("200 OK".to_owned(), kind, huge.clone())
    })
    .await?;
    let check = async |image: &str, word: &str| -> Result<()> {
        let fault = expect_fault(pull(&driver, image).await, FaultKind::Image)?;
        ensure!(!fault.retryable && fault.message.contains(word), "{fault:?}");
        ensure!(driver.images().list().await?.is_empty());
        Ok(())
    };
    check(&proxy.image("app:1"), "too much").await?;
    // A layer that is not what the config says.
    let lying = Layer { diff_id: craft::digest(b"another"), ..layer.clone() };
    let lies = craft::config(craft::architecture(), std::slice::from_ref(&lying));
    registry.put_with("app", "lies", &lies, layers).await?;
    check(&registry.image("app:lies"), "diff id").await?;
    // A manifest that has another digest than the one that was asked for.
    let other = craft::digest(b"other");
    let fault = pull(&driver, &proxy.image(&format!("app@{other}"))).await;
    let fault = expect_fault(fault, FaultKind::Image)?;
    ensure!(fault.message.contains(&other), "{fault:?}");
    // What names no image.
    check("No Image", "No Image").await?;
    check(&craft::digest(b"no id"), "by its id").await
}

#[tokio::test]
async fn a_pulled_image_runs() -> Result<()> {
    let registry = Registry::start(Access::Open).await?;
    let busybox = fs::read("/bin/busybox").context("install Debian's package busybox-static")?;
    let layer = Layer::new(&[("bin/busybox", &busybox)])?;
    registry.put("app", "1", &[layer, Layer::new(&[("etc/mark", b"7")])?]).await?;
    let ground = Ground::new().await?;
    let instance = fresh_instance();
    let driver = ground.driver(instance.clone())?;
    let image = pull(&driver, &registry.image("app:1")).await?.image_id;
    let key = AttemptKey { uid: fresh_instance(), task: TaskId::parse("task")?, attempt: 1 };
    let script = "exit $(busybox cat /etc/mark)";
    let handle = driver
        .ensure(ContainerSpec {
            instance,
            key: key.clone(),
            image,
            entrypoint: Vec::new(),
            command: ["/bin/busybox", "sh", "-c", script].map(str::to_owned).to_vec(),
            env: [].into(),
            user: None,
            workdir: None,
            cpu_milli: None,
            memory_bytes: None,
            pids_max: 64,
            labels: [].into(),
        })
        .await?;
    let end = tokio::time::Instant::now() + PATIENCE;
    let code = loop {
        match driver.inspect(&key).await? {
            Observed::Exited { exit, .. } => break exit.code,
            seen @ (Observed::Created(_) | Observed::Running { .. } | Observed::Absent) => {
                ensure!(tokio::time::Instant::now() < end, "still {seen:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    driver.remove(&handle).await?;
    ensure!(code == 7, "{code}");
    Ok(())
}
