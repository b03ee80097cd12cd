//! A server that a connection string leads to, and everything that sessions and programs need to speak with it.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::time::Duration;

use nix::unistd::{User, geteuid};
use rand::seq::SliceRandom;
use secrecy::ExposeSecret;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslNegotiation};

use super::connection::{APPLICATION_NAME, Address, CONNECT_TIMEOUT, DEFAULT_DATABASE, DEFAULT_HOST, DEFAULT_PORT};
use super::parameters::{Parameters, not_usable};
use super::password::{Passwords, Place};
use super::tls::{Certificates, Encryption, MODES, Network, Tls, refusal};
use crate::model::error::{Code, Error, Result};

/// What only a missing password is called by `tokio_postgres`.
const NO_PASSWORD: &str = "password missing";

#[derive(Clone)]
pub struct Endpoint {
    /// Of one server, without a password.
    config: Config,
    server: Server,
    user: String,
    encryption: Encryption,
    tls: Tls,
    authorities: String,
    passwords: Passwords,
    /// For programs; neither the database nor a password.
    variables: Vec<(&'static str, OsString)>,
}

/// Where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    /// A name, an address or the directory of a socket.
    host: String,
    address: Option<IpAddr>,
    port: u16,
}

impl Endpoint {
    /// In the order in which they are tried.
    pub fn all(parameters: &Parameters) -> Result<Vec<Endpoint>> {
        let mut servers = servers(parameters)?;
        if parameters.one_of("load_balance_hosts", &["disable", "random"])? == Some("random") {
            servers.shuffle(&mut rand::rng());
        }
        servers.into_iter().map(|server| Endpoint::of(parameters, server)).collect()
    }

    fn of(parameters: &Parameters, server: Server) -> Result<Endpoint> {
        let certificates = Certificates::of(parameters)?;
        let said = parameters.one_of("sslmode", MODES)?;
        let encryption =
            Encryption::of(said, server.network(), certificates.authorities()).map_err(|e| not_usable(&e))?;
        if certificates.is_direct() && encryption == Encryption::IfOffered {
            return Err(not_usable("sslnegotiation=direct takes sslmode=require or more"));
        }
        let user = match parameters.get("user") {
            Some(user) => user.to_owned(),
            None => User::from_uid(geteuid()).ok().flatten().map(|user| user.name).unwrap_or_default(),
        };
        let mut config = config(parameters, &server, &user)?;
        config.ssl_mode(encryption.for_session());
        if certificates.is_direct() && encryption != Encryption::None {
            config.ssl_negotiation(SslNegotiation::Direct);
        }
        let authorities = if encryption.verifies() { certificates.authorities_file()? } else { Default::default() };
        let mut variables = server_variables(std::slice::from_ref(&server));
        variables.extend([("PGUSER", user.clone().into()), ("PGSSLMODE", encryption.word().into())]);
        variables.extend(certificates.variables(encryption)?);
        variables.extend(other_variables(parameters, &config));
        Ok(Endpoint {
            tls: certificates.tls(encryption)?,
            authorities: authorities.display().to_string(),
            passwords: Passwords::of(parameters),
            config,
            server,
            user,
            encryption,
            variables,
        })
    }

    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    pub fn address(&self) -> Address {
        Address::of(&self.config)
    }

    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or(DEFAULT_DATABASE)
    }

    fn place<'p>(&'p self, database: &'p str) -> Place<'p> {
        Place { host: &self.server.host, port: self.server.port, database, user: &self.user }
    }

    /// For a session in one of its databases.
    pub fn config_of(&self, database: &str) -> Config {
        let mut config = self.config.clone();
        config.dbname(database);
        if let Some(password) = self.passwords.get(self.place(database)) {
            config.password(password.expose_secret());
        }
        config
    }

    /// For programs of PostgreSQL: in their environment, which others cannot see, as they can arguments.
    pub fn program_environment(&self, database: &str) -> Vec<(&'static str, OsString)> {
        let database = ("PGDATABASE", database.into());
        self.variables.iter().cloned().chain([database]).chain(self.passwords.variable()).collect()
    }

    /// What there was instead of a session.
    pub fn unreachable(&self, error: &::postgres::Error, database: &str) -> Error {
        let address = self.address();
        let lacks_password =
            || std::error::Error::source(error).is_some_and(|source| source.to_string() == NO_PASSWORD);
        if error.as_db_error().is_none() && lacks_password() {
            let (why, hint) = self.passwords.lacking(self.place(database));
            return Error::new(Code::Permission, format!("the server at {address} asks for a password: {why}"))
                .hint(hint);
        }
        let place = address.to_string();
        refusal(error, self.encryption, (&place, &self.server.host), &self.authorities)
            .unwrap_or_else(|| super::failure::unreachable(error, &address))
    }

    /// What somebody in between could do, as it was asked for.
    pub fn caution(&self) -> Option<Error> {
        let what = match (self.server.network(), self.encryption) {
            (Network::Other, Encryption::None) => {
                "goes over the network in the clear, with its password (sslmode=disable): whoever is in between reads along"
            }
            (Network::Other, Encryption::Unverified) => {
                "is encrypted, but with whom is not looked at (sslmode=require): whoever is in between can read along"
            }
            _ => return None,
        };
        Some(
            Error::new(Code::Flagged, format!("the connection to {} {what}", self.address())).hint(
                "sslmode=verify-full, with sslrootcert=FILE where the server's authority is not one of the system's",
            ),
        )
    }
}

