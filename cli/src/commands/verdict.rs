//! A verdict for people: the answer first, then who and what it rests on, then why not.

use crate::printer::{BAD, BOLD, DIM, GOOD, WARN, paint, plain};
use seaworthy_verifier::{Decision, Explanation, PolicyVerdict, Verdict};
use std::fmt::Write as _;

/// How much of the tree is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What a decision rests on.
    Short,
    /// Everything, down to each piece of evidence.
    Full,
}

/// The verdict as lines.
pub(crate) fn human(verdict: &Verdict, detail: Detail) -> String {
    let mut out = String::new();
    let (style, word) = match verdict.decision {
        Decision::Allow => (GOOD, "allowed"),
        Decision::Deny => (BAD, "denied"),
    };
    let _ = writeln!(out, "{}  {}@{}", paint(style, word), plain(&verdict.name), verdict.digest);
    for explanation in &verdict.refusals {
        explain(&mut out, explanation, 1, detail);
    }
    for policy in &verdict.policies {
        human_policy(&mut out, policy, detail);
    }
    for warning in &verdict.warnings {
        let _ = writeln!(out, "  {} {}", paint(WARN, "warning"), plain(&warning.to_string()));
    }
    out
}

fn human_policy(out: &mut String, policy: &PolicyVerdict, detail: Detail) {
    let mode = format!("{:?}", policy.mode).to_lowercase();
    let _ = writeln!(
        out,
        "  policy {} ({mode}): {}",
        paint(BOLD, plain(&policy.policy)),
        match policy.decision {
            Decision::Allow => "met",
            Decision::Deny => "not met",
        }
    );
    for explanation in &policy.refusals {
        explain(out, explanation, 2, detail);
    }
    for note in &policy.expired_exceptions {
        let _ = writeln!(out, "    {} {}", paint(WARN, "exception is over"), plain(&note.to_string()));
    }
    for subject in &policy.subjects {
        let role = format!("{:?}", subject.role).to_lowercase();
        let place = subject.platform.as_deref().unwrap_or(&role);
        for requirement in &subject.requirements {
            let mark = if requirement.met { paint(GOOD, "ok") } else { paint(BAD, "no") };
            let _ = writeln!(out, "    {mark}  {:<14} {}", plain(place), plain(&requirement.requirement));
            for signer in &requirement.signers {
                if detail == Detail::Full {
                    let who = format!("by {}: {}", plain(&signer.authority), plain(&signer.id));
                    let _ = writeln!(out, "          {}", paint(DIM, who));
                }
            }
            for explanation in &requirement.refusals {
                explain(out, explanation, 4, detail);
            }
            for excepted in &requirement.excepted {
                let by: Vec<String> = excepted.by.iter().map(ToString::to_string).collect();
                let what = paint(WARN, "excepted");
                let _ = writeln!(out, "        {what} {}", plain(&excepted.refusal.one_line()));
                let _ = writeln!(out, "          {}", paint(DIM, format!("by {}", plain(&by.join("; ")))));
            }
            for suppressed in &requirement.suppressed {
                let _ = writeln!(out, "        {}", paint(DIM, plain(&suppressed.to_string())));
            }
        }
    }
}

/// A refusal: one line, or the whole tree below it.
fn explain(out: &mut String, explanation: &Explanation, depth: usize, detail: Detail) {
    let indent = "  ".repeat(depth);
    match detail {
        Detail::Short => {
            let _ = writeln!(out, "{indent}{}", plain(&explanation.one_line()));
        }
        Detail::Full => {
            let code = paint(BAD, explanation.code.code());
            let _ = writeln!(out, "{indent}{code} {}", plain(&explanation.message));
            if let Some(evidence) = &explanation.evidence {
                let _ = writeln!(out, "{indent}  {}", paint(DIM, format!("evidence {}", plain(evidence))));
            }
        }
    }
    if let Some(hint) = &explanation.hint {
        let _ = writeln!(out, "{indent}  {}: {}", paint(BOLD, "hint"), plain(hint));
    }
    if detail == Detail::Full {
        for cause in &explanation.causes {
            explain(out, cause, depth + 1, detail);
        }
    }
}
