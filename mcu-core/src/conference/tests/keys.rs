//! People with nothing but a keypad.

use super::*;
use crate::conference::keypad::Digit;
use crate::conference::prompt::Prompt;
use crate::conference::reception::{Shut, Words};

impl Meeting {
    fn press(&mut self, id: ParticipantId, keys: &str) {
        for key in keys.chars() {
            let digit = Digit::parse(key).expect("a key");
            self.give(Input::Digit { participant: id, digit }).expect("it is here");
            self.run_for(200);
        }
    }

    fn enter_as(&mut self, participant: ParticipantId, via: Via, role: Role) {
        let name = DisplayName::parse("Host").expect("a fair name");
        let joining =
            Joining { participant, name, role, via, overlay: false, invited: false, joined_at_unix_s: 0 };
        self.give(Input::Join(joining)).expect("there is room");
        self.connect(participant, receives(participant, false), true).expect("it has joined");
        self.run_for(1_000);
    }

    /// What was said to `id` since `from`.
    fn said(&self, id: ParticipantId, from: Mono) -> Vec<Prompt> {
        let said = self.log.iter().filter_map(|(at, effect)| match effect {
            Effect::Announce { to, prompt } if to.includes(id) && *at >= from => Some(*prompt),
            _ => None,
        });
        said.collect()
    }
}

/// A browser and a telephone.
fn with_telephone() -> Meeting {
    let mut meeting = Meeting::of_browsers(1, true);
    meeting.enter(p(2), Via::Sip, false, false);
    meeting.run_for(1_000);
    meeting
}

#[test]
fn a_telephone_mutes_itself_and_speaks_again_and_others_see_it() {
    let mut meeting = with_telephone();
    for (muted, said) in [(true, Prompt::Muted), (false, Prompt::Unmuted)] {
        let from = meeting.now;
        meeting.press(p(2), "*6");
        assert_eq!(meeting.said(p(2), from), [said]);
        assert_eq!(meeting.said(p(1), from), [], "who has a client of ours reads it");
        let told = meeting.heard(p(1), from);
        let roster = told.iter().rev().find_map(|(_, event)| match event {
            Event::Roster { participants } => Some(participants),
            _ => None,
        });
        let entry = roster.and_then(|roster| roster.iter().find(|entry| entry.id == p(2)));
        assert_eq!(entry.map(|entry| entry.muted), Some(muted));
        assert_eq!(meeting.plan().sound.speakers.contains(&SourceId::main(p(2))), !muted);
    }
}

#[test]
fn a_room_system_goes_through_the_layouts() {
    let mut meeting = with_telephone();
    let layouts: Vec<LayoutChoice> = (0..3)
        .map(|_| {
            meeting.press(p(2), "*8");
            meeting.conference.participant(p(2)).expect("it is here").layout
        })
        .collect();
    assert_eq!(layouts, [LayoutChoice::Grid, LayoutChoice::Speaker, LayoutChoice::Auto]);
}

#[test]
fn content_is_taken_into_the_mix_and_out_again() {
    let mut meeting = Meeting::of_browsers(1, true);
    meeting.enter(p(2), Via::Sip, false, false);
    meeting.enter(p(3), Via::Sip, false, true);
    meeting.share(p(1), true).expect("nobody else does");
    meeting.flow(p(1), SourceKind::Content, true);
    meeting.run_for(1_000);
    let mixed = |meeting: &Meeting, id| {
        let scene = scene_of(meeting.plan(), id, SourceKind::Main).expect("it sees");
        scene.tiles.iter().any(|tile| tile.source == SourceId::content(p(1)))
    };
    assert_eq!((mixed(&meeting, p(2)), mixed(&meeting, p(3))), (true, false), "by how many lines there are");
    for (keys, expected) in [("*4", Prompt::ContentHidden), ("*4", Prompt::ContentShown)] {
        let from = meeting.now;
        meeting.press(p(2), keys);
        assert_eq!(meeting.said(p(2), from), [expected]);
        assert_eq!(mixed(&meeting, p(2)), expected == Prompt::ContentShown);
    }
    meeting.press(p(3), "*4");
    assert!(mixed(&meeting, p(3)), "who has a line for it may have both");
    assert!(scene_of(meeting.plan(), p(3), SourceKind::Content).is_some());
}

