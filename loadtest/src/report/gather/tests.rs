use super::*;
use crate::bot::report::{Spread, Tile, Tone};
use mcu_core::conference::plan::Rect;

const SECOND_SAMPLES: u64 = 48_000;

fn at(ms: u64) -> Mono {
    Mono::from_millis(1_000 + ms)
}

/// Somebody who was in room `a` from 100 ms on and counted from 3 s to 13 s.
fn passage(name: &str, sender: u16) -> Passage {
    let mut report = Report::new(SenderId(sender), name.into(), true);
    report.outcome = Outcome::Left {};
    report.participant_id = Some(u64::from(sender) + 100);
    report.join.connected_ms = Some(100);
    Passage {
        who: Who {
            name: name.into(),
            sender: SenderId(sender),
            visit: 1,
            room: "a".into(),
            group: "people".into(),
            kind: ParticipantKind::Webrtc,
            network: None,
        },
        began: at(0),
        ended: at(13_000),
        counting: Some(Counted { at: at(3_000), sent_bytes: 0, received_bytes: 0, picture_packets: 0 }),
        shows: true,
        speaks: true,
        speaks_always: true,
        sees_all: true,
        hears_all: true,
        report,
    }
}

/// A tile of `owner` (a sender id) in which `codes` were read: (sender, different numbers).
fn tile(owner: u16, codes: &[(u16, u64)]) -> Tile {
    let code = |(sender, numbers): &(u16, u64)| Code {
        sender: SenderId(*sender),
        reads: *numbers,
        numbers: *numbers,
        backwards: 0,
        last_number: 0,
        freezes: 1,
        frozen_ms: 200,
        age_ms: Spread::of(&mut vec![120; *numbers as usize]),
        psnr_db: (*numbers > 100).then_some(36.5),
        ssim: (*numbers > 100).then_some(0.95),
    };
    Tile {
        participant_id: u64::from(owner) + 100,
        name: (["Ada", "Grace", "Lin"].get(usize::from(owner) - 1)).map(|name| (*name).to_owned()),
        kind: SourceKind::Main,
        is_self: false,
        rect: Rect { x: 0, y: 0, width: 640, height: 360 },
        pictures: 300,
        unread: 0,
        tints: 1,
        codes: codes.iter().map(code).collect(),
    }
}

fn hear(passage: &mut Passage, sender: u16, level_db: f64, peak_db: f64) {
    let tone = Tone {
        sender: SenderId(sender),
        hz: 0,
        level_db,
        peak_db,
        windows: 50,
        age_ms: (peak_db > -50.0).then(|| Spread::of(&mut [100 + 10 * u32::from(sender); 10])),
        av_offset_ms: Some(5.0 - 10.0 * f64::from(sender)),
    };
    passage.report.sound.tones.push(tone);
}

fn measured_of(passages: &[Passage]) -> Measured {
    gather(passages, at(0)).remove(0).measured.expect("counted to the end")
}

#[test]
fn sound_is_as_late_as_the_latest_voice_and_as_far_from_the_picture_as_the_furthest() {
    let mut ada = passage("Ada", 1);
    assert_eq!(measured_of(&[ada.clone(), passage("Grace", 2)]).mouth_to_ear, None, "nobody was heard");
    // Its own voice, which lies furthest off, says nothing.
    [(1, -90.0), (2, -24.0), (3, -26.0)]
        .iter()
        .for_each(|(sender, level)| hear(&mut ada, *sender, *level, *level));
    ada.report.sound.tones[0].av_offset_ms = Some(-900.0);
    let measured = measured_of(&[ada, passage("Grace", 2), passage("Lin", 3)]);
    assert_eq!(measured.mouth_to_ear.map(|latency| (latency.count, latency.p95_ms)), Some((10, 130)));
    assert_eq!(measured.av_offset_ms, Some(-25.0));
}

