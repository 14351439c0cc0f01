//! Every hop, timed: the cases of `benches::hops`, a second each.
//!
//! `cargo bench --workspace --bench hops` runs all, `-- decode` those of one hop. Throughput is in the hop's own units.

use benches::hops::{Case, Work, cases};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadtest::clock::Clock;
use std::time::Duration;

/// The node's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measured time of a case.
const MEASURED: Duration = Duration::from_secs(1);
/// Time before that does not count.
const WARM_UP: Duration = Duration::from_millis(300);
/// Samples of a case.
const SAMPLES: usize = 20;

fn hops(criterion: &mut Criterion) {
    let clock = Clock::start();
    for case in cases() {
        time(criterion, &case, clock);
    }
}

fn time(criterion: &mut Criterion, case: &Case, clock: Clock) {
    let mut group = criterion.benchmark_group(case.hop.name());
    group.throughput(Throughput::Elements(case.count));
    // Made by the first call, which does not come when the case is not asked for.
    let mut work: Option<Box<dyn Work>> = None;
    group.bench_function(&case.name, |bencher| {
        let work = work.get_or_insert_with(|| case.work());
        bencher.iter_custom(|runs| {
            let mut spent = Duration::ZERO;
            for _ in 0..runs {
                work.prepare();
                let begin = clock.now();
                work.run();
                spent += clock.now().since(begin);
            }
            spent
        });
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default().sample_size(SAMPLES).measurement_time(MEASURED).warm_up_time(WARM_UP)
}

criterion_group! { name = benches; config = short(); targets = hops }
criterion_main!(benches);
