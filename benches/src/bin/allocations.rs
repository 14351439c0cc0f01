//! `allocations`: how often each hop asks for memory once it is warm, in our own code and in the Rust libraries below it.
//!
//! Hops 4 to 14 should not, in our own code (design, chapter 5). What libraries in C ask of `malloc` themselves is not seen here.

#![forbid(unsafe_code)]

use benches::hops::{Case, cases};
use benches::sys::counting::{Allocations, Counting, of};
use clap::Parser;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs before anything counts: every buffer has its size, every sprite is painted, every pool is filled.
const WARM_UP_RUNS: u32 = 150;
/// Runs that count.
const COUNTED_RUNS: u32 = 60;

/// What each hop asks of the allocator after warm-up
#[derive(Debug, Parser)]
#[command(name = "allocations", version)]
struct Arguments {
    /// Only cases whose name holds this, as in compose or decode/VP8
    filter: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let wanted = |case: &Case| arguments.filter.as_ref().is_none_or(|filter| case.id().contains(filter));
    let mut rows = Vec::new();
    if !arguments.json {
        println!("{:<62} {:>12} {:>12}  per", "hop/case", "allocations", "bytes");
    }
    for case in cases().iter().filter(|case| wanted(case)) {
        let Allocations { count, bytes } = count(case);
        let per = |total: u64| total as f64 / (case.count * u64::from(COUNTED_RUNS)) as f64;
        if arguments.json {
            rows.push(
                json!({ "case": case.id(), "unit": case.unit, "allocations": per(count), "bytes": per(bytes) }),
            );
        } else {
            println!("{:<62} {:>12.3} {:>12.1}  {}", case.id(), per(count), per(bytes), case.unit);
        }
    }
    if arguments.json {
        println!("{:#}", serde_json::Value::from(rows));
    }
}

/// What the counted runs of a warm case ask for.
fn count(case: &Case) -> Allocations {
    let mut work = case.work();
    for _ in 0..WARM_UP_RUNS {
        work.prepare();
        work.run();
    }
    let mut total = Allocations::default();
    for _ in 0..COUNTED_RUNS {
        work.prepare();
        let Allocations { count, bytes } = of(|| work.run());
        total.count += count;
        total.bytes += bytes;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_counted_on_this_thread_only() {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<()>(0);
        let other = std::thread::spawn(move || {
            let held = vec![0_u8; 1_000];
            let _ = sender.send(());
            held.len()
        });
        let none = of(|| receiver.recv().expect("the other thread is there"));
        let some = of(|| drop(std::hint::black_box(vec![7_u8; 300])));
        assert_eq!((some, other.join().ok()), (Allocations { count: 1, bytes: 300 }, Some(1_000)));
        assert_eq!(none.bytes / 1_000, 0, "{none:?}");
    }
}