#[test]
fn who_had_to_be_seen_and_was_not_is_there_with_its_name() {
    let mut ada = passage("Ada", 1);
    ada.report.main.tiles = vec![tile(2, &[(2, 300)]), tile(3, &[(3, 1)])];
    let measured = measured_of(&[ada, passage("Grace", 2), passage("Lin", 3)]);
    let seen: Vec<_> = measured.sees.iter().map(|seen| (&*seen.name, seen.expected, seen.seen)).collect();
    assert_eq!(seen, [("Grace", true, true), ("Lin", true, false)], "one picture is a picture that stands");
    assert_eq!((measured.sees[0].fps, measured.sees[0].freezes), (Some(30.0), 1));
    let worst = measured.glass_to_glass.expect("ages were measured");
    assert_eq!((worst.p95_ms, worst.count), (120, 300));
}

#[test]
fn who_came_later_left_earlier_failed_or_is_elsewhere_need_not_be_seen() {
    let present = passage("Present", 2);
    let late = Passage { began: at(4_000), ..passage("Late", 3) };
    let early = Passage { ended: at(11_000), ..passage("Early", 4) };
    let mut lost = passage("Lost", 5);
    lost.report.outcome = Outcome::Closed { reason: "draining".into() };
    let mut elsewhere = passage("Elsewhere", 6);
    elsewhere.who.room = "b".into();
    let mut watcher = Passage { shows: false, ..passage("Watcher", 7) };
    watcher.who.kind = ParticipantKind::Whep;
    let all = [passage("Ada", 1), present, late, early, lost, elsewhere, watcher];
    let expected: Vec<String> = measured_of(&all).sees.into_iter().map(|seen| seen.name).collect();
    assert_eq!(expected, ["Present"]);
    let mut short = all.clone();
    short[0].ended = at(4_900);
    assert_eq!(measured_of(&short).sees, [], "in less than two seconds nobody has to be seen");
    short[0].ended = at(5_000);
    assert_eq!(measured_of(&short).sees.len(), 2, "in two, those who left later as well");
    let mut narrow = all.clone();
    narrow[0].sees_all = false;
    assert_eq!(measured_of(&narrow).sees, [], "a layout that shows some need not show anybody");
}

#[test]
fn a_second_stay_of_the_same_person_is_one_person() {
    let mut ada = passage("Ada", 1);
    ada.report.main.tiles = vec![tile(2, &[(2, 300)])];
    let mut again = Passage { began: at(4_000), ..passage("Grace", 2) };
    again.who.visit = 2;
    let sees = measured_of(&[ada, passage("Grace", 2), again]).sees;
    assert_eq!((sees.len(), sees[0].expected), (1, true));
}

#[test]
fn leakage_is_ones_own_voice_against_how_others_hear_it() {
    let (mut ada, mut grace) = (passage("Ada", 1), passage("Grace", 2));
    hear(&mut ada, 1, -75.0, -40.0);
    hear(&mut grace, 1, -24.0, -20.0);
    assert_eq!(measured_of(&[ada.clone(), grace.clone()]).own_voice_leak_db, Some(-51.0));
    ada.report.sound.tones[0].level_db = -25.0;
    assert_eq!(measured_of(&[ada.clone(), grace.clone()]).own_voice_leak_db, Some(-1.0));
    let silent = Passage { speaks: false, ..ada.clone() };
    assert_eq!(measured_of(&[silent, grace.clone()]).own_voice_leak_db, None);
    assert_eq!(measured_of(&[ada.clone()]).own_voice_leak_db, None, "nobody says how loud it was");
    // Sender ids 24 apart have one tone.
    assert_eq!(measured_of(&[ada, grace, passage("Twin", 25)]).own_voice_leak_db, None);
}

#[test]
fn who_had_to_be_heard_is_told_from_who_need_not() {
    let mut ada = passage("Ada", 1);
    hear(&mut ada, 2, -24.0, -20.0);
    hear(&mut ada, 3, -90.0, -80.0);
    hear(&mut ada, 4, -90.0, -80.0);
    // Said nothing for most of the time, and was there by its beeps.
    hear(&mut ada, 5, -90.0, -20.0);
    let in_turns = |name, sender| Passage { speaks_always: false, ..passage(name, sender) };
    let others = [passage("Grace", 2), passage("Lin", 3), in_turns("Silent", 4), in_turns("Turn", 5)];
    let hears = measured_of(&[&[ada][..], &others].concat()).hears;
    let heard: Vec<_> = hears.iter().map(|heard| (&*heard.name, heard.expected, heard.heard)).collect();
    assert_eq!(heard, [("Grace", true, true), ("Lin", true, false), ("Turn", false, true)]);
}

