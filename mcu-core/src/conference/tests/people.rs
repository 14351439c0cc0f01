//! Rights, ends and sockets.

use super::*;

#[test]
fn refusals_say_why() {
    let mut meeting = Meeting::with(Settings { participants_max: 2, ..Settings::new("room", "Room") });
    assert_eq!(meeting.join(p(1), Via::Browser, true), Ok(()));
    assert_eq!(meeting.join(p(1), Via::Browser, true), Err(Refusal::JoinedBefore(p(1))));
    assert_eq!(meeting.join(p(2), Via::Whip, false), Ok(()));
    assert_eq!(meeting.join(p(3), Via::Browser, true), Err(Refusal::RoomFull { participants_max: 2 }));
    assert_eq!(meeting.share(p(2), true), Err(Refusal::CannotShare(p(2))));
    assert_eq!(meeting.share(p(9), true), Err(Refusal::NoSuchParticipant(p(9))));
    for n in [1, 2] {
        meeting.give(Input::Leave { participant: p(n), reason: ClosingReason::Left }).expect("here");
    }
    assert_eq!(meeting.log.last().map(|(_, effect)| effect), Some(&Effect::Ended));
    assert_eq!(
        (meeting.join(p(4), Via::Browser, true), meeting.conference.deadline()),
        (Err(Refusal::Ended), None)
    );
}

