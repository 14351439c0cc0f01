use super::*;
use crate::report::ParticipantKind;
use crate::scenario::{Capacity, Raised};

const WHOLE: &str = r#"
name = "all-keys"
about = "Everything that can be said"
seed = 7
duration_s = 60
settle_s = 2.5

[ramp]
step = 4
every_s = 10

[churn]
per_s = 0.5
away_s = 3
group = "crowd"

[[rooms]]
count = 3
[[rooms.groups]]
name = "crowd"
kind = "webrtc"
count = 4
codec = "h264"
size = "720p"
only_kbps = 1500
scenery = "motion"
overlay = true
layout = "grid"
talk = "turns"
turn_s = 4
network = "n1-down"
measure = 2

[[rooms]]
alias = "stage"
[[rooms.groups]]
kind = "whip"
count = 1
[[rooms.groups]]
kind = "whep"
count = 2
measure = "all"

[thresholds]
unseen_max = 0
latency_ms_p95_max = 300
"#;

/// A scenario of one room, with more text in its group and at its end.
fn with(group: &str, end: &str) -> Result<Scenario, String> {
    let text = format!(
        "name = \"x\"\nduration_s = 10\n[[rooms]]\n[[rooms.groups]]\nkind = \"webrtc\"\ncount = 3\n{group}\n{end}\n"
    );
    Scenario::parse(&text, "x.toml").map_err(|error| error.to_string())
}

fn refusal(group: &str, end: &str) -> String {
    with(group, end).expect_err("must be refused")
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let scenario = Scenario::parse(WHOLE, "x.toml").expect("is right");
    assert_eq!((scenario.seed, scenario.people(), scenario.makes_rooms()), (7, 15, true));
    assert_eq!(scenario.settle, Duration::from_millis(2_500));
    assert_eq!(scenario.ramp, Ramp::Steps { people: 4, every: Duration::from_secs(10) });
    assert_eq!(scenario.churn.as_ref().and_then(|churn| churn.group.as_deref()), Some("crowd"));
    let [made, stage] = &scenario.rooms[..] else { panic!("two kinds of room") };
    assert_eq!((&made.place, &stage.place), (&Place::Made(3), &Place::Alias("stage".into())));
    let crowd = &made.groups[0];
    assert_eq!((crowd.codec, crowd.height, crowd.only_kbps), (VideoCodec::H264, 720, Some(1_500)));
    assert_eq!((crowd.scenery, crowd.overlay, crowd.layout), (Scenery::Motion, true, Some(Layout::Grid)));
    assert_eq!((crowd.talk, crowd.measure), (Talk::Turns(Duration::from_secs(4)), Measure::First(2)));
    assert_eq!(crowd.network.as_ref().map(|profile| &*profile.name), Some("n1-down"));
    let [encoder, players] = &stage.groups[..] else { panic!("two groups") };
    assert_eq!((encoder.kind, &*encoder.name, encoder.shows()), (ParticipantKind::Whip, "whip", true));
    assert_eq!((players.kind, players.measuring(), players.shows()), (ParticipantKind::Whep, 2, false));
    assert_eq!(scenario.toml, WHOLE);
}