#[test]
fn a_bar_code_in_somebody_elses_tile_is_misplaced_unless_a_late_event_explains_it() {
    let (mut ada, grace, lin) = (passage("Ada", 1), passage("Grace", 2), passage("Lin", 3));
    ada.report.main.tiles = vec![tile(2, &[(2, 280), (3, 20)]), tile(3, &[(3, 280), (2, 20)])];
    assert_eq!(measured_of(&[ada.clone(), grace.clone(), lin.clone()]).misplaced, 40);
    ada.report.main.frames_before_layout = 15;
    assert_eq!(measured_of(&[ada.clone(), grace.clone(), lin.clone()]).misplaced, 10);
    ada.report.main.tiles = vec![tile(2, &[(2, 300)]), tile(3, &[(3, 300)])];
    assert_eq!(measured_of(&[ada, grace, lin]).misplaced, 0);
}

#[test]
fn traffic_counts_from_when_counting_began() {
    let mut ada = passage("Ada", 1);
    ada.counting =
        Some(Counted { at: at(3_000), sent_bytes: 1_000, received_bytes: 50_000, picture_packets: 100 });
    ada.report.sent.bytes = 126_000;
    ada.report.received.bytes = 1_300_000;
    ada.report.received.picture_packets = 1_090;
    ada.report.main.packets_lost = 10;
    ada.report.main.frozen_ms = 500;
    ada.report.sound.samples = 10 * SECOND_SAMPLES;
    ada.report.sound.concealed_samples = SECOND_SAMPLES / 10;
    let Participant { traffic, measured, began_ms, ended_ms, .. } = gather(&[ada], at(0)).remove(0);
    assert_eq!(
        (traffic.seconds, traffic.sent_kbps, traffic.received_kbps),
        (10.0, Some(100.0), Some(1_000.0))
    );
    assert_eq!(traffic.loss_percent, Some(1.0));
    let measured = measured.expect("counted");
    assert_eq!((measured.frozen_percent, measured.concealed_percent), (5.0, 1.0));
    assert_eq!((measured.played_ms, measured.concealed_ms), (10_000, 100));
    assert_eq!((began_ms, ended_ms), (0, 13_000));
}

#[test]
fn who_never_got_in_has_a_failure_and_no_figures() {
    let mut ada = passage("Ada", 1);
    ada.report.outcome = Outcome::Failed {
        stage: "join".into(),
        code: Some("room-full".into()),
        detail: "join: the node said 503".into(),
    };
    ada.report.join.connected_ms = None;
    ada.counting = None;
    let entry = gather(&[ada], at(0)).remove(0);
    assert_eq!(entry.failure.expect("failed").code.as_deref(), Some("room-full"));
    assert_eq!((entry.traffic, entry.measured), (Traffic::default(), None));
}

#[test]
fn the_way_in_is_counted_from_when_there_was_somebody() {
    let mut ada = passage("Ada", 1);
    (ada.report.join.first_picture_ms, ada.report.join.first_sound_ms) = (Some(1_400), Some(1_300));
    let grace = Passage { began: at(1_000), ..passage("Grace", 2) };
    let of = |all: &[Passage]| gather(all, at(0)).remove(0).join_ms;
    assert_eq!(of(&[ada.clone(), grace.clone()]), Some(300), "Grace was there after 1.1 s");
    assert_eq!(of(&[ada.clone()]), None, "alone, there is nothing to come");
    ada.report.join.first_sound_ms = None;
    assert_eq!(of(&[ada.clone(), grace.clone()]), Some(11_900), "it never came");
    let silent = Passage { speaks_always: false, ..grace };
    assert_eq!(of(&[ada.clone(), silent.clone()]), Some(300), "nobody had anything to say");
    let mut encoder = ada;
    encoder.who.kind = ParticipantKind::Whip;
    assert_eq!(of(&[encoder, silent]), Some(100));
}
