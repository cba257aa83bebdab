//! Tables, aims, and the page of docs/reference.

use crate::load::Measured;
use crate::system;

/// Something that was promised in a number.
pub struct Aim {
    title: String,
    value: f64,
    bound: f64,
    unit: &'static str,
    under: Ordering,
}

#[derive(PartialEq)]
enum Ordering {
    Under,
    Over,
}

impl Aim {
    pub fn under(title: &str, value: f64, bound: f64, unit: &'static str) -> Self {
        Self { title: title.to_owned(), value, bound, unit, under: Ordering::Under }
    }

    pub fn over(title: &str, value: f64, bound: f64, unit: &'static str) -> Self {
        Self { title: title.to_owned(), value, bound, unit, under: Ordering::Over }
    }

    pub fn is_of_memory(&self) -> bool {
        self.unit == "MiB"
    }

    pub fn met(&self) -> bool {
        if self.under == Ordering::Under { self.value < self.bound } else { self.value > self.bound }
    }

    fn cells(&self) -> Vec<String> {
        let sign = if self.under == Ordering::Under { '<' } else { '>' };
        let met = if self.met() { "met" } else { "not met" };
        let Self { title, value, bound, unit, .. } = self;
        let digits = if *value < 100.0 { 2 } else { 0 };
        vec![title.clone(), format!("{value:.digits$} {unit}"), format!("{sign} {bound} {unit}"), met.into()]
    }
}

/// A Markdown table that also reads well as it is; the first row is its head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cell = |(at, text): (usize, &String)| {
            let width = widths[at];
            if at == 0 { format!("{text:<width$}") } else { format!("{text:>width$}") }
        };
        out += &format!("| {} |\n", row.iter().enumerate().map(cell).collect::<Vec<_>>().join(" | "));
        if number == 0 {
            let line = |(at, width): (usize, &usize)| {
                if at == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) }
            };
            out += &format!("| {} |\n", widths.iter().enumerate().map(line).collect::<Vec<_>>().join(" | "));
        }
    }
    out
}

/// What stands above the numbers in docs/reference.
pub const PREFACE: &str = "\
# Benchmark of the admission webhook

Made by `benches/admission/run --write`. The webhook runs as a process, from its release build, and is asked as an API
server asks it: a Pod that a real API server sent, over HTTP/1.1 and TLS, connections kept. Its registry is Debian's
docker-registry (without the Referrers API, so that signatures are found by fallback tags), behind a front that says
again what it said once: on a machine of two processors the registry takes more of them than the webhook, and the
measurement would be one of the registry. The rows \"docker-registry\" are without the front. Load, webhook and registry
share the processors; what the load costs by itself is measured against a server that knows one answer. With more in
flight than processors, times are mostly waiting in line; those at 100 have no aim. The webhook has the lower priority
(`nice -n 5`): an API server has processors of its own, and what a thread of the load waits for one of these is no time
of the webhook's. The rows \"same priority\" are without that.

- *Cold*: nothing is remembered. The registry is asked what the tag means, for the signatures, for the bundle and for
  the older form's tag; the signature is checked; an audit line is written.
- *Warm, by digest*: the verdict is remembered. This is what the validating webhook sees once the mutating one has pinned
  a Pod.
- *Warm, by tag*: the verdict is remembered, and the registry is asked what the tag means now: verdicts are never kept
  by tag.
- *Denied*: unsigned images; a no is remembered for five seconds.

Times are one machine's and depend on what else it does; ratios and memory hardly do.
";

/// The report: all that was measured.
#[allow(clippy::too_many_arguments)]
pub fn page(
    times: &str,
    long: &Measured,
    load: &str,
    against: &str,
    runs: usize,
    memory: &str,
    aims: &[Aim],
    (before, after): (f64, f64),
) -> String {
    let head = ["aim", "measured", "wanted", ""].map(String::from).to_vec();
    let aims = table(&std::iter::once(head).chain(aims.iter().map(Aim::cells)).collect::<Vec<_>>());
    format!(
        "## Reviews\n\n{times}\n{} warm reviews at 10 in flight: {:.0} a second, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms.\n\n\
         ## The load itself\n\nThe same clients before a server that knows one answer.\n\n{load}\n\
         ## Against `cosign verify`\n\nThe floor under admission controllers that are built on it: the same images, the same key, the same registry. A run\n\
         of cosign is a process; {runs} runs one after another, and as many with ten at once. Memory is each one's peak.\n\n{against}\n\
         ## Memory\n\n{memory}\n## Aims\n\n{aims}\n{} processors; load average {before:.2} before the measurement and {after:.2} after it (the measurement is in it).\n",
        long.count(),
        long.per_second(),
        long.at(0.5),
        long.at(0.99),
        long.at(0.999),
        system::cores(),
    )
}
