//! Which encodes there are: receivers sorted into rate classes, and one rendition for all who can share it.
//!
//! Flow: bandwidth estimates, and who sees which scene -> **here** -> the plan. Thread: control. Bound: two
//! classes per scene and codec. A squeezed receiver moves to the lower class alone: it never slows its class down.

use super::plan::{RateClass, Rendition, View};
use crate::id::{ConferenceId, ParticipantId, RenditionId, SceneId, SourceKind};
use crate::media::codec::VideoCodec;
use crate::media::frame::Size;
use crate::media::picture_limits::PictureLimits;
use crate::time::{FrameInterval, Mono};
use std::collections::BTreeMap;
use std::time::Duration;

/// Below this a way cannot carry one picture of the high class.
pub const HIGH_FLOOR_KBPS: u32 = 600;
/// Nor below this two of them: people and content.
pub const HIGH_FLOOR_TWO_KBPS: u32 = 1_000;
/// A way has to carry the floor and this many percent to climb back.
const CLIMB_PERCENT: u32 = 120;
/// How long a way has to be too narrow; where nothing is shown because it is, the receiver moves at once.
pub const DOWN_AFTER: Duration = Duration::from_secs(1);
/// How long a way has to be wide enough.
pub const UP_AFTER: Duration = Duration::from_secs(5);
/// Taken off an estimate for one Opus stream with its headers.
const SOUND_KBPS: u32 = 48;
/// Share of an estimate that is left after packet headers and retransmissions.
const PAYLOAD_PERCENT: u32 = 95;
/// Less than this is no picture.
pub const RENDITION_KBPS_MIN: u32 = 100;
/// A rendition keeps its rate until the right one is off by more than a twentieth.
const RATE_STEP: u32 = 20;

/// What a class of a line is encoded like.
struct Shape {
    /// The canvas is divided by this.
    shrink: u16,
    /// Every so manieth tick is encoded.
    ticks: u32,
    /// At most.
    kbps_max: u32,
}

const fn shape(line: SourceKind, class: RateClass) -> Shape {
    match (line, class) {
        (SourceKind::Main, RateClass::High) => Shape { shrink: 1, ticks: 1, kbps_max: 2_000 },
        // Half the frames at a quarter of the size: 300 kbit/s are enough for faces.
        (SourceKind::Main, RateClass::Low) => Shape { shrink: 2, ticks: 2, kbps_max: 500 },
        // Text wants pixels, not frames: no class shrinks content.
        (SourceKind::Content, RateClass::High) => Shape { shrink: 1, ticks: 2, kbps_max: 2_500 },
        (SourceKind::Content, RateClass::Low) => Shape { shrink: 1, ticks: 6, kbps_max: 250 },
    }
}

/// The most that a picture on `line` is ever worth, in kbit/s.
pub const fn kbps_max(line: SourceKind) -> u32 {
    shape(line, RateClass::High).kbps_max
}

/// The most that a picture of `size` is ever worth, in kbit/s: an eighth of a bit a pixel at 30 a second. Less than the highest rate of every
/// H.264 level that has room for the size (ITU-T H.264 table A-1).
pub const fn kbps_of_size_max(size: Size) -> u32 {
    size.area() / 256
}

/// The lowest estimate, in kbit/s, with which `pictures` of the high class are sent.
pub const fn floor_kbps(pictures: usize) -> u32 {
    if pictures > 1 { HIGH_FLOOR_TWO_KBPS } else { HIGH_FLOOR_KBPS }
}

/// What of an estimate one of `pictures` may take.
const fn share_kbps(estimate_kbps: u32, pictures: usize) -> u32 {
    let payload = (estimate_kbps as u64 * PAYLOAD_PERCENT as u64 / 100) as u32;
    let video = payload.saturating_sub(SOUND_KBPS);
    if pictures > 1 { video / 2 } else { video }
}

#[derive(Debug, Clone, Copy)]
struct Rung {
    class: RateClass,
    /// What the next gathering makes of it.
    class_next: RateClass,
    estimate_kbps: Option<u32>,
    pictures: usize,
    /// Since when the estimate has spoken for the other class.
    misplaced: Option<Mono>,
    /// When it was told that, with such an estimate, nothing is shown any more: it moves at once.
    starved: Option<Mono>,
}

