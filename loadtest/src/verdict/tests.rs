use super::*;
use crate::bot::report::Report;
use crate::media::barcode::SenderId;
use crate::report::{
    Failure, Heard, Measured, MeasuredSource, ParticipantKind, Percentiles, Seen, Traffic, Who,
};

/// Everything that can be set, at the limits of a good meeting.
const ALL: &str = "failures_max = 0\njoin_ms_max = 1000\nunseen_max = 0\nunheard_max = 0\nmisplaced_max = 0\n\
    own_voice_leak_db_max = -12\nlatency_ms_p95_max = 300\nsound_latency_ms_p95_max = 250\nav_offset_ms_max = 80\n\
    fps_min = 25\nfreezes_max = 1\nfrozen_percent_max = 1\nconcealed_percent_max = 1.5\nticks_late_percent_max = 1\n\
    psnr_db_min = 30\n";

fn thresholds(toml: &str) -> Thresholds {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
}

fn seen(name: &str) -> Seen {
    let latency = Percentiles { count: 300, p50_ms: 90, p95_ms: 120, p99_ms: 150, max_ms: 160 };
    Seen {
        name: name.into(),
        sender: SenderId(2),
        expected: true,
        seen: true,
        fps: Some(29.9),
        freezes: 0,
        frozen_ms: 0,
        latency: Some(latency),
        psnr_db: Some(34.0),
        ssim: Some(0.95),
    }
}

/// Somebody whose meeting is good in every way.
fn fine(name: &str) -> Participant {
    let sees = vec![seen("Zoe")];
    Participant {
        who: Who {
            name: name.into(),
            sender: SenderId(1),
            visit: 1,
            room: "a".into(),
            group: "people".into(),
            kind: ParticipantKind::Webrtc,
            network: None,
        },
        source: MeasuredSource::Measured,
        began_ms: 0,
        ended_ms: 13_000,
        join: Default::default(),
        join_ms: Some(400),
        failure: None,
        traffic: Traffic { seconds: 10.0, ..Traffic::default() },
        measured: Some(Measured {
            fps: Some(29.9),
            played_ms: 10_000,
            glass_to_glass: sees[0].latency,
            mouth_to_ear: sees[0].latency,
            av_offset_ms: Some(-12.0),
            own_voice_leak_db: Some(-40.0),
            hears: vec![Heard {
                name: "Zoe".into(),
                sender: SenderId(2),
                expected: true,
                heard: true,
                level_db: -24.0,
                latency: sees[0].latency,
            }],
            sees,
            ..Measured::default()
        }),
        bot: Report::new(SenderId(1), name.into(), true),
    }
}

fn believable() -> HarnessUse {
    HarnessUse {
        cores: 2,
        busy_mean: Some(0.6),
        send_late_ms_p99: Some(2),
        sends: 9_000,
        ..HarnessUse::default()
    }
}

/// A node with so many late ticks of a thousand.
fn node(ticks_late: u64) -> NodeUse {
    NodeUse { ticks: Some(1_000), ticks_late: Some(ticks_late), ..NodeUse::default() }
}

fn sentence(toml: &str, participants: &[Participant]) -> Sentence {
    judge(&thresholds(toml), participants, &node(0), &believable(), EndedBy::Schedule)
}

/// What spoils one thing of a good meeting.
type Fault = fn(&mut Participant);

fn measured(participant: &mut Participant) -> &mut Measured {
    participant.measured.as_mut().expect("it measures")
}

