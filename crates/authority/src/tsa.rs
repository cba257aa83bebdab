//! Timestamps (RFC 3161): a request in, a signed statement "this hash existed now" out.
//!
//! Refused: requests that are not exactly one DER value of version 1, hashes other than SHA-256, SHA-384 and
//! SHA-512 or of another length, another policy, and any extension. The time is the machine's clock, cut to
//! seconds, with a stated accuracy of one second.

use crate::asn1::{
    self, INTEGER, OCTET_STRING, SEQUENCE, Walk, context, generalized, oid, seq, set, tlv, uint,
};
use crate::error::{Refused, Result};
use crate::keys::Key;
use crate::x509::{Certificate, ecdsa_with_sha256};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The policy of Sigstore's timestamp authorities, which its clients expect no other value in place of.
const POLICY: &str = "1.3.6.1.4.1.57264.2";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
const SHA384: &str = "2.16.840.1.101.3.4.2.2";
const SHA512: &str = "2.16.840.1.101.3.4.2.3";
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";

/// Why a request is answered with a rejection (RFC 3161, section 2.4.2: bits of PKIFailureInfo).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rejection {
    BadAlg = 0,
    BadRequest = 2,
    UnacceptedPolicy = 15,
    UnacceptedExtension = 16,
}

/// A request that can be granted.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    /// The MessageImprint, as DER.
    imprint: &'a [u8],
    /// The nonce, as DER, or nothing.
    nonce: &'a [u8],
    with_certificates: bool,
}

fn read(der: &[u8]) -> Result<Request<'_>, Rejection> {
    let parse = || {
        let mut outer = Walk(der);
        let request = outer.expect(SEQUENCE)?;
        let mut fields = Walk(request.content);
        let version = fields.expect(INTEGER)?;
        let imprint = fields.expect(SEQUENCE)?;
        let policy = fields.optional(asn1::OID);
        let nonce = fields.optional(INTEGER);
        let certificates = fields.optional(asn1::BOOLEAN);
        let extensions = fields.optional(0xa0);
        let mut parts = Walk(imprint.content);
        let algorithm = parts.expect(SEQUENCE)?;
        let hash = parts.expect(OCTET_STRING)?;
        let whole = outer.at_end() && fields.at_end() && parts.at_end() && version.content == [1];
        // A nonce is echoed into what we sign; the widest in use has 20 bytes.
        let bounded = nonce.is_none_or(|n| (1..=32).contains(&n.content.len()));
        (whole && bounded).then_some((imprint, algorithm, hash, policy, nonce, certificates, extensions))
    };
    let (imprint, algorithm, hash, policy, nonce, certificates, extensions) =
        parse().ok_or(Rejection::BadRequest)?;
    let mut parts = Walk(algorithm.content);
    let id = parts.expect(asn1::OID).ok_or(Rejection::BadRequest)?;
    if parts.next().is_some_and(|parameters| parameters.whole != [5, 0]) || !parts.at_end() {
        return Err(Rejection::BadAlg);
    }
    let length = [(SHA256, 32), (SHA384, 48), (SHA512, 64)]
        .into_iter()
        .find_map(|(known, length)| (oid(known) == id.whole).then_some(length))
        .ok_or(Rejection::BadAlg)?;
    if hash.content.len() != length {
        return Err(Rejection::BadRequest);
    }
    if policy.is_some_and(|policy| policy.whole != oid(POLICY)) {
        return Err(Rejection::UnacceptedPolicy);
    }
    if extensions.is_some() {
        return Err(Rejection::UnacceptedExtension);
    }
    Ok(Request {
        imprint: imprint.whole,
        nonce: nonce.map_or(&[], |nonce| nonce.whole),
        with_certificates: certificates.is_some_and(|flag| flag.content == [0xff]),
    })
}

/// The authority's end.
#[derive(Debug)]
pub(crate) struct Tsa {
    pub(crate) certificate: Certificate,
    pub(crate) root: Certificate,
    pub(crate) key: Key,
}

impl Tsa {
    /// The TimeStampResp to a TimeStampReq: granted, or a rejection that says why.
    pub(crate) async fn answer(&self, der: &[u8], now: Timestamp) -> Result<Vec<u8>, Refused> {
        match read(der) {
            Ok(request) => self
                .grant(&request, now)
                .await
                .map(|token| seq(&[&seq(&[&uint(&[0])]), &token]))
                .map_err(|e| Refused::unavailable(e.to_string())),
            Err(rejection) => {
                let bit = rejection as usize;
                let mut flags = vec![0u8; bit / 8 + 1];
                if let Some(byte) = flags.last_mut() {
                    *byte = 0x80 >> (bit % 8);
                }
                let unused = [(7 - bit % 8) as u8];
                let failure = tlv(asn1::BIT_STRING, &[&unused, flags.as_slice()].concat());
                Ok(seq(&[&seq(&[&uint(&[2]), &failure])]))
            }
        }
    }