/// Who is in which class.
#[derive(Debug, Clone, Default)]
pub(super) struct Ladder(BTreeMap<ParticipantId, Rung>);

impl Ladder {
    /// A new path, about which nothing is known; the class of the one before is kept.
    pub(super) fn connect(&mut self, id: ParticipantId) {
        let class = self.0.get(&id).map_or(RateClass::High, |rung| rung.class_next);
        let rung = Rung {
            class,
            class_next: class,
            estimate_kbps: None,
            pictures: 1,
            misplaced: None,
            starved: None,
        };
        self.0.insert(id, rung);
    }

    pub(super) fn leave(&mut self, id: ParticipantId) {
        self.0.remove(&id);
    }

    pub(super) fn estimate(&mut self, id: ParticipantId, kbps: u32, starving: bool, now: Mono) {
        if let Some(rung) = self.0.get_mut(&id) {
            rung.estimate_kbps = Some(kbps);
            rung.starved = starving.then_some(now);
            rung.judge(now);
        }
    }

    /// Which class a receiver is in.
    pub(super) fn class(&self, id: ParticipantId) -> Option<RateClass> {
        self.0.get(&id).map(|rung| rung.class)
    }

    /// Lets time pass; true when somebody's class is to change at the next gathering.
    pub(super) fn tick(&mut self, now: Mono) -> bool {
        let mut moves = false;
        for rung in self.0.values_mut() {
            if rung.due().is_some_and(|due| due <= now) {
                (rung.misplaced, rung.starved) = (None, None);
                rung.class_next = rung.other();
                moves = true;
            }
        }
        moves
    }

    /// The gathering: everybody moves to where it belongs.
    pub(super) fn gather(&mut self, now: Mono) {
        for rung in self.0.values_mut() {
            rung.class = rung.class_next;
            rung.judge(now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.0.values().filter_map(Rung::due).min()
    }

    fn pictures(&mut self, id: ParticipantId, pictures: usize, now: Mono) {
        if let Some(rung) = self.0.get_mut(&id).filter(|rung| rung.pictures != pictures) {
            rung.pictures = pictures;
            rung.judge(now);
        }
    }
}

impl Rung {
    const fn other(&self) -> RateClass {
        match self.class_next {
            RateClass::High => RateClass::Low,
            RateClass::Low => RateClass::High,
        }
    }

    /// Compares the estimate with the floor.
    fn judge(&mut self, now: Mono) {
        let Some(kbps) = self.estimate_kbps else { return };
        let floor = floor_kbps(self.pictures);
        let misplaced = match self.class_next {
            RateClass::High => kbps < floor,
            RateClass::Low => kbps >= floor * CLIMB_PERCENT / 100,
        };
        self.misplaced = misplaced.then(|| self.misplaced.unwrap_or(now));
        self.starved = self.starved.filter(|_| misplaced && self.class_next == RateClass::High);
    }

    fn due(&self) -> Option<Mono> {
        let after = match self.class_next {
            RateClass::High => DOWN_AFTER,
            RateClass::Low => UP_AFTER,
        };
        let misplaced = self.misplaced.map(|since| since + after);
        misplaced.into_iter().chain(self.starved).min()
    }

    /// What this receiver's class may send it of one picture; nothing when it says nothing about the class:
    /// because nothing is known, or because it is on its way down.
    fn share_kbps(&self) -> Option<u32> {
        let kbps = self.estimate_kbps?;
        let leaves = self.class == RateClass::High && kbps < floor_kbps(self.pictures);
        (!leaves).then(|| share_kbps(kbps, self.pictures))
    }
}

/// A receiver wants a scene on one of its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) participant: ParticipantId,
    pub(super) line: SourceKind,
    pub(super) scene: SceneId,
    pub(super) canvas: Size,
    pub(super) codec: VideoCodec,
    pub(super) limits: PictureLimits,
}

type Key = (SceneId, VideoCodec, RateClass, Size, FrameInterval);

/// The encodes of the plan before, so that ids and rates stay.
#[derive(Debug, Clone)]
pub(super) struct Renditions {
    conference: ConferenceId,
    interval: FrameInterval,
    made: u64,
    held: BTreeMap<Key, Rendition>,
}

impl Renditions {
    pub(super) fn new(conference: ConferenceId, interval: FrameInterval) -> Self {
        Self { conference, interval, made: 0, held: BTreeMap::new() }
    }

