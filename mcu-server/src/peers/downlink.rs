//! What one receiver is given of what the engine makes, and at which rate: the sending half of a seat, without the
//! association that carries it.
//!
//! Flow: engine -> [`Downlink::offer`] -> the seat writes what it is told to. Thread: io. Pure: the state of the pacer,
//! the estimate and `now` go in. A receiver whose way is full, or far too narrow for its class, loses pictures to the
//! next key frame, alone.

use super::lines::index;
use crate::engine::outgoing::VideoBurst;
use crate::engine::totals::MediaTotals;
use mcu_core::conference::plan::{MeetingPlan, RateClass};
use mcu_core::conference::renditions;
use mcu_core::id::{ParticipantId, RenditionId, SceneId, SourceKind};
use mcu_core::time::Mono;
use std::time::Duration;
use transport::rate::{PacerGate, RecoverPolicy};
use transport::send::{Decision, Held, Placed, RenditionSwitch};

/// The engine makes a key frame for a new view by itself; only after this does the receiver's line ask.
const KEYFRAME_PATIENCE: Duration = Duration::from_millis(300);

/// Estimates are passed on at most this often.
const ESTIMATE_INTERVAL: Duration = Duration::from_millis(200);

/// So long without a picture on a way under the floor of the high class, and the receiver is starving.
const STARVING_AFTER: Duration = Duration::from_millis(300);

/// A picture of the high class at more than this many times the estimate is not sent: the receiver is about to move
/// down, and what its pacer holds by then delays its first low picture.
const STARVED_FACTOR: u32 = 2;

/// What a seat does with a picture that concerns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Write its packets on this line.
    Send {
        /// Which of its lines.
        kind: SourceKind,
        /// Where they go in the receiver's stream.
        placed: Placed,
    },
    /// Write nothing.
    Hold {
        /// Whether the rendition should make a key frame for this receiver.
        wants_keyframe: bool,
    },
    /// Write nothing, and let go of what was lost: what is sent again of pictures that nobody waits for any more stands
    /// in the way of those to come. Said once, when the way has become far too narrow.
    GiveUp {
        /// Which of its lines.
        kind: SourceKind,
    },
}

/// A picture line that is sent.
#[derive(Debug)]
struct PictureOut {
    kind: SourceKind,
    switch: RenditionSwitch,
    /// What the plan shows on it.
    scene: Option<SceneId>,
    /// When a key frame was last expected or asked for.
    asked: Mono,
    /// Since when nothing of the high class has been sent of what there was.
    dark: Option<Mono>,
    /// Whether, since then, the way was found far too narrow.
    gave_up: bool,
}

/// What control is told about a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayNews {
    /// What it carries, everything together.
    pub estimate_kbps: u32,
    /// Whether it is under the floor of the high class, and nothing of it has been shown for 300 ms.
    pub starving: bool,
}

/// The way to one receiver.
#[derive(Debug)]
pub struct Downlink {
    participant: ParticipantId,
    lines: [Option<PictureOut>; 2],
    /// The numbers of a line that was sent and is not now, for when it is again.
    resting: [Option<RenditionSwitch>; 2],
    gate: PacerGate,
    recover: RecoverPolicy,
    /// Zero until the first is known.
    estimate_kbps: u32,
    told: Option<(WayNews, Mono)>,
    starved: u64,
    counted: Counted,
}

/// What was already added to the node's totals.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    held: u64,
    starved: u64,
    restarts: u64,
}

impl Downlink {
    /// A way on which nothing was sent. `rtp_offsets`: for each picture line that is sent (main, content), what is
    /// added to the 90 kHz time of a tick, random (RFC 3550 §5.1).
    pub fn new(participant: ParticipantId, rtp_offsets: [Option<u32>; 2]) -> Self {
        let line = |kind| {
            let offset = rtp_offsets[index(kind)]?;
            // The low bits of the offset are as random as any; below 2^15, as the switch asks.
            let switch = RenditionSwitch::new((offset >> 16) as u16 & 0x7fff, offset);
            Some(PictureOut { kind, switch, scene: None, asked: Mono::ZERO, dark: None, gave_up: false })
        };
        Self {
            participant,
            lines: [line(SourceKind::Main), line(SourceKind::Content)],
            resting: [None, None],
            gate: PacerGate::default(),
            recover: RecoverPolicy::default(),
            estimate_kbps: 0,
            told: None,
            starved: 0,
            counted: Counted::default(),
        }
    }

