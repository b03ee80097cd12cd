//! The files of certificates and keys, where libpq has them (`initialize_SSL` in `fe-secure-openssl.c`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use super::super::parameters::{Parameters, not_usable};
use super::encryption::Authorities;
use super::verifier::{AnyName, Anybody};
use super::{Encryption, Tls};
use crate::model::error::{Code, Error, Result};

/// Below the home directory, where nothing is said.
const AUTHORITIES: &str = ".postgresql/root.crt";
const REVOKED: &str = ".postgresql/root.crl";
const CERTIFICATE: &str = ".postgresql/postgresql.crt";
const KEY: &str = ".postgresql/postgresql.key";

/// The value of `sslrootcert` that is no file.
const SYSTEM: &str = "system";
/// A key is nobody else's; that of root may be read by its group.
const OTHERS: u32 = 0o077;
const OTHERS_OF_ROOT: u32 = 0o037;
/// rustls speaks nothing older.
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];
/// How TLS tells what is spoken inside; a server that is spoken to without a question before asks for it.
const PROTOCOL: &[u8] = b"postgresql";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// Said to be the system's, or else a file.
    system: bool,
    authorities: Option<PathBuf>,
    revoked: Option<PathBuf>,
    own: Option<(PathBuf, PathBuf)>,
    sends_name: bool,
    versions: &'static [&'static SupportedProtocolVersion],
    is_direct: bool,
}

impl Certificates {
    pub fn of(parameters: &Parameters) -> Result<Certificates> {
        let lying = |name: &str| parameters.in_home(name).filter(|file| file.is_file());
        let certificate = parameters.file("sslcert").or_else(|| lying(CERTIFICATE));
        let key = || parameters.file("sslkey").or_else(|| parameters.in_home(KEY));
        let system = parameters.get("sslrootcert") == Some(SYSTEM);
        let least = parameters.one_of("ssl_min_protocol_version", &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"])?;
        Ok(Certificates {
            system,
            authorities: if system { None } else { parameters.file("sslrootcert").or_else(|| lying(AUTHORITIES)) },
            revoked: parameters.file("sslcrl").or_else(|| lying(REVOKED)),
            own: certificate.and_then(|certificate| Some((certificate, key()?))),
            sends_name: parameters.one_of("sslsni", &["0", "1"])? != Some("0"),
            versions: if least == Some("TLSv1.3") { NEWEST } else { BOTH },
            is_direct: parameters.one_of("sslnegotiation", &["postgres", "direct"])? == Some("direct"),
        })
    }

    pub fn authorities(&self) -> Authorities {
        match (self.system, &self.authorities) {
            (true, _) => Authorities::System,
            (false, Some(_)) => Authorities::File,
            (false, None) => Authorities::None,
        }
    }

    pub fn is_direct(&self) -> bool {
        self.is_direct
    }

    /// The file that is looked into: the one that is said, or the system's, which is one file for us and for libpq before 16,
    /// which did not know it.
    pub fn authorities_file(&self) -> Result<PathBuf> {
        let found = self.authorities.clone().or_else(|| openssl_probe::probe().cert_file);
        found.ok_or_else(|| {
            not_usable(
                "no certificates of authorities are found on this system: sslrootcert=FILE names those of the server",
            )
        })
    }

    /// What libpq needs to know of them.
    pub fn variables(&self, encryption: Encryption) -> Result<Vec<(&'static str, OsString)>> {
        if encryption == Encryption::None {
            return Ok(Vec::new());
        }
        let mut variables = vec![("PGSSLSNI", if self.sends_name { "1" } else { "0" }.into())];
        if encryption.verifies() {
            variables.push(("PGSSLROOTCERT", self.authorities_file()?.into()));
        }
        variables.extend(self.revoked.iter().map(|file| ("PGSSLCRL", file.into())));
        if let Some((certificate, key)) = &self.own {
            variables.extend([("PGSSLCERT", certificate.into()), ("PGSSLKEY", key.into())]);
        }
        if self.versions.len() == 1 {
            variables.push(("PGSSLMINPROTOCOLVERSION", "TLSv1.3".into()));
        }
        if self.is_direct {
            variables.push(("PGSSLNEGOTIATION", "direct".into()));
        }
        Ok(variables)
    }

    pub fn tls(&self, encryption: Encryption) -> Result<Tls> {
        if encryption == Encryption::None {
            return Ok(Tls::none());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = self.verifier(encryption, &provider)?;
        let versions = ClientConfig::builder_with_provider(provider).with_protocol_versions(self.versions);
        let builder = versions.map_err(|error| Error::new(Code::Internal, format!("TLS cannot begin: {error}")))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut client = match &self.own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let cannot = |error| not_usable(&format!("sslcert {}: {error}", certificate.display()));
                builder.with_client_auth_cert(all_of(certificate, "sslcert")?, private_key(key)?).map_err(cannot)?
            }
        };
        client.enable_sni = self.sends_name;
        if self.is_direct {
            client.alpn_protocols = vec![PROTOCOL.to_vec()];
        }
        Ok(Tls::new(client))
    }

    fn verifier(&self, encryption: Encryption, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
        if !encryption.verifies() {
            return Ok(Arc::new(Anybody(provider.signature_verification_algorithms)));
        }
        let file = self.authorities_file()?;
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(all_of::<CertificateDer<'static>>(&file, "sslrootcert")?);
        if usable == 0 {
            return Err(not_usable(&format!("sslrootcert {} holds no certificate that can be used", file.display())));
        }
        let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        if let Some(revoked) = &self.revoked {
            builder = builder.with_crls(all_of::<CertificateRevocationListDer<'static>>(revoked, "sslcrl")?);
        }
        let verifier = builder.build().map_err(|error| not_usable(&format!("sslrootcert, sslcrl: {error}")))?;
        Ok(if encryption == Encryption::Full { verifier } else { Arc::new(AnyName(verifier)) })
    }
}

/// What a PEM file holds of one kind: one at least.
fn all_of<T: PemObject>(file: &Path, word: &str) -> Result<Vec<T>> {
    let cannot = |what: String| not_usable(&format!("{word} {}: {what}", file.display()));
    let bytes = fs::read(file).map_err(|error| cannot(error.to_string()))?;
    let all: std::result::Result<Vec<T>, _> = T::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|error| cannot(error.to_string()))?;
    if all.is_empty() { Err(cannot("it holds none".to_owned())) } else { Ok(all) }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let cannot = |what: String| not_usable(&format!("sslkey {}: {what}", file.display()));
    let kind = fs::metadata(file).map_err(|error| cannot(error.to_string()))?;
    if !kind.is_file() {
        return Err(cannot("it is no file".to_owned()));
    }
    let mode = kind.permissions().mode() & 0o7777;
    if mode & (if kind.uid() == 0 { OTHERS_OF_ROOT } else { OTHERS }) != 0 {
        return Err(cannot(format!("its mode is {mode:04o}, and others may read or change it"))
            .hint(format!("chmod 0600 {}", file.display())));
    }
    let bytes = fs::read(file).map_err(|error| cannot(error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| cannot("it holds no key without a passphrase in PEM".to_owned()))
}
