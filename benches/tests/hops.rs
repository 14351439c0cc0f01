//! Every hop has a bench of its name, and every case of it works.

use benches::hops::cases;
use mcu_core::hop::Hop;
use std::collections::BTreeSet;

#[test]
fn every_hop_has_a_case_and_no_two_share_a_name() {
    let cases = cases();
    for hop in Hop::ALL {
        assert!(cases.iter().any(|case| case.hop == hop), "hop {} has no bench", hop.name());
    }
    let ids: BTreeSet<String> = cases.iter().map(|case| case.id()).collect();
    assert_eq!(ids.len(), cases.len());
}

/// A case asserts for itself that its work was done; here each is made and done a few times.
#[test]
fn every_case_does_its_work() {
    for case in cases() {
        let mut work = case.work();
        for _ in 0..5 {
            work.prepare();
            work.run();
        }
    }
}
