//! A server that is not spoken to, and passwords that are not found.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::super::support::Outcome;
use super::super::support::account::account;
use super::super::support::authority::{Authority, Certified};
use super::super::support::majors::Installation;
use super::super::support::site::Site;
use super::super::support::tls_server::{NAME, TlsServer};
use super::Document;

/// A place where a dump could be restored to.
struct Place {
    document: Document,
    tls: TlsServer,
    site: Site,
    bindir: String,
}

pub fn refusals(install: &'static Installation) -> Outcome {
    let tls = TlsServer::start(install)?;
    let site = Site::new(&tls.server)?;
    site.init()?;
    let bindir = install.bin().display().to_string();
    site.run(&["dump", "--bindir", &bindir])?.ok()?;
    let mut place = Place { document: Document::new(), tls, site, bindir };
    place.certificates()?;
    place.passwords()?;
    place.elsewhere()?;
    place.given_up()?;
    place.document.end()
}

impl Place {
    fn words(&self, connection: &str) -> Vec<String> {
        let what = ["dump", "restore", "latest", "--plan", "--database", "postgres=copy"];
        let words = [&what[..], &["--into", connection, "--bindir", &self.bindir, "--json"]].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    fn refuses(&mut self, when: &str, connection: &str, variables: &[(&str, &str)]) -> Outcome {
        let words = self.words(connection);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.site.command(&words);
        command.env("PGCAIRN_IDENTITY", self.site.identity()).envs(variables.iter().copied());
        let run = super::Run::of(&mut command)?;
        self.document.compare(when, &self.site, run).map(drop)
    }

    fn warned(&mut self, when: &str, connection: &str, text: &str) -> Outcome {
        let words = self.words(connection);
        let run = self.site.run_with_identity(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.document.warned(when, &self.site, &run, text)
    }

    /// A copy where the document shows it.
    fn put(&self, file: &std::path::Path, name: &str, mode: u32) -> Outcome<String> {
        let path = self.site.path(name);
        account().write(&path, fs::read(file)?, mode)?;
        Ok(path.display().to_string())
    }

    fn certificates(&mut self) -> Outcome {
        let trusted = self.tls.trusted_connection();
        account().make_dir(&self.tls.file("other"))?;
        let other = Authority::new(&self.tls.file("other"), "other")?;
        let other = self.put(&other.certificate(), "other.crt", 0o644)?;
        let of_another = format!("{} sslrootcert={other}", self.tls.connection());
        self.refuses("TLS: of another authority", &of_another, &[])?;
        self.refuses("TLS: for another name", &trusted.replace(NAME, "shop.test"), &[])?;
        let own = self.tls.authority.certify("client", 30)?;
        let key = self.put(&own.key, "client.key", 0o644)?;
        let with_key = format!("{trusted} sslcert={} sslkey={key}", own.certificate.display());
        self.refuses("TLS: a key that others may read", &with_key, &[])?;
        self.tls.trust(&["local all all trust", "hostssl all all 127.0.0.0/8 scram-sha-256 clientcert=verify-ca"])?;
        self.tls.server.restart()?;
        self.refuses("TLS: the server asks for a certificate", &trusted, &[])?;
        self.tls.trust(&["local all all trust", "hostssl all all 127.0.0.0/8 scram-sha-256"])?;
        let authority = self.tls.authority.certificate();
        self.tls.show(&Certified { key: authority.with_extension("key"), certificate: authority })?;
        self.tls.server.restart()?;
        self.refuses("TLS: the certificate is an authority itself", &trusted, &[])?;
        self.tls.show(&self.tls.authority.certify("db.test", -1)?)?;
        self.tls.server.restart()?;
        self.refuses("TLS: expired", &trusted, &[])?;
        self.tls.show(&self.tls.authority.certify("db.test", 30)?)?;
        self.tls.server.append_setting("ssl", "off")?;
        self.tls.server.restart()?;
        self.refuses("TLS: the server has none", &trusted, &[])?;
        assert!(self.tls.sessions().is_empty(), "{:?}", self.tls.sessions());
        self.tls.server.append_setting("ssl", "on")?;
        self.tls.server.restart()
    }

    fn passwords(&mut self) -> Outcome {
        let file = self.put(&self.tls.passwords(), "passwords", 0o644)?;
        let connection = format!(
            "{} sslrootcert={} passfile={file}",
            self.tls.connection(),
            self.tls.authority.certificate().display()
        );
        self.refuses("passwords that others may read", &connection, &[])?;
        fs::set_permissions(&file, Permissions::from_mode(0o600))?;
        let words = self.words(&connection);
        self.site.run_with_identity(&words.iter().map(String::as_str).collect::<Vec<_>>())?.ok()?;
        account().write(&self.site.path("passwords"), "other:*:*:*:x\n", 0o600)?;
        self.refuses("no password for a role", &connection, &[])
    }

    fn elsewhere(&mut self) -> Outcome {
        account().write(&self.site.path("services"), "[other]\nhost=h\n", 0o644)?;
        let services = self.site.path("services").display().to_string();
        let nowhere = self.site.path("nowhere").display().to_string();
        let variables = [("PGSERVICEFILE", services.as_str()), ("PGSYSCONFDIR", nowhere.as_str())];
        self.refuses("a service that is nowhere", "service=shop", &variables)?;
        let socket = format!("{} target_session_attrs=standby", self.tls.server.connection());
        self.refuses("a server of another kind", &socket, &[])
    }

    fn given_up(&mut self) -> Outcome {
        let connection = format!("{} passfile={}", self.tls.connection(), self.tls.passwords().display());
        self.warned("TLS: whoever it is", &format!("{connection} sslmode=require"), "sslmode=require")?;
        self.tls.trust(&["local all all trust", "hostnossl all all 127.0.0.0/8 scram-sha-256"])?;
        self.tls.server.restart()?;
        self.warned("TLS: in the clear", &format!("{connection} sslmode=disable"), "sslmode=disable")
    }
}
