//! Policies that come in as objects: refused while they are written, with line and hint, so that nobody learns later
//! from a status that a policy keeps every image out.
//!
//! An object whose `spec` stays as it was is let through whatever it says: finalizers and labels must be removable.

use super::response::{Answer, Outcome};
use super::review::{Operation, Request};
use crate::policy::object;
use jiff::Timestamp;

/// The answer, where `request` is about a policy.
pub(super) fn review(request: &Request, now: Timestamp) -> Option<Answer> {
    let policy = matches!(request.kind.kind.as_str(), "ImagePolicy" | "ClusterImagePolicy");
    if request.kind.group != object::GROUP || !policy || !request.sub_resource.is_empty() {
        return None;
    }
    let same = request.object.get("spec") == request.old_object.get("spec");
    let written = match request.operation {
        Operation::Create => true,
        Operation::Update => !same,
        Operation::Delete | Operation::Connect => false,
    };
    let problems = if written { object::problems(&request.object, now) } else { None };
    let uid = Some(request.uid.as_str());
    Some(match problems {
        Some(problems) => {
            let one_line = problems.replace('\n', "; ");
            Answer::refused(uid, Outcome::Denied, format!("the policy cannot be used: {one_line}"))
        }
        None => Answer { reason: None, ..Answer::refused(uid, Outcome::Allowed, "") },
    })
}
