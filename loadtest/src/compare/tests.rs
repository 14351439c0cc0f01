use super::*;
use crate::report::{Moment, Participant, Percentiles};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::slice::from_ref;

/// What a made-up run is made of.
#[derive(Clone, Copy)]
struct Made {
    seed: u64,
    people: usize,
    seconds: u64,
    /// CPU-seconds per participant-second.
    cost: f64,
    latency_ms: f64,
}

impl Default for Made {
    fn default() -> Self {
        Self { seed: 1, people: 12, seconds: 90, cost: 0.12, latency_ms: 180.0 }
    }
}

fn stored(report: RunReport) -> Stored {
    Stored { path: format!("run {}", report.scenario.seed).into(), report, environment: None }
}

fn example() -> Stored {
    stored(
        serde_json::from_str(include_str!("../../tests/fixtures/report.json")).expect("the example parses"),
    )
}

/// A run like the example, with noise: seconds that are like the one before, people with latencies of their own that are
/// not the same each time.
fn made(of: Made) -> Stored {
    let mut report = example().report;
    let mut dice = StdRng::seed_from_u64(of.seed);
    // Variance 1/3.
    let mut noise = move || dice.random_range(-1.0..1.0);
    report.scenario.seed = of.seed;
    let mut before = 0.0;
    report.timeline = (0..of.seconds)
        .map(|second| {
            before = 0.5 * before + 0.1 * noise();
            Moment {
                // Figures count from 6.8 s on.
                at_ms: 6_800 + second * 1_000,
                connected: of.people as u32,
                node_cores: Some(of.people as f64 * of.cost * (1.0 + before)),
                ..Moment::default()
            }
        })
        .collect();
    let model = report.participants[0].clone();
    let person = |nth: usize| {
        let mut person: Participant = model.clone();
        person.who.name = format!("guest {nth}");
        let measured = person.measured.as_mut().expect("guest 1 measures");
        let p50_ms = of.latency_ms + 5.0 * nth as f64 + 20.0 * noise();
        measured.glass_to_glass = Some(Percentiles {
            count: 900,
            p50_ms: p50_ms as u64,
            p95_ms: (p50_ms + 60.0 + 20.0 * noise()) as u64,
            p99_ms: 400,
            max_ms: 500,
        });
        measured.fps = Some(29.5 + 0.4 * noise());
        person.join_ms = Some((500.0 + 200.0 * noise()) as u64);
        person.traffic.received_kbps = Some(2_000.0 + 100.0 * noise());
        person
    };
    report.participants = (0..of.people).map(person).collect();
    stored(report)
}

const SETTINGS: Settings = Settings { margin_percent: 5.0, force: false };

fn compared(before: &[Stored], after: &[Stored]) -> Comparison {
    compare(before, after, SETTINGS).expect("can be compared")
}

fn versus(before: &Stored, after: &Stored) -> Comparison {
    compared(from_ref(before), from_ref(after))
}

fn line<'a>(comparison: &'a Comparison, figure: &str) -> &'a Line {
    comparison.lines.iter().find(|line| line.figure == figure).expect("is compared")
}

fn outcome(comparison: &Comparison, figure: &str) -> Outcome {
    line(comparison, figure).outcome
}

#[test]
fn a_run_and_itself_do_not_differ() {
    for run in [example(), made(Made::default())] {
        let comparison = versus(&run, &run);
        assert_eq!((&*comparison.sentence, comparison.is_worse), ("no difference", false));
        let judged = comparison.lines.iter().filter(|line| line.outcome == Outcome::NoDifference);
        assert!(judged.count() >= 8, "{comparison}");
        let text = comparison.to_string();
        assert_eq!(text.lines().last(), Some("no difference"));
        assert!(comparison.lines.iter().all(|line| text.contains(line.figure)), "{text}");
    }
    // Ten seconds are too few for a word about what it costs, and none of them is "the same".
    let short = compared(&[example()], &[example()]);
    assert_eq!(outcome(&short, "CPU-s per participant-second"), Outcome::NotJudged);
    assert!(short.notes.iter().any(|note| note.contains("too seldom") && note.contains("CPU-s")), "{short}");
}

