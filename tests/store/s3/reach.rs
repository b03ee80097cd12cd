//! How a store is reached: through a proxy, with keys from every place, with what it is asked to do to each object.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use pgcairn::model::key::Encryption;
use pgcairn::store::{Repository, S3Backend, S3Settings, ServerSideEncryption};

use super::super::suite::put;
use super::moto_server::Moto;
use super::server::{ACCESS_KEY, BUCKET, CONTAINER_TOKEN, REGION, S3Server, SECRET_KEY, hasty, session_token};

#[test]
fn a_proxy_leads_there() {
    let server = S3Server::start();
    let settings = S3Settings {
        endpoint: Some("http://nowhere.invalid:9000".to_owned()),
        proxy: Some(server.endpoint.clone()),
        ..server.settings("pg")
    };
    put(&S3Backend::open_with(&settings, hasty(), None).unwrap(), "a", b"1").unwrap();
    assert_eq!(server.take().len(), 1);
}

#[test]
fn every_object_asks_for_its_class_and_encryption() {
    let server = S3Server::start();
    let with = |encryption| S3Settings {
        storage_class: Some("REDUCED_REDUNDANCY".to_owned()),
        encryption: Some(encryption),
        ..server.settings("pg")
    };
    let create = |name: &str, settings| put(&S3Backend::open_with(&settings, hasty(), None).unwrap(), name, b"1");
    create("a", with(ServerSideEncryption::Aes256)).unwrap();
    let said = |name: &str| server.header(name).unwrap_or_default();
    assert_eq!(said("x-amz-storage-class"), "REDUCED_REDUNDANCY");
    assert_eq!(said("x-amz-server-side-encryption"), "AES256");
    assert_eq!(said("x-amz-checksum-sha256"), "a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s=");
    create("b", with(ServerSideEncryption::Kms { key_id: "alias/backups".to_owned() })).unwrap();
    assert_eq!(said("x-amz-server-side-encryption"), "aws:kms");
    assert_eq!(said("x-amz-server-side-encryption-aws-kms-key-id"), "alias/backups");
}

/// `pgcairn list` with these variables and no others.
fn list(server: &S3Server, credentials: &str, variables: &[(&str, &str)]) -> Output {
    list_at(&server.endpoint, server.directory.path(), credentials, variables)
}

fn list_at(endpoint: &str, directory: &Path, credentials: &str, variables: &[(&str, &str)]) -> Output {
    let url = format!("s3://{BUCKET}/pg?endpoint={endpoint}&region={REGION}");
    let config = directory.join("main.toml");
    std::fs::write(&config, format!("[[repository]]\nname = \"s3\"\nurl = \"{url}\"\n{credentials}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcairn"));
    command.env_clear().envs(variables.iter().copied()).arg("--config").arg(&config).arg("list");
    command.output().unwrap()
}

#[test]
fn keys_come_from_environment_instance_container_and_systemd() {
    let server = S3Server::start();
    Repository::create_on(server.backend("pg"), Encryption::None).unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.endpoint.as_str())];
    let (container, token) = (format!("{}/latest/container", server.endpoint), server.directory.path().join("token"));
    std::fs::write(&token, CONTAINER_TOKEN).unwrap();
    let token = token.display().to_string();
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
    ];
    server.credentials();
    let directory = server.directory.path().display().to_string();
    let systemd = [("CREDENTIALS_DIRECTORY", directory.as_str())];
    for (credentials, variables) in [
        ("", &keys[..]),
        ("credentials = { environment = true }", &keys),
        ("", &instance),
        ("credentials = { instance = true }", &instance),
        ("", &container),
        ("credentials = { instance = true }", &container),
        ("credentials = { credential = \"credentials\" }", &systemd),
    ] {
        let output = list(&server, credentials, variables);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{credentials} {said}");
        assert!(said.contains("holds no backup"), "{said}");
        [SECRET_KEY, session_token(), CONTAINER_TOKEN]
            .iter()
            .for_each(|secret| assert!(!said.contains(secret), "{said}"));
    }
    std::fs::write(&token, "of-another-container").unwrap();
    let output = list(&server, "credentials = { instance = true }", &container);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    assert!(said.contains("hint: ") && !said.contains("of-another-container"), "{said}");
    let output = list(&server, "credentials = { web_identity = true }", &keys);
    assert_eq!(output.status.code(), Some(8), "what is asked for is not replaced by what is there");
}

/// The token of a web identity is exchanged for a key, by the STS of another program.
#[test]
fn a_web_identity_is_exchanged_for_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let (Some(moto), Some(sts)) = (Moto::start(None), Moto::start(Some(directory.path()))) else { return };
    let store = S3Backend::open_with(&moto.settings(directory.path(), BUCKET, "pg"), hasty(), None).unwrap();
    Repository::create_on(Arc::new(store), Encryption::None).unwrap();
    let (endpoint, token) = (format!("http://127.0.0.1:{}", moto.port), directory.path().join("web-identity"));
    std::fs::write(&token, session_token()).unwrap();
    let token = token.display().to_string();
    let list_by = |sts: &str, credentials: &str| {
        let variables = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup"),
            ("AWS_ENDPOINT_URL_STS", sts),
        ];
        let output = list_at(&endpoint, directory.path(), credentials, &variables);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains(session_token()), "{said}");
        (output.status.code(), said)
    };
    let authority = format!("ca_file = {:?}\n", directory.path().join("ca.pem"));
    for credentials in ["", "credentials = { web_identity = true }"] {
        let (status, said) = list_by(&format!("https://127.0.0.1:{}", sts.port), &(authority.clone() + credentials));
        assert!(status == Some(0) && said.contains("holds no backup"), "{credentials} {said}");
    }
    // Nobody on the way is shown the token.
    let (status, said) = list_by(&endpoint, "credentials = { web_identity = true }");
    assert_eq!(status, Some(8), "{said}");
    assert!(said.contains("web identity") && said.contains("hint: "), "{said}");
}
