//! Blobs into a registry (distribution specification, "Pushing blobs").
//!
//! A blob that is there is not sent; one that another repository of the registry has is mounted; a small
//! one goes in one request; a large one in chunks, of which one is in memory at a time. A chunk that fails
//! is taken up where the registry says it stopped; where it cannot say, the upload starts anew. Registries
//! that refuse chunks get the blob as one stream.
//!
//! What is read is hashed on the way, so a source that changed under us never becomes a finished blob.

use super::Session;
use super::auth::Scope;
use super::http::{Again, Answer, Call};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Descriptor;
use crate::source::{BlobContent, BlobReader, Pushed, from_io};
use crate::{CheckedReader, limits};
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RANGE,
};
use std::io::Read;
use tokio::sync::mpsc;
use url::Url;

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const CHUNK_MIN: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// One piece of a streamed body.
const PIECE: usize = 256 << 10;

/// Why an upload did not end.
enum Stopped {
    /// For good.
    Failed(Error),
    /// The upload is lost; a new one may work.
    Lost(Error),
    /// The registry takes no chunks.
    NoChunks,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        let passes = matches!(
            error.kind,
            ErrorKind::Throttled { .. }
                | ErrorKind::Server { .. }
                | ErrorKind::Timeout { .. }
                | ErrorKind::Unreachable(_)
        );
        if passes { Self::Lost(error) } else { Self::Failed(error) }
    }
}

/// An open upload: where its next request goes, and the smallest chunk it takes.
struct Upload {
    location: Url,
    chunk: usize,
}

/// Whether the repository has the blob.
pub(super) async fn exists(session: &Session, descriptor: &Descriptor) -> Result<bool> {
    Push { session, descriptor, scope: Scope::push(session.repository.name()) }.exists().await
}

/// Whether the registry may have the blob, or a repository beside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Somewhere {
    Perhaps,
    /// It was made just now.
    No,
}

pub(super) async fn push(
    session: &Session,
    descriptor: &Descriptor,
    content: &dyn BlobContent,
    somewhere: Somewhere,
) -> Result<Pushed> {
    let one = Push { session, descriptor, scope: Scope::push(session.repository.name()) };
    let mut open = None;
    if somewhere == Somewhere::Perhaps {
        if one.exists().await? {
            return Ok(Pushed::Existed);
        }
        open = match one.mount(content).await? {
            Mount::Mounted => return Ok(Pushed::Mounted),
            Mount::Upload(upload) => Some(upload),
            Mount::Not => None,
        };
    }
    let mut streamed = false;
    let mut tried = 0;
    loop {
        tried += 1;
        let upload = match open.take() {
            Some(upload) => upload,
            None => one.start().await?,
        };
        let sent = if descriptor.size <= session.http.options.chunk_bytes as u64 {
            one.whole(&upload, content).await
        } else if streamed {
            one.stream(&upload, content).await
        } else {
            one.chunks(upload, content).await
        };
        let error = match sent {
            Ok(()) => return Ok(Pushed::Uploaded),
            Err(Stopped::Failed(error)) => return Err(error),
            Err(Stopped::NoChunks) => {
                streamed = true;
                continue;
            }
            Err(Stopped::Lost(error)) => error,
        };
        let asked = match &error.kind {
            ErrorKind::Throttled { retry_after } => *retry_after,
            _ => None,
        };
        let Some(wait) = session.http.wait(tried, asked) else { return Err(error) };
        tokio::time::sleep(wait).await;
        // The last request may have arrived although its answer did not.
        if one.exists().await? {
            return Ok(Pushed::Uploaded);
        }
    }
}

enum Mount {
    Mounted,
    Upload(Upload),
    Not,
}

struct Push<'a> {
    session: &'a Session,
    descriptor: &'a Descriptor,
    scope: Scope,
}