#[test]
fn runs_of_one_distribution_seldom_differ() {
    const TRIALS: u64 = 150;
    let comparisons = |margin_percent: f64| -> Vec<Comparison> {
        let settings = Settings { margin_percent, ..SETTINGS };
        let run = |seed| made(Made { seed, ..Made::default() });
        let of = |trial| compare(&[run(2 * trial + 1)], &[run(2 * trial + 2)], settings);
        (0..TRIALS).map(|trial| of(trial).expect("can be compared")).collect()
    };
    let percent = |comparisons: &[Comparison], is_found: &dyn Fn(&Comparison) -> bool| {
        comparisons.iter().filter(|comparison| is_found(comparison)).count() as f64 * 100.0 / TRIALS as f64
    };
    // At 5 %, three standard errors of 150 trials are 5.3 points; likeness of seconds may cost two more.
    let without_margin = comparisons(0.0);
    for figure in ["CPU-s per participant-second", "glass to glass p50", "join", "received"] {
        let found = percent(&without_margin, &|comparison| {
            let [low, high] = line(comparison, figure).interval.expect("is judged");
            low > 0.0 || high < 0.0
        });
        assert!(found <= 12.3, "{figure}: {found} % of intervals exclude zero");
    }
    let with_margin = comparisons(5.0);
    let found = percent(&with_margin, &|comparison| {
        outcome(comparison, "CPU-s per participant-second") != Outcome::NoDifference
    });
    assert!(found <= 2.0, "{found} %: its noise is smaller than the margin");
    // Any of the lines: three of them have noise as large as margin and floor, and each may be wrong one way in 2.5 %.
    let found = percent(&with_margin, &|comparison| comparison.is_worse);
    assert!(found <= 13.0, "{found} %");
}

#[test]
fn a_fifth_more_processor_is_found_and_named() {
    for seed in 0..20 {
        let before = made(Made { seed, ..Made::default() });
        let after = made(Made { seed: seed + 100, cost: 0.144, ..Made::default() });
        let comparison = versus(&before, &after);
        assert!(comparison.is_worse, "seed {seed}: {comparison}");
        let begin = "B is slower: CPU-s per participant-second +";
        assert!(comparison.sentence.starts_with(begin), "seed {seed}: {}", comparison.sentence);
        let [low, high] = line(&comparison, "CPU-s per participant-second").interval.expect("ninety seconds");
        assert!(low > 0.0 && high < 0.06, "seed {seed}: {low} to {high}");
        let back = compared(&[after], &[before]);
        assert!(
            !back.is_worse && back.sentence.starts_with("B is faster: CPU-s per participant-second -"),
            "{back}"
        );
    }
}

#[test]
fn what_became_worse_is_said_beside_what_became_better() {
    let before = made(Made::default());
    let after = made(Made { seed: 2, cost: 0.09, latency_ms: 250.0, ..Made::default() });
    let comparison = compared(&[before], &[after]);
    assert!(comparison.is_worse);
    let (worse, better) = comparison.sentence.split_once("; ").expect("two parts");
    assert!(worse.starts_with("B is slower: glass to glass p50 +"), "{comparison}");
    assert!(
        worse.contains("glass to glass p95 +") && better.starts_with("B is faster: CPU-s"),
        "{comparison}"
    );
}

#[test]
fn what_is_sure_but_too_little_to_matter_is_no_difference() {
    let before = made(Made::default());
    let mut after = before.clone();
    for person in &mut after.report.participants {
        let latency = person.measured.as_mut().and_then(|measured| measured.glass_to_glass.as_mut());
        latency.expect("was measured").p50_ms += 4;
    }
    let comparison = versus(&before, &after);
    let few = line(&comparison, "glass to glass p50");
    assert_eq!(
        (few.difference, few.interval, few.outcome),
        (Some(4.0), Some([4.0, 4.0]), Outcome::NoDifference)
    );
    // Twice as late, and still only a few milliseconds.
    let mut tiny = [before, after];
    for (run, p50_ms) in tiny.iter_mut().zip([3, 6]) {
        for person in &mut run.report.participants {
            let latency = person.measured.as_mut().and_then(|measured| measured.glass_to_glass.as_mut());
            latency.expect("was measured").p50_ms = p50_ms;
        }
    }
    assert_eq!(outcome(&compared(&tiny[..1], &tiny[1..]), "glass to glass p50"), Outcome::NoDifference);
    // One run each: a whole run lies up to a picture later by chance. The control is more than that.
    for (late_ms, expected) in [(33, Outcome::NoDifference), (35, Outcome::Worse)] {
        for person in &mut tiny[1].report.participants {
            let latency = person.measured.as_mut().and_then(|measured| measured.glass_to_glass.as_mut());
            latency.expect("was measured").p50_ms = 3 + late_ms;
        }
        assert_eq!(outcome(&compared(&tiny[..1], &tiny[1..]), "glass to glass p50"), expected);
    }
    // Of several runs each, chance is in the interval.
    let [before, mut after] = tiny.map(|run| vec![run.clone(), run.clone(), run]);
    for person in after.iter_mut().flat_map(|run| &mut run.report.participants) {
        let latency = person.measured.as_mut().and_then(|measured| measured.glass_to_glass.as_mut());
        latency.expect("was measured").p50_ms = 9;
    }
    assert_eq!(outcome(&compared(&before, &after), "glass to glass p50"), Outcome::Worse);
}

