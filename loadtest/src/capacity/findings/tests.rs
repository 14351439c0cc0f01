use super::*;
use crate::report::TargetKind;

/// One host and so many guests in each of two rooms.
fn scenario(capacity: &str) -> Scenario {
    let text = format!(
        "name = \"x\"\nduration_s = 9\n[[rooms]]\ncount = 2\n[[rooms.groups]]\nname = \"host\"\nkind = \"webrtc\"\ncount = 1\n\
         [[rooms.groups]]\nname = \"guest\"\nkind = \"webrtc\"\ncount = 1\n[capacity]\n{capacity}\n"
    );
    Scenario::parse(&text, "x").unwrap_or_else(|error| panic!("{error}"))
}

fn versions() -> Versions {
    Versions { harness: "1".into(), node: Some("2".into()) }
}

/// A step that came out like that.
fn step(planned: Planned, verdict: Verdict, ended_by: EndedBy) -> Step {
    let Planned { number, repetition, count, people, .. } = planned;
    let because = if verdict == Verdict::Pass { Vec::new() } else { vec![format!("step {number} broke")] };
    Step {
        number,
        repetition,
        count,
        people,
        verdict,
        ended_by,
        broken: Vec::new(),
        because,
        cpu_s_per_participant_s: Some(0.1),
        ticks_late_percent: None,
        encoders_max: None,
        harness_busy_mean: None,
        disturbed: false,
        folder: None,
    }
}

fn cores(node: &str, harness: &str) -> Ground {
    let list = |text: &str| text.parse().expect("a list of cores");
    Ground::Apart { node: list(node), harness: list(harness) }
}

/// Plays all repetitions against a node that is told which search it is and the count; what was found, on two cores.
fn played(capacity: &str, node: impl Fn(u32, u32) -> Verdict) -> CapacityReport {
    let scenario = scenario(capacity);
    let capacity = scenario.capacity.clone().expect("has one");
    let mut findings = Findings::new(&scenario, &capacity);
    while let Some(planned) = findings.next() {
        assert!(planned.steps_left_max > 0 && planned.people == 2 * planned.count + 2, "{planned:?}");
        let verdict = node(planned.repetition, planned.count);
        findings.record(step(planned, verdict, EndedBy::Schedule), &versions());
    }
    told(&findings)
}

fn told(findings: &Findings<'_>) -> CapacityReport {
    let target = TargetNote { kind: TargetKind::JoinUrl, base: "http://localhost/".into() };
    findings.report(target, &cores("0-1", "2"))
}

fn up_to(edge: u32, count: u32) -> Verdict {
    if count <= edge { Verdict::Pass } else { Verdict::Fail }
}

const GUESTS: &str = "group = \"guest\"\nfrom = 2\nmax = 40";

#[test]
fn three_searches_give_a_median_a_range_and_an_interval_in_people_per_core() {
    // The node has a bad and a good day.
    let report = played(GUESTS, |repetition, count| up_to([9, 7, 10][repetition as usize - 1], count));
    assert_eq!((report.verdict, report.because.len()), (Verdict::Pass, 0));
    let edges: Vec<_> = report.edges.iter().map(|edge| (edge.repetition, edge.kind, edge.count)).collect();
    assert_eq!(
        edges,
        [(1, EdgeKind::Node, Some(9)), (2, EdgeKind::Node, Some(7)), (3, EdgeKind::Node, Some(10))]
    );
    let carried = report.capacity.expect("was found");
    assert_eq!((carried.count.median, carried.count.min, carried.count.max), (9.0, 7.0, 10.0));
    // Two rooms of a host and nine guests, on two cores.
    assert_eq!((carried.people.median, carried.at_least), (20.0, false));
    let per_core = carried.people_per_core.expect("the cores are known");
    assert_eq!((per_core.median, per_core.min, per_core.max), (10.0, 8.0, 11.0));
    assert!(per_core.mean_interval_95.is_some_and(|[from, to]| from < 8.0 && to > 11.0));
    assert_eq!(report.cores.node_cpus.as_deref(), Some("0-1"));
    assert_eq!(report.versions, Some(versions()));
    // The first search begins at the smallest count, the others beside the edge that the one before found, and each sees for
    // itself what it stands on.
    let tried = |repetition| -> Vec<u32> {
        report.steps.iter().filter(|step| step.repetition == repetition).map(|step| step.count).collect()
    };
    assert_eq!((tried(1)[0], tried(2)[0], tried(3)[0]), (2, 9, 7));
    for (repetition, edge) in [(1, 9), (2, 7), (3, 10)] {
        let seen = |count, verdict| {
            let of_search = report.steps.iter().filter(|step| step.repetition == repetition);
            of_search.filter(|step| step.count == count && step.verdict == verdict).count()
        };
        assert_eq!((seen(edge, Verdict::Pass), seen(edge + 1, Verdict::Fail)), (1, 2), "{repetition}");
    }
    let numbers: Vec<u32> = report.steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, (1..=report.steps.len() as u32).collect::<Vec<_>>());
}

#[test]
fn what_was_asked_and_carried_to_the_last_is_a_least() {
    let report = played("group = \"guest\"\nfrom = 2\nmax = 12\nrepetitions = 2", |_, _| Verdict::Pass);
    assert_eq!((report.verdict, report.edges.len()), (Verdict::Pass, 2));
    let carried = report.capacity.expect("was found");
    assert_eq!((carried.count.median, carried.at_least, carried.count.mean_interval_95), (12.0, true, None));
    assert_eq!(report.because.len(), 2);
    assert!(report.because[0].contains("12 in the group \"guest\" were carried, and no more was asked"));
}

