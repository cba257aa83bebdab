//! `validate` gives the verdict that the reference validators gave, on the documents of testdata/validate.

use super::testdata;
use seaworthy_sbom::validate::validate;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Vector {
    format: String,
    change: String,
    valid: bool,
    document: String,
}

#[test]
fn changed_documents_have_the_verdict_of_the_reference_validators() {
    let (mut asked, mut wrong) = (BTreeMap::<_, [usize; 2]>::new(), Vec::new());
    for line in
        String::from_utf8(std::fs::read(testdata("../validate/vectors.jsonl")).unwrap()).unwrap().lines()
    {
        let Vector { format, change, valid, document } = serde_json::from_str(line).unwrap();
        let report = validate(document.as_bytes());
        if report.as_ref().is_ok_and(|report| report.problems.is_empty()) != valid {
            wrong.push(format!("{format}, {change}, valid is {valid}: {report:?}\n{document}"));
        }
        asked.entry(format).or_default()[usize::from(valid)] += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(asked.len(), 10);
    for (format, [refused, taken]) in asked {
        assert!(refused >= 8 && taken >= 8, "{format}: {refused} refused, {taken} taken");
    }
}
