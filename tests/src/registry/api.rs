//! The registry itself: the endpoints of the OCI distribution specification 1.1 over maps in memory.

use super::http::{Reply, Request};
use super::{ReferrersApi, State};
use seaworthy_oci::Digest;
use seaworthy_oci::manifest::media_type;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Store {
    repositories: BTreeMap<String, Repo>,
    uploads: BTreeMap<String, Vec<u8>>,
    next_upload: u64,
}

#[derive(Default, Clone)]
struct Repo {
    blobs: BTreeMap<Digest, Vec<u8>>,
    /// Media type and bytes.
    manifests: BTreeMap<Digest, (String, Vec<u8>)>,
    tags: BTreeMap<String, Digest>,
}

impl Store {
    fn repo(&mut self, name: &str) -> &mut Repo {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub(super) fn put_blob(&mut self, name: &str, bytes: Vec<u8>) -> Digest {
        let digest = Digest::sha256(&bytes);
        self.repo(name).blobs.insert(digest.clone(), bytes);
        digest
    }

    pub(super) fn put_manifest(
        &mut self,
        name: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Digest {
        let digest = Digest::sha256(&bytes);
        let repo = self.repo(name);
        repo.manifests.insert(digest.clone(), (media_type.to_owned(), bytes));
        if let Some(tag) = tag {
            repo.tags.insert(tag.to_owned(), digest.clone());
        }
        digest
    }

    pub(super) fn blob(&self, name: &str, digest: &Digest) -> Option<Vec<u8>> {
        self.repositories.get(name)?.blobs.get(digest).cloned()
    }

    pub(super) fn manifest(&self, name: &str, reference: &str) -> Option<(Digest, String, Vec<u8>)> {
        let repo = self.repositories.get(name)?;
        let digest = match reference.parse::<Digest>() {
            Ok(digest) => digest,
            Err(_) => repo.tags.get(reference)?.clone(),
        };
        repo.manifests
            .get(&digest)
            .map(|(media_type, bytes)| (digest.clone(), media_type.clone(), bytes.clone()))
    }

    pub(super) fn tags(&self, name: &str) -> Vec<String> {
        self.repositories.get(name).map(|r| r.tags.keys().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn delete_tag(&mut self, name: &str, tag: &str) {
        self.repo(name).tags.remove(tag);
    }

    pub(super) fn copy(&mut self, from: &str, to: &str) {
        let repo = self.repo(from).clone();
        self.repositories.insert(to.to_owned(), repo);
    }

    /// What refers to `subject`, as a Referrers API describes it.
    pub(super) fn referrers(&self, name: &str, subject: &str) -> Vec<Value> {
        let Some(repo) = self.repositories.get(name) else { return Vec::new() };
        repo.manifests
            .iter()
            .filter_map(|(digest, (media_type, bytes))| {
                let manifest: Value = serde_json::from_slice(bytes).ok()?;
                if manifest["subject"]["digest"] != subject {
                    return None;
                }
                let mut entry = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
                let kind = manifest.get("artifactType").or_else(|| manifest["config"].get("mediaType"));
                if let Some(kind) = kind {
                    entry["artifactType"] = kind.clone();
                }
                if let Some(annotations) = manifest.get("annotations") {
                    entry["annotations"] = annotations.clone();
                }
                Some(entry)
            })
            .collect()
    }
}

pub(super) fn answer(state: &State, request: &Request) -> Reply {
    let path = request.path();
    if path == "/v2/" || path == "/v2" {
        return Reply::new(200).with("Content-Type", "application/json").body("{}");
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return Reply::error(404, "UNSUPPORTED") };
    let split = |part: &str| rest.rfind(part).map(|at| (&rest[..at], &rest[at + part.len()..]));
    if let Some((name, id)) = split("/blobs/uploads/") {
        upload(state, request, name, id)
    } else if let Some((name, digest)) = split("/blobs/") {
        blob(state, request, name, digest)
    } else if let Some((name, reference)) = split("/manifests/") {
        manifest(state, request, name, reference)
    } else if let Some((name, digest)) = split("/referrers/") {
        referrers(state, request, name, digest)
    } else if let Some((name, "list")) = split("/tags/") {
        tags(state, request, name)
    } else {
        Reply::error(404, "UNSUPPORTED")
    }
}

fn blob(state: &State, request: &Request, name: &str, digest: &str) -> Reply {
    let Ok(digest) = digest.parse::<Digest>() else { return Reply::error(400, "DIGEST_INVALID") };
    let mut store = state.store.lock().unwrap();
    if request.method == "DELETE" {
        let gone = store.repo(name).blobs.remove(&digest);
        return gone.map_or_else(|| Reply::error(404, "BLOB_UNKNOWN"), |_| Reply::new(202));
    }
    let Some(bytes) = store.blob(name, &digest) else { return Reply::error(404, "BLOB_UNKNOWN") };
    let reply = Reply::new(200)
        .with("Content-Type", "application/octet-stream")
        .with("Docker-Content-Digest", digest.to_string())
        .with("Accept-Ranges", "bytes");
    let range =
        request.header("range").and_then(|r| r.strip_prefix("bytes=")).and_then(|r| r.split_once('-'));
    match range {
        None => reply.body(bytes),
        Some((from, to)) => {
            let from: usize = from.parse().unwrap_or(0);
            let to: usize = to.parse().map_or(bytes.len(), |to: usize| (to + 1).min(bytes.len()));
            let Some(part) = bytes.get(from..to).filter(|p| !p.is_empty()) else {
                return Reply::error(416, "RANGE_INVALID");
            };
            let mut reply = reply.with("Content-Range", format!("bytes {from}-{}/{}", to - 1, bytes.len()));
            reply.status = 206;
            reply.body(part)
        }
    }
}

fn upload(state: &State, request: &Request, name: &str, id: &str) -> Reply {
    let mut store = state.store.lock().unwrap();
    let created = |digest: &Digest| {
        Reply::new(201)
            .with("Location", format!("/v2/{name}/blobs/{digest}"))
            .with("Docker-Content-Digest", digest.to_string())
    };
    let open = |id: &str, status: u16, held: usize| {
        let mut reply = Reply::new(status)
            .with("Location", format!("/v2/{name}/blobs/uploads/{id}?state=lab"))
            .with("Range", format!("0-{}", held.saturating_sub(1)));
        if state.min_chunk > 0 {
            reply = reply.with("OCI-Chunk-Min-Length", state.min_chunk.to_string());
        }
        reply
    };
    if request.method == "POST" {
        if let (Some(mount), Some(from)) = (request.query_value("mount"), request.query_value("from"))
            && let Ok(digest) = mount.parse::<Digest>()
            && let Some(bytes) = store.blob(&from, &digest)
        {
            store.put_blob(name, bytes);
            return created(&digest);
        }
        if let Some(digest) = request.query_value("digest") {
            return finish(&mut store, name, &digest, request.body.clone(), created);
        }
        store.next_upload += 1;
        let id = format!("upload-{}", store.next_upload);
        store.uploads.insert(id.clone(), Vec::new());
        return open(&id, 202, 0);
    }
    let Some(held) = store.uploads.get_mut(id) else { return Reply::error(404, "BLOB_UPLOAD_UNKNOWN") };
    // The location was handed out with a query, which clients must keep (distribution specification, "Pushing
    // a blob monolithically").
    if request.query_value("state").as_deref() != Some("lab") {
        return Reply::error(400, "BLOB_UPLOAD_INVALID");
    }
    if let Some(range) = request.header("content-range") {
        let bounds = range.split_once('-').map(|(a, b)| (a.parse::<usize>(), b.parse::<usize>()));
        match bounds {
            Some((Ok(a), Ok(b))) if a == held.len() && b + 1 == a + request.body.len() => {}
            _ => return Reply::error(416, "BLOB_UPLOAD_INVALID"),
        }
    }
    match request.method.as_str() {
        "GET" => {
            let held = held.len();
            open(id, 204, held)
        }
        "PATCH" if request.body.len() < state.min_chunk => Reply::error(416, "SIZE_INVALID"),
        "PATCH" => {
            held.extend_from_slice(&request.body);
            let held = held.len();
            open(id, 202, held)
        }
        "PUT" => {
            let mut bytes = std::mem::take(held);
            bytes.extend_from_slice(&request.body);
            store.uploads.remove(id);
            finish(&mut store, name, &request.query_value("digest").unwrap_or_default(), bytes, created)
        }
        "DELETE" => {
            store.uploads.remove(id);
            Reply::new(204)
        }
        _ => Reply::error(405, "UNSUPPORTED"),
    }
}

fn finish(
    store: &mut Store,
    name: &str,
    digest: &str,
    bytes: Vec<u8>,
    created: impl Fn(&Digest) -> Reply,
) -> Reply {
    match digest.parse::<Digest>() {
        Ok(digest) if digest.matches(&bytes) => {
            store.repo(name).blobs.insert(digest.clone(), bytes);
            created(&digest)
        }
        _ => Reply::error(400, "DIGEST_INVALID"),
    }
}

fn manifest(state: &State, request: &Request, name: &str, reference: &str) -> Reply {
    let mut store = state.store.lock().unwrap();
    match request.method.as_str() {
        "GET" | "HEAD" => match store.manifest(name, reference) {
            None => Reply::error(404, "MANIFEST_UNKNOWN"),
            Some((digest, media_type, bytes)) => Reply::new(200)
                .with("Content-Type", media_type)
                .with("Docker-Content-Digest", digest.to_string())
                .body(bytes),
        },
        "PUT" => put_manifest(state, &mut store, request, name, reference),
        "DELETE" => {
            let repo = store.repo(name);
            let gone = match reference.parse::<Digest>() {
                Ok(digest) => {
                    repo.tags.retain(|_, d| *d != digest);
                    repo.manifests.remove(&digest).is_some()
                }
                Err(_) => repo.tags.remove(reference).is_some(),
            };
            if gone { Reply::new(202) } else { Reply::error(404, "MANIFEST_UNKNOWN") }
        }
        _ => Reply::error(405, "UNSUPPORTED"),
    }
}

fn put_manifest(state: &State, store: &mut Store, request: &Request, name: &str, reference: &str) -> Reply {
    if request.body.len() > 4 << 20 {
        return Reply::error(413, "SIZE_INVALID");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return Reply::error(400, "MANIFEST_INVALID");
    };
    let media_type = request.header("content-type").unwrap_or_default().to_owned();
    if body.get("mediaType").is_some_and(|m| m != &Value::from(media_type.clone())) {
        return Reply::error(400, "MANIFEST_INVALID");
    }
    let repo = store.repo(name);
    let has_blob = |d: &Value| {
        d["digest"].as_str().and_then(|d| d.parse().ok()).is_some_and(|d: Digest| repo.blobs.contains_key(&d))
    };
    let has_manifest = |d: &Value| {
        d["digest"]
            .as_str()
            .and_then(|d| d.parse().ok())
            .is_some_and(|d: Digest| repo.manifests.contains_key(&d))
    };
    let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
    let config = body.get("config").into_iter().cloned().collect::<Vec<_>>();
    if !config.iter().chain(&list("layers")).all(has_blob) || !list("manifests").iter().all(has_manifest) {
        return Reply::error(400, "MANIFEST_BLOB_UNKNOWN");
    }
    let digest = Digest::sha256(&request.body);
    let tag = match reference.parse::<Digest>() {
        Ok(named) if named.matches(&request.body) => None,
        Ok(_) => return Reply::error(400, "DIGEST_INVALID"),
        Err(_) => Some(reference),
    };
    store.put_manifest(name, tag, &media_type, request.body.clone());
    let mut reply = Reply::new(201)
        .with("Location", format!("/v2/{name}/manifests/{digest}"))
        .with("Docker-Content-Digest", digest.to_string());
    if let (ReferrersApi::Paged(_), Some(subject)) = (state.referrers, body["subject"]["digest"].as_str()) {
        reply = reply.with("OCI-Subject", subject);
    }
    reply
}

fn referrers(state: &State, request: &Request, name: &str, subject: &str) -> Reply {
    let ReferrersApi::Paged(page_size) = state.referrers else {
        return Reply::new(404).body("404 page not found");
    };
    let mut all = state.store.lock().unwrap().referrers(name, subject);
    let mut reply = Reply::new(200).with("Content-Type", media_type::INDEX);
    let wanted = request.query_value("artifactType");
    if let Some(wanted) = &wanted {
        all.retain(|d| d["artifactType"] == wanted.as_str());
        reply = reply.with("OCI-Filters-Applied", "artifactType");
    }
    let page: usize = request.query_value("page").and_then(|p| p.parse().ok()).unwrap_or(0);
    if all.len() > (page + 1) * page_size {
        let filter = wanted.map_or(String::new(), |w| {
            format!(
                "&artifactType={}",
                url::form_urlencoded::byte_serialize(w.as_bytes()).collect::<String>()
            )
        });
        let next = format!("</v2/{name}/referrers/{subject}?page={}{filter}>; rel=\"next\"", page + 1);
        reply = reply.with("Link", next);
    }
    let shown: Vec<Value> = all.into_iter().skip(page * page_size).take(page_size).collect();
    let body = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": shown});
    reply.body(body.to_string())
}

fn tags(state: &State, request: &Request, name: &str) -> Reply {
    let all = state.store.lock().unwrap().tags(name);
    let last = request.query_value("last").unwrap_or_default();
    let mut rest: Vec<String> = all.into_iter().filter(|t| *t > last).collect();
    let mut reply = Reply::new(200).with("Content-Type", "application/json");
    if let Some(n) = request.query_value("n").and_then(|n| n.parse::<usize>().ok())
        && rest.len() > n
    {
        rest.truncate(n);
        if let Some(last) = rest.last() {
            reply = reply.with("Link", format!("</v2/{name}/tags/list?n={n}&last={last}>; rel=\"next\""));
        }
    }
    reply.body(json!({"name": name, "tags": rest}).to_string())
}