#[test]
fn whoever_asks_last_shares_but_no_guest_after_a_host() {
    let mut meeting = Meeting::of_browsers(2, true);
    meeting.enter(p(3), Via::Sip, false, false);
    meeting.join_as(Role::Host, p(4), Via::Browser, true).expect("there is room");
    let holders = |meeting: &Meeting| {
        let told = meeting.log.iter().filter_map(|(_, effect)| match effect {
            Effect::Event { to: To::All, event: Event::Floor { holder } } => {
                Some(holder.map(|holder| holder.0))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let before = holders(&meeting).len();
    for n in [1, 3, 3, 2, 4] {
        assert_eq!(meeting.share(p(n), true), Ok(()), "{n}");
    }
    let refused = Err(Refusal::AlreadySharing { holder: p(4) });
    assert_eq!((meeting.share(p(1), true), meeting.share(p(3), true)), (refused, refused));
    meeting.share(p(2), false).expect("it shares no more as it is");
    meeting.share(p(4), false).expect("it does");
    assert_eq!(meeting.share(p(3), true), Ok(()));
    assert_eq!(holders(&meeting)[before..], [Some(1), Some(3), Some(2), Some(4), None, Some(3)], "each once");
    meeting.give(Input::Leave { participant: p(3), reason: ClosingReason::Left }).expect("here");
    assert_eq!(meeting.conference.holder(), None);
}

#[test]
fn when_the_last_one_leaves_the_engine_is_left_with_nothing_to_do() {
    let mut meeting = Meeting::of_browsers(1, true);
    meeting.give(Input::Leave { participant: p(1), reason: ClosingReason::Draining }).expect("here");
    let plan = meeting.plan();
    assert!(plan.scenes.is_empty() && plan.views.is_empty() && plan.sound.listeners.is_empty());
    let count = |wanted: &Effect| meeting.log.iter().filter(|(_, effect)| effect == wanted).count();
    assert_eq!(count(&Effect::Ended), 1);
    assert_eq!(count(&Effect::Disconnect { participant: p(1), reason: ClosingReason::Draining }), 1);
}

#[test]
fn who_is_muted_is_told_is_not_heard_and_loses_the_word() {
    let mut meeting = Meeting::of_browsers(2, true);
    meeting.speak(p(1), 600);
    assert_eq!(meeting.conference.active_speaker(), Some(p(1)));
    assert!(meeting.plan().sound.speakers.contains(&SourceId::main(p(1))));
    let from = meeting.now;
    meeting.give(Input::Mute { participant: p(1), by: MutedBy::Host }).expect("here");
    meeting.run_for(100);
    let told = meeting.heard(p(1), from);
    assert!(told.iter().any(|(_, event)| **event == Event::Muted { by: MutedBy::Host }));
    assert_eq!(meeting.plan().sound.speakers, [SourceId::main(p(2))]);
    meeting.speak(p(1), 1_000);
    assert_eq!(meeting.conference.active_speaker(), None, "a late report gives the word to nobody");
}

#[test]
fn all_guests_are_muted_at_once_and_hosts_are_not() {
    let mut meeting = Meeting::of_browsers(2, true);
    meeting.join_as(Role::Host, p(3), Via::Browser, true).expect("there is room");
    meeting.connect(p(3), receives(p(3), true), true).expect("it has joined");
    meeting.enter(p(4), Via::Whep, false, false);
    meeting.state(p(2), StateChange { muted: Some(true), ..StateChange::default() }).expect("here");
    let from = meeting.now;
    meeting.give(Input::MuteAll { by: MutedBy::Host }).expect("never refused");
    meeting.run_for(200);
    let muted: Vec<_> = meeting.conference.roster().iter().map(|p| p.muted).collect();
    assert_eq!(muted, [true, true, false, false], "a watcher has nothing to be muted");
    assert_eq!(meeting.plan().sound.speakers, [SourceId::main(p(3))]);
    let told = |n| {
        meeting.heard(p(n), from).iter().filter(|(_, e)| **e == Event::Muted { by: MutedBy::Host }).count()
    };
    assert_eq!([1, 2, 3, 4].map(told), [1, 0, 0, 0], "who was muted by itself already is told nothing");
}

#[test]
fn a_locked_meeting_lets_in_hosts_alone_and_who_is_in_may_reconnect() {
    let mut meeting = Meeting::of_browsers(2, true);
    let locked = |meeting: &Meeting, from| {
        let of = |(_, event): (Mono, &Event)| match event {
            Event::Locked { locked } => Some(*locked),
            _ => None,
        };
        meeting.heard(p(1), from).into_iter().filter_map(of).collect::<Vec<_>>()
    };
    let from = meeting.now;
    for _ in 0..2 {
        meeting.give(Input::Lock { locked: true }).expect("never refused");
    }
    assert_eq!((locked(&meeting, from), meeting.conference.is_locked()), (vec![true], true), "told once");
    for via in [Via::Browser, Via::Whip, Via::Whep, Via::Sip] {
        assert_eq!(meeting.join(p(3), via, false), Err(Refusal::Locked), "{via:?}");
    }
    assert_eq!(meeting.join_as(Role::Host, p(4), Via::Browser, true), Ok(()));
    let name = DisplayName::parse("Called").expect("a fair name");
    let (role, via, overlay) = (Role::Guest, Via::Sip, false);
    let called = Joining { participant: p(5), name, role, via, overlay, invited: true, joined_at_unix_s: 0 };
    assert_eq!(meeting.give(Input::Join(called)), Ok(()), "somebody whom a host has called");
    meeting.give(Input::Disconnected { participant: p(1) }).expect("it was up");
    meeting.run_for(30_000);
    assert_eq!(meeting.connect(p(1), receives(p(1), true), true), Ok(()));
    meeting.conference.handle(meeting.now, Input::Listening { participant: p(1) }).expect("here");
    let said: Vec<_> = std::iter::from_fn(|| meeting.conference.poll_effect()).collect();
    let welcomed =
        |effect: &Effect| matches!(effect, Effect::Event { event: Event::Welcome { locked: true, .. }, .. });
    assert!(said.iter().any(welcomed), "{said:?}");
    let from = meeting.now + Duration::from_millis(1);
    meeting.run_for(1);
    meeting.give(Input::Lock { locked: false }).expect("never refused");
    assert_eq!((locked(&meeting, from), meeting.join(p(3), Via::Browser, true)), (vec![false], Ok(())));
}

#[test]
fn everybody_hears_in_the_codec_of_the_last_path_and_without_one_not_at_all() {
    let mut meeting = Meeting::of_browsers(1, true);
    let mut connect = |who, sound| {
        let receives = Receives { sound, ..receives(p(who), false) };
        meeting.connect(p(who), receives, true).expect("it has joined");
        meeting.run_for(100);
        meeting.plan().sound.listeners.iter().map(|l| (l.participant.0, l.codec)).collect::<Vec<_>>()
    };
    assert_eq!(connect(1, None), []);
    assert_eq!(connect(1, Some(AudioCodec::Pcma)), [(1, AudioCodec::Pcma)]);
    assert_eq!(connect(1, Some(AudioCodec::G722)), [(1, AudioCodec::G722)]);
    meeting.enter(p(2), Via::Browser, true, false);
    meeting.enter(p(3), Via::Whip, false, false);
    meeting.run_for(100);
    let listeners = &meeting.plan().sound.listeners;
    let heard: Vec<_> = listeners.iter().map(|l| (l.participant.0, l.codec)).collect();
    assert_eq!(heard, [(1, AudioCodec::G722), (2, AudioCodec::Opus)]);
}

#[test]
fn a_fresh_socket_is_told_all_that_holds_even_after_a_long_time() {
    let mut meeting = Meeting::of_browsers(2, true);
    // Long enough for old timestamps to lie more than half their range back.
    meeting.run_for(8 * 3_600_000);
    let from = meeting.now;
    let offset = meeting.offsets[&(p(2), SourceKind::Main)];
    // Outside of `give`, since this layout is not that of a new plan.
    meeting.conference.handle(from, Input::Listening { participant: p(2) }).expect("here");
    let mut kinds = Vec::new();
    while let Some(effect) = meeting.conference.poll_effect() {
        let Effect::Event { to, event } = effect else { panic!("{effect:?}") };
        assert_eq!(to, To::One(p(2)));
        if let Event::Layout(layout) = &event {
            let now = MediaTime::from_mono(from).to_rtp(ClockRate::VIDEO).wrapping_add(offset);
            assert!(layout.rtp_timestamp.wrapping_sub(now) <= 3_000);
        }
        let json = serde_json::to_value(&event).expect("an event is plain data");
        kinds.push(json["type"].as_str().map(str::to_owned));
    }
    let kinds: Vec<_> = kinds.iter().flatten().map(String::as_str).collect();
    assert_eq!(kinds, ["welcome", "roster", "floor", "active_speaker", "layout", "video_request"]);
}

#[test]
fn who_has_no_client_is_told_by_voice_that_it_is_in_and_told_once() {
    let said = |meeting: &Meeting| -> Vec<(To, Prompt)> {
        let said = meeting.log.iter().filter_map(|(_, effect)| match effect {
            Effect::Announce { to, prompt } => Some((*to, *prompt)),
            _ => None,
        });
        said.collect()
    };
    let mut meeting = Meeting::of_browsers(2, true);
    meeting.join(p(3), Via::Sip, false).expect("there is room");
    meeting.run_for(1_000);
    assert_eq!(said(&meeting), [], "its path is not up");
    meeting
        .give(Input::Connected { participant: p(3), receives: receives(p(3), false), secured: true })
        .expect("joined");
    assert_eq!(said(&meeting), [(To::One(p(3)), Prompt::Joined)]);
    meeting.give(Input::Disconnected { participant: p(3) }).expect("it is here");
    meeting
        .give(Input::Connected { participant: p(3), receives: receives(p(3), false), secured: true })
        .expect("joined");
    assert_eq!(said(&meeting).len(), 1, "it had not left");
    let mut echo = Meeting::with(Settings { echo: true, ..Settings::new("echo", "Echo") });
    echo.enter(p(1), Via::Sip, true, false);
    assert_eq!(said(&echo), []);
}

/// What `id` was told of who can look inside since `from`.
fn told_access(meeting: &Meeting, id: u64, from: Mono) -> Vec<ContentAccess> {
    let of = |(_, event): (Mono, &Event)| match event {
        Event::Access { access } => Some(*access),
        _ => None,
    };
    meeting.heard(p(id), from).into_iter().filter_map(of).collect()
}

/// What the last roster says of everybody's way.
fn told_secured(meeting: &Meeting) -> Vec<Option<bool>> {
    let last = meeting.log.iter().rev().find_map(|(_, effect)| match effect {
        Effect::Event { event: Event::Roster { participants }, .. } => Some(participants),
        _ => None,
    });
    last.expect("a roster was told").iter().map(|entry| entry.secured).collect()
}

#[test]
fn whose_media_go_in_the_clear_is_told_and_so_is_what_that_makes_of_the_meeting() {
    use ContentAccess::{InTheClear, NodeDecrypted};
    let mut meeting = Meeting::of_browsers(2, true);
    assert_eq!((meeting.conference.access(), told_access(&meeting, 1, Mono::ZERO)), (NodeDecrypted, vec![]));
    let mut from = meeting.now;
    let mut told = |meeting: &mut Meeting| {
        meeting.run_for(200);
        let access = told_access(meeting, 1, from);
        from = meeting.now;
        (access, told_secured(meeting))
    };
    meeting.join(p(3), Via::Sip, false).expect("there is room");
    assert_eq!(told(&mut meeting), (vec![], vec![Some(true), Some(true), None]), "nothing is claimed yet");
    meeting.connect(p(3), receives(p(3), false), false).expect("it has joined");
    assert_eq!(told(&mut meeting), (vec![InTheClear], vec![Some(true), Some(true), Some(false)]));
    let scene = scene_of(meeting.plan(), p(1), SourceKind::Main).expect("it sees");
    let marked: Vec<_> = scene.tiles.iter().map(|tile| tile.in_the_clear).collect();
    assert_eq!(marked, [false, false, true], "whoever has no client sees it in the picture");
    meeting.enter(p(4), Via::Sip, false, false);
    assert_eq!(told(&mut meeting).0, [], "the control: one more who is encrypted changes nothing");
    meeting.give(Input::Disconnected { participant: p(3) }).expect("it was up");
    assert_eq!(told(&mut meeting).0, [], "a path that is lost is not a path that is safe");
    meeting.connect(p(3), receives(p(3), false), true).expect("offered anew, with SRTP");
    assert_eq!(told(&mut meeting), (vec![NodeDecrypted], vec![Some(true); 4]));
    meeting.connect(p(3), receives(p(3), false), false).expect("and back");
    assert_eq!(told(&mut meeting).0, [InTheClear]);
    // Outside of `give`, since the layout that comes with it is not that of a new plan.
    meeting.conference.handle(meeting.now, Input::Listening { participant: p(1) }).expect("here");
    let said: Vec<_> = std::iter::from_fn(|| meeting.conference.poll_effect()).collect();
    let welcomed = |effect: &Effect| {
        matches!(effect, Effect::Event { event: Event::Welcome { access: InTheClear, .. }, .. })
    };
    assert!(said.iter().any(welcomed), "{said:?}");
    meeting.give(Input::Leave { participant: p(3), reason: ClosingReason::Left }).expect("here");
    assert_eq!(told(&mut meeting), (vec![NodeDecrypted], vec![Some(true); 3]));
}
