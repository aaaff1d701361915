//! Which range of addresses a bridge gets: one that leads nowhere else on this machine, the same
//! one after each start if it can be, and another one for each server on the machine.

use std::net::Ipv4Addr;

use crate::error::NetError;
use crate::naming::hash;
use crate::range::Range;

/// Where ranges are looked for, the first that has room wins. The others are there for machines
/// whose routes take all of `10.0.0.0/8`.
const HOMES: [(Ipv4Addr, u8); 3] = [
    (Ipv4Addr::new(10, 213, 0, 0), 16),
    (Ipv4Addr::new(172, 29, 0, 0), 16),
    (Ipv4Addr::new(192, 168, 208, 0), 20),
];
/// What one server gets: 4,089 containers at once.
const PREFIX: u8 = 20;
/// A route to a network larger than this is the way to everything else, not to a neighbour.
const NEIGHBOUR_PREFIX_MIN: u8 = 8;

/// The ranges that others have.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Vec<Range>);

impl Taken {
    pub(super) fn new(ranges: impl IntoIterator<Item = Range>) -> Self {
        let is_neighbour = |range: &Range| range.prefix() >= NEIGHBOUR_PREFIX_MIN;
        Self(ranges.into_iter().filter(is_neighbour).collect())
    }

    /// The first that has an address in common with `range`.
    pub(super) fn overlap(&self, range: Range) -> Option<Range> {
        self.0.iter().copied().find(|taken| taken.overlaps(range))
    }

    fn is_free(&self, range: Range) -> bool {
        self.overlap(range).is_none()
    }
}

/// Chooses: the one that was asked for, or the one that the bridge has from before, or the first
/// free one, beginning at a place that the instance decides.
pub(super) fn choose(
    instance: &str,
    asked: Option<Range>,
    before: Option<Range>,
    taken: &Taken,
) -> Result<Range, NetError> {
    if let Some(asked) = asked {
        asked.fits_a_bridge()?;
        return match taken.overlap(asked) {
            None => Ok(asked),
            Some(other) => Err(NetError::refused(
                "use the range",
                asked.to_string(),
                format!("this machine has a route to {other}"),
                "give another range, or none to have one chosen",
            )),
        };
    }
    let before = before.filter(|range| range.fits_a_bridge().is_ok() && taken.is_free(*range));
    before.or_else(|| candidates(instance).find(|range| taken.is_free(*range))).ok_or_else(|| {
        NetError::refused(
            "find a range of addresses for the bridge of",
            instance,
            "routes of this machine overlap all that were tried",
            "give a range that is free",
        )
    })
}

fn candidates(instance: &str) -> impl Iterator<Item = Range> {
    let start = hash(instance);
    HOMES.into_iter().flat_map(move |(network, prefix)| {
        let n = 1_u32 << PREFIX.saturating_sub(prefix);
        let size = 1_u32 << (32 - u32::from(PREFIX));
        (0..n).map(move |step| {
            let at = start.wrapping_add(step) % n;
            Range::around(Ipv4Addr::from(u32::from(network) + at * size), PREFIX)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    fn taken(texts: &[&str]) -> Taken {
        Taken::new(texts.iter().map(|text| range(text)))
    }

    #[test]
    fn there_are_thirty_three_candidates_and_no_two_overlap() {
        let all: Vec<_> = candidates("a").collect();
        assert_eq!(all.len(), 33);
        for (n, one) in all.iter().enumerate() {
            assert!(one.fits_a_bridge().is_ok());
            assert!(all.iter().skip(n + 1).all(|other| !one.overlaps(*other)), "{one}");
        }
    }

    #[test]
    fn an_instance_gets_the_same_range_each_time_and_one_of_the_first_home() {
        let first = choose("a", None, None, &taken(&["0.0.0.0/0"])).unwrap();
        assert_eq!(choose("a", None, None, &Taken::default()).unwrap(), first);
        assert!(range("10.213.0.0/16").overlaps(first));
    }

    #[test]
    fn a_range_that_a_route_overlaps_is_passed_over() {
        let first = choose("a", None, None, &Taken::default()).unwrap();
        let second = choose("a", None, None, &Taken::new([first])).unwrap();
        assert!(!second.overlaps(first));
        let far = choose("a", None, None, &taken(&["10.0.0.0/8"])).unwrap();
        assert!(range("172.29.0.0/16").overlaps(far));
        let far = choose("a", None, None, &taken(&["10.0.0.0/8", "172.16.0.0/12"])).unwrap();
        assert_eq!(far, range("192.168.208.0/20"));
        let all = taken(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]);
        assert!(choose("a", None, None, &all).unwrap_err().to_string().contains("give a range"));
    }

    #[test]
    fn the_two_halves_of_a_tunnel_that_takes_everything_are_no_neighbours() {
        let all = taken(&["0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/0"]);
        assert!(choose("a", None, None, &all).is_ok());
    }

    #[test]
    fn a_range_from_before_stays_until_a_route_overlaps_it() {
        let before = range("10.213.64.0/20");
        assert_eq!(choose("a", None, Some(before), &Taken::default()).unwrap(), before);
        let moved = choose("a", None, Some(before), &taken(&["10.213.64.0/24"])).unwrap();
        assert!(!moved.overlaps(before));
    }

    #[test]
    fn a_range_that_was_asked_for_is_taken_or_refused_and_never_moved() {
        let asked = Some(range("10.99.0.0/24"));
        assert_eq!(choose("a", asked, None, &Taken::default()).unwrap(), range("10.99.0.0/24"));
        let fault = choose("a", asked, None, &taken(&["10.99.0.128/25"])).unwrap_err().to_string();
        assert!(fault.contains("this machine has a route to 10.99.0.128/25"), "{fault}");
        assert!(choose("a", Some(range("10.0.0.0/8")), None, &Taken::default()).is_err());
    }
}
