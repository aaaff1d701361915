//! What a server would meet on this machine: the examination behind `gofer doctor`. It starts
//! nothing and changes nothing; each finding that is not fine says what to do about it.

use std::net::TcpListener;
use std::path::Path;

use gofer_core::ids::RunUid;
use gofer_core::ports::driver::Driver as _;
use gofer_driver_docker::{DockerDriver, DockerSettings};
use gofer_driver_embedded::Machine;

use crate::config::{Config, Scheduler};

/// Less free space than this is worth a word, bytes.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do about it; none where it is fine.
    pub remedy: Option<String>,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// As it should be.
    Fine,
    /// A server works without it.
    Lacking,
    /// A server with these settings does not work.
    Broken,
}

impl Finding {
    fn fine(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, health: Health::Fine, found: found.into(), remedy: None }
    }

    fn lacking(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { what, health: Health::Lacking, found: found.into(), remedy }
    }

    fn broken(mut self) -> Self {
        self.health = Health::Broken;
        self
    }
}

/// Looks at everything that a server with these settings needs.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![data_dir(&config.data_dir), address(config)];
    findings.extend(engines(config.scheduler, docker().await, embedded(&config.data_dir)));
    findings
}

/// An engine that is asked for must work; of the two behind `auto`, one.
fn engines(asked: Scheduler, docker: Finding, embedded: Finding) -> [Finding; 2] {
    let is_fine = |finding: &Finding| finding.health == Health::Fine;
    let none = !is_fine(&docker) && !is_fine(&embedded);
    let needed = |finding: Finding, needed: bool| {
        if needed && !is_fine(&finding) { finding.broken() } else { finding }
    };
    match asked {
        Scheduler::Auto => [needed(docker, none), needed(embedded, none)],
        Scheduler::Docker => [needed(docker, true), embedded],
        Scheduler::Embedded => [docker, needed(embedded, true)],
    }
}

async fn docker() -> Finding {
    const WHAT: &str = "Docker";
    let remedy = "start it (`systemctl start docker`), install it (`apt install docker.io`), \
                  or name another with DOCKER_HOST; the embedded engine needs none";
    let Ok(instance) = RunUid::parse(&"0".repeat(26)) else {
        unreachable!("26 zeros are an instance id")
    };
    match DockerDriver::new(DockerSettings::from_env(instance)) {
        Ok(driver) => match driver.info().await {
            Ok(info) => Finding::fine(WHAT, format!("version {} answers", info.version)),
            Err(error) => Finding::lacking(WHAT, error.to_string(), remedy),
        },
        Err(error) => Finding::lacking(WHAT, error.to_string(), remedy),
    }
}

fn embedded(data_dir: &Path) -> Finding {
    const WHAT: &str = "embedded engine";
    match Machine::examine(data_dir) {
        Ok(machine) => {
            let limits = [&machine.no_memory_limit, &machine.no_cpu_limit];
            let lacks: Vec<&str> = limits.into_iter().flatten().map(String::as_str).collect();
            if lacks.is_empty() {
                return Finding::fine(WHAT, format!("runs on Linux {}", machine.kernel));
            }
            let found = format!(
                "runs on Linux {}, without some limits: {}",
                machine.kernel,
                lacks.join("; ")
            );
            Finding::fine(WHAT, found)
        }
        Err(unfit) => Finding::lacking(WHAT, unfit.reason, unfit.remedy),
    }
}

fn data_dir(dir: &Path) -> Finding {
    const WHAT: &str = "data directory";
    // The nearest folder that is there is where the rest would be made.
    let Some(there) = dir.ancestors().find(|dir| dir.exists()) else {
        return Finding::lacking(WHAT, format!("{} cannot be made", dir.display()), CHOOSE)
            .broken();
    };
    if !there.is_dir() {
        let found = format!("{} is no folder, so nothing can be made in it", there.display());
        return Finding::lacking(WHAT, found, CHOOSE).broken();
    }
    if let Err(error) = rustix::fs::access(there, rustix::fs::Access::WRITE_OK) {
        let found = format!("{} cannot be written: {error}", there.display());
        return Finding::lacking(WHAT, found, CHOOSE).broken();
    }
    let free =
        rustix::fs::statvfs(there).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    if free < FREE_BYTES_MIN {
        let found = format!("{} has {} MiB free", there.display(), free >> 20);
        return Finding::lacking(WHAT, found, "make room, or name another with --data-dir");
    }
    Finding::fine(WHAT, dir.display().to_string())
}

const CHOOSE: &str = "name another with --data-dir or GOFER_DATA_DIR";

fn address(config: &Config) -> Finding {
    const WHAT: &str = "address";
    match TcpListener::bind(config.address) {
        Ok(_free) => Finding::fine(WHAT, format!("{} is free", config.address)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::lacking(
            WHAT,
            format!("somebody listens on {}: a server that runs already?", config.address),
            "ask it with `gofer status`, or start another one with --address",
        ),
        Err(error) => {
            let found = format!("{} cannot be listened on: {error}", config.address);
            Finding::lacking(WHAT, found, "name another with --address").broken()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: Scheduler, docker_is_fine: bool, embedded_is_fine: bool, want: [Health; 2]) {
        let finding = |fine: bool| match fine {
            true => Finding::fine("engine", "there"),
            false => Finding::lacking("engine", "not there", "get one"),
        };
        let found = engines(asked, finding(docker_is_fine), finding(embedded_is_fine));
        assert_eq!(found.map(|finding| finding.health), want, "{asked:?}");
    }

    #[test]
    fn one_engine_is_enough_unless_one_is_asked_for() {
        use Health::{Broken, Fine, Lacking};
        check(Scheduler::Auto, true, false, [Fine, Lacking]);
        check(Scheduler::Auto, false, true, [Lacking, Fine]);
        check(Scheduler::Auto, false, false, [Broken, Broken]);
        check(Scheduler::Docker, false, true, [Broken, Fine]);
        check(Scheduler::Embedded, true, false, [Fine, Broken]);
    }

    #[test]
    fn an_address_that_is_taken_and_a_folder_that_cannot_be_are_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let config = Config { address, ..Config::default() };
        assert_eq!(super::address(&config).health, Health::Lacking);
        let fault = data_dir(Path::new("/dev/null/gofer"));
        assert_eq!(fault.health, Health::Broken, "{fault:?}");
    }
}