    /// Takes over what the plan gives this participant.
    pub fn select(&mut self, plan: &MeetingPlan, now: Mono) {
        for line in self.lines.iter_mut().flatten() {
            let view = plan.views.iter().find(|v| v.participant == self.participant && v.line == line.kind);
            let rendition = view.map(|view| view.rendition);
            if line.switch.target() != rendition {
                line.switch.select(rendition);
                (line.dark, line.gave_up) = (None, false);
                line.asked = now;
                let scene = plan.renditions.iter().find(|r| Some(r.id) == rendition).map(|r| r.scene);
                // Of the old scene nothing may follow: its places are no longer those of the layout told.
                if scene != std::mem::replace(&mut line.scene, scene) {
                    line.switch.cut();
                }
            }
        }
    }

    /// On the line of `kind` the stream of another way goes on, with its numbers: the same receiver, after a new agreement.
    pub fn go_on(&mut self, kind: SourceKind, before: &mut Self) {
        let at = index(kind);
        let sent = before.lines[at].take().map(|line| line.switch).or_else(|| before.resting[at].take());
        let Some(mut switch) = sent else { return };
        switch.select(None);
        match &mut self.lines[at] {
            Some(line) => line.switch = switch,
            None => self.resting[at] = Some(switch),
        }
    }

    /// The receiver goes on in another meeting: of this one nothing follows, and that one is told of the way anew.
    pub fn move_on(&mut self, participant: ParticipantId) {
        self.participant = participant;
        self.told = None;
        for line in self.lines.iter_mut().flatten() {
            line.switch.select(None);
            (line.scene, line.dark, line.gave_up) = (None, None, false);
        }
    }

    /// What could be used of the way, in kbit/s: the most that its pictures are worth, and a quarter for packet headers,
    /// sound, and what is sent again. An estimator probes no further.
    pub fn desired_kbps(&self) -> u32 {
        let pictures: u32 = self.shown().map(|line| renditions::kbps_max(line.kind)).sum();
        pictures.max(renditions::kbps_max(SourceKind::Main)) / 4 * 5
    }

    /// Whether pictures of `rendition` go to this receiver.
    pub fn concerns(&self, rendition: RenditionId) -> bool {
        self.lines.iter().flatten().any(|line| line.switch.concerns(rendition))
    }

    /// Decides about one picture; `None`: it is not for this receiver. `first_unsent` is when the oldest packet that
    /// still waits in the pacer was queued.
    pub fn offer(&mut self, burst: &VideoBurst, first_unsent: Option<Mono>, now: Mono) -> Option<Verdict> {
        let floor_kbps = renditions::floor_kbps(self.shown().count());
        let far = self.is_narrower(burst, burst.bitrate_kbps / STARVED_FACTOR);
        let below = self.is_narrower(burst, floor_kbps);
        let line = self.lines.iter_mut().flatten().find(|line| line.switch.concerns(burst.rendition))?;
        // On its way down nothing is begun either: a high key frame alone takes a narrow way for a second.
        let starved = far || (below && line.switch.wants_keyframe() == Some(burst.rendition));
        let way_full = self.gate.is_full(first_unsent, now);
        match line.switch.offer(burst.rendition, &burst.unit, way_full || starved) {
            Decision::Send(placed) => {
                (line.dark, line.gave_up) = (None, false);
                if burst.unit.keyframe {
                    self.gate.keyframe_sent(now);
                }
                Some(Verdict::Send { kind: line.kind, placed })
            }
            Decision::Hold(why) => {
                self.starved += u64::from(starved);
                if burst.class == RateClass::High {
                    line.dark.get_or_insert(now);
                }
                if starved && !std::mem::replace(&mut line.gave_up, true) {
                    return Some(Verdict::GiveUp { kind: line.kind });
                }
                // Nobody else's rendition makes key frames for one whose way could not carry them.
                let wants =
                    why == Held::AwaitsKeyframe && !starved && now.since(line.asked) >= KEYFRAME_PATIENCE;
                if wants {
                    line.asked = now;
                }
                Some(Verdict::Hold { wants_keyframe: wants })
            }
        }
    }

