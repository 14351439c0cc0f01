//! Where a trunk is, as DNS has it: which of its records count, and which comes first (RFC 3263 §4, RFC 2782, RFC 3403).
//!
//! Flow: records that `names` has read -> **here** -> what `names` looks up next. Pure: chance is an argument. Bound: [`TARGETS_MAX`].
//!
//! DNS says where, and never how: the transport is the operator's word, so that nobody who answers for a name server turns TLS into something
//! else.

use rsipstack::sip::Transport;

/// Targets that are tried; of more the last are left out.
pub(super) const TARGETS_MAX: usize = 8;

/// A service, by its NAPTR record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naptr {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) services: String,
    /// Where its SRV records are.
    pub(super) replacement: String,
}

/// A server, by its SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// Its name; `.`: there is none (RFC 2782).
    pub(super) target: String,
}

/// How NAPTR and SRV name a transport (RFC 3263 §4.1).
const fn names(transport: Transport) -> (&'static str, &'static str) {
    match transport {
        Transport::Tls => ("SIPS+D2T", "_sips._tcp"),
        Transport::Tcp => ("SIP+D2T", "_sip._tcp"),
        _ => ("SIP+D2U", "_sip._udp"),
    }
}

/// The name of a host's SRV records: what its NAPTR records say of this transport, else the usual one.
pub(super) fn service(host: &str, transport: Transport, records: Vec<Naptr>) -> String {
    let (service, labels) = names(transport);
    let fits = |record: &Naptr| {
        record.flags.eq_ignore_ascii_case("s")
            && record.services.eq_ignore_ascii_case(service)
            && record.replacement != "."
    };
    let best = records.into_iter().filter(fits).min_by_key(|record| (record.order, record.preference));
    best.map_or_else(|| format!("{labels}.{host}."), |record| record.replacement)
}

/// In the order in which they are to be tried; `chance` gives a number from 0 to the one that it is given, with both.
pub(super) fn in_order(mut records: Vec<Srv>, mut chance: impl FnMut(u32) -> u32) -> Vec<Srv> {
    records.retain(|record| record.target != ".");
    // Those without weight first, so that chance finds them at all.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::new();
    while let Some(first) = records.first() {
        let alike = records.iter().take_while(|record| record.priority == first.priority).count();
        let weights = || records[..alike].iter().map(|record| u32::from(record.weight));
        let mark = chance(weights().sum());
        let mut sum = 0;
        let chosen = weights().position(|weight| {
            sum += weight;
            sum >= mark
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered.truncate(TARGETS_MAX);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naptr(order: u16, preference: u16, flags: &str, services: &str) -> Naptr {
        let replacement = format!("{order}.{preference}.example.net.");
        Naptr { order, preference, flags: flags.into(), services: services.into(), replacement }
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5_061, target: target.into() }
    }

    #[test]
    fn the_transport_is_the_operators_word_and_the_order_that_of_the_records() {
        let records = [
            naptr(1, 1, "s", "SIP+D2U"),
            naptr(2, 2, "s", "SIPS+D2T"),
            naptr(2, 1, "S", "sips+d2t"),
            naptr(1, 1, "u", "SIPS+D2T"),
            naptr(3, 1, "s", "SIP+D2T"),
        ];
        let of = |transport| service("t.example", transport, records.to_vec());
        assert_eq!(of(Transport::Tls), "2.1.example.net.");
        assert_eq!(of(Transport::Tcp), "3.1.example.net.");
        assert_eq!(of(Transport::Udp), "1.1.example.net.");
        let without = |transport| service("t.example", transport, Vec::new());
        assert_eq!(without(Transport::Tls), "_sips._tcp.t.example.");
        assert_eq!(without(Transport::Tcp), "_sip._tcp.t.example.");
        assert_eq!(without(Transport::Udp), "_sip._udp.t.example.");
    }

    #[test]
    fn servers_are_tried_by_priority_and_those_alike_by_weight() {
        let records = [srv(2, 0, "last"), srv(1, 30, "c"), srv(1, 0, "a"), srv(1, 10, "b")];
        let order = |chance: fn(u32) -> u32| -> Vec<String> {
            in_order(records.to_vec(), chance).into_iter().map(|record| record.target).collect()
        };
        assert_eq!(order(|_| 0), ["a", "b", "c", "last"]);
        assert_eq!(order(|sum| sum), ["c", "b", "a", "last"]);
        assert_eq!(order(|sum| sum.min(10)), ["b", "c", "a", "last"]);
        // By each mark once, a server is first as often as its weight says.
        let first = |mark: u32| in_order(records.to_vec(), |_| mark).remove(0).target;
        let firsts: Vec<String> = (1..=40).map(first).collect();
        let times = |name: &str| firsts.iter().filter(|first| *first == name).count();
        assert_eq!([times("a"), times("b"), times("c"), times("last")], [0, 10, 30, 0]);
    }

    #[test]
    fn who_says_that_there_is_none_has_none_and_there_is_a_bound() {
        assert_eq!(in_order(vec![srv(0, 0, ".")], |_| 0), []);
        let many = (0..20).map(|n| srv(n, 0, "a")).collect();
        let priorities: Vec<u16> = in_order(many, |_| 0).iter().map(|record| record.priority).collect();
        assert_eq!(priorities, (0..TARGETS_MAX as u16).collect::<Vec<_>>());
    }
}