    /// The encodes that fulfil `wishes`, and who takes which. Those nobody wishes for are gone.
    pub(super) fn fulfil(
        &mut self,
        wishes: &[Wish],
        ladder: &mut Ladder,
        now: Mono,
    ) -> (Vec<Rendition>, Vec<View>) {
        let mut pictures: BTreeMap<ParticipantId, usize> = BTreeMap::new();
        wishes.iter().for_each(|wish| *pictures.entry(wish.participant).or_default() += 1);
        pictures.iter().for_each(|(id, count)| ladder.pictures(*id, *count, now));

        let mut takers: BTreeMap<Key, Vec<&Wish>> = BTreeMap::new();
        for wish in wishes {
            let class = ladder.class(wish.participant).unwrap_or(RateClass::High);
            let shape = shape(wish.line, class);
            let size =
                Size::new((wish.canvas.width / shape.shrink) & !1, (wish.canvas.height / shape.shrink) & !1);
            let (size, interval) = wish.limits.fit(size, self.interval.times(shape.ticks));
            takers.entry((wish.scene, wish.codec, class, size, interval)).or_default().push(wish);
        }
        let mut views = Vec::with_capacity(wishes.len());
        let mut held = BTreeMap::new();
        for (key, takers) in takers {
            let rendition = self.rendition(key, &takers, ladder);
            let view = |wish: &&Wish| View {
                participant: wish.participant,
                line: wish.line,
                rendition: rendition.id,
            };
            views.extend(takers.iter().map(view));
            held.insert(key, rendition);
        }
        views.sort_unstable_by_key(|view| (view.participant, view.line));
        self.held = held;
        (self.held.values().cloned().collect(), views)
    }