#[test]
fn where_the_harness_gives_up_there_is_a_least_and_no_further_search() {
    let report = played(GUESTS, |_, count| if count > 12 { Verdict::Invalid } else { Verdict::Pass });
    assert_eq!((report.verdict, report.edges.len()), (Verdict::Invalid, 1));
    let carried = report.capacity.expect("so much was seen");
    assert_eq!((carried.count.median, carried.at_least), (12.0, true));
    let [because] = &report.because[..] else { panic!("{:?}", report.because) };
    assert!(because.contains("the harness' edge was reached, not the node's"), "{because}");
    assert!(because.contains("carries 12 in") && because.contains("with 13 in"), "{because}");
    assert!(because.ends_with("broke"), "the step's own reason stands there: {because}");
    let nothing = played(GUESTS, |_, _| Verdict::Invalid);
    assert_eq!((nothing.verdict, nothing.capacity, nothing.steps.len()), (Verdict::Invalid, None, 2));
}

#[test]
fn a_disturbed_step_decides_nothing_and_is_played_again_until_it_is_too_much() {
    let search = |disturbed: &dyn Fn(usize) -> bool| {
        let scenario = scenario(GUESTS);
        let capacity = scenario.capacity.clone().expect("has one");
        let mut findings = Findings::new(&scenario, &capacity);
        while let Some(planned) = findings.next() {
            let disturbed = disturbed(findings.steps.len());
            let verdict = if disturbed { Verdict::Invalid } else { up_to(9, planned.count) };
            let step = Step { disturbed, ..step(planned, verdict, EndedBy::Schedule) };
            findings.record(step, &versions());
        }
        told(&findings)
    };
    let (quiet, often) = (search(&|_| false), search(&|step| step % 3 < 2));
    assert_eq!((quiet.capacity, &quiet.edges), (often.capacity, &often.edges));
    assert_eq!(often.steps.iter().filter(|step| !step.disturbed).count(), quiet.steps.len());
    let noisy = search(&|step| step > 0);
    assert_eq!(
        (noisy.verdict, noisy.capacity, noisy.steps.len()),
        (Verdict::Invalid, None, 1 + DISTURBED_MAX)
    );
    assert!(noisy.because[0].starts_with("the last 5 steps were disturbed"), "{:?}", noisy.because);
}

#[test]
fn a_node_that_does_not_even_carry_the_smallest_fails() {
    let report = played(GUESTS, |_, _| Verdict::Fail);
    assert_eq!((report.verdict, report.capacity, report.steps.len()), (Verdict::Fail, None, 2));
    let [because] = &report.because[..] else { panic!("{:?}", report.because) };
    assert!(because.contains("not even 2 in the group \"guest\" were carried"), "{because}");
}

#[test]
fn what_was_found_before_an_interrupt_stands_and_the_interrupted_step_decides_nothing() {
    let scenario = scenario(GUESTS);
    let capacity = scenario.capacity.clone().expect("has one");
    // After every step, until the first search is over and the second has begun.
    for steps_before in 0..10 {
        let mut findings = Findings::new(&scenario, &capacity);
        for _ in 0..steps_before {
            let planned = findings.next().expect("three searches take longer");
            let verdict = up_to(9, planned.count);
            findings.record(step(planned, verdict, EndedBy::Schedule), &versions());
        }
        let before = told(&findings);
        let planned = findings.next().expect("three searches take longer");
        findings.record(step(planned, Verdict::Fail, EndedBy::Interrupt), &versions());
        assert_eq!(findings.next(), None);
        let report = told(&findings);
        assert_eq!((report.capacity, &report.edges), (before.capacity, &before.edges));
        assert_eq!(report.steps.len(), steps_before + 1);
        let expected = if before.edges.is_empty() { Verdict::Invalid } else { Verdict::Pass };
        assert_eq!(report.verdict, expected, "{steps_before}");
        assert!(report.because.last().is_some_and(|said| said.starts_with("interrupted after")));
    }
}

#[test]
fn when_the_time_is_up_what_was_carried_is_the_least() {
    let scenario = scenario(GUESTS);
    let capacity = scenario.capacity.clone().expect("has one");
    let play = |steps: usize| {
        let mut findings = Findings::new(&scenario, &capacity);
        for _ in 0..steps {
            let planned = findings.next().expect("is not over");
            findings.record(step(planned, up_to(9, planned.count), EndedBy::Schedule), &versions());
        }
        findings.time_is_up();
        assert!(findings.next().is_none());
        told(&findings)
    };
    // 2, 4, 8: none failed yet. Then 16, which does.
    let report = play(3);
    let carried = report.capacity.expect("something was carried");
    assert_eq!((report.verdict, carried.count.median, carried.at_least), (Verdict::Pass, 8.0, true));
    assert_eq!(report.edges[0].kind, EdgeKind::Time);
    let said = [
        "search 1: 8 in the group \"guest\" were carried, no more was tried",
        "the time was up after 0 of 3 searches",
    ];
    assert_eq!(report.because, said);
    assert!(play(4).because[0].ends_with("16 in the group \"guest\" not, when it was tried"));
    // Before anything was carried nothing is known.
    let mut findings = Findings::new(&scenario, &capacity);
    findings.time_is_up();
    let report = told(&findings);
    assert_eq!((report.verdict, report.capacity), (Verdict::Invalid, None));
    // A search that is over stands, whatever the next one had seen.
    let over = played("group = \"guest\"\nfrom = 2\nmax = 40\nrepetitions = 1", |_, count| up_to(9, count))
        .steps
        .len();
    let report = play(over + 1);
    let carried = report.capacity.expect("was found");
    assert_eq!((report.edges.len(), carried.count.median, carried.at_least), (1, 9.0, false));
    assert_eq!(report.because, ["the time was up after 1 of 3 searches"]);
}