/// Each fault, the one threshold that it breaks, and what is said about it.
const FAULTS: [(&str, &str, Fault); 15] = [
    ("failures_max", "failures (at join: no)", |participant| {
        let (stage, detail) = ("join".into(), "no".into());
        participant.failure = Some(Failure { stage, code: None, detail });
    }),
    ("join_ms_max", "1001 ms", |participant| participant.join_ms = Some(1_001)),
    ("unseen_max", "does not see Zoe", |participant| measured(participant).sees[0].seen = false),
    ("unheard_max", "does not hear Zoe", |participant| measured(participant).hears[0].heard = false),
    ("misplaced_max", "7 pictures", |participant| measured(participant).misplaced = 7),
    ("own_voice_leak_db_max", "-1.5 dB", |participant| measured(participant).own_voice_leak_db = Some(-1.5)),
    ("latency_ms_p95_max", "420 ms (of Zoe), the limit is 300", |participant| {
        let measured = measured(participant);
        let late = measured.glass_to_glass.map(|latency| Percentiles { p95_ms: 420, ..latency });
        (measured.glass_to_glass, measured.sees[0].latency) = (late, late);
    }),
    ("sound_latency_ms_p95_max", "251 ms (of Zoe), the limit is 250", |participant| {
        let measured = measured(participant);
        let late = measured.mouth_to_ear.map(|latency| Percentiles { p95_ms: 251, ..latency });
        (measured.mouth_to_ear, measured.hears[0].latency) = (late, late);
    }),
    ("av_offset_ms_max", "90 ms", |participant| measured(participant).av_offset_ms = Some(-90.0)),
    ("psnr_db_min", "24.5 dB (the tile of Zoe), the limit is 30", |participant| {
        measured(participant).sees[0].psnr_db = Some(24.5);
    }),
    ("fps_min", "24.9 fps", |participant| measured(participant).fps = Some(24.9)),
    ("freezes_max", "2 freezes", |participant| measured(participant).freezes = 2),
    ("freezes_max", "3 freezes (the tile of Zoe), the limit is 1", |participant| {
        measured(participant).sees[0].freezes = 3;
    }),
    ("frozen_percent_max", "2 %", |participant| measured(participant).frozen_ms = 200),
    ("concealed_percent_max", "1.6 %", |participant| measured(participant).concealed_percent = 1.6),
];

#[test]
fn a_good_meeting_keeps_every_threshold() {
    let sentence = sentence(ALL, &[fine("Ada"), fine("Grace")]);
    assert_eq!((sentence.verdict, sentence.because), (Verdict::Pass, Vec::new()));
    assert_eq!(sentence.judgements.len(), ALL.lines().count());
    assert!(sentence.judgements.iter().all(|judgement| judgement.ruling == Ruling::Kept));
}

#[test]
fn each_fault_breaks_its_own_threshold_alone_and_names_whom_it_hit() {
    for (threshold, said, fault) in FAULTS {
        let mut hit = fine("Grace");
        fault(&mut hit);
        let sentence = sentence(ALL, &[fine("Ada"), hit, fine("Lin")]);
        assert_eq!(sentence.verdict, Verdict::Fail, "{threshold}");
        let broken: Vec<_> = sentence.judgements.iter().filter(|j| j.ruling == Ruling::Broken).collect();
        let [broken] = broken[..] else { panic!("{threshold}: {broken:?}") };
        let [failing] = &broken.failing[..] else { panic!("{threshold}: {broken:?}") };
        assert_eq!((&*broken.threshold, &*failing.participant), (threshold, "Grace"));
        assert_eq!(broken.worst.as_ref(), Some(failing), "{threshold}");
        let [because] = &sentence.because[..] else { panic!("{:?}", sentence.because) };
        assert!(because.contains("Grace") && because.contains(said), "{because}");
    }
}

#[test]
fn a_value_at_its_limit_is_kept() {
    let mut ada = fine("Ada");
    ada.join_ms = Some(1_000);
    let at_limits = measured(&mut ada);
    (at_limits.fps, at_limits.freezes, at_limits.frozen_ms) = (Some(25.0), 1, 100);
    (at_limits.own_voice_leak_db, at_limits.concealed_percent) = (Some(-12.0), 1.5);
    assert_eq!(sentence(ALL, &[ada]).verdict, Verdict::Pass);
}

#[test]
fn what_nobody_measured_makes_a_run_invalid_and_not_good() {
    let mut ada = fine("Ada");
    ada.measured = None;
    let sentence = sentence("latency_ms_p95_max = 300", &[ada]);
    assert_eq!(sentence.verdict, Verdict::Invalid);
    assert_eq!(sentence.because, ["latency_ms_p95_max: nobody measured it"]);
    assert_eq!((&sentence.judgements[1].ruling, &sentence.judgements[1].worst), (&Ruling::Unmeasured, &None));
}

