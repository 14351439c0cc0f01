//! What a network does to datagrams, as plain values, and the named presets.
//!
//! The presets are the impairment profiles N0-N10 that the node's fault table is written against; those with a
//! source name it (libwebrtc's `Foreman`, `Conference_Motion_HD` and NetEq tests, RFC 8867 §5.1).

use std::str::FromStr;
use std::time::Duration;

/// How datagrams get lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each alone, with this probability.
    Uniform {
        /// 0.0 to 1.0.
        probability: f64,
    },
    /// Gilbert-Elliott in time: everything is lost in bad spells, nothing in good ones. Spells are exponential.
    Bursts {
        /// Part of the time that is bad, 0.0 to 1.0.
        fraction: f64,
        /// Mean length of a bad spell.
        bad_mean: Duration,
    },
    /// Everything.
    All,
}

/// A narrow place: a rate and the queue before it. What does not fit is dropped from the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bottleneck {
    /// Bits per second of datagram payload, in thousands.
    pub rate_kbps: u32,
    /// How much may wait.
    pub queue: QueueLimit,
}

/// How much may wait before a bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueLimit {
    /// Datagrams.
    Packets(usize),
    /// Time until the newest would leave.
    Delay(Duration),
}

/// Some datagrams overtake others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reorder {
    /// Probability that a datagram is held back.
    pub probability: f64,
    /// It leaves after this many later ones (or after [`super::way::REORDER_HOLD_MAX`]).
    pub depth: u32,
}

/// What one direction does at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Loss.
    pub loss: Loss,
    /// Fixed one-way delay.
    pub delay: Duration,
    /// Uniform jitter of plus or minus this, never reordering by itself.
    pub jitter: Duration,
    /// Reordering.
    pub reorder: Option<Reorder>,
    /// Probability that a datagram arrives twice.
    pub duplicate: f64,
    /// Rate limit.
    pub bottleneck: Option<Bottleneck>,
    /// Longer datagrams are lost (bytes of UDP payload).
    pub bytes_max: Option<usize>,
}

impl Link {
    /// A perfect way of this delay.
    pub const fn clean(delay: Duration) -> Self {
        Self {
            loss: Loss::None,
            delay,
            jitter: Duration::ZERO,
            reorder: None,
            duplicate: 0.0,
            bottleneck: None,
            bytes_max: None,
        }
    }

    /// The same with uniform loss.
    #[must_use]
    pub const fn lossy(mut self, probability: f64) -> Self {
        self.loss = Loss::Uniform { probability };
        self
    }

    /// The same with lossy spells.
    #[must_use]
    pub const fn bursty(mut self, fraction: f64, bad_mean: Duration) -> Self {
        self.loss = Loss::Bursts { fraction, bad_mean };
        self
    }

    /// The same through a narrow place.
    #[must_use]
    pub const fn narrow(mut self, rate_kbps: u32, queue: QueueLimit) -> Self {
        self.bottleneck = Some(Bottleneck { rate_kbps, queue });
        self
    }

    /// Nothing gets through.
    pub const fn dead() -> Self {
        let mut link = Self::clean(Duration::ZERO);
        link.loss = Loss::All;
        link
    }
}

/// One direction over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Each link holds from its moment (counted from when the profile was put in place) to the next one's; the first
    /// moment is zero.
    pub steps: Vec<(Duration, Link)>,
    /// After this long, begins again; `None` stays with the last step.
    pub period: Option<Duration>,
}

impl From<Link> for Line {
    fn from(link: Link) -> Self {
        Self { steps: vec![(Duration::ZERO, link)], period: None }
    }
}

impl Line {
    /// The link that holds `passed` after the profile was put in place.
    pub fn at(&self, passed: Duration) -> &Link {
        let passed = match self.period {
            Some(period) if !period.is_zero() => {
                Duration::from_nanos((passed.as_nanos() % period.as_nanos()) as u64)
            }
            _ => passed,
        };
        let index = self.steps.partition_point(|(from, _)| *from <= passed).max(1) - 1;
        &self.steps[index].1
    }
}

/// A network: both directions, as the bot sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// For reports.
    pub name: String,
    /// From the bot to the node.
    pub up: Line,
    /// From the node to the bot.
    pub down: Line,
}

/// No preset has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no network profile is called {0:?}; there are {list}", list = NAMES.join(", "))]
pub struct UnknownProfile(pub String);

/// Every preset's name. A suffix `-up` or `-down` hits that direction alone.
pub const NAMES: [&str; 20] = [
    "n0",
    "n1",
    "n2",
    "n3",
    "n4",
    "n5",
    "n5b",
    "n6",
    "n6b",
    "n7",
    "n8",
    "n9-2",
    "n9-10",
    "n9-25",
    "n9-60",
    "n10",
    "n10-mtu",
    "squeeze-300",
    "squeeze-300-20s",
    "direct",
];

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A clean way of 10 ms, dead from the fifth second on for `span`.
fn blackout(span: Duration) -> Line {
    let begin = ms(5_000);
    let steps = vec![
        (Duration::ZERO, Link::clean(ms(10))),
        (begin, Link::dead()),
        (begin + span, Link::clean(ms(10))),
    ];
    Line { steps, period: None }
}

