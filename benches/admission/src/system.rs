//! What the system says about processes and itself.

use std::time::Duration;

/// Clock ticks a second in /proc: a constant of the kernel's interface on every platform that Rust knows.
const TICKS: u64 = 100;

/// The processor time that a process has used; of `self`, or of a number.
pub fn processor(process: impl std::fmt::Display) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / TICKS)
}

/// A line of /proc/PID/status in bytes: `VmRSS` is what is resident now, `VmHWM` the most that ever was.
pub fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    found.and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The load of the last minute, which other work on the machine is a part of.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_ascii_whitespace().next().and_then(|l| l.parse().ok()).unwrap_or(f64::NAN)
}

/// How many processors there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Sends `signal` to the process `id`, which the caller started.
pub fn signal(id: u32, signal: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status();
    assert!(sent.is_ok_and(|s| s.success()), "kill -{signal} {id}");
}

/// How many files and sockets a process has open.
pub fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count)
}

/// Makes the end of a connection a reset.
pub fn reset(stream: &std::net::TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