    /// The token: CMS SignedData (RFC 5652, section 5) over a TSTInfo.
    async fn grant(&self, request: &Request<'_>, now: Timestamp) -> Result<Vec<u8>> {
        let mut serial = [0u8; 16];
        getrandom::fill(&mut serial).map_err(|e| crate::Error::local(format!("no randomness: {e}")))?;
        serial[0] = serial[0] & 0x7f | 0x40;
        let info = seq(&[
            &uint(&[1]),
            &oid(POLICY),
            request.imprint,
            &uint(&serial),
            &generalized(now),
            &seq(&[&uint(&[1])]),
            request.nonce,
        ]);

        let sha256 = seq(&[&oid(SHA256)]);
        let attribute = |id: &str, value: Vec<u8>| seq(&[&oid(id), &set(vec![value])]);
        // SigningCertificateV2 (RFC 5035): SHA-256 is the default and therefore left out.
        let ess = seq(&[&seq(&[&seq(&[&tlv(OCTET_STRING, &Sha256::digest(&self.certificate.der))])])]);
        let attributes = set(vec![
            attribute("1.2.840.113549.1.9.3", oid(TST_INFO)),
            attribute("1.2.840.113549.1.9.4", tlv(OCTET_STRING, &Sha256::digest(&info))),
            attribute("1.2.840.113549.1.9.16.2.47", ess),
        ]);
        let signature = self.key.sign_soon(&attributes).await?;
        // In the message the same bytes stand under [0] (RFC 5652, section 5.4).
        let mut tagged = attributes;
        if let Some(tag) = tagged.first_mut() {
            *tag = 0xa0;
        }
        let signer = seq(&[
            &uint(&[1]),
            &seq(&[&self.certificate.issuer, &self.certificate.serial]),
            &sha256,
            &tagged,
            &ecdsa_with_sha256(),
            &tlv(OCTET_STRING, &signature),
        ]);
        let certificates =
            if request.with_certificates { context(0, &self.certificate.der) } else { Vec::new() };
        let signed = seq(&[
            &uint(&[3]),
            &set(vec![sha256]),
            &seq(&[&oid(TST_INFO), &context(0, &tlv(OCTET_STRING, &info))]),
            &certificates,
            &set(vec![signer]),
        ]);
        Ok(seq(&[&oid(SIGNED_DATA), &context(0, &signed)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(version: u8, algorithm: &str, hash: &[u8], rest: &[u8]) -> Vec<u8> {
        let imprint = seq(&[&seq(&[&oid(algorithm)]), &tlv(OCTET_STRING, hash)]);
        seq(&[&uint(&[version]), &imprint, rest])
    }

    #[test]
    fn what_is_granted_and_what_is_not() {
        let nonce = uint(&[7; 8]);
        let rest = [nonce.as_slice(), &tlv(asn1::BOOLEAN, &[0xff])].concat();
        let der = request(1, SHA256, &[1; 32], &rest);
        let granted = read(&der).unwrap();
        assert_eq!((granted.nonce, granted.with_certificates), (nonce.as_slice(), true));
        assert!(!read(&request(1, SHA512, &[1; 64], &[])).unwrap().with_certificates);

        let no = |der: &[u8]| read(der).unwrap_err();
        assert_eq!(no(&request(2, SHA256, &[1; 32], &[])), Rejection::BadRequest);
        assert_eq!(no(&request(1, SHA256, &[1; 31], &[])), Rejection::BadRequest);
        assert_eq!(no(&request(1, "1.3.14.3.2.26", &[1; 20], &[])), Rejection::BadAlg);
        assert_eq!(no(&request(1, SHA256, &[1; 32], &oid("1.2.3"))), Rejection::UnacceptedPolicy);
        assert_eq!(no(&request(1, SHA256, &[1; 32], &context(0, &[]))), Rejection::UnacceptedExtension);
        assert_eq!(no(&request(1, SHA256, &[1; 32], &uint(&[1; 33]))), Rejection::BadRequest);
        assert_eq!(no(&[der.as_slice(), &[0]].concat()), Rejection::BadRequest);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = read(&bytes);
        }
    }
}
