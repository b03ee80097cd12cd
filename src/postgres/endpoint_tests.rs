//! Which server, which proof, and what programs are told of them.

use super::*;

fn endpoints(text: &str) -> Vec<Endpoint> {
    Endpoint::all(&Parameters::of_text(text).unwrap()).unwrap()
}

fn refused(text: &str) -> String {
    Endpoint::all(&Parameters::of_text(text).unwrap()).err().unwrap().message
}

fn variable(environment: &[(&'static str, OsString)], name: &str) -> Option<String> {
    environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string_lossy().into_owned())
}

#[test]
fn what_is_not_said_has_a_default() {
    let all = endpoints("user=me");
    assert_eq!(all[0].address().options(), "-h /var/run/postgresql -p 5432");
    assert_eq!(all[0].database(), "postgres");
    let all = endpoints("host='/tmp/a b' port=5433 dbname=x");
    assert_eq!(all[0].address().options(), "-h '/tmp/a b' -p 5433");
    assert_eq!(all[0].database(), "x");
}

#[test]
fn lists_stand_side_by_side() {
    let all = endpoints("host=/run/a,/run/b,/run/c port=1,,3");
    assert_eq!(all.iter().map(|one| one.server.port).collect::<Vec<_>>(), [1, 5432, 3]);
    assert_eq!(endpoints("host=/run/a,/run/b port=7")[1].server.port, 7);
    for text in ["host=a,b hostaddr=127.0.0.1", "host=a,b port=1,2,3", "hostaddr=here", "port=0x1"] {
        assert!(refused(text).starts_with("the connection string cannot be used: "), "{text}");
    }
}

#[test]
fn this_machine_is_what_says_so_in_both_words() {
    let network = |text: &str| servers(&Parameters::of_text(text).unwrap()).unwrap()[0].network();
    for text in ["host=/run", "user=me"] {
        assert_eq!(network(text), Network::Socket, "{text}");
    }
    for text in ["host=localhost", "host=127.8.0.1", "host=::1", "hostaddr=127.0.0.1", "host=localhost hostaddr=::1"] {
        assert_eq!(network(text), Network::Loopback, "{text}");
    }
    for text in
        ["host=db.test", "host=db.test hostaddr=127.0.0.1", "host=localhost hostaddr=192.0.2.1", "host=10.0.0.1"]
    {
        assert_eq!(network(text), Network::Other, "{text}");
    }
}

#[test]
fn programs_ask_for_as_much_as_we_do() {
    let environment = endpoints("host=localhost user=me password=hush")[0].program_environment("shop");
    assert_eq!(variable(&environment, "PGSSLMODE").as_deref(), Some("prefer"));
    assert_eq!(variable(&environment, "PGPASSWORD").as_deref(), Some("hush"));
    assert_eq!(variable(&environment, "PGGSSENCMODE").as_deref(), Some("disable"));
    assert_eq!(variable(&environment, "PGDATABASE").as_deref(), Some("shop"));
    let directory = tempfile::tempdir().unwrap();
    let text = format!("host=db.test sslrootcert={}", directory.path().join("absent.crt").display());
    assert!(refused(&text).contains("sslrootcert "), "nothing is sent without what verifies");
    let environment = endpoints("host=/run,localhost sslmode=disable target_session_attrs=primary");
    assert_eq!(environment.len(), 2);
    let parameters = Parameters::of_text("host=/run,localhost port=1 target_session_attrs=primary").unwrap();
    let environment = program_environment(&parameters, "shop").unwrap();
    assert_eq!(variable(&environment, "PGHOST").as_deref(), Some("/run,localhost"));
    assert_eq!(variable(&environment, "PGPORT").as_deref(), Some("1,1"));
    assert_eq!(variable(&environment, "PGSSLMODE").as_deref(), Some("prefer"));
    assert_eq!(variable(&environment, "PGTARGETSESSIONATTRS").as_deref(), Some("primary"));
}

#[test]
fn what_was_asked_for_and_is_no_good_is_said() {
    let caution = |text: &str| endpoints(text)[0].caution().map(|caution| caution.message);
    assert!(caution("host=db.test sslmode=disable").unwrap().contains("in the clear"));
    assert!(caution("host=db.test sslmode=require sslrootcert=''").is_none_or(|said| said.contains("sslmode=require")));
    assert_eq!(caution("host=localhost sslmode=disable"), None);
    assert_eq!(caution("host=/run sslmode=disable"), None);
}