/// 300 kbit/s, the queue before it 400 ms.
const fn squeezed() -> Link {
    Link::clean(ms(20)).narrow(300, QueueLimit::Delay(ms(400)))
}

/// A clean way of 20 ms, squeezed from the tenth second on for `span`.
fn squeeze(span: Duration) -> Line {
    let begin = ms(10_000);
    let clean = Link::clean(ms(20));
    let steps = vec![(Duration::ZERO, clean.clone()), (begin, squeezed()), (begin + span, clean)];
    Line { steps, period: None }
}

/// RFC 8867 §5.1: the capacity steps 1, 2.5, 0.6, 1 Mbit/s, at 0, 40, 60 and 80 s of every 100 s.
fn variable_capacity() -> Line {
    let step = |at: u64, kbps| {
        (Duration::from_secs(at), Link::clean(ms(50)).narrow(kbps, QueueLimit::Delay(ms(300))))
    };
    let steps = vec![step(0, 1_000), step(40, 2_500), step(60, 600), step(80, 1_000)];
    Line { steps, period: Some(Duration::from_secs(100)) }
}

fn line(name: &str) -> Option<Line> {
    let link = match name {
        "direct" => Link::clean(Duration::ZERO),
        "n0" => Link::clean(ms(10)),
        "n1" => Link::clean(ms(50)).lossy(0.05),
        "n2" => Link::clean(ms(100)).lossy(0.03).narrow(2_000, QueueLimit::Packets(50)),
        "n3" => Link::clean(ms(100)).narrow(500, QueueLimit::Packets(32)),
        "n4" => Link::clean(ms(200)).lossy(0.10).narrow(500, QueueLimit::Delay(ms(500))),
        "n5" => Link::clean(ms(10)).lossy(0.10),
        "n5b" => Link::clean(ms(10)).bursty(0.10, ms(30)),
        "n6" => Link::clean(ms(80)).lossy(0.20),
        "n6b" => Link::clean(ms(80)).bursty(0.20, ms(60)),
        "n7" => Link {
            jitter: ms(40),
            reorder: Some(Reorder { probability: 0.05, depth: 5 }),
            duplicate: 0.02,
            ..Link::clean(ms(80)).lossy(0.30)
        },
        "n8" => return Some(variable_capacity()),
        "n9-2" => return Some(blackout(ms(2_000))),
        "n9-10" => return Some(blackout(ms(10_000))),
        "n9-25" => return Some(blackout(ms(25_000))),
        "n9-60" => return Some(blackout(ms(60_000))),
        "n10" => Link::dead(),
        // 1 280 bytes of IP less 40 of IPv6 and 8 of UDP header.
        "n10-mtu" => Link { bytes_max: Some(1_232), ..Link::clean(ms(10)) },
        "squeeze-300" => squeezed(),
        "squeeze-300-20s" => return Some(squeeze(ms(20_000))),
        _ => return None,
    };
    Some(link.into())
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    /// `n1`, `N1`, `n1-up` (only from the bot to the node), `n10-down`, …
    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        let name = text.to_ascii_lowercase();
        let (base, up, down) = match name.strip_suffix("-up") {
            Some(base) => (base, true, false),
            None => {
                name.strip_suffix("-down").map_or((name.as_str(), true, true), |base| (base, false, true))
            }
        };
        let hit = line(base).ok_or_else(|| UnknownProfile(text.to_owned()))?;
        let clean = || Line::from(Link::clean(Duration::ZERO));
        Ok(Self { up: if up { hit.clone() } else { clean() }, down: if down { hit } else { clean() }, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_preset_and_can_hit_one_direction() {
        for name in NAMES {
            let both: Profile = name.parse().expect(name);
            let up: Profile = format!("{name}-UP").parse().expect(name);
            assert_eq!((&up.up, &up.down), (&both.up, &Line::from(Link::clean(Duration::ZERO))), "{name}");
        }
        assert!("n11".parse::<Profile>().is_err());
    }

    #[test]
    fn capacity_steps_and_blackouts_come_when_they_should() {
        let rate = |at: u64| {
            variable_capacity().at(Duration::from_secs(at)).bottleneck.expect("is narrow").rate_kbps
        };
        assert_eq!([0, 39, 40, 60, 80, 100, 161].map(rate), [1_000, 1_000, 2_500, 600, 1_000, 1_000, 600]);
        let line = blackout(ms(2_000));
        let dead = [4_999, 5_000, 6_999, 7_000].map(|at| line.at(ms(at)).loss == Loss::All);
        assert_eq!(dead, [false, true, true, false]);
        let line = squeeze(ms(20_000));
        let narrow = [9_999, 10_000, 29_999, 30_000].map(|at| line.at(ms(at)).bottleneck.is_some());
        assert_eq!(narrow, [false, true, true, false]);
    }
}