    fn rendition(&mut self, key: Key, takers: &[&Wish], ladder: &Ladder) -> Rendition {
        let (scene, codec, class, size, interval) = key;
        let kbps_max = shape(takers[0].line, class).kbps_max.min(kbps_of_size_max(size));
        let rungs = takers.iter().filter_map(|wish| ladder.0.get(&wish.participant));
        let (kbps_min, kbps_assumed) = match class {
            RateClass::High => {
                (share_kbps(HIGH_FLOOR_KBPS, 1).min(share_kbps(HIGH_FLOOR_TWO_KBPS, 2)), 1_000)
            }
            RateClass::Low => (RENDITION_KBPS_MIN, 300),
        };
        let lowest = rungs.clone().filter_map(Rung::share_kbps).min();
        let two = rungs.map(|rung| rung.pictures).max().unwrap_or(1);
        let right = lowest.unwrap_or_else(|| share_kbps(kbps_assumed, two)).max(kbps_min).min(kbps_max);
        let before = self.held.get(&key);
        let bitrate_kbps = before
            .map(|rendition| rendition.bitrate_kbps)
            .filter(|kbps| kbps.abs_diff(right) * RATE_STEP <= *kbps)
            .unwrap_or(right);
        let id = before.map(|rendition| rendition.id).unwrap_or_else(|| {
            self.made += 1;
            RenditionId(super::id_in(self.conference, self.made))
        });
        Rendition { id, scene, codec, size, interval, class, bitrate_kbps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ParticipantId = ParticipantId(1);
    const B: ParticipantId = ParticipantId(2);

    fn wish(participant: ParticipantId, line: SourceKind) -> Wish {
        let scene = SceneId(if line == SourceKind::Main { 1 } else { 2 });
        let (canvas, codec) = (Size::new(1280, 720), VideoCodec::Vp8);
        Wish { participant, line, scene, canvas, codec, limits: PictureLimits::NONE }
    }

    fn ms(ms: u64) -> Mono {
        Mono::from_millis(ms)
    }

    struct House {
        ladder: Ladder,
        renditions: Renditions,
        wishes: Vec<Wish>,
    }

    impl House {
        fn new(wishes: &[Wish]) -> Self {
            let mut ladder = Ladder::default();
            wishes.iter().for_each(|wish| ladder.connect(wish.participant));
            let renditions = Renditions::new(ConferenceId(1), FrameInterval::FPS_30);
            Self { ladder, renditions, wishes: wishes.to_vec() }
        }

        fn at(&mut self, now: Mono) -> (Vec<Rendition>, Vec<View>) {
            self.renditions.fulfil(&self.wishes, &mut self.ladder, now)
        }
    }

    #[test]
    fn who_is_squeezed_for_a_second_moves_down_alone_and_climbs_after_five() {
        let mut house = House::new(&[wish(A, SourceKind::Main), wish(B, SourceKind::Main)]);
        house.ladder.estimate(A, 1_500, false, ms(0));
        house.ladder.estimate(B, 1_500, false, ms(0));
        let (shared, _) = house.at(ms(0));
        assert_eq!((shared.len(), shared[0].bitrate_kbps), (1, 1_377));

        house.ladder.estimate(B, 500, false, ms(100));
        assert_eq!(house.ladder.deadline(), Some(ms(1_100)));
        assert_eq!(house.at(ms(100)).0, shared, "the one that leaves slows nobody down");
        assert!(!house.ladder.tick(ms(1_099)));
        assert!(house.ladder.tick(ms(1_100)));
        assert_eq!(house.ladder.class(B), Some(RateClass::High), "until the gathering");
        house.ladder.estimate(B, 300, false, ms(1_200));
        house.ladder.gather(ms(1_300));
        let (both, views) = house.at(ms(1_300));
        assert_eq!(both[0], shared[0]);
        let low = &both[1];
        assert_eq!((low.class, low.size, low.bitrate_kbps), (RateClass::Low, Size::new(640, 360), 237));
        assert_eq!((views[0].rendition, views[1].rendition), (shared[0].id, low.id));

        house.ladder.estimate(B, 719, false, ms(2_000));
        assert_eq!(house.ladder.deadline(), None, "above the floor, but not by a fifth");
        house.ladder.estimate(B, 720, false, ms(3_000));
        house.ladder.estimate(B, 900, false, ms(4_000));
        assert!(!house.ladder.tick(ms(7_999)));
        assert!(house.ladder.tick(ms(8_000)));
        house.ladder.gather(ms(8_200));
        assert_eq!(house.at(ms(8_200)).0.len(), 1);
    }

    #[test]
    fn who_is_shown_nothing_moves_down_at_once() {
        for (kbps, starving, after) in [(599, false, DOWN_AFTER), (599, true, Duration::ZERO)] {
            let mut house = House::new(&[wish(A, SourceKind::Main)]);
            house.ladder.estimate(A, kbps, starving, ms(0));
            assert_eq!(house.ladder.deadline(), Some(Mono::ZERO + after), "{starving}");
        }
        // Wide enough, or below already: what is said of the way a moment ago moves nobody.
        let mut house = House::new(&[wish(A, SourceKind::Main)]);
        house.ladder.estimate(A, 600, true, ms(0));
        assert_eq!(house.ladder.deadline(), None);
        house.ladder.estimate(A, 300, true, ms(10));
        assert!(house.ladder.tick(ms(10)));
        house.ladder.gather(ms(210));
        house.ladder.estimate(A, 300, true, ms(220));
        assert_eq!((house.ladder.class(A), house.ladder.deadline()), (Some(RateClass::Low), None));
    }

    #[test]
    fn a_dip_that_ends_in_time_moves_nobody() {
        let mut house = House::new(&[wish(A, SourceKind::Main)]);
        house.ladder.estimate(A, 599, false, ms(0));
        house.ladder.estimate(A, 600, false, ms(999));
        assert!(!house.ladder.tick(ms(10_000)));
    }

    #[test]
    fn the_rate_is_the_lowest_of_the_class_and_moves_in_steps_worth_making() {
        let mut house = House::new(&[wish(A, SourceKind::Main), wish(B, SourceKind::Main)]);
        assert_eq!(house.at(ms(0)).0[0].bitrate_kbps, 902, "nothing is known");
        house.ladder.estimate(A, 9_000, false, ms(0));
        assert_eq!(house.at(ms(0)).0[0].bitrate_kbps, 2_000, "the unknown says nothing");
        house.ladder.estimate(B, 1_000, false, ms(0));
        assert_eq!(house.at(ms(0)).0[0].bitrate_kbps, 902);
        house.ladder.estimate(B, 960, false, ms(0));
        assert_eq!(house.at(ms(0)).0[0].bitrate_kbps, 902, "less than a twentieth");
        house.ladder.estimate(B, 940, false, ms(0));
        assert_eq!(house.at(ms(0)).0[0].bitrate_kbps, 845);
    }

    #[test]
    fn two_pictures_share_a_way_and_need_a_wider_one() {
        let mut house = House::new(&[wish(A, SourceKind::Main), wish(A, SourceKind::Content)]);
        house.ladder.estimate(A, 2_000, false, ms(0));
        let (renditions, _) = house.at(ms(0));
        assert_eq!(renditions.iter().map(|r| r.bitrate_kbps).collect::<Vec<_>>(), [926, 926]);
        assert_eq!(renditions[1].interval, FrameInterval::FPS_15);
        house.ladder.estimate(A, 800, false, ms(0));
        assert!(house.ladder.tick(ms(1_000)), "enough for one, too little for two");
        house.ladder.gather(ms(1_000));
        let (renditions, _) = house.at(ms(1_000));
        assert_eq!(renditions[1].size, Size::new(1280, 720), "text is not shrunk");
        assert!(renditions.iter().map(|r| r.bitrate_kbps).sum::<u32>() <= 800);
    }

    #[test]
    fn a_picture_stays_within_the_level_that_browsers_offer() {
        let full = Size::new(1_920, 1_080);
        // Two codecs of one scene: composed once, scaled once.
        let content = |participant, codec| {
            let wish = wish(participant, SourceKind::Content);
            Wish { canvas: full, codec, limits: PictureLimits::expected_of(codec), ..wish }
        };
        let mut house = House::new(&[content(A, VideoCodec::Vp8), content(B, VideoCodec::H264)]);
        let sizes: Vec<_> = house.at(ms(0)).0.iter().map(|r| (r.codec, r.size, r.scene)).collect();
        let scene = SceneId(2);
        let expected = [(VideoCodec::H264, Size::new(1_280, 720), scene), (VideoCodec::Vp8, full, scene)];
        assert!(expected.iter().all(|it| sizes.contains(it)) && sizes.len() == 2, "{sizes:?}");
    }

    #[test]
    fn who_decodes_less_gets_a_smaller_picture_of_the_scene_and_shares_it_with_its_like() {
        let of_level = |participant, level| {
            let limits = PictureLimits::of_h264_level(level, false);
            Wish { codec: VideoCodec::H264, limits, ..wish(ParticipantId(participant), SourceKind::Main) }
        };
        let mut house =
            House::new(&[(1, 40), (2, 31), (3, 13), (4, 20), (5, 22)].map(|(id, level)| of_level(id, level)));
        (1..=5).for_each(|id| house.ladder.estimate(ParticipantId(id), 9_000, false, ms(0)));
        let (renditions, views) = house.at(ms(0));
        let given: Vec<_> = views
            .iter()
            .map(|view| renditions.iter().find(|r| r.id == view.rendition).expect("it is planned"))
            .map(|r| (r.size.height, r.interval.fps_rounded(), r.bitrate_kbps))
            .collect();
        assert_eq!(
            given,
            [(720, 30, 2_000), (720, 30, 2_000), (180, 30, 225), (180, 30, 225), (360, 15, 900)]
        );
        assert_eq!(renditions.len(), 3, "five receivers");
    }

    #[test]
    fn a_new_path_starts_in_the_class_of_the_old_one_and_knows_nothing() {
        let mut house = House::new(&[wish(A, SourceKind::Main)]);
        house.ladder.estimate(A, 50, false, ms(0));
        house.ladder.tick(ms(1_000));
        house.ladder.gather(ms(1_000));
        assert_eq!(house.at(ms(1_000)).0[0].bitrate_kbps, RENDITION_KBPS_MIN);
        house.ladder.connect(A);
        let (renditions, _) = house.at(ms(2_000));
        assert_eq!((renditions[0].class, renditions[0].bitrate_kbps), (RateClass::Low, 237));
        house.ladder.estimate(A, 50, false, ms(2_000));
        assert!(!house.ladder.tick(ms(60_000)), "there is nothing below the low class");
    }
}
