//! What senders are asked for.

use super::*;

fn asked(meeting: &Meeting, n: u64, from: Mono) -> Vec<(Duration, VideoRequest)> {
    let requests = meeting.heard(p(n), from).into_iter().filter_map(|(at, event)| match event {
        Event::VideoRequest(request) => Some((at.since(from), *request)),
        _ => None,
    });
    requests.collect()
}

#[test]
fn senders_are_asked_for_what_others_see_and_paused_when_nobody_does() {
    let mut meeting = Meeting::of_browsers(1, true);
    let alone = asked(&meeting, 1, Mono::ZERO);
    assert_eq!(alone.iter().map(|(_, request)| request.paused).collect::<Vec<_>>(), [true]);
    let from = meeting.now;
    meeting.enter(p(2), Via::Browser, true, true);
    meeting.run_for(2_000);
    let seen = asked(&meeting, 1, from);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].0, seen[0].1.paused, seen[0].1.height), (GATHERED_FOR, false, 360));

    // Large for the other one: more after half a second. In a grid again: less after three.
    let from = meeting.now;
    meeting.choose(p(2), LayoutChoice::Speaker);
    meeting.run_for(5_000);
    let more = asked(&meeting, 1, from);
    assert_eq!(more.iter().map(|(at, r)| (*at, r.height)).collect::<Vec<_>>(), [(requests::MORE_AFTER, 720)]);
    let from = meeting.now;
    meeting.choose(p(2), LayoutChoice::Grid);
    meeting.run_for(5_000);
    let less = asked(&meeting, 1, from);
    assert_eq!(less.iter().map(|(at, r)| (*at, r.height)).collect::<Vec<_>>(), [(requests::LESS_AFTER, 360)]);
    let from = meeting.now;
    meeting.give(Input::Leave { participant: p(2), reason: ClosingReason::Left }).expect("here");
    meeting.run_for(5_000);
    assert_eq!(asked(&meeting, 1, from).iter().map(|(_, r)| r.paused).collect::<Vec<_>>(), [true]);
}

#[test]
fn a_share_is_asked_for_before_its_first_picture_when_somebody_can_see_it() {
    let content = |meeting: &Meeting, from| {
        let asked = asked(meeting, 1, from).into_iter().map(|(_, request)| request);
        asked.filter(|request| request.kind == SourceKind::Content).map(|r| r.paused).collect::<Vec<_>>()
    };
    let mut alone = Meeting::of_browsers(1, true);
    let from = alone.now;
    alone.share(p(1), true).expect("the floor is free");
    alone.run_for(5_000);
    assert_eq!(content(&alone, from), [true], "the control: nobody is there");

    let mut meeting = Meeting::of_browsers(2, true);
    let from = meeting.now;
    meeting.share(p(1), true).expect("the floor is free");
    meeting.run_for(5_000);
    assert_eq!(content(&meeting, from), [false]);
}

#[test]
fn a_need_that_passes_in_time_is_not_spoken_of() {
    let mut meeting = Meeting::of_browsers(2, true);
    let from = meeting.now;
    for _ in 0..5 {
        meeting.choose(p(2), LayoutChoice::Speaker);
        meeting.run_for(400);
        meeting.choose(p(2), LayoutChoice::Grid);
        meeting.run_for(400);
    }
    meeting.run_for(5_000);
    assert_eq!(asked(&meeting, 1, from), []);
}
