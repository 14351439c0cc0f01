//! Rooms that wait for their host.

use super::*;
use crate::conference::prompt::Prompt;

const WORDS: &str = "The meeting begins when its host comes.";

fn waiting() -> Meeting {
    let mut meeting =
        Meeting::with(Settings { waiting: Some(WORDS.into()), ..Settings::new("daily", "Daily") });
    meeting.enter(p(1), Via::Browser, true, true);
    meeting.enter(p(2), Via::Browser, true, true);
    meeting.enter(p(3), Via::Sip, false, false);
    meeting.run_for(1_000);
    meeting
}

fn said(meeting: &Meeting, from: Mono) -> Vec<(To, Prompt)> {
    let said = meeting.log.iter().filter_map(|(at, effect)| match effect {
        Effect::Announce { to, prompt } if *at >= from => Some((*to, *prompt)),
        _ => None,
    });
    said.collect()
}

#[test]
fn until_the_host_comes_guests_see_a_card_and_hear_nobody() {
    let mut meeting = waiting();
    assert!(meeting.conference.is_waiting());
    assert_eq!(said(&meeting, Mono::ZERO), [(To::One(p(3)), Prompt::WaitingForHost)]);
    let card = Card { title: "Daily".into(), lines: vec![WORDS.into()] };
    for n in 1..=3 {
        let scene = scene_of(meeting.plan(), p(n), SourceKind::Main).expect("it sees");
        assert_eq!(scene.card.as_deref(), Some(&card));
    }
    assert_eq!((meeting.plan().sound.speakers.len(), meeting.plan().sound.listeners.len()), (0, 3));
    // What is shared is shown and heard as little.
    meeting.share(p(1), true).expect("nobody else does");
    meeting.flow(p(1), SourceKind::Content, true);
    let from = meeting.now;
    meeting.run_for(65_000);
    assert!(scene_of(meeting.plan(), p(2), SourceKind::Content).is_none());
    assert_eq!(meeting.plan().sound.speakers, []);
    assert_eq!(said(&meeting, from), [(To::One(p(3)), Prompt::WaitingForHost); 2], "every half minute");

    let from = meeting.now;
    meeting.join_as(Role::Host, p(4), Via::Browser, true).expect("there is room");
    meeting.run_for(1_000);
    assert!(meeting.conference.is_waiting(), "it has not come yet");
    meeting.connect(p(4), receives(p(4), true), true).expect("it has joined");
    meeting.run_for(1_000);
    assert!(!meeting.conference.is_waiting());
    assert_eq!(said(&meeting, from), [(To::One(p(3)), Prompt::Joined)]);
    let begun = Event::Waiting { waiting: false };
    let told = meeting.heard(p(1), from).into_iter().filter(|(_, event)| **event == begun).count();
    assert_eq!(told, 1);
    assert_eq!(meeting.sees(p(2)), [1, 2, 3, 4]);
    assert_eq!(meeting.plan().sound.speakers.len(), 5, "everybody, and what is shared");
    assert!(scene_of(meeting.plan(), p(2), SourceKind::Content).is_some());
}

#[test]
fn a_meeting_that_has_begun_goes_on_without_its_host() {
    let mut meeting = waiting();
    meeting.join_as(Role::Host, p(4), Via::Sip, false).expect("there is room");
    let from = meeting.now;
    meeting.connect(p(4), receives(p(4), false), true).expect("it has joined");
    assert_eq!(said(&meeting, from), [(To::One(p(3)), Prompt::Joined), (To::One(p(4)), Prompt::Joined)]);
    meeting.give(Input::Leave { participant: p(4), reason: ClosingReason::Left }).expect("here");
    meeting.run_for(60_000);
    assert!(!meeting.conference.is_waiting());
    assert_eq!(meeting.sees(p(2)), [1, 2, 3]);
}

#[test]
fn a_fresh_socket_is_told_that_the_meeting_waits_and_none_where_nobody_does() {
    let mut meetings = [(waiting(), true), (Meeting::of_browsers(3, true), false)];
    for (meeting, waits) in &mut meetings {
        // Outside of `give`, since the layouts that come with it are not those of a new plan.
        meeting.conference.handle(meeting.now, Input::Listening { participant: p(1) }).expect("here");
        let told: Vec<_> = std::iter::from_fn(|| meeting.conference.poll_effect()).collect();
        let waiting = Effect::Event { to: To::One(p(1)), event: Event::Waiting { waiting: true } };
        assert_eq!(told.contains(&waiting), *waits);
    }
}
