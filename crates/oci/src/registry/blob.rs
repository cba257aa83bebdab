//! Blobs, streamed: from an asynchronous connection to a blocking reader, checked on the way.
//!
//! A task reads the connection and hands its pieces over a short channel, so a slow reader slows the
//! connection instead of filling memory. The task bounds what a registry could stretch: silence
//! ([`limits::READ_IDLE`]) and slowness ([`limits::READ_RATE`]; one byte a second would pass any bound on
//! silence). A connection that breaks is taken up again where it broke. That needs no trust: the reader
//! checks the digest over all of it.

use super::Session;
use super::http::{Again, Answer, Call, Reading};
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::manifest::Descriptor;
use crate::source::{BlobReader, checked};
use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, Response};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Pieces between the task and the reader. The HTTP library makes pieces of up to some hundred KiB.
const PIECES: usize = 4;

/// Opens `descriptor` in the repository of `session`.
pub(super) async fn open(session: &Arc<Session>, descriptor: &Descriptor) -> Result<BlobReader> {
    let path = format!("blobs/{}", descriptor.digest);
    let mut call = Call::new(Method::GET, session.url(&path), "fetch blob", session.on(&descriptor.digest));
    call.reading = Reading::Nothing;
    if descriptor.size > limits::LAYER_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "LAYER_BYTES", value: limits::LAYER_BYTES };
        return Err(call.error(kind));
    }
    let mut answer = session.send(&call, &session.pull()).await?;
    let Some(response) = answer.stream.take().filter(|_| answer.status.as_u16() == 200) else {
        return Err(session.failure(&call, &answer));
    };
    let announced = answer.header(CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
    if let Some(actual) = announced.filter(|&a| a != descriptor.size) {
        return Err(call.error(ErrorKind::SizeMismatch { expected: descriptor.size, actual }));
    }
    let (sender, receiver) = mpsc::channel(PIECES);
    let feed = Feed { session: session.clone(), call, size: descriptor.size, sender };
    tokio::spawn(feed.run(response));
    Ok(checked(Pieces { receiver, piece: Bytes::new() }, descriptor, &session.location))
}

/// The blocking end of the channel.
struct Pieces {
    receiver: mpsc::Receiver<Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                // Also where the task died with its runtime: the checked reader sees what is missing.
                None => return Ok(0),
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Err(io::Error::other(error)),
            }
        }
        let n = buf.len().min(self.piece.len());
        self.piece.split_to(n).copy_to_slice(buf.get_mut(..n).unwrap_or_default());
        Ok(n)
    }
}

struct Feed {
    session: Arc<Session>,
    call: Call,
    size: u64,
    sender: mpsc::Sender<Result<Bytes>>,
}

impl Feed {
    async fn run(self, response: Response) {
        if let Err(error) = self.pump(response).await {
            // Where nobody reads any more, nobody wants to know.
            let _ = self.sender.send(Err(error)).await;
        }
    }

    async fn pump(&self, mut response: Response) -> Result<()> {
        let http = &self.session.http;
        let timeouts = &http.options.timeouts;
        let mut got = 0_u64;
        let mut waited = Duration::ZERO;
        let mut tried = 1;
        while got < self.size {
            let begin = Instant::now();
            let next = timeout(timeouts.idle, response.chunk()).await;
            // Only our waiting counts: a reader may be as slow as it likes.
            waited += begin.elapsed();
            let (error, again) = match next {
                Ok(Ok(Some(piece))) => {
                    got += piece.len() as u64;
                    if waited > timeouts.request + Duration::from_secs(got / limits::READ_RATE) {
                        let kind = ErrorKind::Timeout { after: waited };
                        return Err(self.call.error(kind).hint("the registry sends too slowly to go on"));
                    }
                    if self.sender.send(Ok(piece)).await.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(e)) => http.transport(&self.call, &self.call.url, e),
                Err(_) => (self.call.error(ErrorKind::Timeout { after: timeouts.idle }), Again::Perhaps),
            };
            let Some(wait) = http.wait(tried, None).filter(|_| again == Again::Perhaps) else {
                return Err(error);
            };
            tokio::time::sleep(wait).await;
            tried += 1;
            response = self.resume(got, error).await?;
        }
        // Whatever else comes is too much, and the reader must see it to say so.
        if let Ok(Ok(Some(piece))) = timeout(timeouts.idle, response.chunk()).await {
            let _ = self.sender.send(Ok(piece)).await;
        }
        Ok(())
    }

    /// The rest of the blob from byte `got` on; `error` is why, and the answer where that does not work.
    async fn resume(&self, got: u64, error: Error) -> Result<Response> {
        let mut call = self.call.clone();
        let range = HeaderValue::from_str(&format!("bytes={got}-"));
        call.headers.insert(RANGE, range.map_err(|_| error.clone())?);
        let mut answer = self.session.send(&call, &self.session.pull()).await?;
        let whole = got == 0 && answer.status.as_u16() == 200;
        match answer.stream.take() {
            Some(response) if whole || starts_at(&answer, got) => Ok(response),
            _ => Err(error),
        }
    }
}

fn starts_at(answer: &Answer, byte: u64) -> bool {
    let range = answer.header(CONTENT_RANGE).and_then(|r| r.strip_prefix("bytes "));
    let first = range.and_then(|r| r.split('-').next()).and_then(|f| f.trim().parse::<u64>().ok());
    answer.status.as_u16() == 206 && first == Some(byte)
}