impl Push<'_> {
    fn call(&self, method: Method, url: Url) -> Call {
        Call::new(method, url, "push blob", self.session.on(&self.descriptor.digest))
    }

    fn malformed(&self, why: String) -> Error {
        self.call(Method::POST, self.session.api.clone()).error(ErrorKind::Malformed(why))
    }

    async fn exists(&self) -> Result<bool> {
        let url = self.session.url(&format!("blobs/{}", self.descriptor.digest));
        let call = self.call(Method::HEAD, url);
        let answer = self.session.send(&call, &self.scope).await?;
        match answer.status.as_u16() {
            200 => {
                // A blob of another size under this digest is a registry that lies, and pushing over it
                // would not be believed either.
                let size = answer.header(CONTENT_LENGTH).and_then(|l| l.parse::<u64>().ok());
                match size.filter(|&s| s != self.descriptor.size) {
                    Some(actual) => {
                        let expected = self.descriptor.size;
                        Err(call.error(ErrorKind::SizeMismatch { expected, actual }))
                    }
                    None => Ok(true),
                }
            }
            404 => Ok(false),
            _ => Err(self.session.failure(&call, &answer)),
        }
    }

    /// Asks the registry to take the blob from another of its repositories. A refusal is no failure: then
    /// it is sent.
    async fn mount(&self, content: &dyn BlobContent) -> Result<Mount> {
        let own = &self.session.repository;
        let from = content.mountable_from().and_then(|location| location.repository());
        let Some(from) = from.filter(|f| f.registry() == own.registry() && f.name() != own.name()) else {
            return Ok(Mount::Not);
        };
        let mut url = self.session.url("blobs/uploads/");
        url.query_pairs_mut()
            .append_pair("mount", &self.descriptor.digest.to_string())
            .append_pair("from", from.name());
        let mut call = self.call(Method::POST, url);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let scope = self.scope.clone().and(from.name(), &["pull"]);
        let answer = match self.session.send(&call, &scope).await {
            Ok(answer) => answer,
            // The token service may refuse the other repository alone.
            Err(e) if matches!(e.kind, ErrorKind::Unauthorized | ErrorKind::Forbidden) => {
                return Ok(Mount::Not);
            }
            Err(e) => return Err(e),
        };
        match answer.status.as_u16() {
            201 => Ok(Mount::Mounted),
            202 => self.upload(&answer).map(Mount::Upload),
            _ => Ok(Mount::Not),
        }
    }

    async fn start(&self) -> Result<Upload> {
        let mut call = self.call(Method::POST, self.session.url("blobs/uploads/"));
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let answer = self.session.send(&call, &self.scope).await?;
        if answer.status.as_u16() != 202 {
            return Err(self.session.failure(&call, &answer));
        }
        self.upload(&answer)
    }

    fn upload(&self, answer: &Answer) -> Result<Upload> {
        let minimum = answer.header(CHUNK_MIN).and_then(|m| m.parse::<usize>().ok()).unwrap_or(0);
        let chunk = self.session.http.options.chunk_bytes.max(1);
        Ok(Upload { location: self.location(answer)?, chunk: chunk.max(minimum) })
    }

    fn location(&self, answer: &Answer) -> Result<Url> {
        let location = answer.header(LOCATION).ok_or_else(|| {
            self.malformed("the registry did not say where to send the blob (no Location)".into())
        })?;
        self.session.http.next_url(&answer.url, location).map_err(|why| {
            self.malformed(format!("the registry answered with {why}")).hint(
                "behind a proxy, the registry must know that it is reached by HTTPS (X-Forwarded-Proto)",
            )
        })
    }

    fn finish(&self, location: &Url) -> Call {
        let mut url = location.clone();
        url.query_pairs_mut().append_pair("digest", &self.descriptor.digest.to_string());
        let mut call = self.call(Method::PUT, url);
        call.again = Again::Never;
        call
    }

    async fn finished(&self, call: &Call, answer: &Answer) -> Result<(), Stopped> {
        match answer.status.as_u16() {
            201 => Ok(()),
            // Not what the specification says, but perhaps done: asking tells.
            200 | 202 | 204 if self.exists().await? => Ok(()),
            // The upload session is gone, or does not hold what we think it holds.
            404 | 416 => Err(Stopped::Lost(self.session.failure(call, answer))),
            _ => Err(self.session.failure(call, answer).into()),
        }
    }

    async fn open(&self, content: &dyn BlobContent) -> Result<BlobReader> {
        let reader = content.open().await?;
        let d = self.descriptor;
        Ok(Box::new(CheckedReader::new(reader, d.digest.clone(), d.size, self.session.on(&d.digest))))
    }

    /// Reads up to `size` bytes off the reactor. Fewer come only at the end, which is then a good one.
    async fn read(&self, mut reader: BlobReader, size: usize) -> Result<(BlobReader, Bytes)> {
        let on = self.session.on(&self.descriptor.digest);
        let job = move || {
            let mut chunk = Vec::with_capacity(size);
            let read = reader.by_ref().take(size as u64).read_to_end(&mut chunk);
            read.map(|_| (reader, Bytes::from(chunk))).map_err(|e| from_io(e, "read blob", on))
        };
        tokio::task::spawn_blocking(job)
            .await
            .map_err(|e| Error::new("read blob", &self.descriptor.digest, ErrorKind::Local(e.to_string())))?
    }

    /// All of it in one PUT.
    async fn whole(&self, upload: &Upload, content: &dyn BlobContent) -> Result<(), Stopped> {
        let reader = self.open(content).await.map_err(Stopped::Failed)?;
        // One more than there is, so that the reader comes to its end and checks the digest.
        let size = usize::try_from(self.descriptor.size).unwrap_or(usize::MAX - 1);
        let (_, bytes) = self.read(reader, size + 1).await.map_err(Stopped::Failed)?;
        let mut call = self.finish(&upload.location);
        call.headers.insert(CONTENT_TYPE, OCTETS);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        call.body = Some(bytes);
        let answer = self.session.send(&call, &self.scope).await?;
        self.finished(&call, &answer).await
    }

    /// In chunks, one PATCH each, and a PUT at the end.
    async fn chunks(&self, upload: Upload, content: &dyn BlobContent) -> Result<(), Stopped> {
        if upload.chunk > limits::UPLOAD_CHUNK_MAX.max(self.session.http.options.chunk_bytes) {
            return Err(Stopped::NoChunks);
        }
        let mut reader = self.open(content).await.map_err(Stopped::Failed)?;
        let mut location = upload.location;
        let mut start = 0_u64;
        while start < self.descriptor.size {
            let left = self.descriptor.size - start;
            // The last chunk reads one byte further, to the end, where the digest is checked.
            let size = usize::try_from(left + 1).unwrap_or(usize::MAX).min(upload.chunk);
            let (rest, chunk) = self.read(reader, size).await.map_err(Stopped::Failed)?;
            reader = rest;
            let length = chunk.len() as u64;
            location = self.chunk(location, start, chunk).await?;
            start += length;
        }
        // Where the last chunk was just full, the end is still to be seen.
        self.read(reader, 1).await.map_err(Stopped::Failed)?;
        let mut call = self.finish(&location);
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        let answer = self.session.send(&call, &self.scope).await?;
        self.finished(&call, &answer).await
    }

    /// One chunk that begins at byte `start` of the blob: sent, and its rest sent again after a failure.
    async fn chunk(&self, mut location: Url, start: u64, chunk: Bytes) -> Result<Url, Stopped> {
        let end = start + chunk.len() as u64;
        let mut next = start;
        let mut tried = 0;
        while next < end {
            let rest = chunk.slice(usize::try_from(next - start).unwrap_or(0)..);
            let mut call = self.call(Method::PATCH, location.clone());
            call.again = Again::Never;
            call.headers.insert(CONTENT_TYPE, OCTETS);
            call.headers.insert(CONTENT_LENGTH, HeaderValue::from(rest.len()));
            let range = HeaderValue::from_str(&format!("{next}-{}", end - 1));
            let range = range.map_err(|e| call.error(ErrorKind::Local(e.to_string())))?;
            call.headers.insert(CONTENT_RANGE, range);
            call.body = Some(rest);
            let error = match self.session.send(&call, &self.scope).await {
                Ok(answer) if matches!(answer.status.as_u16(), 201 | 202 | 204) => {
                    location = self.location(&answer)?;
                    let received = self.received(&answer, next, end)?.unwrap_or(end);
                    if received < end {
                        // Half taken is a failure that gets no further try than others do.
                        tried += 1;
                        let short = self.malformed("the registry took only a part of the blob".into());
                        let stuck = received == next || tried >= self.session.http.options.tries;
                        if stuck {
                            return Err(Stopped::Lost(short));
                        }
                    }
                    next = received;
                    continue;
                }
                Ok(answer) if start == 0 && refuses_chunks(answer.status.as_u16()) => {
                    return Err(Stopped::NoChunks);
                }
                Ok(answer) => {
                    let lost = matches!(answer.status.as_u16(), 404 | 416);
                    let error = self.session.failure(&call, &answer);
                    if lost { Stopped::Lost(error) } else { Stopped::from(error) }
                }
                Err(error) => Stopped::from(error),
            };
            let Stopped::Lost(error) = error else { return Err(error) };
            tried += 1;
            let asked = match &error.kind {
                ErrorKind::Throttled { retry_after } => *retry_after,
                _ => None,
            };
            let Some(wait) = self.session.http.wait(tried, asked) else { return Err(Stopped::Failed(error)) };
            tokio::time::sleep(wait).await;
            // Where the registry stopped listening: its word is checked against what can be.
            let status = self.call(Method::GET, location.clone());
            let answer = self.session.send(&status, &self.scope).await?;
            if answer.status.as_u16() != 204 && answer.status.as_u16() != 202 {
                return Err(Stopped::Lost(error));
            }
            if answer.headers.contains_key(LOCATION) {
                location = self.location(&answer)?;
            }
            match self.received(&answer, start, end)? {
                // `0-0` is one byte by the letter, and an empty upload for those who cannot say that.
                Some(1) if start == 0 => next = 0,
                Some(byte) => next = byte,
                None => return Err(Stopped::Lost(error)),
            }
        }
        Ok(location)
    }

    /// How many bytes the registry has by its `Range: 0-<last>`, between `from` and `to`; `None` where it
    /// does not say.
    fn received(&self, answer: &Answer, from: u64, to: u64) -> Result<Option<u64>, Stopped> {
        let Some(range) = answer.header(RANGE) else { return Ok(None) };
        let last = range.trim_start_matches("bytes=").strip_prefix("0-").and_then(|l| l.parse::<u64>().ok());
        match last {
            Some(last) if last < to && last + 1 >= from => Ok(Some(last + 1)),
            _ => Err(Stopped::Lost(self.malformed("the registry lost count of the upload".into()))),
        }
    }

    /// All of it in one PUT whose body is read while it is sent.
    async fn stream(&self, upload: &Upload, content: &dyn BlobContent) -> Result<(), Stopped> {
        let mut reader = self.open(content).await.map_err(Stopped::Failed)?;
        let (sender, receiver) = mpsc::channel::<std::io::Result<Bytes>>(2);
        // An error of the reader, a wrong digest above all, breaks the request off before its last byte.
        let read = move || {
            let mut held: Option<Bytes> = None;
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
                let ended = piece.is_empty();
                let out = match read {
                    Ok(_) if ended => held.take(),
                    Ok(_) => held.replace(Bytes::from(piece)),
                    Err(e) => {
                        let copy = from_io(e, "read blob", "");
                        let _ = sender.blocking_send(Err(std::io::Error::other(copy.clone())));
                        return Err(copy);
                    }
                };
                if out.is_some_and(|bytes| sender.blocking_send(Ok(bytes)).is_err()) || ended {
                    return Ok(());
                }
            }
        };
        let reading = tokio::task::spawn_blocking(read);
        let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        let mut call = self.finish(&upload.location);
        call.headers.insert(CONTENT_TYPE, OCTETS);
        let authorization = (upload.location.origin() == self.session.api.origin())
            .then(|| self.session.auth.ready(&self.session.http, &self.scope))
            .flatten();
        let body = reqwest::Body::wrap_stream(pieces);
        let http = &self.session.http;
        let sent = http.send_stream(&call, authorization.as_ref(), body, self.descriptor.size).await;
        if let Ok(Err(error)) = reading.await {
            // The cause, rather than what it did to the connection.
            return Err(Stopped::Failed(error));
        }
        self.finished(&call, &sent?).await
    }
}

/// The answers to a first chunk that are about chunks rather than about us.
fn refuses_chunks(status: u16) -> bool {
    matches!(status, 400 | 405 | 411 | 413 | 415 | 416 | 501)
}
