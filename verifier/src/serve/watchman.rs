//! Background re-validation as a program: rounds, their numbers, and a page that says how it is.
//!
//! Policies are read anew for each round. A round that fails is told and tried again at the next time; nothing that it
//! could not find out is taken for good.

use super::log::Log;
use crate::admission::{Admission, Options, Policies};
use crate::cluster::Api;
use crate::cluster::objects::Objects;
use crate::cluster::revalidate::{self, Counts, Round};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once: whoever reads the metrics.
const CONNECTIONS: usize = 16;

/// Rounds of re-validation.
pub struct Watchman {
    /// The API server.
    pub api: Api,
    /// How images are judged.
    pub options: Options,
    /// Policy files and directories.
    pub policies: Vec<PathBuf>,
    /// Whether policies in the cluster count too.
    pub objects: Option<Arc<Objects>>,
    /// Where rounds are told.
    pub log: Log,
}

#[derive(Default)]
struct Numbers {
    rounds: u64,
    failures: u64,
    last: i64,
    pods: u64,
    counts: Counts,
}

impl Numbers {
    /// Another round; none where it failed.
    fn note(&mut self, round: Option<Round>) {
        self.rounds += 1;
        match round {
            Some(round) => {
                self.last = Timestamp::now().as_second();
                (self.pods, self.counts) = (round.pods, round.counts);
            }
            None => self.failures += 1,
        }
    }
}

impl Watchman {
    /// One round.
    ///
    /// # Errors
    /// In words: what could not be read or asked.
    pub async fn round(&self) -> Result<Round, String> {
        let now = Timestamp::now();
        let policies = match &self.objects {
            None => Policies::load(&self.policies, now),
            Some(objects) => {
                objects.list_once(&self.api).await.map_err(|e| e.to_string())?;
                Policies::with_objects(&self.policies, objects, now)
            }
        };
        let policies = policies.map_err(|e| e.to_string())?;
        let admission = Arc::new(Admission::new(policies, self.options.clone()));
        let round = revalidate::round(&self.api, &admission).await.map_err(|e| e.to_string())?;
        for failure in &round.failures {
            self.log.event("error", "revalidation", failure);
        }
        let counts: Vec<String> = round.counts.each().iter().map(|(word, n)| format!("{word} {n}")).collect();
        let text = format!("{} Pods: {}; {} reports", round.pods, counts.join(", "), round.reports);
        self.log.event("info", "revalidation", &text);
        Ok(round)
    }

    /// Rounds for ever, `every` so often; `listener` answers with their numbers.
    pub async fn run(self, listener: TcpListener, every: Duration) {
        let numbers = Arc::new(Mutex::new(Numbers::default()));
        let server = tokio::spawn(serve(listener, Arc::clone(&numbers)));
        loop {
            let ended = self.round().await;
            if let Err(error) = &ended {
                self.log.event("error", "revalidation", error);
            }
            numbers.lock().unwrap_or_else(PoisonError::into_inner).note(ended.ok());
            if server.is_finished() {
                return;
            }
            tokio::time::sleep(every).await;
        }
    }
}

async fn serve(listener: TcpListener, numbers: Arc<Mutex<Numbers>>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let numbers = Arc::clone(&numbers);
        tokio::spawn(async move {
            let _seat = seat;
            let service = service_fn(move |request: Request<Incoming>| {
                let reply = answer(request.uri().path(), &numbers);
                async move { Ok::<_, Infallible>(reply) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5)).keep_alive(false);
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(path: &str, numbers: &Mutex<Numbers>) -> Response<Full<Bytes>> {
    let (status, body) = match path {
        "/healthz" => (200, "ok\n".to_owned()),
        "/metrics" => (200, text(&numbers.lock().unwrap_or_else(PoisonError::into_inner))),
        _ => (404, "there are /healthz and /metrics\n".to_owned()),
    };
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    reply
}

fn text(numbers: &Numbers) -> String {
    let mut out = String::new();
    let name = "seaworthy_running_images";
    let _ =
        write!(out, "# HELP {name} Images that run, by what the last round found.\n# TYPE {name} gauge\n");
    for (word, count) in numbers.counts.each() {
        let _ = writeln!(out, "{name}{{result=\"{word}\"}} {count}");
    }
    let last = u64::try_from(numbers.last).unwrap_or_default();
    for (name, kind, help, value) in [
        ("running_pods", "gauge", "Pods that the last round saw.", numbers.pods),
        ("revalidation_rounds_total", "counter", "Rounds, failed ones included.", numbers.rounds),
        ("revalidation_failures_total", "counter", "Rounds that failed.", numbers.failures),
        ("revalidation_last_timestamp_seconds", "gauge", "When the last good round ended; 0 before.", last),
    ] {
        super::metrics::line(&mut out, name, kind, help, value);
    }
    out
}
