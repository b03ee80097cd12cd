//! What `sslmode` comes to. Never less than libpq does, and for another machine more: where nothing is said, or what
//! libpq gives up without a word (`allow`, `prefer`), a server proves that it is the one that was meant.

use tokio_postgres::config::SslMode;

/// In the order of what it is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encryption {
    None,
    /// Where the server offers it.
    IfOffered,
    /// By whomever.
    Unverified,
    /// The server's certificate is of an authority.
    Authority,
    /// And for its name.
    Full,
}

/// Where the way to the server leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// A unix socket, where libpq knows no TLS.
    Socket,
    Loopback,
    Other,
}

/// Certificates of authorities that are named, or lie where libpq looks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities {
    None,
    File,
    System,
}

pub const MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

impl Encryption {
    /// The error is what is wrong with it.
    pub fn of(said: Option<&str>, network: Network, authorities: Authorities) -> Result<Encryption, String> {
        if authorities == Authorities::System && said.is_some_and(|mode| mode != "verify-full") {
            // As libpq: anybody gets a certificate of one of those.
            return Err("sslrootcert=system takes sslmode=verify-full".to_owned());
        }
        Ok(match (said, network) {
            (_, Network::Socket) | (Some("disable"), _) => Encryption::None,
            (Some("verify-full"), _) => Encryption::Full,
            (Some("verify-ca"), _) => Encryption::Authority,
            // As libpq, where a certificate of an authority lies ready.
            (Some("require"), _) if authorities == Authorities::File => Encryption::Authority,
            (Some("require"), _) => Encryption::Unverified,
            (None, Network::Loopback) if authorities == Authorities::System => Encryption::Full,
            (_, Network::Loopback) => Encryption::IfOffered,
            (_, Network::Other) => Encryption::Full,
        })
    }

    pub fn for_session(self) -> SslMode {
        match self {
            Encryption::None => SslMode::Disable,
            Encryption::IfOffered => SslMode::Prefer,
            _ => SslMode::Require,
        }
    }

    /// As libpq is to do the same.
    pub fn word(self) -> &'static str {
        match self {
            Encryption::None => "disable",
            Encryption::IfOffered => "prefer",
            Encryption::Unverified => "require",
            Encryption::Authority => "verify-ca",
            Encryption::Full => "verify-full",
        }
    }

    pub fn verifies(self) -> bool {
        self >= Encryption::Authority
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Network::{Loopback, Other, Socket};

    fn of(said: &str, network: Network, authorities: Authorities) -> Encryption {
        Encryption::of(Some(said).filter(|said| !said.is_empty()), network, authorities).unwrap()
    }

    #[test]
    fn another_machine_proves_itself() {
        for said in ["", "allow", "prefer", "verify-full"] {
            assert_eq!(of(said, Other, Authorities::None), Encryption::Full, "{said}");
        }
        assert_eq!(of("disable", Other, Authorities::None), Encryption::None);
        assert_eq!(of("verify-ca", Other, Authorities::None), Encryption::Authority);
        assert_eq!(of("require", Other, Authorities::None), Encryption::Unverified);
        assert_eq!(of("require", Other, Authorities::File), Encryption::Authority);
    }

    #[test]
    fn this_machine_is_as_libpq_has_it() {
        for said in ["", "allow", "prefer"] {
            assert_eq!(of(said, Loopback, Authorities::File), Encryption::IfOffered, "{said}");
        }
        assert_eq!(of("verify-full", Loopback, Authorities::None), Encryption::Full);
        assert_eq!(of("", Loopback, Authorities::System), Encryption::Full);
        for said in ["", "disable", "require", "verify-full"] {
            assert_eq!(of(said, Socket, Authorities::None), Encryption::None, "{said}");
        }
    }

    #[test]
    fn the_systems_authorities_prove_nothing_without_the_name() {
        assert!(Encryption::of(Some("verify-ca"), Other, Authorities::System).is_err());
        assert_eq!(of("", Other, Authorities::System), Encryption::Full);
    }

    /// The server is told as much by the programs as by us.
    #[test]
    fn words_are_libpqs() {
        let all =
            [Encryption::None, Encryption::IfOffered, Encryption::Unverified, Encryption::Authority, Encryption::Full];
        assert!(all.iter().all(|encryption| MODES.contains(&encryption.word())));
        assert!(all.is_sorted());
    }
}
