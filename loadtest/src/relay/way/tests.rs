//! The relay's decisions by statistics, in virtual time, seeded.

use super::*;
use crate::relay::profile::{Profile, Reorder};

const SEED: u64 = 20_261_121;

/// Sends `count` datagrams of `len` bytes, one every `gap_us`; returns (number, arrival) in order of arrival.
fn send(way: &mut Way<u32>, count: u32, gap_us: u64, len: usize) -> Vec<(u32, Mono)> {
    let mut arrived = Vec::new();
    let mut drain = |way: &mut Way<u32>, until: Mono| {
        while let Some(due) = way.next_due().filter(|due| *due <= until) {
            while let Some(number) = way.pop(due) {
                arrived.push((number, due));
            }
        }
    };
    for number in 0..count {
        let now = Mono::from_nanos(u64::from(number) * gap_us * 1_000);
        drain(way, now);
        way.push(now, len, number);
    }
    drain(way, Mono::from_nanos(u64::MAX));
    arrived
}

fn through(link: Link, count: u32, gap_us: u64, len: usize) -> (Vec<(u32, Mono)>, Fates) {
    let mut way = Way::new(link.into(), SEED, Mono::ZERO);
    let arrived = send(&mut way, count, gap_us, len);
    (arrived, way.fates())
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_clean_way_delivers_everything_in_order_after_its_delay() {
    let (arrived, fates) = through(Link::clean(ms(10)), 1_000, 500, 1_200);
    assert_eq!((fates.offered, fates.delivered, fates.lost), (1_000, 1_000, 0));
    for (at, (number, due)) in arrived.iter().enumerate() {
        assert_eq!(*number as usize, at);
        assert_eq!(due.as_nanos(), u64::from(*number) * 500_000 + 10_000_000);
    }
}

#[test]
fn uniform_loss_takes_its_part_and_its_runs_are_short() {
    let (arrived, fates) = through(Link::clean(ms(10)).lossy(0.10), 100_000, 1_000, 1_200);
    // Three standard deviations of a binomial are 285.
    assert!((9_700..=10_300).contains(&fates.lost), "{fates:?}");
    let mean = mean_gap(&arrived);
    assert!((1.08..1.14).contains(&mean), "mean run of uniform loss is 1/(1-p) = 1.11, got {mean}");
}

#[test]
fn spells_of_loss_take_their_part_in_bursts_of_their_mean_length() {
    let (arrived, fates) = through(Link::clean(ms(10)).bursty(0.10, ms(30)), 400_000, 1_000, 1_200);
    let part = fates.lost as f64 / fates.offered as f64;
    assert!((0.09..0.11).contains(&part), "{part}");
    let mean = mean_gap(&arrived);
    assert!((28.0..33.0).contains(&mean), "mean burst should be 30 datagrams of 1 ms, got {mean}");
}

/// Mean length of the runs of missing numbers.
fn mean_gap(arrived: &[(u32, Mono)]) -> f64 {
    let gaps: Vec<u32> = arrived.windows(2).map(|w| w[1].0 - w[0].0 - 1).filter(|gap| *gap > 0).collect();
    gaps.iter().sum::<u32>() as f64 / gaps.len() as f64
}

#[test]
fn jitter_spreads_evenly_and_never_reorders_by_itself() {
    let link = Link { jitter: ms(40), ..Link::clean(ms(80)) };
    let (arrived, _) = through(link, 20_000, 200_000, 1_200);
    let late: Vec<u64> = arrived.iter().map(|(n, due)| due.as_millis() - u64::from(*n) * 200).collect();
    let mean = late.iter().sum::<u64>() as f64 / late.len() as f64;
    assert!((79.0..81.0).contains(&mean), "{mean}");
    assert!(*late.iter().min().unwrap() <= 41 && *late.iter().max().unwrap() >= 119);
    assert!(late.iter().all(|l| (40..=120).contains(l)));
    let (dense, _) = through(Link { jitter: ms(40), ..Link::clean(ms(80)) }, 20_000, 1_000, 1_200);
    assert!(dense.windows(2).all(|w| w[0].0 < w[1].0));
}

#[test]
fn reordering_holds_back_by_its_depth() {
    let link = Link { reorder: Some(Reorder { probability: 0.05, depth: 5 }), ..Link::clean(ms(10)) };
    let (arrived, fates) = through(link, 20_000, 1_000, 1_200);
    assert_eq!(fates.delivered, 20_000);
    assert!((850..=1_150).contains(&fates.reordered), "{fates:?}");
    let mut overtaken = std::collections::BTreeMap::<usize, u64>::new();
    for (at, (number, _)) in arrived.iter().enumerate() {
        let by = arrived[at.saturating_sub(200)..at].iter().filter(|(n, _)| n > number).count();
        *overtaken.entry(by).or_default() += 1;
    }
    let of_depth = overtaken.get(&5).copied().unwrap_or_default();
    assert!(of_depth * 10 > fates.reordered * 6, "most are overtaken by exactly five: {overtaken:?}");
}

#[test]
fn a_lone_datagram_held_for_reordering_still_arrives() {
    let link = Link { reorder: Some(Reorder { probability: 1.0, depth: 5 }), ..Link::clean(ms(10)) };
    let (arrived, _) = through(link, 1, 1_000, 100);
    assert_eq!(arrived, [(0, Mono::ZERO + ms(10) + REORDER_HOLD_MAX)]);
}

#[test]
fn some_arrive_twice() {
    let (arrived, fates) = through(Link { duplicate: 0.02, ..Link::clean(ms(10)) }, 50_000, 1_000, 1_200);
    assert!((900..=1_100).contains(&fates.duplicated), "{fates:?}");
    assert_eq!(arrived.len() as u64, 50_000 + fates.duplicated);
}

#[test]
fn a_narrow_place_gives_its_rate_and_drops_the_rest() {
    // 1 200 bytes a millisecond are 9.6 Mbit/s, offered to 500 kbit/s for 10 s.
    let link = Link::clean(ms(100)).narrow(500, QueueLimit::Packets(32));
    let (arrived, fates) = through(link, 10_000, 1_000, 1_200);
    let kbps = arrived.len() as f64 * 1_200.0 * 8.0 / 10_000.0;
    assert!((495.0..540.0).contains(&kbps), "{kbps}");
    assert_eq!(fates.delivered + fates.queue_dropped, 10_000);
    // 32 waiting and one on the wire, at 19.2 ms each, and the way itself.
    let worst = arrived.iter().map(|(n, due)| due.as_millis() - u64::from(*n)).max().unwrap();
    assert!((700..=734).contains(&worst), "{worst}");
}

#[test]
fn a_queue_limited_by_time_never_holds_longer() {
    let link = Link::clean(ms(50)).narrow(1_000, QueueLimit::Delay(ms(300)));
    let (arrived, _) = through(link, 10_000, 1_000, 1_200);
    let worst = arrived.iter().map(|(n, due)| due.as_millis() - u64::from(*n)).max().unwrap();
    assert!((340..=360).contains(&worst), "{worst}");
}

#[test]
fn under_its_rate_a_narrow_place_is_not_noticed_but_for_the_sending_time() {
    let (arrived, fates) =
        through(Link::clean(ms(10)).narrow(1_000, QueueLimit::Packets(4)), 1_000, 100_000, 1_250);
    assert_eq!(fates.queue_dropped, 0);
    assert!(arrived.iter().all(|(n, due)| due.as_millis() == u64::from(*n) * 100 + 20));
}

#[test]
fn long_datagrams_are_lost_where_they_do_not_fit() {
    let profile: Profile = "n10-mtu".parse().unwrap();
    for (len, delivered) in [(1_232, 100), (1_233, 0)] {
        let mut way = Way::new(profile.up.clone(), SEED, Mono::ZERO);
        assert_eq!(send(&mut way, 100, 1_000, len).len(), delivered);
    }
}

#[test]
fn a_blackout_loses_everything_while_it_lasts_and_nothing_after() {
    let profile: Profile = "n9-2".parse().unwrap();
    let mut way = Way::new(profile.down, SEED, Mono::ZERO);
    let arrived = send(&mut way, 10_000, 1_000, 100);
    let numbers: Vec<u32> = arrived.iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, (0..5_000).chain(7_000..10_000).collect::<Vec<_>>());
}

