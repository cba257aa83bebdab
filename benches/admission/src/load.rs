//! A closed loop: so many requests are in flight, and each that is answered makes room for the next.

use crate::client::{Client, Target};
use crate::review::{self, Expect, Review};
use crate::system;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How a load went.
pub struct Measured {
    pub at_once: usize,
    pub wall: Duration,
    /// Of each request, sorted.
    micros: Vec<u32>,
    /// Processor time of the load itself.
    pub own: Duration,
    pub wrong: Vec<String>,
}

impl Measured {
    pub fn count(&self) -> usize {
        self.micros.len()
    }

    pub fn per_second(&self) -> f64 {
        self.count() as f64 / self.wall.as_secs_f64()
    }

    /// The time within which `share` of all requests were answered, in milliseconds.
    pub fn at(&self, share: f64) -> f64 {
        let rank = ((self.micros.len() as f64 * share).ceil() as usize).clamp(1, self.micros.len().max(1));
        self.micros.get(rank - 1).map_or(f64::NAN, |m| f64::from(*m) / 1e3)
    }
}

/// Asks `total` times, by `at_once` clients of one connection each, going round `reviews`.
pub fn run(target: &Target, reviews: &[Review], total: usize, at_once: usize) -> Measured {
    let (next, gate) = (AtomicUsize::new(0), Barrier::new(at_once + 1));
    let client = || {
        let mut client = Client::new(target);
        // The handshake belongs to no request: API servers keep their connections.
        let ready = client.ask(&crate::client::get("/healthz"));
        let (mut micros, mut wrong) = (Vec::with_capacity(total / at_once + 1), Vec::new());
        wrong.extend(ready.err().map(|lost| lost.to_string()));
        gate.wait();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= total {
                return (micros, wrong);
            }
            let review = &reviews[n % reviews.len()];
            let begun = Instant::now();
            let answer = client.ask(&review.request);
            micros.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
            let right = match &answer {
                Ok(answer) => review::allowed(answer) == Some(review.expect == Expect::Allowed),
                Err(_) => false,
            };
            if !right && wrong.len() < 10 {
                let said =
                    answer.map_or_else(|l| l.to_string(), |a| String::from_utf8_lossy(&a.body).into_owned());
                wrong.push(format!("{}: {said}", review.image));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(client)).collect();
        gate.wait();
        let (begun, own) = (Instant::now(), system::processor("self"));
        let (mut micros, mut wrong) = (Vec::with_capacity(total), Vec::new());
        for thread in threads {
            let (some, bad) = thread.join().expect("a client");
            micros.extend(some);
            wrong.extend(bad);
        }
        let wall = begun.elapsed();
        micros.sort_unstable();
        Measured { at_once, wall, micros, own: system::processor("self").saturating_sub(own), wrong }
    })
}