#[test]
fn a_host_by_telephone_mutes_guests_and_locks_and_a_guest_is_told_that_it_may_not() {
    let mut meeting = with_telephone();
    meeting.enter_as(p(3), Via::Sip, Role::Host);
    let from = meeting.now;
    meeting.press(p(2), "*5*7");
    assert_eq!(meeting.said(p(2), from), [Prompt::NotAllowed; 2]);
    assert!(!meeting.conference.is_locked());
    assert!(meeting.conference.roster().iter().all(|participant| !participant.muted));
    let from = meeting.now;
    meeting.press(p(3), "*5*7*7");
    assert_eq!(meeting.said(p(3), from), [Prompt::GuestsMuted, Prompt::Locked, Prompt::Unlocked]);
    let muted = |id| meeting.conference.participant(id).expect("it is here").muted;
    assert_eq!([1, 2, 3].map(|n| muted(p(n))), [true, true, false]);
    assert_eq!(meeting.said(p(2), from), [Prompt::Muted], "who has no client hears it");
    assert_eq!(meeting.said(p(1), from), []);
}

#[test]
fn who_leaves_by_keys_hears_goodbye_first_and_no_single_key_does_anything() {
    let mut meeting = with_telephone();
    let from = meeting.now;
    meeting.press(p(2), "1#2*36#");
    meeting.run_for(10_000);
    assert_eq!(meeting.said(p(2), from), []);
    let from = meeting.now;
    meeting.press(p(2), "##");
    assert_eq!(meeting.said(p(2), from), [Prompt::Goodbye]);
    assert!(meeting.conference.participant(p(2)).is_some());
    meeting.run_for(2_000);
    assert!(meeting.conference.participant(p(2)).is_none());
    let left = Effect::Disconnect { participant: p(2), reason: ClosingReason::Left };
    assert!(meeting.log.iter().any(|(_, effect)| *effect == left));
    assert!(meeting.conference.participant(p(1)).is_some());
}

/// Somebody who hears only.
fn call(meeting: &mut Meeting, id: ParticipantId) {
    meeting.join(id, Via::Sip, false).expect("there is room");
    let receives = Receives { sound: Some(AudioCodec::Pcma), ..Receives::default() };
    meeting.connect(id, receives, true).expect("it has joined");
}

#[test]
fn who_is_on_a_telephone_hears_that_others_come_and_go_and_nobody_else_does() {
    let mut meeting = with_telephone();
    call(&mut meeting, p(3));
    meeting.run_for(60_000);
    assert_eq!(meeting.said(p(3), Mono::ZERO), [Prompt::Joined], "not of itself");
    let from = meeting.now;
    meeting.enter(p(4), Via::Browser, true, true);
    meeting.run_for(1_000);
    assert_eq!(meeting.said(p(3), from), [Prompt::SomebodyJoined], "at once");
    // Three more and one less within ten seconds: told once, when they are over.
    for n in 5..=7 {
        meeting.enter(p(n), Via::Browser, true, true);
    }
    meeting.give(Input::Leave { participant: p(4), reason: ClosingReason::Left }).expect("here");
    meeting.run_for(8_000);
    assert_eq!(meeting.said(p(3), from).len(), 1);
    meeting.run_for(2_000);
    let told = [Prompt::SomebodyJoined, Prompt::SomebodyJoined, Prompt::SomebodyLeft];
    assert_eq!(meeting.said(p(3), from), told);
    // Who loses its path has not gone until its place is given up, and comes back without a word.
    let from = meeting.now;
    meeting.give(Input::Disconnected { participant: p(5) }).expect("here");
    meeting.run_for(30_000);
    meeting.connect(p(5), receives(p(5), true), true).expect("in time");
    meeting.give(Input::Disconnected { participant: p(6) }).expect("here");
    meeting.run_for(59_000);
    assert_eq!(meeting.said(p(3), from), []);
    meeting.run_for(1_000);
    assert_eq!(meeting.said(p(3), from), [Prompt::SomebodyLeft]);
    assert_eq!(
        (meeting.said(p(1), Mono::ZERO), meeting.said(p(2), Mono::ZERO)),
        (vec![], vec![Prompt::Joined])
    );
}

