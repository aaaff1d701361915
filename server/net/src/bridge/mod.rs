//! The bridge of one server: set up once at its start, found again after a crash, and taken away
//! only when nobody's containers need it any more. It outlives the server, as containers do.
//!
//! ```text
//!  set_up:  turn ─> link, address ─> wall (our table) ─> forwarding ─> docker ─> trial
//!             what is there already is kept; what is missing or wrong is put right
//!  mend:    is all of it still there? if not, set_up again
//! ```
//!
//! The wall stands before the first packet can be forwarded.

mod docker;
mod forwarding;
mod link;
mod place;
mod trial;
mod turn;
mod wall;

use std::net::Ipv4Addr;
use std::path::Path;

use crate::attach::Attachment;
use crate::error::NetError;
use crate::naming::{bridge_name, link_name};
use crate::netlink::{Protocol, Socket};
use crate::nft::{self, Family, Transaction};
use crate::pool::Pool;
use crate::range::Range;

use trial::Finding;
use turn::Turn;
use wall::Wall;

/// Which older tables of `iptables` are loaded in the calling thread's network namespace.
const LEGACY_TABLES: &str = "/proc/thread-self/net/ip_tables_names";

/// What a server wants of its bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whose bridge it is. Names and the choice of addresses follow from it.
    pub instance: String,
    /// The TCP port of the server's own that containers may reach at the gateway's address; none
    /// if they reach the server in another way.
    pub api_port: Option<u16>,
    /// The range of addresses, if it shall be a certain one.
    pub range: Option<Range>,
}

/// A bridge that stands.
#[derive(Debug, Clone)]
pub struct Bridge {
    settings: Settings,
    name: String,
    range: Range,
    /// The kernel's number of our table; another one means that somebody flushed the firewall.
    table: Option<u64>,
    notices: Vec<String>,
    way_out: WayOut,
}

/// Whether packets of containers get where they should: out of this machine, or to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayOut {
    /// They do: it was tried.
    Open,
    /// They do not; the sentence says why and what to do.
    Closed(String),
    /// It could not be tried; the sentence says why.
    Untried(String),
}

impl Bridge {
    /// Sets the bridge up, or puts right what is wrong with it. Call it from the namespace of the
    /// host, and on a thread that may block for half a second. Any number of calls is the same as
    /// one, after a crash too; containers that are connected stay so.
    ///
    /// # Errors
    ///
    /// If the kernel refuses a step, if another link has the bridge's name, or if no range is free.
    /// What was done by then stays, and the next call goes on from there.
    pub fn set_up(settings: &Settings) -> Result<Self, NetError> {
        let name = bridge_name(&settings.instance);
        let _turn = Turn::take()?;
        let mut route = Socket::open(Protocol::Route)?;
        let mut filter = Socket::open(Protocol::Netfilter)?;
        let settled = link::settle(&mut route, settings, &name)?;
        let range = settled.range;
        let wall = Wall {
            bridge: &name,
            range,
            api_port: settings.api_port,
            docker_names: settled.docker_names,
        };
        wall.lay(&mut filter)?;
        let mut notices = settled.notices;
        if forwarding::turn_on()? {
            notices.push(String::from(
                "this machine now forwards packets between its links: net.ipv4.ip_forward was 0",
            ));
        }
        if docker::open(&mut filter, &name)? {
            notices.push(format!("two rules for {name} were added to Docker's chain DOCKER-USER"));
        }
        let way_out = way_out(trial::run(&mut route, &name, range), &name);
        let table = table_handle(&mut filter, &name)?;
        Ok(Self { settings: settings.clone(), name, range, table, notices, way_out })
    }

    /// Puts right what others took away since: a firewall that was flushed, Docker that came
    /// later. Says if there was anything. A look at a bridge that is whole costs a few questions.
    ///
    /// # Errors
    ///
    /// Those of [`Bridge::set_up`].
    pub fn mend(&mut self) -> Result<bool, NetError> {
        if self.is_whole()? {
            return Ok(false);
        }
        *self = Self::set_up(&self.settings)?;
        Ok(true)
    }

