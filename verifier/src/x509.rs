//! The few parts of a certificate that are read by ourselves (RFC 5280, section 4.1): who issued it to whom, and for
//! which time. Nothing here verifies anything.

use jiff::Timestamp;
use p256::pkcs8::der::asn1::{GeneralizedTime, UtcTime};
use p256::pkcs8::der::{self, Decode as _, Reader as _, SliceReader};

/// Parts of a certificate.
pub(crate) struct Parts {
    /// The issuer's name, as it is encoded.
    pub(crate) issuer: Vec<u8>,
    /// The subject's name, as it is encoded.
    pub(crate) subject: Vec<u8>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// Reads a certificate in DER; `None` where it is none.
pub(crate) fn parts(certificate: &[u8]) -> Option<Parts> {
    let mut reader = SliceReader::new(certificate).ok()?;
    let raw = reader.sequence(|outer: &mut SliceReader<'_>| {
        let raw = outer.sequence(|tbs: &mut SliceReader<'_>| {
            // [0] version, which the first version of certificates leaves out.
            if tbs.peek_byte() == Some(0xa0) {
                tbs.tlv_bytes()?;
            }
            tbs.tlv_bytes()?; // serialNumber
            tbs.tlv_bytes()?; // signature
            let issuer = tbs.tlv_bytes()?.to_vec();
            let (from, until) = tbs.sequence(|v: &mut SliceReader<'_>| {
                Ok::<_, der::Error>((v.tlv_bytes()?.to_vec(), v.tlv_bytes()?.to_vec()))
            })?;
            let subject = tbs.tlv_bytes()?.to_vec();
            skip_rest(tbs)?;
            Ok::<_, der::Error>((issuer, subject, from, until))
        })?;
        skip_rest(outer)?;
        Ok::<_, der::Error>(raw)
    });
    let (issuer, subject, from, until) = raw.ok()?;
    Some(Parts { issuer, subject, not_before: time(&from)?, not_after: time(&until)? })
}

fn skip_rest(reader: &mut SliceReader<'_>) -> der::Result<()> {
    while !reader.is_finished() {
        reader.tlv_bytes()?;
    }
    Ok(())
}

/// A Time: UTCTime before 2050, GeneralizedTime from then on.
fn time(encoded: &[u8]) -> Option<Timestamp> {
    let since = match UtcTime::from_der(encoded) {
        Ok(time) => time.to_unix_duration(),
        Err(_) => GeneralizedTime::from_der(encoded).ok()?.to_unix_duration(),
    };
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()
}
