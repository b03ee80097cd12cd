//! Certificates for servers and clients, made by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Outcome;
use super::account::account;
use super::server::run;

/// Signs what lies in its directory.
pub struct Authority {
    directory: PathBuf,
    name: &'static str,
}

/// A certificate and its key.
pub struct Certified {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

const CURVE: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

impl Authority {
    pub fn new(directory: &Path, name: &'static str) -> Outcome<Authority> {
        let authority = Authority { directory: directory.to_owned(), name };
        let mut openssl = account().command("openssl");
        openssl.args(["req", "-x509", "-days", "30", "-subj"]).arg(format!("/CN={name}")).args(CURVE);
        run(openssl.arg("-keyout").arg(authority.file(name, "key")).arg("-out").arg(authority.certificate()))?;
        Ok(authority)
    }

    pub fn certificate(&self) -> PathBuf {
        self.file(self.name, "crt")
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.directory.join(format!("{name}.{kind}"))
    }

    /// Of a name, as common name and as that of a server; good for `days`, which may be over.
    pub fn certify(&self, name: &str, days: i32) -> Outcome<Certified> {
        let (request, extensions) = (self.file(name, "csr"), self.file(name, "ext"));
        let made = Certified { certificate: self.file(name, "crt"), key: self.file(name, "key") };
        let mut openssl = account().command("openssl");
        openssl.args(["req", "-subj"]).arg(format!("/CN={name}")).args(CURVE);
        run(openssl.arg("-keyout").arg(&made.key).arg("-out").arg(&request))?;
        account().write(&extensions, format!("subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\n"), 0o600)?;
        let mut openssl: Command = account().command("openssl");
        openssl.args(["x509", "-req", "-CAcreateserial", "-days"]).arg(days.to_string()).arg("-in").arg(&request);
        openssl.arg("-CA").arg(self.certificate()).arg("-CAkey").arg(self.file(self.name, "key"));
        run(openssl.arg("-extfile").arg(&extensions).arg("-out").arg(&made.certificate))?;
        Ok(made)
    }
}
