use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const fn range(from: u32, max: u32, step: u32) -> Range {
    Range { from, max, step }
}

/// Plays a search against `node`, which is told the count and the number of the step; where it ended, and all counts tried.
fn play(mut search: Search, mut node: impl FnMut(u32, usize) -> Verdict) -> (Edge, Vec<u32>) {
    let mut tried = Vec::new();
    loop {
        match search.next() {
            Next::Over(edge) => return (edge, tried),
            Next::Try(count) => {
                assert!(tried.len() < 3_000, "it ends: {tried:?}");
                let verdict = node(count, tried.len());
                tried.push(count);
                search.record(count, verdict);
            }
        }
    }
}

/// A node that carries everything up to `edge`, every time.
fn sharp(edge: u32) -> impl Fn(u32, usize) -> Verdict {
    move |count, _| if count <= edge { Verdict::Pass } else { Verdict::Fail }
}

/// What a search of `range` finds where the last count that is carried is `edge`.
fn expected(range: Range, edge: u32) -> Edge {
    match edge {
        _ if edge < range.from => Edge::Below(range.from),
        _ if edge >= range.top() => Edge::Above(range.top()),
        _ => Edge::At(range.from + (edge - range.from) / range.step * range.step),
    }
}

#[test]
fn a_sharp_edge_is_found_exactly_wherever_it_lies_and_in_few_steps() {
    for range in [range(1, 64, 1), range(2, 50, 1), range(3, 100, 4), range(5, 5, 1), range(8, 200, 7)] {
        for edge in 0..=range.max + 1 {
            let (found, tried) = play(Search::cold(range), sharp(edge));
            assert_eq!(found, expected(range, edge), "{range:?}, edge {edge}: {tried:?}");
            let counts = (range.top() - range.from) / range.step + 1;
            // Doubling up to it, halving down to it, and the second look at what lies above it.
            let most = 2 * (counts.ilog2() + 1) + 3;
            assert!(tried.len() as u32 <= most, "{range:?}, edge {edge}: {tried:?} are over {most}");
        }
    }
}

#[test]
fn a_search_beside_a_known_edge_takes_three_steps_and_one_far_from_it_still_finds_it() {
    let all = range(2, 100, 1);
    assert_eq!(play(Search::near(all, 37), sharp(37)), (Edge::At(37), vec![37, 38, 38]));
    for (known, edge) in [(37, 36), (37, 39), (37, 2), (37, 1), (37, 99), (37, 100), (2, 60), (100, 3)] {
        let (found, tried) = play(Search::near(all, known), sharp(edge));
        assert_eq!(found, expected(all, edge), "{known}, edge {edge}: {tried:?}");
        assert!(tried.len() <= 16, "{known}, edge {edge}: {tried:?}");
    }
    // What was known lies outside of the range, or between its counts.
    for known in [0, 9, 1_000] {
        assert_eq!(play(Search::near(range(4, 40, 5), known), sharp(20)).0, Edge::At(19), "{known}");
    }
}

#[test]
fn one_step_that_failed_by_accident_decides_nothing() {
    let all = range(1, 40, 1);
    for spoiled in [Verdict::Fail, Verdict::Invalid] {
        for edge in 1..=40 {
            for accident in 0..14 {
                let node =
                    |count, number| if number == accident { spoiled } else { sharp(edge)(count, number) };
                let (found, tried) = play(Search::cold(all), node);
                assert_eq!(found, expected(all, edge), "edge {edge}, step {accident}: {tried:?}");
            }
        }
    }
}

#[test]
fn a_noisy_edge_is_found_near_to_where_a_step_passes_half_of_the_time() {
    let (all, middle) = (range(2, 100, 1), 30.5);
    let mut dice = StdRng::seed_from_u64(7);
    let found: Vec<f64> = (0..400)
        .map(|_| {
            // From one in ten to nine in ten over about four counts.
            let node = |count: u32, _| {
                let passes = 1.0 / (1.0 + (f64::from(count) - middle).exp());
                if dice.random::<f64>() < passes { Verdict::Pass } else { Verdict::Fail }
            };
            match play(Search::cold(all), node) {
                (Edge::At(edge), _) => f64::from(edge),
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    assert!((mean - middle).abs() < 1.5, "{mean}");
    assert!(found.iter().all(|edge| (edge - middle).abs() < 8.0), "{found:?}");
}

#[test]
fn where_the_harness_gives_up_the_node_is_still_searched_below() {
    let all = range(2, 64, 1);
    let wall = |edge: u32, harness: u32| {
        move |count: u32, _| match count {
            _ if count > harness => Verdict::Invalid,
            _ if count > edge => Verdict::Fail,
            _ => Verdict::Pass,
        }
    };
    // Doubling meets the harness' end first, and the node's edge lies below it.
    let (found, tried) = play(Search::cold(all), wall(9, 14));
    assert_eq!(found, Edge::At(9), "{tried:?}");
    assert_eq!(tried[..4], [2, 4, 8, 16], "the control: the wall was met");
    for harness in 2..64 {
        let (found, tried) = play(Search::cold(all), wall(64, harness));
        assert_eq!(found, Edge::Harness(Some(harness)), "{tried:?}");
    }
    assert_eq!(play(Search::cold(all), wall(64, 1)), (Edge::Harness(None), vec![2, 2]));
}

#[test]
fn a_size_that_came_out_differently_is_tried_a_third_time_and_no_more() {
    let all = range(1, 2, 1);
    let of = |verdicts: [Verdict; 3]| {
        let mut above = verdicts.into_iter();
        play(Search::cold(all), |count, _| match count {
            1 => Verdict::Pass,
            _ => above.next().expect("three at most"),
        })
    };
    use Verdict::{Fail, Invalid, Pass};
    assert_eq!(of([Fail, Invalid, Fail]), (Edge::At(1), vec![1, 2, 2, 2]));
    assert_eq!(of([Fail, Invalid, Invalid]), (Edge::Harness(Some(1)), vec![1, 2, 2, 2]));
    assert_eq!(of([Invalid, Fail, Pass]), (Edge::Above(2), vec![1, 2, 2, 2]));
}

#[test]
fn no_sharp_edge_takes_more_steps_than_were_said_to_come() {
    for range in [range(1, 40, 1), range(4, 90, 3)] {
        for edge in 0..=range.max {
            let mut search = Search::cold(range);
            let mut left = search.steps_left_max();
            while let Next::Try(count) = search.next() {
                assert!(left > 0, "{range:?}, edge {edge}: a step that was not said to come");
                search.record(count, sharp(edge)(count, 0));
                let now = search.steps_left_max();
                assert!(now < left, "{range:?}, edge {edge}, after {count}: {now} of {left}");
                left = now;
            }
            assert_eq!(left, 0);
        }
    }
    // The most is also needed by some edge: it is no mere bound.
    let all = range(1, 40, 1);
    let steps = (0..=40).map(|edge| play(Search::cold(all), sharp(edge)).1.len() as u32).max();
    assert_eq!(steps, Some(Search::cold(all).steps_left_max()));
}
