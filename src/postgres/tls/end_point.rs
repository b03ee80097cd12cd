//! `tls-server-end-point` of RFC 5929: the digest of the server's certificate, by the digest of its own signature.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// A sequence, an object identifier (X.690).
const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;

/// Signatures by RSA (1.2.840.113549.1.1) and ECDSA (1.2.840.10045.4) without their last number.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// `None` for a certificate whose signature tells no digest, as of Ed25519: then there is no binding.
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    match digest_of(signature_algorithm(certificate)?)? {
        256 => Some(Sha256::digest(certificate).to_vec()),
        384 => Some(Sha384::digest(certificate).to_vec()),
        512 => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// MD5 and SHA-1 count as SHA-256 there.
fn digest_of(algorithm: &[u8]) -> Option<u32> {
    if let Some(last) = algorithm.strip_prefix(RSA) {
        return match last {
            [4] | [5] | [11] => Some(256),
            [12] => Some(384),
            [13] => Some(512),
            _ => None,
        };
    }
    match algorithm.strip_prefix(ECDSA)? {
        [1] | [3, 2] => Some(256),
        [3, 3] => Some(384),
        [3, 4] => Some(512),
        _ => None,
    }
}

/// `SEQUENCE { to be signed, SEQUENCE { algorithm, … }, signature }`
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(whole, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    element(algorithm, OBJECT).map(|(identifier, _)| identifier)
}

/// Content of the first element, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ ..0x80 => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            if digits.len() > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    rest.split_at_checked(length).filter(|_| *found == tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sequence(content: &[u8]) -> Vec<u8> {
        [&[SEQUENCE, 0x82, 0, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn certificate(algorithm: &[&[u8]]) -> Vec<u8> {
        let algorithm = algorithm.concat();
        let object = [&[OBJECT, u8::try_from(algorithm.len()).unwrap()], algorithm.as_slice()].concat();
        sequence(&[sequence(b"to be signed"), sequence(&object), vec![3, 1, 0]].concat())
    }

    #[test]
    fn the_digest_is_that_of_the_signature() {
        for (algorithm, length) in [
            ([RSA, &[11]], Some(32)),
            ([RSA, &[5]], Some(32)),
            ([RSA, &[12]], Some(48)),
            ([RSA, &[13]], Some(64)),
            ([RSA, &[10]], None),
            ([ECDSA, &[3, 2]], Some(32)),
            ([ECDSA, &[3, 4]], Some(64)),
            ([&[0x2b], &[0x65, 0x70]], None),
        ] {
            let bound = server_end_point(&certificate(&algorithm));
            assert_eq!(bound.map(|bound| bound.len()), length, "{algorithm:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_sends(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = server_end_point(&bytes);
            let _ = server_end_point(&[&[SEQUENCE, 0x10, SEQUENCE], bytes.as_slice()].concat());
        }
    }
}
