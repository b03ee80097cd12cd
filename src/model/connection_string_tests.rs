//! Both forms of a connection string, and what is never repeated of one.

use super::ConnectionStringError::{Malformed, Secret, Word};
use super::*;
use proptest::prelude::*;

#[test]
fn secrets_are_found_wherever_libpq_would() {
    for text in [
        "password=x",
        "host=/tmp  password = 'a b'",
        r"user=a\ b password=x",
        r"application_name='it\'s' password=x",
        "postgresql://me:x@host/db",
        "postgres://me:a/b@host/db",
        "postgresql://host/db?password=x",
        "postgresql://host/db?sslmode=require&sslpassword=x",
    ] {
        assert_eq!(ConnectionString::new(text), Err(Secret), "{text}");
    }
}

#[test]
fn what_libpq_would_complain_of_is_not_repeated() {
    for text in [
        "",
        "app",
        "host",
        "host=/tmp x",
        "=x",
        "host='a",
        "postgresql://host/db?p%61ssword=x",
        "postgresql://host/?x",
        "postgresql://h%6/db",
        "postgresql://[::1/db",
    ] {
        assert_eq!(ConnectionString::new(text), Err(Malformed), "{text}");
    }
}

#[test]
fn the_database_may_be_said() {
    for (text, named) in [
        ("host=/tmp user=postgres", false),
        ("host=/tmp dbname=app", true),
        ("service=live", true),
        ("host='it\\'s dbname=x'", false),
        ("passfile=/etc/pass host=h", false),
        ("postgresql://me@host:5432,other:5433/app?sslmode=require", true),
        ("postgresql://", false),
        ("postgresql://host?dbname=app", true),
    ] {
        assert_eq!(ConnectionString::new(text).map(|string| string.names_database()), Ok(named), "{text}");
    }
}

fn words(text: &str) -> Vec<(String, String)> {
    ConnectionString::parse(text).unwrap().words
}

fn pair(word: &str, value: &str) -> (String, String) {
    (word.to_owned(), value.to_owned())
}

#[test]
fn both_forms_say_the_same() {
    let said = [
        pair("user", "me"),
        pair("password", "a:b@c"),
        pair("host", "one,::1"),
        pair("port", ",5433"),
        pair("dbname", "my db"),
        pair("sslmode", "require"),
    ];
    assert_eq!(words("postgresql://me:a%3Ab%40c@one,[::1]:5433/my%20db?sslmode=require"), said);
    assert_eq!(words("user=me password=a:b@c host=one,::1 port=,5433 dbname='my db' sslmode=require"), said);
    assert_eq!(words("postgres://%2Frun%2Fpg?ssl=true"), [pair("host", "/run/pg"), pair("sslmode", "require")]);
}

#[test]
fn words_that_mean_nothing() {
    for (text, wrong) in [
        ("host=h sslmod=x", WrongWord::Unknown("sslmod".to_owned())),
        ("host=h password=a b=c", WrongWord::UnknownAfterPassword),
        ("host=h require_auth=scram-sha-256", WrongWord::NotKeptTo("require_auth")),
        ("postgresql://h?sslmod=x", WrongWord::Unknown("sslmod".to_owned())),
    ] {
        assert_eq!(ConnectionString::parse(text), Err(Word(wrong)), "{text}");
    }
    let near = WrongWord::Unknown("sslmod".to_owned()).to_string();
    assert_eq!(near, "sslmod, which libpq does not know; the nearest known word is sslmode");
}

proptest! {
    #[test]
    fn a_value_hides_nothing(value in "[^\0]{0,20}") {
        let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
        prop_assert_eq!(ConnectionString::new(&format!("user='{escaped}' password=x")), Err(Secret));
        let alone = ConnectionString::new(&format!("user='{escaped}'")).unwrap();
        prop_assert_eq!(alone.words, [pair("user", &value)]);
    }
}