/// What programs need that choose among several servers themselves. They ask of all what the strictest needs.
pub fn program_environment(parameters: &Parameters, database: &str) -> Result<Vec<(&'static str, OsString)>> {
    let all = Endpoint::all(parameters)?;
    let strictest = all.iter().max_by_key(|endpoint| endpoint.encryption);
    let strictest = strictest.ok_or_else(|| not_usable("it names no server"))?;
    let servers: Vec<Server> = all.iter().map(|endpoint| endpoint.server.clone()).collect();
    let database = parameters.get("dbname").unwrap_or(database);
    let mut environment = strictest.program_environment(database);
    environment.retain(|(name, _)| !["PGHOST", "PGHOSTADDR", "PGPORT"].contains(name));
    environment.extend(server_variables(&servers));
    let wanted = parameters.get("target_session_attrs").map(|wanted| ("PGTARGETSESSIONATTRS", wanted.into()));
    environment.extend(wanted);
    Ok(environment)
}

/// `host`, `hostaddr` and `port` are lists side by side (`pqConnectOptions2`).
fn servers(parameters: &Parameters) -> Result<Vec<Server>> {
    let (hosts, addresses, ports) = (parameters.list("host"), parameters.list("hostaddr"), parameters.list("port"));
    let count = hosts.len().max(addresses.len()).max(1);
    let fits = |list: &[&str]| list.is_empty() || list.len() == count;
    if !fits(&hosts) || !fits(&addresses) || !(fits(&ports) || ports.len() == 1) {
        return Err(not_usable("host, hostaddr and port name different numbers of servers"));
    }
    let at = |list: &[&str], index: usize| list.get(index).copied().filter(|text| !text.is_empty()).map(str::to_owned);
    (0..count)
        .map(|index| {
            let address = at(&addresses, index).map(|text| text.parse::<IpAddr>()).transpose();
            let address = address.map_err(|_| not_usable("hostaddr is no address, such as 192.0.2.7"))?;
            let named = address.map(|address| address.to_string());
            let host = at(&hosts, index).or(named).unwrap_or_else(|| DEFAULT_HOST.to_owned());
            let port = at(&ports, if ports.len() == 1 { 0 } else { index });
            let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse());
            let port = port.map_err(|_| not_usable("port is no number from 1 to 65535"))?;
            Ok(Server { host, address, port })
        })
        .collect()
}