/// Somebody to whom nothing comes while it counts.
fn unserved(name: &str) -> Participant {
    let mut participant = fine(name);
    participant.traffic.received_kbps = Some(0.0);
    let Measured { sees, hears, .. } = measured(&mut participant).clone();
    participant.measured = Some(Measured { sees, hears, ..Measured::default() });
    participant
}

#[test]
fn a_server_that_sends_nothing_has_failed_though_nobody_can_measure_it() {
    let toml = "fps_min = 25\nlatency_ms_p95_max = 300\n";
    let both = sentence(toml, &[unserved("Ada"), unserved("Bea")]);
    assert_eq!(both.verdict, Verdict::Fail);
    assert_eq!(both.because[0], "Ada and 1 more: nothing was sent to them for 10 s");
    assert_eq!(sentence(toml, &[fine("Ada"), unserved("Bea")]).verdict, Verdict::Fail, "one is enough");
    assert_eq!(sentence(toml, &[fine("Ada"), fine("Bea")]).verdict, Verdict::Pass, "the control");

    // What may not be laid at its door: a network of the scenario's, a stay too short, nobody to see.
    let spared: [Fault; 4] = [
        |participant| participant.who.network = Some("N7".into()),
        |participant| participant.traffic.seconds = 1.9,
        |participant| participant.traffic.received_kbps = Some(0.1),
        |participant| {
            measured(participant).sees.clear();
            measured(participant).hears.clear();
        },
    ];
    for spare in spared {
        let mut participant = unserved("Ada");
        spare(&mut participant);
        assert_eq!(sentence(toml, &[participant]).verdict, Verdict::Invalid);
    }
}

#[test]
fn failures_are_judged_unasked_and_some_may_be_allowed() {
    let failed = |name: &str| {
        let mut participant = fine(name);
        let code = Some("room-full".to_owned());
        participant.failure = Some(Failure { stage: "join".into(), code, detail: "full".into() });
        participant
    };
    assert_eq!(sentence("", &[fine("Ada")]).verdict, Verdict::Pass);
    assert_eq!(sentence("", &[fine("Ada"), failed("Grace")]).verdict, Verdict::Fail);
    let two = [fine("Ada"), failed("Grace"), failed("Lin")];
    assert_eq!(sentence("failures_max = 2", &two).verdict, Verdict::Pass);
    let over = sentence("failures_max = 1", &two);
    let names: Vec<_> = over.judgements[0].failing.iter().map(|excess| &*excess.participant).collect();
    assert_eq!((over.verdict, names), (Verdict::Fail, vec!["Grace", "Lin"]));
    // Nobody is left to measure anything: what was tested failed, not the test.
    assert_eq!(sentence(ALL, &[failed("Ada")]).verdict, Verdict::Fail);
}

#[test]
fn a_harness_that_cannot_keep_up_is_not_believed_whatever_it_saw() {
    type Spoil = fn(&mut HarnessUse);
    let spoil: [(&str, Spoil); 3] = [
        ("sent late", |harness| harness.send_late_ms_p99 = Some(6)),
        ("86 % busy", |harness| harness.busy_mean = Some(0.86)),
        ("too slow to measure 3", |harness| harness.unmeasured = 3),
    ];
    let mut bad = fine("Grace");
    bad.join_ms = Some(9_999);
    for (said, spoil) in spoil {
        let mut harness = believable();
        spoil(&mut harness);
        for participant in [fine("Ada"), bad.clone()] {
            let sentence = judge(&thresholds(ALL), &[participant], &node(0), &harness, EndedBy::Schedule);
            assert_eq!(sentence.verdict, Verdict::Invalid, "{said}");
            assert!(sentence.because[0].contains(said), "{:?}", sentence.because);
        }
    }
    let harness = HarnessUse { send_late_ms_p99: Some(5), busy_mean: Some(0.85), ..believable() };
    let sentence = judge(&thresholds(ALL), &[fine("Ada")], &node(0), &harness, EndedBy::Schedule);
    assert_eq!(sentence.verdict, Verdict::Pass);
}