#[test]
fn the_same_seed_decides_the_same_and_another_seed_does_not() {
    for name in ["n1", "n2", "n5b", "n6b", "n7", "n8"] {
        let profile: Profile = name.parse().unwrap();
        let run = |seed| {
            let mut way = Way::new(profile.up.clone(), seed, Mono::ZERO);
            (send(&mut way, 5_000, 3_000, 1_100), way.fates())
        };
        assert_eq!(run(1), run(1), "{name}");
        if name != "n8" {
            assert_ne!(run(1).0, run(2).0, "{name}");
        }
    }
}

#[test]
fn what_is_in_flight_is_bounded() {
    let mut way = Way::new(Link::clean(Duration::from_secs(3_600)).into(), SEED, Mono::ZERO);
    for number in 0..(DATAGRAMS_MAX as u32 + 10) {
        way.push(Mono::ZERO, 100, number);
    }
    assert_eq!(way.fates().queue_dropped, 10);
}

#[test]
fn a_new_line_holds_from_its_moment_on() {
    let mut way = Way::new(Link::clean(ms(10)).into(), SEED, Mono::ZERO);
    way.push(Mono::ZERO, 100, 1u32);
    way.set_line(Link::dead().into(), Mono::from_millis(1));
    way.push(Mono::from_millis(1), 100, 2);
    way.set_line(Link::clean(ms(10)).into(), Mono::from_millis(2));
    way.push(Mono::from_millis(2), 100, 3);
    let all: Vec<u32> = std::iter::from_fn(|| way.pop(Mono::from_millis(100))).collect();
    assert_eq!(all, [1, 3]);
}
