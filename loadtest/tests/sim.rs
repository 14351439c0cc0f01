//! Whole meetings in virtual time. Canvases are 320x180, so that a meeting of half a minute takes a few seconds;
//! nothing else differs from the node's own settings. Each failure names its seed.

use loadtest::relay::profile::{Link, QueueLimit};
use loadtest::report::{Ruling, RunReport, Verdict};
use loadtest::scenario::Scenario;
use loadtest::sim::{Action, Madness, NotSimulated, Profile, Seen, Watcher, World, play};
use mcu_core::conference::Settings;
use mcu_core::conference::input::StateChange;
use mcu_core::conference::plan::RateClass;
use mcu_core::conference::roster::{LayoutChoice, Via};
use mcu_core::id::{ParticipantId, RenditionId, SourceId, SourceKind};
use mcu_core::limits::KEYFRAME_INTERVAL_MIN;
use mcu_core::media::frame::Size;
use mcu_core::time::Mono;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

const CANVAS: Size = Size::new(320, 180);
/// A tick of 30 frames per second on the RTP clock.
const TICK: u32 = 3_000;

const fn id(n: u64) -> ParticipantId {
    ParticipantId(n)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn world(seed: u64) -> World {
    World::new(seed, Settings { canvas: CANVAS, ..Settings::new("room", "Room") })
}

fn watcher(n: u64) -> Profile {
    let nothing = Profile { camera: false, microphone: false, content: false, ..Profile::browser(n) };
    Profile { via: Via::Whep, overlay: false, ..nothing }
}

fn change(change: impl FnOnce(&mut StateChange)) -> StateChange {
    let mut state = StateChange::default();
    change(&mut state);
    state
}

/// Writes the event log to the folder that `MCU_SIM_LOG` names, if it names one.
fn keep_log(world: &World, name: &str) {
    if let Some(folder) = std::env::var_os("MCU_SIM_LOG") {
        let path = std::path::Path::new(&folder).join(format!("{name}.log"));
        std::fs::write(path, &world.record.log).expect("the folder is there");
    }
}

/// Every tile that shows somebody else than the layout event valid for its picture says.
fn misplaced(world: &World) -> Vec<String> {
    let wrong = |seen: &Seen| {
        let Some(tiles) = &seen.tiles else { return vec![format!("no layout for {seen:?}")] };
        let wrong = tiles.iter().filter(|tile| tile.mark.is_some_and(|mark| mark.source != tile.expected()));
        wrong.map(|tile| format!("{} at {:?}, {}: {tile:?}", seen.viewer, seen.at, seen.timestamp)).collect()
    };
    world.record.seen.iter().flat_map(wrong).collect()
}

/// What `viewer` was shown of people in `from_ms..to_ms`.
fn shown(world: &World, viewer: ParticipantId, from_ms: u64, to_ms: u64) -> Vec<&Seen> {
    let within = Mono::from_millis(from_ms)..Mono::from_millis(to_ms);
    let seen = world.record.seen.iter().filter(|seen| within.contains(&seen.at));
    seen.filter(|seen| seen.viewer == viewer && seen.line == SourceKind::Main).collect()
}

/// Key frames of each rendition in `from_ms..to_ms`.
fn keyframes(world: &World, from_ms: u64, to_ms: u64) -> BTreeMap<RenditionId, Vec<Mono>> {
    let within = Mono::from_millis(from_ms)..Mono::from_millis(to_ms);
    let mut found: BTreeMap<RenditionId, Vec<Mono>> = BTreeMap::new();
    for sent in world.record.sent.iter().filter(|sent| sent.keyframe && within.contains(&sent.at)) {
        found.entry(sent.rendition).or_default().push(sent.at);
    }
    found
}

/// People come, go, share, swap, mute and choose layouts over bad networks, and one goes mad.
fn busy(seed: u64) -> World {
    let mut world = world(seed);
    for n in 1..=3 {
        let at = world.chance(400);
        world.at(at, Action::Join(Profile::browser(n)));
    }
    let lossy = Profile {
        overlay: false,
        up: Link { jitter: ms(8), ..Link::clean(ms(35)).lossy(0.02) }.into(),
        down: Link::clean(ms(35)).bursty(0.03, ms(40)).into(),
        ..Profile::browser(4)
    };
    world.at(600, Action::Join(lossy));
    world.at(1_000, Action::Join(watcher(5)));
    let start = 2_500 + world.chance(500);
    world.at(start, Action::Mute(id(2)));
    world.at(start + 500, Action::State(id(3), change(|c| c.sharing = Some(true))));
    world.at(start + 800, Action::State(id(1), change(|c| c.layout = Some(LayoutChoice::Speaker))));
    world.at(start + 1_500, Action::Swap(id(1), id(4)));
    world.at(start + 2_000, Action::Mad(id(1), Madness::ALL.to_vec()));
    world.at(start + 2_800, Action::State(id(3), change(|c| c.sharing = Some(false))));
    world.at(start + 3_200, Action::State(id(1), change(|c| c.layout = Some(LayoutChoice::Grid))));
    world.at(start + 3_500, Action::Leave(id(4)));
    world.at(start + 4_000, Action::Join(Profile { overlay: false, ..Profile::browser(6) }));
    world.at(start + 4_500, Action::State(id(2), change(|c| c.muted = Some(false))));
    world.at(start + 6_500, Action::Mad(id(1), Vec::new()));
    world.run_until(start + 8_000);
    world
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    for seed in [1, 2] {
        let (one, other) = (busy(seed).record, busy(seed).record);
        println!("seed {seed}: {} bytes, {} lines", one.log.len(), one.log.lines().count());
        let differs = one.log.lines().zip(other.log.lines()).find(|(one, other)| one != other);
        assert!(one.log == other.log, "seed {seed} differs first at {differs:#?}");
        assert!(
            one.seen.len() > 500 && !one.heard.is_empty(),
            "seed {seed}: the control, a meeting took place"
        );
    }
    assert!(busy(1).record.log != busy(2).record.log, "the control: another seed is another meeting");
}

#[test]
fn nothing_is_ever_shown_in_another_place_than_its_layout_says() {
    for seed in 1..=4 {
        let world = busy(seed);
        keep_log(&world, &format!("busy-{seed}"));
        assert_eq!(misplaced(&world), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn a_mad_sender_is_nobody_elses_problem() {
    (7..10).for_each(isolated);
}

fn isolated(seed: u64) {
    let mut world = world(seed);
    (1..=4).for_each(|n| world.at(50 * n, Action::Join(Profile::browser(n))));
    world.at(400, Action::Join(watcher(5)));
    let (from, to) = (4_000, 4_000 + 2 * 6 * 700);
    world.at(from, Action::Mad(id(2), Madness::ALL.to_vec()));
    world.at(to, Action::Mad(id(2), Vec::new()));
    world.run_until(to + 6_000);
    assert_eq!(misplaced(&world), Vec::<String>::new(), "seed {seed}");

    let sane = [1, 3, 4];
    for viewer in [1, 3, 4, 5] {
        let seen = shown(&world, id(viewer), from, to);
        assert!(seen.len() > 200, "seed {seed}: {viewer} saw {} pictures", seen.len());
        for pair in seen.windows(2) {
            let ticks = f64::from(pair[1].timestamp.wrapping_sub(pair[0].timestamp)) / f64::from(TICK);
            assert!(ticks == 1.0, "seed {seed}: {viewer} missed {ticks} ticks at {:?}", pair[1].at);
        }
        for seen in &seen {
            let marks: BTreeSet<SourceId> =
                seen.tiles.iter().flatten().filter_map(|tile| Some(tile.mark?.source)).collect();
            for other in sane.into_iter().filter(|other| *other != viewer) {
                assert!(
                    marks.contains(&SourceId::main(id(other))),
                    "seed {seed}: {viewer} lacks {other}: {seen:?}"
                );
            }
        }
        for other in sane.into_iter().filter(|other| *other != viewer) {
            let marks = seen.iter().filter_map(|seen| {
                let mut marks = seen.tiles.iter().flatten().filter_map(|tile| tile.mark);
                marks.find(|mark| mark.source == SourceId::main(id(other)))
            });
            let numbers: Vec<u8> = marks.map(|mark| mark.number).collect();
            let steps = numbers.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(steps * 10 >= seen.len() * 9, "seed {seed}: {viewer} sees {other} move {steps} times");
        }
        for heard in world.record.heard.iter().filter(|heard| heard.listener == id(viewer)) {
            if heard.at < Mono::from_millis(from) || heard.at > Mono::from_millis(to) {
                continue;
            }
            for other in sane {
                let hears = heard.has(SourceId::main(id(other)));
                assert_eq!(hears, other != viewer, "seed {seed}: {viewer} and {other}: {heard:?}");
            }
        }
    }
    assert!(world.totals().decode_errors.get() > 0, "seed {seed}: the control, it was mad");
    let after = shown(&world, id(1), to + 5_000, to + 6_000);
    let back = |seen: &&Seen| {
        seen.tiles.iter().flatten().any(|t| t.mark.is_some_and(|m| m.source == SourceId::main(id(2))))
    };
    assert!(
        !after.is_empty() && after.iter().all(back),
        "seed {seed}: who comes to its senses is seen again"
    );
}

#[test]
fn a_squeezed_receiver_moves_down_alone_and_climbs_back() {
    let seed = 11;
    let mut world = world(seed);
    (1..=4).for_each(|n| world.at(50 * n, Action::Join(Profile::browser(n))));
    let (squeezed, released) = (6_000, 16_000);
    let narrow = Link::clean(ms(20)).narrow(300, QueueLimit::Delay(ms(400)));
    world.at(squeezed, Action::Down(id(1), narrow));
    world.at(released, Action::Down(id(1), Link::clean(ms(20))));
    world.run_until(squeezed);
    let made = world.census().made.load(Ordering::Relaxed);
    assert_eq!(
        (made, world.census().live.load(Ordering::Relaxed)),
        (1, 1),
        "four who overlay share one encode"
    );

    world.run_until(released);
    let views = |world: &World| -> BTreeMap<ParticipantId, RenditionId> {
        let plan = &world.record.plans.last().expect("a plan").plan;
        plan.views.iter().map(|view| (view.participant, view.rendition)).collect()
    };
    let during = views(&world);
    assert!(
        during[&id(2)] == during[&id(3)]
            && during[&id(2)] == during[&id(4)]
            && during[&id(1)] != during[&id(2)]
    );
    assert_eq!(world.census().live.load(Ordering::Relaxed), 2, "one encode per rendition");
    world.run_until(45_000);
    keep_log(&world, "squeeze");

    let classes = &world.record.classes;
    assert!(classes.iter().all(|change| change.participant == id(1)), "seed {seed}: alone: {classes:?}");
    let down = classes.first().filter(|c| c.class == RateClass::Low).expect("it moves down");
    let up = classes.get(1).filter(|c| c.class == RateClass::High).expect("it climbs back");
    let moved = down.at.since(Mono::from_millis(squeezed));
    let low = |seen: &&&Seen| seen.height == CANVAS.height / 2;
    let first_low = shown(&world, id(1), squeezed, released).iter().find(low).map(|seen| seen.at);
    let first_low = first_low.expect("it is shown the low picture").since(Mono::from_millis(squeezed));
    let climbed = up.at.since(Mono::from_millis(released));
    println!(
        "moves down after {moved:?}, first low picture after {first_low:?}, climbs back after {climbed:?}"
    );
    assert!(moved <= ms(2_000), "seed {seed}: {moved:?}");
    assert!(first_low <= ms(2_000), "seed {seed}: {first_low:?}");
    assert!(climbed <= ms(25_000), "seed {seed}: {climbed:?}");
    // Nor does a key frame on the narrow way cost the picture after it, and so the next key frame.
    let steady = shown(&world, id(1), released - 4_000, released);
    assert!(steady.len() >= 50, "seed {seed}: {} pictures in four seconds of 15 per second", steady.len());
    assert!(
        steady.iter().filter(|seen| seen.keyframe).count() <= 2,
        "seed {seed}: key frame after key frame"
    );

    for viewer in 2..=4 {
        for pair in shown(&world, id(viewer), squeezed, 45_000).windows(2) {
            let span = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            assert_eq!(span, TICK, "seed {seed}: {viewer} at {:?}", pair[1].at);
            assert_eq!(pair[1].height, CANVAS.height);
        }
    }
    assert!(
        world.totals().pictures_starved.get() > 0,
        "seed {seed}: no high picture was begun that the way could not carry"
    );
    let high = during[&id(2)];
    let extra = keyframes(&world, squeezed, 45_000).remove(&high).unwrap_or_default();
    println!("key frames of the high rendition since the squeeze: {extra:?}");
    let apart = extra.windows(2).all(|pair| pair[1].since(pair[0]) >= KEYFRAME_INTERVAL_MIN);
    assert!(apart, "seed {seed}: the gate holds: {extra:?}");
    assert_eq!(misplaced(&world), Vec::<String>::new(), "seed {seed}");
}

#[test]
fn nothing_is_encoded_for_nobody_and_a_still_picture_once_a_second() {
    let seed = 13;
    let mut world = world(seed);
    let silent = |n| Profile { camera: false, microphone: false, ..Profile::browser(n) };
    world.at(0, Action::Join(silent(1)));
    world.at(0, Action::Join(silent(2)));
    world.at(12_000, Action::Leave(id(2)));
    world.at(20_000, Action::Leave(id(1)));
    world.run_until(30_000);
    let sent = |from: u64, to: u64| {
        let within = Mono::from_millis(from)..Mono::from_millis(to);
        world.record.sent.iter().filter(|sent| within.contains(&sent.at)).count()
    };
    assert_eq!((sent(3_000, 12_000), sent(15_000, 20_000)), (9, 5), "seed {seed}: one a second");
    let mixes = world.record.heard.iter().filter(|heard| heard.at > Mono::from_millis(20_500)).count();
    assert_eq!((sent(20_000, 30_000), mixes), (0, 0), "seed {seed}: nothing for nobody");
    assert_eq!(world.census().live.load(Ordering::Relaxed), 0, "seed {seed}: no encoder is kept");
}

#[test]
fn two_tiles_swapped_twenty_times_are_never_in_the_wrong_place() {
    for seed in 20..24 {
        let mut world = world(seed);
        for n in 1..=4 {
            world.at(50 * n, Action::Join(Profile { overlay: n != 3, ..Profile::browser(n) }));
        }
        let mut at = 3_000;
        for _ in 0..20 {
            at += 80 + world.chance(250);
            world.at(at, Action::Swap(id(1), id(2)));
        }
        world.run_until(at + 1_000);
        assert_eq!(misplaced(&world), Vec::<String>::new(), "seed {seed}");
        // The control: the two were seen to change places, by each viewer, each time.
        for viewer in 1..=4 {
            let first = |seen: &Seen| {
                let tiles = seen.tiles.as_deref()?;
                let at_left = tiles.iter().filter(|tile| (1..=2).contains(&tile.place.participant_id.0));
                at_left.min_by_key(|tile| (tile.place.y, tile.place.x))?.mark
            };
            let seen = shown(&world, id(viewer), 3_000, at + 1_000);
            let sources: Vec<SourceId> =
                seen.iter().filter_map(|seen| first(seen)).map(|m| m.source).collect();
            let changes = sources.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert_eq!(changes, 20, "seed {seed}: {viewer}");
        }
    }
}

/// Keeps the whole event log, and stops after so many looks at a room.
struct Kept {
    log: String,
    looks: u32,
}

impl Watcher for Kept {
    fn log(&mut self, lines: &str) {
        self.log += lines;
    }

    fn passed(&mut self, _: usize, _: usize, _: Duration, _: Duration) -> bool {
        self.looks -= 1;
        self.looks > 0
    }
}

fn played(toml: &str, looks: u32) -> (String, RunReport) {
    let scenario = Scenario::parse(toml, "test").unwrap_or_else(|error| panic!("{error}"));
    let mut kept = Kept { log: String::new(), looks };
    let report = play(&scenario, 0, &mut kept).expect("few enough people");
    (kept.log, report)
}

/// Two rooms; people talk in turns, come and go, and one of each room is behind a network with this profile.
fn two_rooms(seed: u64, network: &str) -> String {
    format!(
        "name = \"two\"\nseed = {seed}\nduration_s = 24\nsettle_s = 4\n[ramp]\nper_s = 4\n\
         [churn]\nper_s = 0.2\naway_s = 3\ngroup = \"guest\"\n[[rooms]]\ncount = 2\n\
         [[rooms.groups]]\nname = \"host\"\nkind = \"webrtc\"\ncount = 2\noverlay = true\nmeasure = \"all\"\n\
         [[rooms.groups]]\nname = \"guest\"\nkind = \"webrtc\"\ncount = 2\ntalk = \"turns\"\nturn_s = 3\nmeasure = 1\n\
         [[rooms.groups]]\nname = \"traveller\"\nkind = \"webrtc\"\ncount = 1\ntalk = \"never\"\nnetwork = \"{network}\"\nmeasure = 1\n\
         [[rooms.groups]]\nname = \"studio\"\nkind = \"whip\"\ncount = 1\ntalk = \"never\"\n\
         [[rooms.groups]]\nname = \"player\"\nkind = \"whep\"\ncount = 1\nmeasure = 1\n\
         [thresholds]\nunseen_max = 0\nunheard_max = 0\nmisplaced_max = 0\nown_voice_leak_db_max = -12\n\
         fps_min = 27\nfrozen_percent_max = 1\nconcealed_percent_max = 1\nlatency_ms_p95_max = 400\n"
    )
}

#[test]
fn a_scenario_in_virtual_time_is_judged_as_a_run_and_is_the_same_again() {
    let (log, report) = played(&two_rooms(1, "n0"), u32::MAX);
    let (again, same) = played(&two_rooms(1, "n0"), u32::MAX);
    assert!(log == again && report == same, "the same seed");
    let (other, _) = played(&two_rooms(2, "n0"), u32::MAX);
    assert!(log != other, "the control: another seed");

    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.because);
    assert!(report.thresholds.iter().all(|judged| judged.ruling == Ruling::Kept), "{:?}", report.thresholds);
    let visits = |name: &str| report.participants.iter().filter(|p| p.who.name == name).count();
    let guests: usize = (1..=4).map(|n| visits(&format!("guest {n}"))).sum();
    assert!(guests > 4, "some came back: {guests}");
    // Whoever only counts came in as well: in the room of those who send from the beginning, soon.
    let joined = |p: &loadtest::report::Participant| p.join_ms.is_none_or(|ms| ms < 3_000);
    assert!(
        report.participants.iter().all(joined),
        "{:?}",
        report.participants.iter().map(|p| p.join_ms).collect::<Vec<_>>()
    );
    let host = report.participant("host 1", 1).expect("is in");
    let measured = host.measured.as_ref().expect("measures");
    let sees = |name: &str| measured.sees.iter().find(|seen| seen.name == name && seen.expected && seen.seen);
    assert!(
        ["host 2", "traveller 1", "studio 1"].iter().all(|name| sees(name).is_some()),
        "{:?}",
        measured.sees
    );
    assert!(sees("host 3").is_none(), "who is in the other room");
    assert!(
        measured.glass_to_glass.is_some_and(|latency| (20..300).contains(&latency.p50_ms)),
        "{measured:?}"
    );
    assert!(measured.own_voice_leak_db.is_some_and(|leak| leak < -30.0) && measured.concealed_ms == 0);
    assert!(host.traffic.received_kbps > Some(100.0) && host.bot.main.own.code_in_place > 0);
}

#[test]
fn a_bad_network_in_virtual_time_breaks_its_own_figures_alone() {
    let (_, report) = played(&two_rooms(1, "n1"), u32::MAX);
    assert_eq!(report.verdict, Verdict::Fail);
    for judged in &report.thresholds {
        // Its tile stands still at the others, its picture and sound at itself.
        let only = judged.failing.iter().all(|one| {
            let about = one.detail.as_deref().unwrap_or_default();
            one.participant.starts_with("traveller") || about.contains("traveller")
        });
        assert!(only, "{judged:?}");
    }
    let own = report.participant("traveller 1", 1).and_then(|p| p.measured.as_ref()).expect("measures");
    assert!(own.concealed_percent > 2.0 && own.freezes > 0, "{own:?}");
}

#[test]
fn a_run_in_virtual_time_can_be_cut_short_and_says_when_a_room_is_too_large() {
    let (_, report) = played(&two_rooms(1, "n0"), 9);
    assert_eq!(report.participants.len(), 7, "the first room alone: {:?}", report.because);
    assert_eq!(report.ended_unix_ms, 9_000, "and not when it was planned to end");
    assert!(report.participants.iter().all(|p| p.ended_ms == 9_000 && p.failure.is_none()));
    let toml = "name = \"x\"\nduration_s = 9\n[[rooms]]\n[[rooms.groups]]\nkind = \"webrtc\"\ncount = 101\n";
    let scenario = Scenario::parse(toml, "test").expect("a scenario");
    let refused = play(&scenario, 0, &mut Kept { log: String::new(), looks: 1 });
    assert_eq!(refused.err(), Some(NotSimulated::Room { people: 101 }));
}