    /// Whether the way is known to carry less than a picture of the high class needs.
    fn is_narrower(&self, burst: &VideoBurst, kbps: u32) -> bool {
        burst.class == RateClass::High && (1..kbps).contains(&self.estimate_kbps)
    }

    /// The lines on which there is something to see.
    fn shown(&self) -> impl Iterator<Item = &PictureOut> {
        self.lines.iter().flatten().filter(|line| line.switch.target().is_some())
    }

    /// The receiver cannot decode what comes on its line of `kind` (PLI, FIR). Returns the rendition that must make a
    /// key frame for it, if one must.
    pub fn keyframe_requested(&mut self, kind: SourceKind, now: Mono) -> Option<RenditionId> {
        let line = self.lines[index(kind)].as_mut()?;
        line.switch.keyframe_asked();
        line.asked = now;
        line.switch.target()
    }

    /// Takes a new estimate of the way.
    pub const fn estimated(&mut self, kbps: u32) {
        self.estimate_kbps = kbps;
    }

    /// What control is to be told about the way, if it is worth telling: the estimate when it has moved, and at once
    /// that the receiver begins or ceases to starve. Call it after each estimate and several times a second.
    pub fn news(&mut self, now: Mono) -> Option<WayNews> {
        let news = WayNews { estimate_kbps: self.estimate_kbps, starving: self.is_starving(now) };
        let due = news.estimate_kbps > 0
            && self.told.is_none_or(|(told, at)| {
                let moved = told.estimate_kbps.abs_diff(news.estimate_kbps) * 20 > told.estimate_kbps;
                told.starving != news.starving || (moved && now.since(at) >= ESTIMATE_INTERVAL)
            });
        due.then(|| {
            self.told = Some((news, now));
            news
        })
    }

    fn is_starving(&self, now: Mono) -> bool {
        let dark = |line: &PictureOut| line.dark.is_some_and(|since| now.since(since) >= STARVING_AFTER);
        self.estimate_kbps < renditions::floor_kbps(self.shown().count()) && self.shown().any(dark)
    }

    /// The rate at which to restart the estimator, if that is worth a try now. Call it several times a second.
    pub fn restart_kbps(&mut self, first_unsent: Option<Mono>, now: Mono) -> Option<u32> {
        if self.estimate_kbps == 0 {
            return None;
        }
        let way_full = self.gate.is_full(first_unsent, now);
        self.recover.reset_kbps(self.estimate_kbps, self.desired_kbps(), way_full, now)
    }

