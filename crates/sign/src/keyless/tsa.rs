//! Timestamps over a signature (RFC 3161).
//!
//! The hash of the signature's bytes goes out, with a nonce; what comes back is taken where it was granted
//! and names that hash. Whether the authority is one to trust is the verifier's business.

use super::config::Endpoint;
use super::http::{Call, Http, Patience};
use crate::error::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

/// The largest timestamp that is kept: it goes into every bundle.
pub(super) const TIMESTAMP_BYTES: usize = 32 << 10;

/// `TimeStampReq` (section 2.4.1): version 1, SHA-256 of the signature, a nonce, and the wish for the
/// authority's certificate. All lengths are fixed: the nonce is a positive integer of eight bytes.
fn request(digest: &[u8], mut nonce: [u8; 8]) -> Vec<u8> {
    nonce[0] = (nonce[0] & 0x7f) | 0x40;
    let head = [
        0x30, 0x43, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
        0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
    ];
    [&head[..], digest, &[0x02, 0x08], &nonce, &[0x01, 0x01, 0xff]].concat()
}

/// Status and token of a `TimeStampResp` (section 2.4.2).
fn response(der: &[u8]) -> Result<(u8, &[u8]), String> {
    let read = || -> x509_cert::der::Result<(u8, &[u8])> {
        let outer = AnyRef::from_der(der)?;
        outer.tag().assert_eq(Tag::Sequence)?;
        let mut fields = SliceReader::new(outer.value())?;
        let info: AnyRef<'_> = fields.decode()?;
        info.tag().assert_eq(Tag::Sequence)?;
        let status: u8 = SliceReader::new(info.value())?.decode()?;
        let token = if fields.is_finished() { &[][..] } else { fields.decode::<AnyRef<'_>>()?.value() };
        fields.finish((status, token))
    };
    read().map_err(|e| format!("its answer is no timestamp response: {e}"))
}

/// A timestamp response, DER, over `signature`.
pub(super) async fn stamp(
    http: &Http,
    (endpoint, patience): (&Endpoint, Patience),
    signature: &[u8],
) -> Result<Vec<u8>> {
    let digest = Sha256::digest(signature);
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|e| {
        Error::new("write", "timestamp request", ErrorKind::Local(format!("no randomness: {e}")))
    })?;
    let body = request(&digest, nonce);
    let mut call =
        Call::post(&endpoint.url, "get a timestamp from", "application/timestamp-query", body.into());
    call.accept = "application/timestamp-reply";
    call.patience = patience;
    let answer = http.call(&call).await?;
    let odd = |why: String| call.error(ErrorKind::Signer(why));
    if answer.body.len() > TIMESTAMP_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "TIMESTAMP_BYTES", value: TIMESTAMP_BYTES as u64 };
        return Err(call.error(kind));
    }
    let (status, token) = response(&answer.body).map_err(&odd)?;
    // 0 granted, 1 granted with modifications.
    if status > 1 {
        return Err(odd(format!("it did not grant a timestamp (status {status})")));
    }
    if !token.windows(digest.len()).any(|window| window == digest.as_slice()) {
        return Err(odd("its timestamp is about something else".into()));
    }
    Ok(answer.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_der_whatever_the_nonce() {
        for nonce in [[0u8; 8], [0xff; 8]] {
            let der = request(&[7; 32], nonce);
            let any = AnyRef::from_der(&der).unwrap();
            let mut fields = SliceReader::new(any.value()).unwrap();
            assert_eq!(fields.decode::<u8>().unwrap(), 1);
            let _imprint: AnyRef<'_> = fields.decode().unwrap();
            assert!(fields.decode::<u64>().unwrap() > 0);
            assert!(fields.decode::<bool>().unwrap());
            assert!(fields.is_finished());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_read_or_refused(der in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            let _ = response(&der);
        }
    }
}