impl Server {
    /// This machine is meant only where name and address say so: the end of a tunnel is here, and the server elsewhere.
    fn network(&self) -> Network {
        let is_here = |host: &str| {
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
        };
        match self.address {
            None if self.host.starts_with('/') => Network::Socket,
            Some(address) if !address.to_canonical().is_loopback() => Network::Other,
            _ if is_here(&self.host) => Network::Loopback,
            _ => Network::Other,
        }
    }
}

fn config(parameters: &Parameters, server: &Server, user: &str) -> Result<Config> {
    let mut config = Config::new();
    config.host(&server.host).port(server.port).user(user);
    if let Some(address) = server.address {
        config.hostaddr(address);
    }
    config.dbname(parameters.get("dbname").unwrap_or(DEFAULT_DATABASE));
    config.application_name(parameters.get("application_name").unwrap_or(APPLICATION_NAME));
    if let Some(options) = parameters.get("options") {
        config.options(options);
    }
    match parameters.number::<i32>("connect_timeout")?.map(u64::try_from) {
        None => drop(config.connect_timeout(CONNECT_TIMEOUT)),
        Some(Ok(seconds @ 1..)) => drop(config.connect_timeout(Duration::from_secs(seconds))),
        // For ever.
        Some(_) => {}
    }
    config.channel_binding(match parameters.one_of("channel_binding", &["disable", "prefer", "require"])? {
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        _ => ChannelBinding::Prefer,
    });
    if parameters.one_of("gssencmode", &["disable", "allow", "prefer", "require"])? == Some("require") {
        return Err(not_usable("gssencmode=require: pgcairn speaks TLS, and not GSSAPI"));
    }
    keep_alive(&mut config, parameters)?;
    Ok(config)
}

fn keep_alive(config: &mut Config, parameters: &Parameters) -> Result<()> {
    let seconds = |word| Ok::<_, Error>(parameters.number::<u64>(word)?.filter(|n| *n > 0).map(Duration::from_secs));
    if let Some(number) = parameters.number::<i32>("keepalives")? {
        config.keepalives(number != 0);
    }
    if let Some(idle) = seconds("keepalives_idle")? {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = seconds("keepalives_interval")? {
        config.keepalives_interval(interval);
    }
    if let Some(count) = parameters.number::<u32>("keepalives_count")?.filter(|count| *count > 0) {
        config.keepalives_retries(count);
    }
    if let Some(limit) = parameters.number::<u64>("tcp_user_timeout")?.filter(|limit| *limit > 0) {
        config.tcp_user_timeout(Duration::from_millis(limit));
    }
    Ok(())
}

fn server_variables(servers: &[Server]) -> Vec<(&'static str, OsString)> {
    let joined = |each: &dyn Fn(&Server) -> String| {
        servers.iter().map(|server| OsString::from(each(server))).collect::<Vec<_>>().join(OsStr::new(","))
    };
    let mut variables =
        vec![("PGHOST", joined(&|server| server.host.clone())), ("PGPORT", joined(&|server| server.port.to_string()))];
    if servers.iter().any(|server| server.address.is_some()) {
        let address = |server: &Server| server.address.map(|address| address.to_string()).unwrap_or_default();
        variables.push(("PGHOSTADDR", joined(&address)));
    }
    variables
}

/// GSSAPI would go before TLS.
fn other_variables(parameters: &Parameters, config: &Config) -> Vec<(&'static str, OsString)> {
    let said = |word: &str| parameters.get(word).map(OsString::from);
    let all = [
        ("PGOPTIONS", said("options")),
        ("PGAPPNAME", config.get_application_name().map(OsString::from)),
        ("PGCHANNELBINDING", said("channel_binding")),
        ("PGGSSENCMODE", Some("disable".into())),
        ("PGCONNECT_TIMEOUT", config.get_connect_timeout().map(|limit| limit.as_secs().to_string().into())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
