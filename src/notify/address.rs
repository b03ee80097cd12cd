//! A URL that may be a secret, such as that of a webhook: whoever knows it can write there. It is read when it is
//! used, and of it only the host is shown.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reqwest::Url;
use rustix::fs::OFlags;

use super::error::{NotifyError, What};
use crate::model::template;

const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Longest URL that is read.
const MAX_URL: usize = 4 << 10;

/// Nobody but the owner and the group may look at a secret.
const OTHERS: u32 = 0o007;

/// What stands in a URL for the command that is told of.
const COMMAND: &str = "command";

/// A URL, or where it is found.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    Written(String),
    File(PathBuf),
    /// The name of a variable.
    Environment(String),
    /// The name of a systemd credential.
    Credential(String),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Written(text) => write!(f, "Written({})", shown(text)),
            Address::File(path) => write!(f, "File({})", path.display()),
            Address::Environment(name) => write!(f, "Environment({name})"),
            Address::Credential(name) => write!(f, "Credential({name})"),
        }
    }
}

/// As much of a URL as anybody may see.
pub fn shown(text: &str) -> String {
    Endpoint::parse(text).map_or_else(|_| "no URL".to_owned(), |endpoint| endpoint.shown())
}

impl Address {
    /// Checked as far as it can be without reading it; the reason does not quote it.
    pub fn written(text: &str) -> Result<Address, String> {
        template::check(text, &[COMMAND]).map_err(|_| format!("only {{{COMMAND}}} may stand in braces"))?;
        Endpoint::parse(&for_command(text, COMMAND))?;
        Ok(Address::Written(text.to_owned()))
    }

    fn read(&self) -> Result<String, NotifyError> {
        let wrong = |reason: String| NotifyError::new(What::Address, reason);
        match self {
            Address::Written(text) => Ok(text.clone()),
            Address::File(path) => {
                read(path).map_err(|reason| wrong(format!("its URL in {}: {reason}", path.display())))
            }
            Address::Environment(name) => std::env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .ok_or_else(|| wrong(format!("its URL: environment variable {name} is not set"))),
            Address::Credential(name) => {
                let directory = std::env::var_os(CREDENTIALS_DIRECTORY).filter(|value| !value.is_empty());
                let missing = || {
                    format!(
                        "its URL: the systemd credential {name} was not handed over: {CREDENTIALS_DIRECTORY} is not set"
                    )
                };
                let path = Path::new(&directory.ok_or_else(|| wrong(missing()))?).join(name);
                read(&path).map_err(|reason| wrong(format!("its URL in the systemd credential {name}: {reason}")))
            }
        }
    }

    /// Where to send to.
    pub fn endpoint(&self, command: &str) -> Result<Endpoint, NotifyError> {
        let text = for_command(&self.read()?, command);
        Endpoint::parse(&text).map_err(|wanted| NotifyError::new(What::Address, format!("its URL: {wanted}")))
    }

    /// Whether each command has a URL of its own.
    pub fn tells_commands_apart(&self) -> Result<bool, NotifyError> {
        self.read().map(|text| for_command(&text, "") != text)
    }
}

fn for_command(text: &str, command: &str) -> String {
    template::fill(text, |name| (name == COMMAND).then(|| command.to_owned()))
}

/// The first line.
fn read(path: &Path) -> Result<String, String> {
    // Nobody may write to a pipe, and whoever opens it waits for that.
    let at_once = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(at_once).open(path).map_err(|error| error.to_string())?;
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mode = found.mode();
    if mode & OTHERS != 0 {
        return Err(format!("its mode is {:04o}, everybody may read it", mode & 0o7777));
    }
    let mut text = String::new();
    file.take(MAX_URL as u64 + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// A URL that can be sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.shown())
    }
}

impl Endpoint {
    /// Or what was wanted instead, without a word of what it is.
    fn parse(text: &str) -> Result<Endpoint, String> {
        let wanted = || "it is not a URL that begins with https:// or http://".to_owned();
        if text.len() > MAX_URL {
            return Err(format!("it is longer than {MAX_URL} bytes"));
        }
        let url = Url::parse(text).map_err(|_| wanted())?;
        let usable = ["http", "https"].contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty());
        if usable { Ok(Endpoint(url)) } else { Err(wanted()) }
    }

    /// Scheme, host and port, and that there is more.
    fn shown(&self) -> String {
        format!("{}://{}/…", self.0.scheme(), self.host())
    }

    /// With the port where it is not the usual one.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The place below it, whatever its query is.
    pub fn below(mut self, word: &str) -> Endpoint {
        if let Ok(mut path) = self.0.path_segments_mut() {
            path.pop_if_empty().push(word);
        }
        self
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_place_below_keeps_the_query() {
        let below = |text: &str| Endpoint::parse(text).unwrap().below("fail").url().to_string();
        assert_eq!(below("https://h/u-1"), "https://h/u-1/fail");
        assert_eq!(below("https://h/u-1/"), "https://h/u-1/fail");
        assert_eq!(below("https://h:8/k/s?create=1"), "https://h:8/k/s/fail?create=1");
        assert_eq!(below("http://h"), "http://h/fail");
    }

    #[test]
    fn only_the_host_is_shown() {
        let address = Address::written("https://user:hush@hooks.example.org:8443/hush?hush#hush").unwrap();
        assert_eq!(format!("{address:?}"), "Written(https://hooks.example.org:8443/…)");
        let endpoint = address.endpoint("backup").unwrap();
        assert_eq!(
            format!("{endpoint:?} {}", endpoint.host()),
            "Endpoint(https://hooks.example.org:8443/…) hooks.example.org:8443"
        );
        for wrong in ["", "hush", "ftp://h/hush", "https://", "file:///hush", "https://h/{hush}", "//hush/h"] {
            let reason = Address::written(wrong).unwrap_err();
            assert!(!reason.contains("hush"), "{reason}");
        }
    }

    #[test]
    fn every_command_may_have_a_url_of_its_own() {
        let address = Address::written("https://h/key/main-{command}?create=1").unwrap();
        assert_eq!(address.tells_commands_apart(), Ok(true));
        assert_eq!(address.endpoint("verify").unwrap().url().as_str(), "https://h/key/main-verify?create=1");
        assert_eq!(Address::written("https://h/u").unwrap().tells_commands_apart(), Ok(false));
    }

    #[test]
    fn a_file_is_read_when_it_is_used_and_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("url");
        let address = Address::File(path.clone());
        assert!(address.endpoint("x").unwrap_err().reason.ends_with("No such file or directory (os error 2)"));
        std::fs::write(&path, "https://h/hush\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(address.endpoint("x").unwrap_err().reason.ends_with("its mode is 0644, everybody may read it"));
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(Address::File(pipe).endpoint("x").unwrap_err().reason.ends_with("it is no regular file"));
        mode(0o640);
        assert_eq!(address.endpoint("x").unwrap().host(), "h");
        for wrong in ["hush", "", &"https://hush/".repeat(MAX_URL)] {
            std::fs::write(&path, wrong).unwrap();
            let error = address.endpoint("x").unwrap_err();
            assert!(error.what == What::Address && !error.reason.contains("hush"), "{error}");
        }
    }
}