    /// Adds what happened since the last time to `totals`.
    pub fn count(&mut self, totals: &MediaTotals) {
        let held = self.lines.iter().flatten().map(|line| line.switch.held()).sum();
        let now = Counted { held, starved: self.starved, restarts: self.recover.resets() };
        let before = std::mem::replace(&mut self.counted, now);
        totals.pictures_held.add(now.held - before.held);
        totals.pictures_starved.add(now.starved - before.starved);
        totals.estimates_restarted.add(now.restarts - before.restarts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use mcu_core::id::ConferenceId;
    use mcu_core::media::codec::VideoCodec;
    use mcu_core::media::unit::EncodedUnit;
    use mcu_core::time::FrameInterval;
    use transport::payload::Packetizer;

    const HIGH: RenditionId = RenditionId(1);

    fn burst(tick: u64, keyframe: bool, class: RateClass) -> VideoBurst {
        let data = Bytes::from(vec![u8::from(!keyframe); 1_000]);
        let at = FrameInterval::FPS_30.at(tick);
        let unit = EncodedUnit { data, keyframe, at };
        let mut packetizer = Packetizer::new(VideoCodec::Vp8).expect("sent");
        VideoBurst {
            conference: ConferenceId(1),
            rendition: HIGH,
            class,
            bitrate_kbps: 1_000,
            tick,
            wallclock: at.to_mono(),
            unit: packetizer.packetize(&unit).expect("a picture"),
        }
    }

    fn watching() -> Downlink {
        let mut downlink = Downlink::new(ParticipantId(1), [Some(7), None]);
        for line in downlink.lines.iter_mut().flatten() {
            line.switch.select(Some(HIGH));
        }
        downlink
    }

    const fn way(estimate_kbps: u32, starving: bool) -> WayNews {
        WayNews { estimate_kbps, starving }
    }

    fn sent(verdict: Option<Verdict>) -> bool {
        matches!(verdict, Some(Verdict::Send { .. }))
    }

    #[test]
    fn a_way_far_too_narrow_gets_nothing_of_the_high_class_and_asks_for_nothing() {
        let ms = Mono::from_millis;
        let mut downlink = watching();
        assert!(sent(downlink.offer(&burst(1, true, RateClass::High), None, ms(33))));
        downlink.estimated(500);
        assert!(sent(downlink.offer(&burst(2, false, RateClass::High), None, ms(66))), "twice is borne");
        assert_eq!(downlink.news(ms(66)), Some(way(500, false)), "the control");
        downlink.estimated(499);
        for tick in 3..60 {
            let verdict = downlink.offer(&burst(tick, tick == 40, RateClass::High), None, ms(33 * tick));
            let once = Verdict::GiveUp { kind: SourceKind::Main };
            let expected = if tick == 3 { once } else { Verdict::Hold { wants_keyframe: false } };
            assert_eq!(verdict, Some(expected), "tick {tick}");
        }
        assert_eq!(downlink.news(ms(1_999)), Some(way(499, true)), "what moves it down at once");
        let totals = MediaTotals::default();
        (0..2).for_each(|_| downlink.count(&totals));
        assert_eq!((totals.pictures_starved.get(), totals.pictures_held.get()), (57, 57));
        // The controls: wide enough, the same line asks for a key frame and takes it; the low class is never starved.
        downlink.estimated(600);
        let verdict = downlink.offer(&burst(60, false, RateClass::High), None, ms(2_000));
        assert_eq!(verdict, Some(Verdict::Hold { wants_keyframe: true }));
        assert!(sent(downlink.offer(&burst(61, true, RateClass::High), None, ms(2_033))));
        let mut low = watching();
        low.estimated(100);
        assert!(sent(low.offer(&burst(1, true, RateClass::Low), None, ms(33))));
    }

    #[test]
    fn on_its_way_down_nothing_of_the_high_class_is_begun() {
        let ms = Mono::from_millis;
        for (kbps, begun) in [(599, false), (600, true)] {
            let mut downlink = watching();
            downlink.estimated(kbps);
            let verdict = downlink.offer(&burst(1, true, RateClass::High), None, ms(33));
            assert_eq!(sent(verdict), begun, "{kbps}");
        }
        // What flows goes on.
        let mut flowing = watching();
        assert!(sent(flowing.offer(&burst(1, true, RateClass::High), None, ms(33))));
        flowing.estimated(599);
        assert!(sent(flowing.offer(&burst(2, false, RateClass::High), None, ms(66))));
    }

    #[test]
    fn numbers_go_on_over_a_new_agreement_and_over_a_hold() {
        let placed = |downlink: &mut Downlink, tick| {
            for line in downlink.lines.iter_mut().flatten() {
                line.switch.select(Some(HIGH));
            }
            match downlink.offer(&burst(tick, true, RateClass::High), None, Mono::from_millis(33 * tick)) {
                Some(Verdict::Send { placed, .. }) => placed,
                other => panic!("{other:?}"),
            }
        };
        let agreed = |offset| Downlink::new(ParticipantId(1), [offset, None]);
        let mut first = agreed(Some(7));
        let before = placed(&mut first, 1);
        let (mut held, mut resumed) = (agreed(None), agreed(Some(0x4321_0000)));
        held.go_on(SourceKind::Main, &mut first);
        resumed.go_on(SourceKind::Main, &mut held);
        let after = placed(&mut resumed, 2);
        assert_eq!(after.first_sequence, before.first_sequence + 1);
        assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 3_000);
        let anew = placed(&mut agreed(Some(0x4321_0000)), 2);
        assert_ne!(anew.first_sequence, after.first_sequence, "the control: without it they are its own");
    }

    #[test]
    fn what_is_not_planned_for_it_is_not_its_business() {
        let mut downlink = watching();
        let mut other = burst(1, true, RateClass::High);
        other.rendition = RenditionId(2);
        assert!(!downlink.concerns(RenditionId(2)) && downlink.concerns(HIGH));
        assert_eq!(downlink.offer(&other, None, Mono::ZERO), None);
        assert_eq!(downlink.keyframe_requested(SourceKind::Content, Mono::ZERO), None);
        assert_eq!(downlink.keyframe_requested(SourceKind::Main, Mono::ZERO), Some(HIGH));
    }

    #[test]
    fn content_is_worth_a_wider_way() {
        let mut downlink = Downlink::new(ParticipantId(1), [Some(7), Some(8)]);
        assert_eq!(downlink.desired_kbps(), 2_500, "nothing is shown yet");
        downlink.lines.iter_mut().flatten().for_each(|line| line.switch.select(Some(HIGH)));
        assert_eq!(downlink.desired_kbps(), 5_625);
    }

    #[test]
    fn estimates_are_told_when_they_moved_and_not_too_often() {
        let mut downlink = watching();
        let told = [(0, 1_000), (10, 500), (250, 490), (300, 480), (400, 1_000), (500, 1_000), (501, 1_100)];
        let news = |(ms, kbps): &(u64, u32)| {
            downlink.estimated(*kbps);
            downlink.news(Mono::from_millis(*ms))
        };
        let told: Vec<WayNews> = told.iter().filter_map(news).collect();
        assert_eq!(told, [way(1_000, false), way(490, false), way(1_000, false)]);
        let later = downlink.news(Mono::from_millis(700));
        assert_eq!(later, Some(way(1_100, false)), "what came too soon is told later");
    }

    #[test]
    fn who_sees_nothing_on_a_narrow_way_is_starving_and_that_is_told_at_once() {
        let ms = Mono::from_millis;
        let full = |now: u64| Some(ms(now - 101));
        for (kbps, starves) in [(599, true), (600, false)] {
            let mut downlink = watching();
            assert!(sent(downlink.offer(&burst(1, true, RateClass::High), None, ms(0))));
            downlink.estimated(kbps);
            assert_eq!(downlink.news(ms(1_000)), Some(way(kbps, false)));
            let verdict = downlink.offer(&burst(2, false, RateClass::High), full(1_033), ms(1_033));
            assert_eq!(verdict, Some(Verdict::Hold { wants_keyframe: false }));
            assert_eq!(downlink.news(ms(1_332)), None, "a hiccup");
            assert_eq!(downlink.news(ms(1_333)), starves.then(|| way(kbps, true)), "{kbps}");
            downlink.estimated(600);
            assert_eq!(downlink.news(ms(1_334)), starves.then(|| way(600, false)), "over");
        }
        // In the low class there is nothing to move down to.
        let mut low = watching();
        low.estimated(100);
        assert_eq!(low.news(ms(1_000)), Some(way(100, false)));
        let verdict = low.offer(&burst(1, true, RateClass::Low), full(1_033), ms(1_033));
        assert!(matches!(verdict, Some(Verdict::Hold { .. })));
        assert_eq!(low.news(ms(9_000)), None);
    }
}
