//! Where a password comes from: said, or out of the file that libpq keeps them in (`passwordFromFile` in `fe-connect.c`).

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::parameters::Parameters;

const IN_HOME: &str = ".pgpass";
/// Read of such a file.
const MAX_FILE: u64 = 1 << 20;
/// Others of the group, and all.
const OTHERS: u32 = 0o077;
/// What a file calls the server behind the usual socket.
const LOCAL: &str = "localhost";
/// Of upstream, and of Debian (`DEFAULT_PGSOCKET_DIR`).
const USUAL_SOCKETS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

#[derive(Debug, Clone)]
pub enum Passwords {
    Said(SecretString),
    File(PathBuf),
    None,
}

/// Whose password is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    pub host: &'p str,
    pub port: u16,
    pub database: &'p str,
    pub user: &'p str,
}

impl Passwords {
    pub fn of(parameters: &Parameters) -> Passwords {
        match (parameters.get("password"), parameters.file("passfile").or_else(|| parameters.in_home(IN_HOME))) {
            (Some(password), _) => Passwords::Said(password.into()),
            (None, Some(file)) => Passwords::File(file),
            (None, None) => Passwords::None,
        }
    }

    /// A file that others may read holds none.
    pub fn get(&self, place: Place<'_>) -> Option<SecretString> {
        match self {
            Passwords::Said(password) => Some(password.clone()),
            Passwords::File(file) => read(file).ok().and_then(|text| find(text.expose_secret(), place)),
            Passwords::None => None,
        }
    }

    /// Why there is none, and what to do about it.
    pub fn lacking(&self, place: Place<'_>) -> (String, String) {
        let Place { host, port, database, user } = place;
        let line = |file: &str| format!("put the line {host}:{port}:{database}:{user}:PASSWORD into {file}, mode 0600");
        match self {
            Passwords::File(file) => match read(file) {
                Ok(_) => (format!("{} has none for {user}", file.display()), line(&file.display().to_string())),
                Err(Unread::Open(mode)) => {
                    let said =
                        format!("{} is not read: its mode is {mode:04o}, and others may read it", file.display());
                    (said, format!("chmod 0600 {}", file.display()))
                }
                Err(Unread::Io(error)) => {
                    (format!("{} cannot be read: {error}", file.display()), line(&file.display().to_string()))
                }
            },
            _ => ("there is none".to_owned(), line("the file that passfile= or PGPASSFILE names")),
        }
    }

    /// For a program of PostgreSQL, which looks into a file by itself.
    pub fn variable(&self) -> Option<(&'static str, OsString)> {
        match self {
            Passwords::Said(password) => Some(("PGPASSWORD", password.expose_secret().into())),
            Passwords::File(file) => Some(("PGPASSFILE", file.into())),
            Passwords::None => None,
        }
    }
}

enum Unread {
    Open(u32),
    Io(std::io::Error),
}

fn read(path: &Path) -> Result<SecretString, Unread> {
    let kind = std::fs::metadata(path).map_err(Unread::Io)?;
    if !kind.is_file() {
        return Err(Unread::Io(std::io::Error::other("it is no file")));
    }
    let file = std::fs::File::open(path).map_err(Unread::Io)?;
    let mode = file.metadata().map_err(Unread::Io)?.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(Unread::Open(mode));
    }
    let mut text = String::new();
    file.take(MAX_FILE).read_to_string(&mut text).map_err(Unread::Io)?;
    Ok(text.into())
}

/// The first line that fits.
fn find(text: &str, place: Place<'_>) -> Option<SecretString> {
    let host = if USUAL_SOCKETS.contains(&place.host) { LOCAL } else { place.host };
    let port = place.port.to_string();
    let wanted = [host, port.as_str(), place.database, place.user];
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(fields).find_map(|fields| {
        let (password, asked) = fields.get(..5)?.split_last()?;
        let fits = asked.iter().zip(wanted).all(|(field, wanted)| field.raw == "*" || field.value == wanted);
        fits.then(|| password.value.clone().into())
    })
}

#[derive(Default)]
struct Field {
    raw: String,
    value: String,
}

/// Up to a colon; a backslash takes the next character as it is.
fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field::default()];
    let mut characters = line.trim_end_matches('\r').chars();
    while let Some(character) = characters.next() {
        if character == ':' {
            fields.push(Field::default());
            continue;
        }
        let Some(field) = fields.last_mut() else { continue };
        field.raw.push(character);
        match (character, character == '\\') {
            (_, true) => match characters.next() {
                Some(escaped) => {
                    field.raw.push(escaped);
                    field.value.push(escaped);
                }
                None => field.value.push('\\'),
            },
            (plain, false) => field.value.push(plain),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SHOP: Place<'_> = Place { host: "db.test", port: 5432, database: "shop", user: "me" };

    fn found(text: &str, place: Place<'_>) -> Option<String> {
        find(text, place).map(|password| password.expose_secret().to_owned())
    }

    #[test]
    fn the_first_line_that_fits() {
        let text = "# db.test:5432:shop:me:no\nother:*:*:*:a\ndb.test:5432:shop:you:b\n*:*:shop:me:c\\:\\\\d:rest\n*:*:*:*:e\n";
        assert_eq!(found(text, SHOP).as_deref(), Some(r"c:\d"));
        assert_eq!(found(text, Place { database: "crm", ..SHOP }).as_deref(), Some("e"));
        assert_eq!(found("a\\:b:1:*:*:x", Place { host: "a:b", port: 1, ..SHOP }).as_deref(), Some("x"));
        assert_eq!(found("localhost:*:*:*:x", Place { host: "/var/run/postgresql", ..SHOP }).as_deref(), Some("x"));
        assert_eq!(found("localhost:*:*:*:x", Place { host: "/srv/run", ..SHOP }), None);
        assert_eq!(found("db.test:5432:shop:me", SHOP), None);
    }

    #[test]
    fn a_file_that_others_may_read_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pass");
        fs::write(&file, "*:*:*:*:hush\n").unwrap();
        let passwords = Passwords::File(file.clone());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(passwords.get(SHOP).is_none());
        assert!(passwords.lacking(SHOP).0.ends_with("is not read: its mode is 0640, and others may read it"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(passwords.get(SHOP).unwrap().expose_secret(), "hush");
        assert!(!format!("{:?}", Passwords::Said("hush".into())).contains("hush"));
    }
}
