//! What waits, how long, and what is gathered meanwhile.

use super::*;

#[test]
fn a_lost_path_keeps_its_place_for_sixty_seconds() {
    let mut meeting = Meeting::of_browsers(3, true);
    meeting.give(Input::Disconnected { participant: p(1) }).expect("it was up");
    meeting.run_for(59_999);
    assert_eq!(meeting.sees(p(2)), [1, 2, 3]);
    meeting.connect(p(1), receives(p(1), true), true).expect("in time");
    meeting.run_for(300);
    assert_eq!((meeting.sees(p(1)), meeting.plan().views.len()), (vec![1, 2, 3], 5 - 2));

    let lost = meeting.now;
    meeting.give(Input::Disconnected { participant: p(1) }).expect("it was up");
    meeting.run_for(120_000);
    let closing = Event::Closing { reason: ClosingReason::Disconnected, retry_after_s: None };
    let told = meeting.heard(p(1), lost).into_iter().find(|(_, event)| **event == closing);
    assert_eq!(told.map(|(at, _)| at), Some(lost + RECONNECT_WINDOW));
    assert_eq!(meeting.sees(p(2)), [3, 2]);
    let late = meeting.connect(p(1), receives(p(1), true), true);
    assert_eq!(late, Err(Refusal::NoSuchParticipant(p(1))));
}

#[test]
fn joins_are_gathered_but_nobody_waits_in_an_empty_house() {
    let mut meeting = Meeting::new();
    meeting.enter(p(1), Via::Browser, true, true);
    assert_eq!(meeting.plan().views.len(), 1, "at once");
    meeting.run_for(1_000);
    let joined = meeting.now;
    meeting.enter(p(2), Via::Browser, true, true);
    meeting.run_for(150);
    meeting.enter(p(3), Via::Browser, true, true);
    let seen_at = |meeting: &Meeting, n| {
        meeting
            .heard(p(n), joined)
            .iter()
            .find_map(|(at, event)| matches!(event, Event::Layout(_)).then_some(*at))
    };
    meeting.run_for(1_000);
    let both = joined + GATHERED_FOR;
    assert_eq!((seen_at(&meeting, 2), seen_at(&meeting, 3)), (Some(both), Some(both)));
}

#[test]
fn a_squeezed_receiver_moves_down_alone_and_climbs_back() {
    squeezed_to(500, false, 1_200, 427);
    // Shown nothing until it has moved, it moves at once.
    squeezed_to(300, true, 200, 237);
}

/// To `kbps`; down after `after_ms`, and then in a class at `low_kbps`.
fn squeezed_to(kbps: u32, starving: bool, after_ms: u64, low_kbps: u32) {
    let mut meeting = Meeting::of_browsers(3, true);
    let estimated = |meeting: &mut Meeting, n, kbps, starving| {
        meeting.give(Input::Estimate { participant: p(n), kbps, starving }).expect("here");
    };
    (1..=3).for_each(|n| estimated(&mut meeting, n, 2_500, false));
    meeting.run_for(1_000);
    let high = meeting.plan().renditions[0].clone();
    assert_eq!((high.bitrate_kbps, high.class), (2_000, RateClass::High));
    let squeezed = meeting.now;
    estimated(&mut meeting, 2, kbps, starving);
    meeting.run_for(after_ms - 1);
    assert_eq!(meeting.plan().renditions, std::slice::from_ref(&high));
    meeting.run_for(1);
    assert_eq!(meeting.conference.class(p(2)), Some(RateClass::Low));
    let plan = meeting.plan().clone();
    assert_eq!(plan.renditions[0], high, "nobody else notices");
    assert_eq!((plan.renditions.len(), plan.renditions[1].bitrate_kbps), (2, low_kbps));
    assert_eq!(meeting.layouts(p(2), squeezed), 0, "the same picture, only smaller");
    meeting.run_for(10_000);
    estimated(&mut meeting, 2, 1_000, false);
    meeting.run_for(5_199);
    assert_eq!(meeting.conference.class(p(2)), Some(RateClass::Low));
    meeting.run_for(1);
    assert_eq!(meeting.conference.class(p(2)), Some(RateClass::High));
    assert_eq!(meeting.plan().renditions.len(), 1);
}

#[test]
fn rosters_come_at_most_every_hundred_milliseconds_and_the_last_one_is_true() {
    let mut meeting = Meeting::of_browsers(2, true);
    let from = meeting.now;
    for n in 0..100 {
        let change = StateChange { muted: Some(n % 2 == 0), ..StateChange::default() };
        meeting.state(p(1), change).expect("here");
        meeting.run_for(7);
    }
    meeting.run_for(500);
    let rosters: Vec<_> = meeting
        .heard(p(2), from)
        .into_iter()
        .filter_map(|(at, event)| match event {
            Event::Roster { participants } => Some((at, participants.clone())),
            _ => None,
        })
        .collect();
    assert!(rosters.len() >= 7, "{} rosters", rosters.len());
    assert!(rosters.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= ROSTER_INTERVAL_MIN));
    assert_eq!(rosters.last().map(|(_, entries)| entries.clone()), Some(meeting.conference.entries()));
}