#[test]
fn figures_without_a_worse_way_are_told_and_judge_nothing() {
    let receiving = |kbps| {
        let mut run = made(Made::default());
        for person in &mut run.report.participants {
            person.traffic.received_kbps = Some(kbps);
        }
        run
    };
    let (before, after) = (receiving(2_000.0), receiving(3_000.0));
    let comparison = compared(&[before], &[after]);
    assert_eq!((outcome(&comparison, "received"), comparison.is_worse), (Outcome::Differs, false));
    let expected = "no difference; neither better nor worse: received +50 % (+50 to +50)";
    assert_eq!(comparison.sentence, expected);
}

#[test]
fn fewer_pictures_and_more_failures_are_worse() {
    let before = made(Made::default());
    let mut after = before.clone();
    for (nth, person) in after.report.participants.iter_mut().enumerate() {
        let measured = person.measured.as_mut().expect("measures");
        measured.fps = measured.fps.map(|fps| fps - 5.0);
        (measured.freezes, measured.frozen_percent) = (3, 2.5);
        person.failure = (nth % 2 == 0).then(|| crate::report::Failure {
            stage: "join".into(),
            code: None,
            detail: "refused".into(),
        });
    }
    let comparison = compared(&[before], &[after]);
    for figure in ["pictures per second", "freezes", "frozen", "failed stays"] {
        assert_eq!(outcome(&comparison, figure), Outcome::Worse, "{comparison}");
    }
    assert!(comparison.sentence.starts_with("B is worse: failed stays +50.0 points ("), "{comparison}");
    assert!(comparison.sentence.ends_with("and 1 more"), "{comparison}");
}

#[test]
fn what_was_not_measured_is_never_equal() {
    let (before, mut after) = (made(Made::default()), made(Made { seed: 2, ..Made::default() }));
    after.report.node = Default::default();
    for moment in &mut after.report.timeline {
        moment.node_cores = None;
    }
    for person in &mut after.report.participants {
        person.measured.as_mut().expect("measures").glass_to_glass = None;
    }
    // Two people who measured the rest are too few.
    for person in &mut after.report.participants[2..] {
        person.measured.as_mut().expect("measures").fps = None;
    }
    let comparison = versus(&before, &after);
    for figure in
        ["CPU-s per participant-second", "glass to glass p50", "memory of the node", "encoders", "late ticks"]
    {
        assert_eq!(outcome(&comparison, figure), Outcome::NotMeasured, "{comparison}");
    }
    assert_eq!(outcome(&comparison, "pictures per second"), Outcome::NotJudged);
    assert!(
        comparison.notes.iter().any(|note| note.starts_with("not measured by all: CPU-s")),
        "{comparison}"
    );
    after.report.participants.clear();
    assert!(matches!(compare(&[before], &[after], SETTINGS), Err(CompareError::Nothing)));
}

#[test]
fn figures_that_a_run_has_one_of_are_judged_by_several_runs_alone() {
    let of = |seed, encoders| {
        let mut run = made(Made { seed, ..Made::default() });
        run.report.node.memory_bytes_max = Some((200 + seed % 3 + 40 * encoders) << 20);
        run.report.node.encoders_max = Some(encoders);
        run
    };
    let comparison = compared(&[of(1, 2)], &[of(2, 4)]);
    assert_eq!(outcome(&comparison, "encoders"), Outcome::NotJudged, "{comparison}");
    assert_eq!(line(&comparison, "encoders").difference, Some(2.0));
    let comparison = compared(&[of(1, 2), of(2, 2), of(3, 2)], &[of(4, 4), of(5, 4), of(6, 4)]);
    assert_eq!(line(&comparison, "encoders").interval, Some([2.0, 2.0]));
    assert_eq!(outcome(&comparison, "encoders"), Outcome::Differs);
    assert_eq!(outcome(&comparison, "memory of the node"), Outcome::Worse, "{comparison}");
    assert!(comparison.sentence.starts_with("B is worse: memory of the node +"), "{comparison}");
}