#[test]
fn what_broke_while_the_host_gave_the_cores_to_others_says_nothing_of_the_node() {
    let verdict = |of_node, of_harness, person: Participant| {
        let node = NodeUse { stolen_mean: of_node, ..node(0) };
        let harness = HarnessUse { stolen_mean: of_harness, ..believable() };
        let sentence = judge(&thresholds(ALL), &[person], &node, &harness, EndedBy::Schedule);
        (sentence.verdict, sentence.because.join(" "))
    };
    let slow = || Participant { join_ms: Some(9_999), ..fine("Ada") };
    for (of_node, of_harness, whose) in
        [(Some(0.08), Some(0.04), "node"), (Some(0.0), Some(0.08), "harness"), (None, Some(0.08), "harness")]
    {
        let (found, because) = verdict(of_node, of_harness, slow());
        assert_eq!(found, Verdict::Invalid);
        assert!(because.contains(&format!("took 8.0 % of the {whose}'s cores")), "{because}");
        assert_eq!(verdict(of_node, of_harness, fine("Ada")), (Verdict::Pass, String::new()), "kept even so");
    }
    for little in [Some(0.03), None] {
        assert_eq!(verdict(little, little, slow()).0, Verdict::Fail);
    }
}

#[test]
fn a_meeting_that_nobody_is_left_in_failed() {
    let sentence = judge(&Thresholds::default(), &[fine("Ada")], &node(0), &believable(), EndedBy::Nobody);
    assert_eq!((sentence.verdict, sentence.because.len()), (Verdict::Fail, 1));
}

#[test]
fn of_many_failing_the_worst_are_said_and_the_rest_counted() {
    let slow = |name: &str, ms| Participant { join_ms: Some(ms), ..fine(name) };
    let many = [slow("A", 1_100), slow("B", 1_500), slow("C", 1_300), slow("D", 1_200), slow("E", 1_400)];
    let because = sentence("join_ms_max = 1000", &many).because;
    let names: Vec<&str> = because.iter().take(3).map(|said| &said[13..14]).collect();
    assert_eq!((names, because.len()), (vec!["B", "E", "C"], 4), "{because:?}");
    assert!(because[3].ends_with("and 2 more"), "{because:?}");
}

#[test]
fn the_nodes_late_ticks_are_judged_as_its_own_and_never_when_unknown() {
    let of = |node: &NodeUse| {
        let limits = thresholds("ticks_late_percent_max = 1");
        judge(&limits, &[fine("Ada")], node, &believable(), EndedBy::Schedule)
    };
    // At the limit, and over it.
    assert_eq!(of(&node(10)).verdict, Verdict::Pass);
    let late = of(&node(11));
    assert_eq!(late.verdict, Verdict::Fail);
    assert_eq!(
        late.because,
        ["ticks_late_percent_max: the node has 1.1 % (11 of 1000 ticks), the limit is 1"]
    );
    let judgement = &late.judgements[1];
    assert_eq!((judgement.ruling, judgement.failing.len()), (Ruling::Broken, 1));
    assert_eq!(judgement.worst.as_ref(), judgement.failing.first());
    assert!(of(&node(3_000)).because[0].contains("the node has 100 % (3000 of 1000 ticks)"));
    // Nobody could look, or there was no meeting: that is no zero.
    for unknown in [NodeUse::default(), NodeUse { ticks: Some(0), ticks_late: Some(0), ..node(0) }] {
        let sentence = of(&unknown);
        assert_eq!(sentence.verdict, Verdict::Invalid);
        assert_eq!(sentence.because, ["ticks_late_percent_max: nobody measured it"]);
    }
    assert_eq!(sentence("", &[fine("Ada")]).judgements.len(), 1, "it is not judged unasked");
}
