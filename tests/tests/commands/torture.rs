//! A few releases between services that fail, and a few that are killed. `benches/torture` does hundreds.

use super::world::root;
use seaworthy_tests::torture::{Plan, run};
use std::path::PathBuf;

#[test]
fn releases_between_services_that_fail_and_under_kill_lose_nothing_and_double_nothing() {
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_seaworthy")),
        root: root(),
        runs: 10,
        kills: 5,
        at_once: 15,
        trouble: 20,
        seed: 4,
    };
    let report = run(&plan);
    assert!(report.good(), "{report}");
    assert_eq!(report.runs, 15, "{report}");
    // Neither is the weather always good, nor does it hide what is to be seen.
    assert!(report.replaced * 10 > report.answers, "{report}");
    assert!(report.at_first > 0 && report.killed > 0, "{report}");
}
