//! `sbom check`: what an SBOM file lacks of a set of minimum elements, how much of it is there, and where it is missing.
//!
//! What is asked of the document itself can be read from JSON alone; another notation is refused for the profiles that
//! ask for it, because "not read" is not "missing".

use crate::args::CheckSbom;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{self, BAD, GOOD, Printer, paint, plain};
use seaworthy_sbom::documents::{self, Kind};
use seaworthy_sbom::facts;
use seaworthy_sbom::inventory::Inventory;
use seaworthy_sbom::quality::{self, Element, Judged, Missing, Profile};
use serde::Serialize;

/// What becomes of what a document says is not known.
#[derive(Clone, Copy)]
enum Unknown {
    Apart,
    IsMissing,
}

#[derive(Serialize)]
struct Report {
    file: String,
    format: String,
    packages: usize,
    profiles: Vec<OfProfile>,
}

#[derive(Serialize)]
struct OfProfile {
    profile: &'static str,
    passed: bool,
    /// How many of the things that the profile asks for are there, of how many.
    there: u64,
    asked: u64,
    missing: Vec<Lack>,
    /// What the document itself says is not known.
    unknown: Vec<Lack>,
}

#[derive(Serialize)]
struct Lack {
    element: &'static str,
    /// 0: the document's.
    packages: usize,
    examples: Vec<String>,
}

fn of_profile(
    profile: Profile,
    inventory: &Inventory,
    facts: Option<&facts::DocumentFacts>,
    unknown: Unknown,
) -> OfProfile {
    let packages = inventory.packages.len() as u64;
    let weight = |element: &Element| if element.is_of_packages() { packages } else { 1 };
    let judged = match unknown {
        Unknown::Apart => quality::judged(profile, inventory, facts),
        Unknown::IsMissing => {
            Judged { missing: quality::missing_of(profile, inventory, facts), unknown: Vec::new() }
        }
    };
    let lacks = judged.missing.iter().chain(&judged.unknown).map(|m| (m.packages as u64).max(1)).sum::<u64>();
    let asked = profile.elements().iter().map(weight).sum::<u64>();
    let lack = |m: Missing| {
        let name = |id: &String| inventory.package(id).map_or(id.clone(), |p| p.name.clone());
        Lack {
            element: m.element.code(),
            packages: m.packages,
            examples: m.sample.iter().take(3).map(name).collect(),
        }
    };
    let missing: Vec<Lack> = judged.missing.into_iter().map(lack).collect();
    let unknown: Vec<Lack> = judged.unknown.into_iter().map(lack).collect();
    let there = asked.saturating_sub(lacks);
    OfProfile { profile: profile.name(), passed: missing.is_empty(), there, asked, missing, unknown }
}

pub(crate) fn run(args: &CheckSbom, printer: &Printer) -> Outcome {
    let mut profiles = Vec::new();
    for name in &args.profile {
        let known: Vec<&str> = Profile::ALL.iter().map(|p| p.name()).collect();
        profiles.push(Profile::from_name(&name.to_ascii_lowercase()).ok_or_else(|| {
            Failure::usage(format!("there is no profile '{}'", plain(name)))
                .hint(format!("the profiles are {}", known.join(", ")))
        })?);
    }
    let bytes = context::read_input(&args.file, "SBOM")?;
    let (kind, inventory, _) = documents::read(&bytes)?;
    let facts = match kind {
        Kind::SpdxJson | Kind::Spdx3Json | Kind::CycloneDxJson(_) => Some(facts::document_facts(&bytes)?),
        _ if profiles.iter().all(|p| *p == Profile::Ntia) => None,
        _ => {
            let text = format!("of {kind} is not read what cisa, bsi and telco ask of the document itself");
            return Err(
                Failure::usage(text).hint("check the SPDX or CycloneDX form as JSON that it was made from")
            );
        }
    };
    let unknown = if args.deny_unknown { Unknown::IsMissing } else { Unknown::Apart };
    let report = Report {
        file: args.file.display().to_string(),
        format: kind.to_string(),
        packages: inventory.packages.len(),
        profiles: profiles.iter().map(|p| of_profile(*p, &inventory, facts.as_ref(), unknown)).collect(),
    };
    let passed = report.profiles.iter().all(|p| p.passed);
    printer.result(&report, || shown(&report));
    Ok(if passed { Exit::Yes } else { Exit::No })
}

fn shown(report: &Report) -> String {
    let mut out = String::new();
    for profile in &report.profiles {
        let word = if profile.passed { paint(GOOD, "good") } else { paint(BAD, "lacks") };
        out.push_str(&format!(
            "{word}  {}: {} of {} are there\n",
            profile.profile, profile.there, profile.asked
        ));
        let row = |lack: &Lack| {
            let place = match lack.packages {
                0 => "the document".to_owned(),
                n => format!("{n} of {} packages", report.packages),
            };
            vec![lack.element.to_owned(), place, plain(&lack.examples.join(", "))]
        };
        for (head, lacks) in [("MISSING", &profile.missing), ("SAID TO BE UNKNOWN", &profile.unknown)] {
            if !lacks.is_empty() {
                let rows: Vec<Vec<String>> = lacks.iter().map(row).collect();
                out.push_str(&printer::table(&[head, "IN", "FOR EXAMPLE"], &rows));
            }
        }
    }
    out
}