#[test]
fn what_is_left_out_has_a_default() {
    let scenario = with("", "").expect("is enough");
    assert_eq!((scenario.seed, scenario.ramp), (1, Ramp::PerSecond(5.0)));
    assert_eq!((scenario.settle, &scenario.rooms[0].place), (Duration::from_secs(3), &Place::Target));
    let group = &scenario.rooms[0].groups[0];
    assert_eq!((&*group.name, group.height, group.talk, group.measuring()), ("webrtc", 360, Talk::Always, 0));
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest() {
    assert_eq!(refusal("mesure = 2", ""), "x.toml, line 7: unknown key `mesure`; did you mean `measure`?");
    assert_eq!(
        refusal("", "[thresholds]\nlatency_p95_max = 3"),
        "x.toml, line 9: unknown key `latency_p95_max`; did you mean `latency_ms_p95_max`?"
    );
    assert_eq!(refusal("", "[ramp]\nzzz = 3"), "x.toml, line 9: unknown key `zzz`");
    // The control: the nearest one itself is taken.
    assert!(with("measure = 2", "").is_ok());
}

#[test]
fn a_value_out_of_its_limits_names_key_line_and_limits() {
    for (group, end, expected) in [
        ("only_kbps = 9", "", "x.toml, line 7: `only_kbps`: 9 is not a whole number from 50 to 8000"),
        ("measure = 4", "", "x.toml, line 7: `measure`: the group has 3 people"),
        ("measure = \"most\"", "", "x.toml, line 7: `measure`: must be a number of people, or \"all\""),
        ("turn_s = 4", "", "x.toml, line 7: `turn_s`: goes with talk = \"turns\""),
        ("name = \"a b\"", "", "`name`: must be 1 to 32 letters"),
        ("network = \"n11\"", "", "x.toml, line 7: `network`: no network profile is called \"n11\""),
        ("size = \"1080p\"", "", "x.toml, line 7: `size`: unknown variant `1080p`"),
        ("overlay = 1", "", "x.toml, line 7: `overlay`: invalid type"),
        (
            "",
            "[churn]\nper_s = 1\naway_s = 1\ngroup = \"crew\"",
            "line 11: `group`: no group is called \"crew\"",
        ),
        ("", "[ramp]\nper_s = 1\nspike = true", "`ramp`: one of per_s"),
        ("", "[ramp]\nstep = 2", "`ramp`: one of per_s"),
        (
            "",
            "[[rooms]]\ncount = 2\nalias = \"a\"\n[[rooms.groups]]\nkind=\"whep\"\ncount = 1",
            "line 10: `alias`",
        ),
        ("", "[[rooms]]\n", "missing field `groups`"),
        ("codec = \"vp8", "", "x.toml, line 7"),
    ] {
        let text = refusal(group, end);
        assert!(text.contains(expected), "{group}{end}\n{text}\n{expected}");
    }
    let text = Scenario::parse("name = \"x\"\nduration_s = 3\nrooms = []", "x.toml").expect_err("too short");
    assert!(text.to_string().contains("line 2: `settle_s`: must be less than duration_s"), "{text}");
    let text = Scenario::parse("name = \"x\"\nduration_s = 9\nrooms = []", "x.toml").expect_err("nowhere");
    assert!(text.to_string().contains("`rooms`: there must be one"), "{text}");
    let text = Scenario::parse("name = \"x\"", "x.toml").expect_err("no duration").to_string();
    assert!(text.contains("`duration_s`") && text.contains("missing"), "{text}");
}

#[test]
fn what_a_kind_does_not_do_may_not_be_said_of_it() {
    let of = |kind: &str, more: &str| {
        let text = format!(
            "name = \"x\"\nduration_s = 10\n[[rooms]]\n[[rooms.groups]]\nkind = \"{kind}\"\ncount = 1\n{more}\n"
        );
        Scenario::parse(&text, "x.toml").map_err(|error| error.to_string())
    };
    for (kind, more, key) in [
        ("whep", "talk = \"always\"", "`talk`"),
        ("whep", "layout = \"grid\"", "`layout`"),
        ("whip", "camera = false", "`camera`"),
        ("whip", "measure = 1", "`measure`"),
        ("whip", "overlay = true", "`overlay`"),
    ] {
        let text = of(kind, more).expect_err("contradicts itself");
        assert!(text.contains("line 7") && text.contains(key), "{text}");
    }
    assert!(of("whep", "measure = 1").is_ok() && of("whip", "talk = \"never\"").is_ok());
}

#[test]
fn crowds_that_no_room_or_harness_takes_are_refused() {
    let rooms = |count: u32, people: u32| {
        let text = format!(
            "name = \"x\"\nduration_s = 9\n[[rooms]]\ncount = {count}\n[[rooms.groups]]\nkind = \"webrtc\"\ncount = {people}\n\
             [[rooms.groups]]\nkind = \"whep\"\ncount = {people}\n"
        );
        Scenario::parse(&text, "x.toml").map(|scenario| scenario.people()).map_err(|error| error.to_string())
    };
    assert_eq!(rooms(4, 100), Ok(800));
    assert!(rooms(1, 101).expect_err("a room is full").contains("202 people in a room"));
    assert!(rooms(5, 100).expect_err("too many").contains("1000 people in all"));
    let long = format!("# {}\n", "x".repeat(BYTES_MAX));
    assert!(matches!(Scenario::parse(&long, "x"), Err(ScenarioError::Long { .. })));
}

/// A scenario that makes one room of a host and three guests, two of whom measure, with a `[capacity]` table.
fn searching(capacity: &str) -> Result<Capacity, String> {
    let text = format!(
        "name = \"x\"\nduration_s = 10\n[[rooms]]\nmade = true\n[[rooms.groups]]\nname = \"host\"\nkind = \"webrtc\"\n\
         count = 1\n[[rooms.groups]]\nname = \"guest\"\nkind = \"webrtc\"\ncount = 3\nmeasure = 2\n\
         [capacity]\n{capacity}\n"
    );
    let scenario = Scenario::parse(&text, "x.toml").map_err(|error| error.to_string())?;
    Ok(scenario.capacity.expect("the table is there"))
}

#[test]
fn a_search_says_what_is_raised_how_far_and_how_often() {
    let raised = Raised::Group("guest".into());
    assert_eq!(
        searching("group = \"guest\"\nfrom = 2\nmax = 199"),
        Ok(Capacity { raised, from: 2, max: 199, step: 1, repetitions: 3 })
    );
    assert_eq!(
        searching("rooms = true\nfrom = 1\nmax = 225\nstep = 4\nrepetitions = 10"),
        Ok(Capacity { raised: Raised::Rooms, from: 1, max: 225, step: 4, repetitions: 10 })
    );
    assert!(with("", "").expect("is right").capacity.is_none());
}

#[test]
fn a_search_that_cannot_be_is_refused_with_key_and_line() {
    for (capacity, expected) in [
        (
            "group = \"guest\"\nfrom = 2\nmax = 9\nstop = 3",
            "line 18: unknown key `stop`; did you mean `step`?",
        ),
        ("group = \"guest\"\nrooms = true\nfrom = 2\nmax = 9", "line 14: `capacity`: one of group"),
        ("from = 2\nmax = 9", "line 14: `capacity`: one of group"),
        ("rooms = false\nfrom = 2\nmax = 9", "line 14: `capacity`: one of group"),
        ("group = \"guests\"\nfrom = 2\nmax = 9", "line 15: `group`: no group is called \"guests\""),
        ("group = \"guest\"\nmax = 9", "`from`: missing field"),
        ("group = \"guest\"\nfrom = 9\nmax = 8", "line 16: `from`: must not be over max"),
        ("group = \"guest\"\nfrom = 1\nmax = 8", "line 16: `from`: must be 2 at least"),
        ("group = \"guest\"\nfrom = 2\nmax = 200", "line 17: `max`: 201 people in a room"),
        ("rooms = true\nfrom = 2\nmax = 226", "line 17: `max`: 904 people in all"),
        ("rooms = true\nfrom = 2\nmax = 401", "line 17: `max`: 401 is not a number of rooms"),
        (
            "rooms = true\nfrom = 2\nmax = 9\nrepetitions = 11",
            "`repetitions`: 11 is not a whole number from 1 to 10",
        ),
    ] {
        let text = searching(capacity).expect_err("must be refused");
        assert!(text.contains(expected), "{capacity}\n{text}\n{expected}");
    }
    let text = refusal("", "[capacity]\nrooms = true\nfrom = 1\nmax = 2");
    assert!(text.contains("line 9: `rooms`: no room is made"), "{text}");
}

#[test]
fn whoever_has_no_camera_shows_nothing_and_says_nothing() {
    let scenario = with("camera = false\ntalk = \"never\"", "").expect("is right");
    let group = &scenario.rooms[0].groups[0];
    assert_eq!((group.camera, group.shows(), group.speaks()), (false, false, false));
    assert!(with("camera = true", "").is_ok_and(|scenario| scenario.rooms[0].groups[0].shows()));
    for group in ["camera = false", "camera = false\ntalk = \"turns\""] {
        assert!(refusal(group, "").contains("line 7: `camera`: without a picture"), "{group}");
    }
}

#[test]
fn who_calls_by_sip_has_its_own_sound_and_no_page() {
    let group = |text: &str| {
        let text = format!("name = \"x\"\nduration_s = 10\n[[rooms]]\n[[rooms.groups]]\ncount = 1\n{text}\n");
        Scenario::parse(&text, "x.toml")
            .map(|scenario| scenario.rooms[0].groups[0].clone())
            .map_err(|error| error.to_string())
    };
    let phone = group("kind = \"phone\"").expect("is enough");
    assert_eq!(
        (phone.sound, phone.shows(), phone.speaks(), phone.sends()),
        (AudioCodec::Pcma, false, true, true)
    );
    let silent = group("kind = \"phone\"\nsound = \"pcmu\"\ntalk = \"never\"").expect("is right");
    assert_eq!((silent.sound, silent.speaks(), silent.sends()), (AudioCodec::Pcmu, false, true));
    let room = group("kind = \"sip\"\ncodec = \"h264\"\nsize = \"720p\"").expect("is right");
    assert_eq!(
        (room.sound, room.codec, room.height, room.shows()),
        (AudioCodec::Opus, VideoCodec::H264, 720, true)
    );
    for (text, why) in [
        ("kind = \"phone\"\ncodec = \"vp8\"", "line 7: `codec`: a telephone has sound alone"),
        ("kind = \"phone\"\nsize = \"360p\"", "line 7: `size`: a telephone has sound alone"),
        ("kind = \"phone\"\noverlay = true", "line 7: `overlay`: a telephone has sound alone"),
        ("kind = \"sip\"\nlayout = \"grid\"", "line 7: `layout`: a room system has no page"),
        ("kind = \"webrtc\"\nsound = \"pcma\"", "line 7: `sound`: goes with kind"),
        ("kind = \"whep\"\nsound = \"opus\"", "line 7: `sound`: goes with kind"),
        ("kind = \"phone\"\nsound = \"g729\"", "line 7: `sound`: unknown variant `g729`"),
    ] {
        let refused = group(text).expect_err(why);
        assert!(refused.contains(why), "{text}: {refused}");
    }
}