#[test]
fn several_runs_a_side_are_counted_as_runs() {
    let side = |first: u64, cost| -> Vec<Stored> {
        (first..first + 3).map(|seed| made(Made { seed, cost, ..Made::default() })).collect()
    };
    let comparison = compared(&side(1, 0.12), &side(4, 0.12));
    assert_eq!((&*comparison.sentence, comparison.method), ("no difference", BETWEEN));
    let comparison = compared(&side(1, 0.12), &side(4, 0.15));
    assert!(comparison.sentence.starts_with("B is slower: CPU-s per participant-second +"), "{comparison}");
    // Runs that differ more among themselves than the sides do say nothing, though each alone is sure.
    let wild = [0.10, 0.14, 0.18].map(|cost| made(Made { cost, ..Made::default() }));
    let other = [0.12, 0.16, 0.20].map(|cost| made(Made { cost, ..Made::default() }));
    assert_eq!(compared(&wild, &other).sentence, "no difference");
    assert!(compared(&wild[..1], &other[..1]).is_worse, "one run each hides how runs differ");
    let error = compare(&side(1, 0.12), &other[..1], SETTINGS).expect_err("three against one").to_string();
    assert!(error.contains("3 runs before and 1 after"), "{error}");
    assert!(matches!(compare(&[], &wild, SETTINGS), Err(CompareError::Sides { .. })));
}

#[test]
fn other_scenarios_and_invalid_runs_are_refused_unless_forced() {
    let before = example();
    let changed = |from: &str, to: &str| {
        let mut run = example();
        assert!(run.report.scenario.toml.contains(from), "{from}");
        run.report.scenario.toml = run.report.scenario.toml.replace(from, to);
        run
    };
    let error = |after: &Stored| match compare(from_ref(&before), from_ref(after), SETTINGS) {
        Err(error) => error.to_string(),
        Ok(comparison) => panic!("was compared: {comparison}"),
    };
    let larger = changed("count = 2", "count = 3");
    assert!(error(&larger).contains("different scenarios: `rooms`"), "{}", error(&larger));
    let mut longer = example();
    longer.report.scenario.duration_ms = 30_000;
    assert!(error(&longer).contains("16.8 s against 30 s"), "{}", error(&longer));
    // Words, limits and the seed change no meeting.
    for same in [
        changed("fps_min = 24", "fps_min = 10"),
        changed("seed = 3", "seed = 4"),
        changed("# The run", "# A run"),
    ] {
        assert!(compare(from_ref(&before), &[same], SETTINGS).is_ok());
    }
    let mut invalid = example();
    (invalid.report.verdict, invalid.report.because) =
        (Verdict::Invalid, vec!["the harness sent late".into()]);
    assert!(error(&invalid).contains("INVALID run: the harness sent late"), "{}", error(&invalid));
    for after in [larger, invalid] {
        let forced =
            compare(from_ref(&before), &[after], Settings { force: true, ..SETTINGS }).expect("is forced");
        let says = |word: &str| forced.notes.iter().any(|note| note.contains(word));
        assert!(says("the scenarios differ: `rooms`") || says("INVALID"), "{forced}");
    }
}

#[test]
fn json_says_the_same_as_the_table() {
    let after = made(Made { seed: 2, cost: 0.2, ..Made::default() });
    let comparison = compared(&[made(Made::default())], &[after]);
    let json = serde_json::to_value(&comparison).expect("plain values");
    assert_eq!((json["schema"].as_u64(), json["is_worse"].as_bool()), (Some(1), Some(true)));
    assert_eq!(json["sentence"].as_str(), Some(&*comparison.sentence));
    let first = &json["lines"][0];
    assert_eq!(
        (first["figure"].as_str(), first["outcome"].as_str()),
        (Some("CPU-s per participant-second"), Some("worse"))
    );
    assert_eq!(first["interval"].as_array().map(Vec::len), Some(2));
    let text = comparison.to_string();
    assert!(text.contains("slower") && text.ends_with(&format!("{}\n", comparison.sentence)), "{text}");
}
