//! The network of the containers of the embedded engine: one bridge for each server, an address
//! for each container, names, and the firewall that keeps containers from the host and from each
//! other. It knows no engine and no event loop; everything blocks, and for a moment only.
//!
//! ```text
//!  server, at start     Bridge::set_up ──> link, address, nftables table, forwarding, way out tried
//!  server, each task    Pool::take ──> names::{hosts, resolv_conf} ──> the task's files
//!  starter of a task    enter_new, attach ──> a pair of links, the far end inside
//!  server, at removal   Pool::give_back            (the links go with the namespace)
//! ```
//!
//! What must never happen: a container reaches a port of the host other than the server's, or
//! another container; a link, rule or table stays behind; a firewall of somebody else is changed
//! in any way but by two rules in the chain that Docker keeps for that.

mod attach;
mod bridge;
mod error;
pub mod names;
mod namespace;
mod naming;
mod netlink;
mod nft;
mod pool;
mod range;

pub use attach::{Attachment, attach, enter_new, loopback_up};
pub use bridge::{Bridge, Settings, WayOut};
pub use error::NetError;
pub use naming::{bridge_name, link_name};
pub use pool::Pool;
pub use range::Range;
