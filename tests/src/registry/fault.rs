//! What goes wrong, when, and how often.

use super::http::{Delivery, Reply, Request};
use seaworthy_oci::Digest;
use seaworthy_oci::manifest::media_type;
use std::sync::Arc;
use std::time::Duration;

type Matches = Arc<dyn Fn(&Request) -> bool + Send + Sync>;
type Instead = Arc<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;
type Rewrite = Arc<dyn Fn(&Request, Reply) -> Reply + Send + Sync>;

/// One way to misbehave. It applies to every matching request, or as [`Fault::skip`] and [`Fault::times`]
/// say.
#[derive(Clone)]
pub struct Fault {
    matches: Matches,
    skip: usize,
    times: usize,
    instead: Option<Instead>,
    rewrites: Vec<Rewrite>,
}

impl Fault {
    /// For requests of `method` (empty: any) whose path with query contains `part`.
    #[must_use]
    pub fn on(method: &str, part: &str) -> Self {
        let (method, part) = (method.to_owned(), part.to_owned());
        Self::when(move |r| (method.is_empty() || r.method == method) && r.target.contains(&part))
    }

    /// For requests of which `matches` is true.
    #[must_use]
    pub fn when(matches: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Self { matches: Arc::new(matches), skip: 0, times: usize::MAX, instead: None, rewrites: Vec::new() }
    }

    /// Only from the matching request after the first `n` on.
    #[must_use]
    pub fn skip(mut self, n: usize) -> Self {
        self.skip = n;
        self
    }

    /// Only for `n` requests.
    #[must_use]
    pub fn times(mut self, n: usize) -> Self {
        self.times = n;
        self
    }

    /// Answers by `instead`, and does nothing of what was asked, unless it gives `None`. It may also look at
    /// or change the lab's surroundings before the request is handled.
    #[must_use]
    pub fn instead(mut self, instead: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Self {
        self.instead = Some(Arc::new(instead));
        self
    }

    /// Handles the request and then changes the reply.
    #[must_use]
    pub fn rewrite(mut self, rewrite: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Self {
        self.rewrites.push(Arc::new(rewrite));
        self
    }

    /// Answers this status with an error body, and does nothing of what was asked.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        let code = match status {
            401 => "UNAUTHORIZED",
            403 => "DENIED",
            404 => "NAME_UNKNOWN",
            429 => "TOOMANYREQUESTS",
            _ => "UNKNOWN",
        };
        self.instead(move |_| Some(Reply::error(status, code)))
    }

    /// Answers 307 to `location`.
    #[must_use]
    pub fn redirect(self, location: &str) -> Self {
        let location = location.to_owned();
        self.instead(move |_| Some(Reply::new(307).with("Location", location.clone())))
    }

    /// Sets a header of the reply.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.rewrite(move |_, reply| reply.with(&name, value.clone()))
    }

    /// Leaves a header of the reply out.
    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        let name = name.to_owned();
        self.rewrite(move |_, reply| reply.without(&name))
    }

    /// Sends another body, as if it were the right one.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.rewrite(move |_, reply| reply.body(body.clone()))
    }

    /// Flips one bit in the middle of the body.
    #[must_use]
    pub fn corrupt(self) -> Self {
        self.rewrite(|_, mut reply| {
            let middle = reply.body.len() / 2;
            if let Some(byte) = reply.body.get_mut(middle) {
                *byte ^= 1;
            }
            reply
        })
    }

    /// Sends `extra` zeros more, honestly announced.
    #[must_use]
    pub fn longer(self, extra: usize) -> Self {
        self.rewrite(move |_, mut reply| {
            reply.body.resize(reply.body.len() + extra, 0);
            reply
        })
    }

    /// Delivers the reply so.
    #[must_use]
    pub fn deliver(self, delivery: Delivery) -> Self {
        self.rewrite(move |_, reply| reply.delivered(delivery))
    }

    /// Waits before the reply leaves.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.rewrite(move |_, mut reply| {
            reply.delay = delay;
            reply
        })
    }

    pub(super) fn take_turn(&mut self, request: &Request) -> Option<Self> {
        if self.times == 0 || !(self.matches)(request) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.saturating_sub(1);
        Some(self.clone())
    }

    pub(super) fn instead_of(&self, request: &Request) -> Option<Reply> {
        self.instead.as_ref().and_then(|instead| instead(request))
    }

    pub(super) fn after(&self, request: &Request, reply: Reply) -> Reply {
        self.rewrites.iter().fold(reply, |reply, rewrite| rewrite(request, reply))
    }
}

fn referrers(entries: impl Iterator<Item = usize>) -> Vec<u8> {
    let manifests: Vec<_> = entries
        .map(|n| {
            serde_json::json!({"mediaType": media_type::MANIFEST, "size": 2, "artifactType": "a/b",
                "digest": Digest::sha256(n.to_string().as_bytes())})
        })
        .collect();
    serde_json::json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests})
        .to_string()
        .into_bytes()
}

/// Referrers pages of one entry each, every one with a `Link` to a next one.
#[must_use]
pub fn endless_pages() -> Fault {
    Fault::on("GET", "/referrers/").instead(|request| {
        let page: usize = request.query_value("page").and_then(|p| p.parse().ok()).unwrap_or(0);
        let next = format!("<{}?page={}>; rel=\"next\"", request.path(), page + 1);
        Some(
            Reply::new(200)
                .with("Content-Type", media_type::INDEX)
                .with("Link", next)
                .body(referrers(page..page + 1)),
        )
    })
}

/// One referrers page with `n` entries.
#[must_use]
pub fn many_referrers(n: usize) -> Fault {
    let body = referrers(0..n);
    Fault::on("GET", "/referrers/")
        .instead(move |_| Some(Reply::new(200).with("Content-Type", media_type::INDEX).body(body.clone())))
}
