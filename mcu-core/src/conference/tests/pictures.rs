//! Who shares which picture, and where tiles lie.

use super::*;

#[test]
fn overlaying_browsers_of_a_gallery_share_one_encode() {
    for count in [1, 2, 3, 4, 9, 25] {
        let meeting = Meeting::of_browsers(count, true);
        assert_eq!((meeting.plan().renditions.len(), meeting.plan().scenes.len()), (1, 1), "{count}");
        assert_eq!(meeting.sees(p(1)), (1..=count).collect::<Vec<_>>());
        assert_eq!(meeting.plan().views.len() as u64, count);
    }
}

#[test]
fn who_cannot_overlay_has_a_picture_without_itself_and_watchers_share() {
    let mut meeting = Meeting::of_browsers(3, false);
    (4..=6).for_each(|n| meeting.enter(p(n), Via::Whep, false, false));
    meeting.run_for(1_000);
    assert_eq!((meeting.sees(p(1)), meeting.sees(p(2))), (vec![2, 3], vec![1, 3]));
    assert_eq!(meeting.sees(p(5)), [1, 2, 3], "watchers see all and are seen by nobody");
    assert_eq!(meeting.plan().renditions.len(), 4);
    // Without a camera, the picture of all is good enough.
    let dark = StateChange { camera: Some(false), ..StateChange::default() };
    meeting.state(p(1), dark).expect("it is here");
    meeting.run_for(1_000);
    assert_eq!((meeting.sees(p(1)), meeting.plan().renditions.len()), (vec![1, 2, 3], 3));
}

#[test]
fn alone_one_sees_an_empty_room_or_paints_over_its_own_tile() {
    assert_eq!(Meeting::of_browsers(1, true).sees(p(1)), [1]);
    assert_eq!(Meeting::of_browsers(1, false).sees(p(1)), [0; 0]);
    let mut echo = Meeting::with(Settings { echo: true, ..Settings::new("echo", "Echo") });
    echo.conference.settings.echo = true;
    let name = DisplayName::parse("Ada").expect("a fair name");
    let (role, via) = (Role::Guest, Via::Browser);
    let joining =
        Joining { participant: p(1), name, role, via, overlay: true, invited: false, joined_at_unix_s: 0 };
    echo.give(Input::Join(joining)).expect("there is room");
    echo.connect(p(1), receives(p(1), true), true).expect("joined");
    echo.flow(p(1), SourceKind::Main, true);
    echo.run_for(1_000);
    assert_eq!(echo.sees(p(1)), [1]);
    let asked = echo.conference.requests.of(p(1)).next().expect("it was asked");
    assert!(!asked.paused, "in the echo test one is one's own audience");
}

#[test]
fn each_codec_is_encoded_once() {
    let mut meeting = Meeting::of_browsers(2, true);
    for n in [3, 4] {
        meeting.join(p(n), Via::Browser, true).expect("there is room");
        let main = Some(line(p(n), SourceKind::Main, VideoCodec::H264));
        let receives = Receives { main, ..Receives::default() };
        meeting.connect(p(n), receives, true).expect("it has joined");
    }
    meeting.run_for(1_000);
    let codecs: Vec<_> = meeting.plan().renditions.iter().map(|r| r.codec).collect();
    assert_eq!((codecs, meeting.plan().scenes.len()), (vec![VideoCodec::Vp8, VideoCodec::H264], 1));
    let main = Some(line(p(4), SourceKind::Main, VideoCodec::Vp9));
    let receives = Receives { main, ..Receives::default() };
    let refused = meeting.connect(p(4), receives, true);
    assert_eq!(refused, Err(Refusal::NotEncoded(VideoCodec::Vp9)));
}

#[test]
fn two_tiles_swapped_twenty_times_are_told_twenty_times_and_cost_no_encode() {
    let mut meeting = Meeting::of_browsers(4, true);
    let rendition = meeting.plan().renditions[0].clone();
    for n in 0..20 {
        let from = meeting.now;
        meeting.give(Input::SwapSeats { one: p(1), other: p(3) }).expect("both are here");
        meeting.run_for(500);
        assert_eq!(meeting.layouts(p(2), from), 1);
        let expected = if n % 2 == 0 { [3, 2, 1, 4] } else { [1, 2, 3, 4] };
        assert_eq!(meeting.sees(p(2)), expected);
    }
    assert_eq!(meeting.plan().renditions, [rendition]);
}

#[test]
fn what_moves_no_tile_is_told_to_nobody() {
    let mut meeting = Meeting::of_browsers(3, true);
    let (from, version) = (meeting.now, meeting.plan().version);
    meeting.speak(p(2), 600);
    let muted = StateChange { muted: Some(true), ..StateChange::default() };
    meeting.state(p(3), muted).expect("it is here");
    meeting.run_for(2_000);
    assert!(meeting.plan().version > version, "the borders and marks did change");
    assert_eq!((1..=3).map(|n| meeting.layouts(p(n), from)).sum::<usize>(), 0);
    meeting.flow(p(3), SourceKind::Main, false);
    meeting.run_for(100);
    assert_eq!(meeting.layouts(p(1), from), 1, "a picture that is no more is told");
}

