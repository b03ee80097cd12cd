//! What comes from the string, the service and the environment.

use super::*;

fn parameters(text: &str, variables: &[(&str, &str)]) -> Result<Parameters> {
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Parameters::resolve(&ConnectionString::parse(text).unwrap(), &variable)
}

#[test]
fn the_environment_says_how_and_never_where() {
    let variables = [("PGHOST", "elsewhere"), ("PGUSER", "other"), ("PGSSLMODE", "require"), ("PGPASSWORD", "hush")];
    let found = parameters("host=h sslmode=verify-full port=''", &variables).unwrap();
    assert_eq!(found.get("host"), Some("h"));
    assert_eq!(found.get("sslmode"), Some("verify-full"));
    assert_eq!(found.get("password"), Some("hush"));
    assert_eq!((found.get("user"), found.get("port")), (None, None));
    let found = parameters("host=h", &variables).unwrap();
    assert_eq!(found.get("sslmode"), Some("require"));
}

#[test]
fn a_service_says_what_the_string_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pg_service.conf");
    std::fs::write(&file, "[shop]\nhost=db.test\nport=5433\nsslmode=verify-ca\n").unwrap();
    let file = file.to_str().unwrap();
    let variables = [("PGSERVICEFILE", file), ("PGSSLMODE", "disable")];
    let found = parameters("service=shop port=5434", &variables).unwrap();
    assert_eq!((found.get("host"), found.get("port")), (Some("db.test"), Some("5434")));
    assert_eq!(found.get("sslmode"), Some("verify-ca"));
    let found = parameters("user=me", &[("PGSERVICE", "shop"), ("PGSERVICEFILE", file)]).unwrap();
    assert_eq!(found.get("host"), Some("db.test"));
    // The string names a server.
    let found = parameters("host=h", &[("PGSERVICE", "shop"), ("PGSERVICEFILE", file)]).unwrap();
    assert_eq!((found.get("host"), found.get("port")), (Some("h"), None));
    let in_directory = [("PGSYSCONFDIR", directory.path().to_str().unwrap()), ("HOME", "/nonexistent")];
    assert_eq!(parameters("service=shop", &in_directory).unwrap().get("port"), Some("5433"));
    let absent = parameters("service=absent", &in_directory).err().unwrap();
    assert!(absent.message.contains("service \"absent\" is not in "), "{absent}");
}

#[test]
fn what_cannot_be_kept_to_is_refused() {
    let error = parameters("host=h", &[("PGREQUIREAUTH", "scram-sha-256")]).err().unwrap();
    assert_eq!(error.message, "PGREQUIREAUTH is set, and pgcairn's own sessions cannot keep to it");
    let found = parameters("host=h channel_binding=maybe connect_timeout=soon", &[]).unwrap();
    let error = found.one_of("channel_binding", &["disable", "require"]).unwrap_err();
    assert!(error.message.ends_with("channel_binding is \"maybe\", none of disable, require"), "{error}");
    assert!(found.number::<u16>("connect_timeout").is_err());
}
