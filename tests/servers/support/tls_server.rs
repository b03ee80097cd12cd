//! A server that is reached over TCP, by TLS and a password alone.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Outcome;
use super::account::account;
use super::authority::{Authority, Certified};
use super::majors::Installation;
use super::server::{PORT, Server, run};

/// What its certificate is for; no name server knows it.
pub const NAME: &str = "db.test";
pub const PASSWORD: &str = "hunter2";

pub struct TlsServer {
    pub server: Server,
    pub authority: Authority,
    /// All of 127.0.0.0/8 is this machine's, so no two servers meet.
    pub address: String,
}

impl TlsServer {
    /// With the role `backup`, a superuser whose password is asked for over TCP.
    pub fn start(install: &'static Installation) -> Outcome<TlsServer> {
        let address = own_address();
        let builder = Server::builder(install).setting("listen_addresses", &format!("'{address}'"));
        let builder = builder.setting("password_encryption", "'scram-sha-256'").setting("log_connections", "on");
        let server = builder.create()?;
        account().make_dir(&server.scratch().join("tls"))?;
        let tls = TlsServer { authority: Authority::new(&server.scratch().join("tls"), "authority")?, server, address };
        tls.trust(&["local all all trust", "hostssl all all 127.0.0.0/8 scram-sha-256"])?;
        tls.show(&tls.authority.certify(NAME, 30)?)?;
        let authority = format!("'{}'", tls.authority.certificate().display());
        tls.server.append_setting("ssl_ca_file", &authority)?;
        tls.server.append_setting("ssl", "on")?;
        tls.server.start()?;
        tls.server.sql(&format!("create role backup superuser login password '{PASSWORD}'"))?;
        account().write(
            &tls.passwords(),
            format!("{NAME}:{PORT}:*:backup:{PASSWORD}\n{}:*:*:*:{PASSWORD}\n", tls.address),
            0o600,
        )?;
        Ok(tls)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.server.scratch().join("tls").join(name)
    }

    pub fn passwords(&self) -> PathBuf {
        self.file("passwords")
    }

    /// Lines of pg_hba.conf.
    pub fn trust(&self, lines: &[&str]) -> Outcome {
        Ok(account().write(&self.server.data().join("pg_hba.conf"), lines.join("\n") + "\n", 0o600)?)
    }

    /// The certificate that it shows, from its next start or reload.
    pub fn show(&self, shown: &Certified) -> Outcome {
        self.server.append_setting("ssl_cert_file", &format!("'{}'", shown.certificate.display()))?;
        self.server.append_setting("ssl_key_file", &format!("'{}'", shown.key.display()))
    }

    /// Without a word of TLS, and without those that come after.
    pub fn connection(&self) -> String {
        format!("host={NAME} hostaddr={} port={PORT} user=backup dbname=postgres", self.address)
    }

    /// With the authority and the passwords.
    pub fn trusted_connection(&self) -> String {
        let (authority, passwords) = (self.authority.certificate(), self.passwords());
        format!("{} sslrootcert={} passfile={}", self.connection(), authority.display(), passwords.display())
    }

    /// Programs for `--bindir`. Those that are linked beside a server may have been built without TLS; the server's own
    /// library has it.
    pub fn programs(&self) -> Outcome<String> {
        let (bin, programs) = (self.server.install.bin(), self.file("bin"));
        let library = bin.with_file_name("lib").join("libpq.so.5");
        if !library.exists() {
            return Ok(bin.display().to_string());
        }
        // Written by a shell: a file that is open for writing here cannot be run by anybody.
        let script = "mkdir \"$1\"; for program in pg_dump pg_dumpall pg_restore psql; do \
             printf '#!/bin/sh\\nLD_PRELOAD=%s exec %s \"$@\"\\n' \"$2\" \"$3/$program\" > \"$1/$program\"; done; \
             chmod 755 \"$1\"/*";
        let mut shell = account().command("/bin/sh");
        run(shell.args(["-euc", script, "sh"]).arg(&programs).arg(library).arg(bin))?;
        Ok(programs.display().to_string())
    }

    /// As the server's log tells of sessions of the role.
    pub fn sessions(&self) -> Vec<String> {
        let log = self.server.log();
        let ours = log.lines().filter(|line| line.contains("connection authorized: user=backup "));
        ours.map(str::to_owned).collect()
    }
}

/// Of this process and this call alone.
fn own_address() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id().wrapping_mul(64).wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed));
    let [_, high, middle, low] = number.to_be_bytes();
    // 127.0.0.1 is for others.
    format!("127.{}.{middle}.{low}", 1 + high % 250)
}
