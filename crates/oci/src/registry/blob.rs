//! Blobs, streamed: from an asynchronous connection to a blocking reader, checked on the way.
//!
//! A task reads the connection and hands its pieces over a short channel, so a slow reader slows the
//! connection instead of filling memory. The task bounds what a registry could stretch: silence
//! ([`limits::READ_IDLE`]) and slowness ([`limits::READ_RATE`]; one byte a second would pass any bound on
//! silence). A connection that breaks is taken up again where it broke. That needs no trust: the reader
//! checks the digest over all of it.
//!
//! A stretch of a blob has no digest, and is handed out unchecked; but it is the stretch that was asked for, or none: an
//! answer about other bytes, or about all of them, is no stretch.

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
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Pieces between the task and the reader. The HTTP library makes pieces of up to some hundred KiB.
const PIECES: usize = 4;

/// Opens `descriptor` in the repository of `session`.
pub(super) async fn open(session: &Arc<Session>, descriptor: &Descriptor) -> Result<BlobReader> {
    let call = call(session, descriptor)?;
    let mut answer = session.send(&call, &session.pull()).await?;
    let Some(response) = answer.stream.take().filter(|_| answer.status.as_u16() == 200) else {
        return Err(session.failure(&call, &answer));
    };
    let announced = answer.header(CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
    if let Some(actual) = announced.filter(|&a| a != descriptor.size) {
        return Err(call.error(ErrorKind::SizeMismatch { expected: descriptor.size, actual }));
    }
    let (sender, receiver) = mpsc::channel(PIECES);
    let feed = Feed { session: session.clone(), call, range: 0..descriptor.size, part: Part::Whole, sender };
    tokio::spawn(feed.run(response));
    Ok(checked(Pieces { receiver, piece: Bytes::new() }, descriptor, &session.location))
}

/// Opens the bytes `range` of `descriptor`; `None` where the registry does not give just these.
pub(super) async fn open_range(
    session: &Arc<Session>,
    descriptor: &Descriptor,
    range: Range<u64>,
) -> Result<Option<BlobReader>> {
    let mut call = call(session, descriptor)?;
    if range.is_empty() || range.end > descriptor.size {
        let why = format!("no bytes {}-{} in {}", range.start, range.end, descriptor.size);
        return Err(call.error(ErrorKind::Malformed(why)));
    }
    call.headers.insert(RANGE, asked(&range, &call)?);
    let mut answer = session.send(&call, &session.pull()).await?;
    let response = match answer.status.as_u16() {
        206 if is_of(&answer, &range, descriptor.size) => answer.stream.take(),
        // It knows no ranges, or has another blob there: whoever reads it whole finds out.
        200 | 206 | 416 => None,
        _ => return Err(session.failure(&call, &answer)),
    };
    let Some(response) = response else { return Ok(None) };
    let (sender, receiver) = mpsc::channel(PIECES);
    let (left, on) = (range.end - range.start, call.on.clone());
    let feed = Feed { session: session.clone(), call, range, part: Part::Stretch, sender };
    tokio::spawn(feed.run(response));
    let pieces = Pieces { receiver, piece: Bytes::new() };
    Ok(Some(Box::new(Stretch { pieces, size: left, read: 0, on })))
}

/// The request for a blob.
fn call(session: &Session, descriptor: &Descriptor) -> Result<Call> {
    let path = format!("blobs/{}", descriptor.digest);
    let mut call = Call::new(Method::GET, session.url(&path), "fetch blob", session.on(&descriptor.digest));
    call.reading = Reading::Nothing;
    if descriptor.size > limits::LAYER_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "LAYER_BYTES", value: limits::LAYER_BYTES };
        return Err(call.error(kind));
    }
    Ok(call)
}

/// The header that asks for these bytes (RFC 9110 section 14.2).
fn asked(range: &Range<u64>, call: &Call) -> Result<HeaderValue> {
    let text = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
    HeaderValue::from_str(&text).map_err(|e| call.error(ErrorKind::Local(e.to_string())))
}

/// Whether the answer is about these bytes of a blob of that size (RFC 9110 section 14.4).
fn is_of(answer: &Answer, range: &Range<u64>, size: u64) -> bool {
    let said = answer.header(CONTENT_RANGE).and_then(|text| text.trim().strip_prefix("bytes "));
    let Some((place, total)) = said.and_then(|text| text.split_once('/')) else { return false };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let ends = place.split_once('-').map(|(first, last)| (number(first), number(last)));
    let length = answer.header(CONTENT_LENGTH).and_then(number);
    ends == Some((Some(range.start), range.end.checked_sub(1)))
        && (total.trim() == "*" || number(total) == Some(size))
        && length.is_none_or(|length| length == range.end - range.start)
}

/// As many bytes as were asked for, or an error.
struct Stretch {
    pieces: Pieces,
    size: u64,
    read: u64,
    on: String,
}

impl Read for Stretch {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.pieces.read(buf)?;
        self.read += n as u64;
        if self.read > self.size || n == 0 && !buf.is_empty() && self.read < self.size {
            let kind = ErrorKind::SizeMismatch { expected: self.size, actual: self.read };
            return Err(io::Error::other(Error::new("fetch blob", &self.on, kind)));
        }
        Ok(n)
    }
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

/// How much of a blob was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Stretch,
}

struct Feed {
    session: Arc<Session>,
    call: Call,
    /// The bytes of the blob that come.
    range: Range<u64>,
    part: Part,
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
        while got < self.range.end - self.range.start {
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

    /// The rest from byte `got` of what was asked for on; `error` is why, and the answer where that does not work.
    async fn resume(&self, got: u64, error: Error) -> Result<Response> {
        let mut call = self.call.clone();
        let at = self.range.start + got;
        let range = match self.part {
            Part::Whole => HeaderValue::from_str(&format!("bytes={at}-")).map_err(|_| error.clone())?,
            Part::Stretch => asked(&(at..self.range.end), &call)?,
        };
        call.headers.insert(RANGE, range);
        let mut answer = self.session.send(&call, &self.session.pull()).await?;
        let whole = got == 0 && self.part == Part::Whole && answer.status.as_u16() == 200;
        match answer.stream.take() {
            Some(response) if whole || starts_at(&answer, at) => Ok(response),
            _ => Err(error),
        }
    }
}

fn starts_at(answer: &Answer, byte: u64) -> bool {
    let range = answer.header(CONTENT_RANGE).and_then(|r| r.strip_prefix("bytes "));
    let first = range.and_then(|r| r.split('-').next()).and_then(|f| f.trim().parse::<u64>().ok());
    answer.status.as_u16() == 206 && first == Some(byte)
}