    /// Takes everything away that a server of that instance has set up, whether or not one runs:
    /// the bridge and the links of its containers, the table, the rules in Docker's chain.
    /// Forwarding stays as it is. Where nothing is there, nothing happens.
    ///
    /// # Errors
    ///
    /// If the kernel refuses a step. Everything else is taken away all the same.
    pub fn tear_down(instance: &str) -> Result<(), NetError> {
        let name = bridge_name(instance);
        let _turn = Turn::take()?;
        let mut route = Socket::open(Protocol::Route)?;
        let mut filter = Socket::open(Protocol::Netfilter)?;
        let links = link::delete(&mut route, instance, &name);
        let table = Transaction::new()
            .table(Family::Inet, &name)
            .delete_table(Family::Inet, &name)
            .commit(&mut filter)
            .map_err(|refusal| refusal.of("delete the firewall table", &name));
        let rules = docker::close(&mut filter, &name);
        links.and(table).and(rules)
    }

    /// Tries if a container reaches the server's port, which must be listened on by now. Another
    /// firewall of this machine may refuse what ours lets through; the sentence says so. `Untried`
    /// where the settings name no port.
    #[must_use]
    pub fn way_home(&self) -> WayOut {
        let Some(port) = self.settings.api_port else {
            return WayOut::Untried(String::from("containers have no way to the server's port"));
        };
        let tried = Turn::take().and_then(|_turn| {
            let mut route = Socket::open(Protocol::Route)?;
            trial::way_home(&mut route, &self.name, self.range, port)
        });
        match tried {
            Ok(Finding::Open) => WayOut::Open,
            Ok(Finding::Closed) => WayOut::Closed(format!(
                "containers do not reach the server at {}:{port}; let the packets in that come by \
                 the link {}, and see that the server listens on that address",
                self.gateway(),
                self.name
            )),
            Err(error) => WayOut::Untried(error.to_string()),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses of its containers, all of them free.
    #[must_use]
    pub fn pool(&self) -> Pool {
        Pool::new(self.range)
    }

    /// Its range of addresses.
    #[must_use]
    pub fn range(&self) -> Range {
        self.range
    }

    /// Its own address, where containers reach the server.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.range.gateway()
    }

    /// How a container with that address is connected.
    #[must_use]
    pub fn attachment(&self, address: Ipv4Addr) -> Attachment {
        Attachment {
            bridge: self.name.clone(),
            link: link_name(&self.name, self.range, address),
            address,
            prefix: self.range.prefix(),
            gateway: self.gateway(),
        }
    }

    /// What the machine's administrator should be told, as sentences.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// False if it is known that packets do not leave the machine; [`Bridge::way_out`] says why.
    #[must_use]
    pub fn has_way_out(&self) -> bool {
        !matches!(self.way_out, WayOut::Closed(_))
    }

    /// Whether packets of containers leave the machine.
    #[must_use]
    pub fn way_out(&self) -> &WayOut {
        &self.way_out
    }

    fn is_whole(&self) -> Result<bool, NetError> {
        let mut route = Socket::open(Protocol::Route)?;
        let mut filter = Socket::open(Protocol::Netfilter)?;
        Ok(link::stands(&mut route, &self.name, self.range)?
            && table_handle(&mut filter, &self.name)? == self.table
            && forwarding::is_on()
            && docker::is_open(&mut filter, &self.name)?)
    }
}

fn table_handle(filter: &mut Socket, name: &str) -> Result<Option<u64>, NetError> {
    nft::table_handle(filter, Family::Inet, name)
        .map_err(|refusal| refusal.of("read the firewall table", name))
}

fn way_out(finding: Result<Finding, NetError>, bridge: &str) -> WayOut {
    match finding {
        Ok(Finding::Open) => WayOut::Open,
        Ok(Finding::Closed) => WayOut::Closed(closed_because(bridge)),
        Err(error) => WayOut::Untried(error.to_string()),
    }
}

fn closed_because(bridge: &str) -> String {
    let is_legacy = std::fs::read_to_string(Path::new(LEGACY_TABLES))
        .is_ok_and(|names| names.lines().any(|name| name == "filter"));
    let remedy = if is_legacy {
        format!(
            "rules of the older iptables are in force, which are changed by hand: \
             `iptables-legacy -I DOCKER-USER -i {bridge} -j ACCEPT` and \
             `iptables-legacy -I DOCKER-USER -o {bridge} -j ACCEPT`, \
             or the same in FORWARD where there is no Docker"
        )
    } else {
        format!("let the packets through that come in or leave by the link {bridge}")
    };
    format!("a firewall of this machine does not let packets of the bridge {bridge} out; {remedy}")
}
