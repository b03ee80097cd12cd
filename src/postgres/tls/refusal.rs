//! Why a server is not spoken to.

use std::error::Error as _;
use std::io;

use rustls::{CertificateError, Error as TlsError};

use super::Encryption;
use crate::model::error::{Code, Error};

/// What `tokio_postgres` says of every failure of TLS; it has no other way to tell it.
const OF_TLS: &str = "error performing TLS handshake";

/// `place` is where the server listens, `name` what its certificate should be for, `authorities` the file of those that count.
pub fn refusal(
    error: &::postgres::Error,
    encryption: Encryption,
    (place, name): (&str, &str),
    authorities: &str,
) -> Option<Error> {
    let refused = |what: String, hint: String| Some(Error::new(Code::UntrustedServer, what).hint(hint));
    let Some(failure) = error.source().and_then(|source| source.downcast_ref::<io::Error>()) else {
        let is_without = encryption > Encryption::IfOffered && error.to_string().starts_with(OF_TLS);
        let what = format!("the server at {place} speaks no TLS, and nothing is said to it without");
        let hint = "ssl = on in its postgresql.conf; or, in a network that is nobody else's, sslmode=disable";
        return is_without.then(|| Error::new(Code::UntrustedServer, what).hint(hint));
    };
    let failure = failure.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>())?;
    match failure {
        TlsError::InvalidCertificate(cause) => {
            let (what, hint) = certificate(cause, name, authorities);
            refused(format!("the server at {place} is not trusted: {what}"), hint)
        }
        other => refused(
            format!("no TLS with the server at {place}: {other}"),
            "the server's log says more; sslcert= and sslkey= are what it wants to see of us".to_owned(),
        ),
    }
}

fn certificate(cause: &CertificateError, name: &str, authorities: &str) -> (String, String) {
    match cause {
        CertificateError::UnknownIssuer => (
            format!("its certificate is of none of the authorities in {authorities}"),
            "sslrootcert=FILE with the certificate of its authority, as its provider or administrator hands it out"
                .to_owned(),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("its certificate is not for {name}"),
            "host= as the certificate names it, with hostaddr= beside it where that leads elsewhere; or sslmode=verify-ca"
                .to_owned(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("its certificate has expired".to_owned(), "renew it, and reload the server".to_owned())
        }
        CertificateError::Revoked => ("its certificate was revoked".to_owned(), "renew it, and reload the server".to_owned()),
        other => (
            format!("its certificate cannot be used: {}", TlsError::InvalidCertificate(other.clone())),
            "it must be of version 3, name the server as subjectAltName, and be no authority itself".to_owned(),
        ),
    }
}
