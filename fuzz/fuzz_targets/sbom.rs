//! SBOMs: what was read is written in either format and read again with every package; names, licences and versions of
//! hostile documents parse or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_fuzz::{round_trip, turn};

fuzz_target!(|data: &[u8]| {
    // The other notations, XML among them, and the schemas: whatever comes is an answer or an error.
    if let Err(error) = seaworthy_sbom::validate::validate(data) {
        assert!(!error.to_string().is_empty());
    }
    let _ = seaworthy_sbom::documents::read(data);
    match seaworthy_sbom::read(data) {
        Ok((_, mut inventory)) => {
            inventory.normalize();
            let once = inventory.clone();
            inventory.normalize();
            assert_eq!(once, inventory, "normalizing twice is not normalizing once");
            round_trip(&inventory, turn(data));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