#[test]
fn who_came_and_went_untold_and_who_comes_to_a_crowd_is_no_news() {
    let mut meeting = with_telephone();
    call(&mut meeting, p(3));
    meeting.enter(p(4), Via::Browser, true, true);
    let from = meeting.now;
    meeting.enter(p(5), Via::Browser, true, true);
    meeting.give(Input::Leave { participant: p(5), reason: ClosingReason::Left }).expect("here");
    meeting.join(p(6), Via::Browser, true).expect("there is room");
    meeting.run_for(120_000);
    // Its own welcome is of the same moment.
    let expected = [Prompt::Joined, Prompt::SomebodyJoined];
    assert_eq!(meeting.said(p(3), from), expected, "of the fourth; the sixth never came");
    (7..30).for_each(|n| meeting.enter(p(n), Via::Browser, true, true));
    meeting.run_for(1);
    let from = meeting.now;
    meeting.run_for(60_000);
    assert_eq!(meeting.said(p(3), from), []);
}

/// A reception with a caller who has connected.
fn reception() -> Meeting {
    let words = Words { title: "daily".into(), enter_pin: "PIN?".into(), pin_wrong: "No.".into() };
    let settings =
        Settings { participants_max: 1, reception: Some(words), ..Settings::new("daily", "daily") };
    let mut meeting = Meeting::with(settings);
    meeting.enter(p(1), Via::Sip, false, false);
    meeting.run_for(1_000);
    meeting
}

fn entered(meeting: &Meeting) -> Vec<&str> {
    let entered = meeting.log.iter().filter_map(|(_, effect)| match effect {
        Effect::Entered { entered, .. } => Some(entered.expose()),
        _ => None,
    });
    entered.collect()
}

#[test]
fn a_caller_is_asked_for_a_pin_and_what_it_enters_is_tried() {
    let mut meeting = reception();
    assert_eq!(meeting.said(p(1), Mono::ZERO), [Prompt::Welcome, Prompt::EnterPin]);
    meeting.press(p(1), "27*314159#");
    assert_eq!(entered(&meeting), ["314159"]);
    // Keys that are controls in a meeting are none here: it is not muted, and it is still here.
    meeting.give(Input::Refused { participant: p(1), why: Shut::WrongPin }).expect("it is here");
    meeting.press(p(1), "*6##");
    let caller = meeting.conference.participant(p(1)).expect("it is here");
    assert!(!caller.muted);
    assert_eq!(entered(&meeting), ["314159", "6"]);
}

#[test]
fn a_caller_who_enters_nothing_is_let_go_and_the_reception_ends_with_it() {
    let mut meeting = reception();
    meeting.run_for(120_000);
    assert_eq!(meeting.said(p(1), Mono::ZERO).last(), Some(&Prompt::Goodbye));
    assert_eq!(meeting.log.last().map(|(_, effect)| effect), Some(&Effect::Ended));
    let gone = Effect::Disconnect { participant: p(1), reason: ClosingReason::Disconnected };
    assert!(meeting.log.iter().any(|(_, effect)| *effect == gone));
}

#[test]
fn nobody_but_the_caller_gets_into_a_reception() {
    let mut meeting = reception();
    assert_eq!(meeting.join(p(2), Via::Browser, true), Err(Refusal::RoomFull { participants_max: 1 }));
}
