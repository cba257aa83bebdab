//! Conditions in CEL (feature `cel`), for what the declarative rules cannot say.
//!
//! A condition is an expression of the [Common Expression Language](https://cel.dev) over what is known of one platform's
//! image, and is met if it comes to `true`. `false` refuses; so does an error (what is not known is not fulfilled), and so
//! does an expression that needs more steps than `BUDGET`. There is nothing in the language that reads a file, asks a
//! network, or knows a time but that of the judgement.
//!
//! Why our own evaluator of a subset: the crate `cel` (0.15) can neither count steps nor be interrupted, and brings a
//! parser generator's run-time into the trusted base. Here every step is counted, so the same expression on the same
//! evidence always comes to the same answer, and regular expressions are simulated, never backtracked.
//!
//! Refused when loaded: what does not parse, names or fields that do not exist, operands of the wrong type, results
//! that are no truth value, sources of facts that the policy has no rule for, and expressions whose worst case is beyond
//! any budget (a walk over all packages within a walk over all packages). In a build without the feature, any condition.

#[cfg(feature = "cel")]
mod check;
#[cfg(feature = "cel")]
mod eval;
#[cfg(feature = "cel")]
mod parse;
#[cfg(feature = "cel")]
pub(crate) mod value;

use super::lint::Lint;
use super::model::At;
use serde::Deserialize;
#[cfg(feature = "cel")]
pub(crate) use {check::Program, eval::Stop};

/// Steps that one condition may take on one image: half a second at most.
#[cfg(feature = "cel")]
pub(crate) const BUDGET: u64 = 10_000_000;
/// The longest expression.
#[cfg(feature = "cel")]
pub(crate) const EXPRESSION_BYTES: usize = 4_096;
/// Conditions of one policy.
const CONDITIONS: usize = 32;

/// A condition that the image of each platform must meet.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ConditionDoc {
    /// An expression in CEL that comes to `true` for a good image.
    #[cfg_attr(not(feature = "cel"), expect(dead_code, reason = "refused without the feature"))]
    expression: At<String>,
    /// What people read where it does not.
    message: At<String>,
}

/// A condition that was read and means something.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) message: String,
    pub(crate) program: Program,
}

/// Without the feature there is none: a policy with conditions is refused when it is loaded.
#[cfg(not(feature = "cel"))]
#[derive(Debug, Clone)]
pub(crate) enum Program {}

/// Which facts an expression asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    pub(crate) sbom: bool,
    pub(crate) provenance: bool,
    pub(crate) config: bool,
    /// Tag or namespace: what is not a property of the digest.
    pub(crate) place: bool,
}

#[cfg(not(feature = "cel"))]
impl Program {
    pub(crate) fn uses(&self) -> Uses {
        match *self {}
    }
}

impl Lint<'_> {
    /// `sbom` and `provenance`: whether the policy says whose count.
    pub(super) fn conditions(&mut self, list: &At<Vec<At<ConditionDoc>>>, known: Uses) -> Vec<Condition> {
        if list.get().is_empty() {
            self.say(list, "an empty list of conditions asks for nothing", "leave it out, or add one");
        }
        if list.get().len() > CONDITIONS {
            let message = format!("more conditions than the limit CONDITIONS = {CONDITIONS}");
            self.say(list, message, "join them with &&, or make several policies");
        }
        let mut all = Vec::new();
        for at in list.get() {
            let doc = at.get();
            let message = doc.message.get();
            if message.trim().is_empty() || message.len() > 300 || message.chars().any(char::is_control) {
                self.say(&doc.message, "no message for people", "say in one line what a good image is like");
            }
            all.extend(self.condition(doc, known));
        }
        all
    }

    #[cfg(not(feature = "cel"))]
    fn condition(&mut self, doc: &ConditionDoc, _: Uses) -> Option<Condition> {
        self.say(
            &doc.message,
            "this program was built without conditions in CEL",
            "say it with the other rules, or use a build with the feature cel",
        );
        None
    }

    #[cfg(feature = "cel")]
    fn condition(&mut self, doc: &ConditionDoc, known: Uses) -> Option<Condition> {
        const HINT: &str = "the variables and functions are listed in docs/reference/policy.md";
        let program = match Program::read(doc.expression.get()) {
            Ok(program) => program,
            Err(why) => {
                self.say(&doc.expression, why, HINT);
                return None;
            }
        };
        let uses = program.uses();
        for (used, there, what) in
            [(uses.sbom, known.sbom, "sbom"), (uses.provenance, known.provenance, "provenance")]
        {
            if used && !there {
                self.say(
                    &doc.expression,
                    format!("the expression asks for {what}, and the policy does not say whose counts"),
                    format!("add {what} with by: [NAME] to the policy"),
                );
            }
        }
        Some(Condition { message: doc.message.get().clone(), program })
    }
}