#[test]
fn auto_is_a_grid_until_there_are_many_and_one_speaks() {
    let mut meeting = Meeting::of_browsers(5, true);
    assert_eq!(meeting.plan().scenes.len(), 1);
    assert_eq!(meeting.plan().scenes[0].tiles[0].rect.width, 426);
    meeting.speak(p(2), 500);
    assert_eq!(meeting.sees(p(1))[0], 2);
    assert_eq!(meeting.sees(p(2))[0], 1, "the large one is never oneself");
    meeting.run_for(2_000);
    meeting.speak(p(4), 500);
    assert_eq!((meeting.sees(p(1))[0], meeting.sees(p(4))[0]), (4, 2));
    assert_eq!(meeting.plan().scenes.len(), 2, "two scenes, however many people");
    meeting.choose(p(5), LayoutChoice::Grid);
    meeting.run_for(100);
    assert_eq!(meeting.sees(p(5)), [1, 2, 3, 4, 5]);
}

#[test]
fn content_is_a_picture_of_its_own_or_composed_in() {
    let mut meeting = Meeting::of_browsers(2, true);
    meeting.enter(p(3), Via::Browser, true, false);
    meeting.share(p(1), true).expect("the floor is free");
    meeting.run_for(1_000);
    assert!(scene_of(meeting.plan(), p(2), SourceKind::Content).is_none(), "nothing flows yet");
    meeting.flow(p(1), SourceKind::Content, true);
    meeting.run_for(1_000);
    let content = scene_of(meeting.plan(), p(2), SourceKind::Content).expect("it has a line for it");
    assert_eq!(content.tiles[0].source, SourceId::content(p(1)));
    assert_eq!((content.canvas.height, content.tiles[0].rect.height), (1_080, 1_080), "text stays sharp");
    assert!(scene_of(meeting.plan(), p(1), SourceKind::Content).is_none(), "not one's own");
    let composed = scene_of(meeting.plan(), p(3), SourceKind::Main).expect("it sees");
    assert_eq!(composed.tiles[0].source, SourceId::content(p(1)));
    assert_eq!((composed.tiles[0].rect.width, composed.tiles.len()), (960, 4));
    assert!(meeting.plan().sound.speakers.contains(&SourceId::content(p(1))));
    meeting.give(Input::Disconnected { participant: p(1) }).expect("it was up");
    meeting.run_for(100);
    assert_eq!(meeting.conference.holder(), None);
    assert_eq!(meeting.share(p(2), true), Ok(()));
}

#[test]
fn a_card_stands_for_everybodys_people_until_it_is_taken_away() {
    let mut meeting = Meeting::of_browsers(3, false);
    let id = |meeting: &Meeting| meeting.plan().scenes[0].id;
    assert_eq!(meeting.plan().scenes.len(), 3, "the control: nobody sees what another sees");
    let card = Card { title: "Daily".into(), lines: vec!["PIN, please".into()] };
    meeting.give(Input::Card(Some(card.clone()))).expect("is never refused");
    meeting.run_for(4_000);
    let scenes = &meeting.plan().scenes;
    assert_eq!((scenes.len(), meeting.plan().renditions.len()), (1, 1));
    assert_eq!((scenes[0].card.as_deref(), scenes[0].tiles.len()), (Some(&card), 0));
    assert!(meeting.plan().on_stage.is_empty(), "nobody is decoded for it");
    assert!(meeting.conference.requests.of(p(1)).next().is_some_and(|asked| asked.paused));
    let (before, plans) = (id(&meeting), meeting.plans().count());
    // The same again is no news; another is, on the same scene.
    meeting.give(Input::Card(Some(card.clone()))).expect("is never refused");
    meeting.run_for(1_000);
    assert_eq!(meeting.plans().count(), plans);
    meeting.give(Input::Card(Some(Card { lines: Vec::new(), ..card }))).expect("is never refused");
    meeting.run_for(1_000);
    assert_eq!((meeting.plans().count(), id(&meeting)), (plans + 1, before));
    // Content has a line of its own; on one line there is but the card.
    meeting.share(p(1), true).expect("nobody else does");
    meeting.flow(p(1), SourceKind::Content, true);
    meeting.run_for(1_000);
    assert_eq!(meeting.plan().scenes.iter().filter(|scene| scene.card.is_some()).count(), 1);
    assert!(scene_of(meeting.plan(), p(2), SourceKind::Content).is_some_and(|scene| scene.card.is_none()));
    meeting.give(Input::Card(None)).expect("is never refused");
    meeting.run_for(1_000);
    assert_eq!(meeting.sees(p(1)), [2, 3]);
    assert!(meeting.plan().scenes.iter().all(|scene| scene.card.is_none()));
}
