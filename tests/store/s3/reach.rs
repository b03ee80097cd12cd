//! How a store is reached: through a proxy, with keys from every place, with what it is asked to do to each object.

use std::process::{Command, Output};

use pgcairn::model::key::Encryption;
use pgcairn::store::{Repository, S3Backend, S3Settings, ServerSideEncryption};

use super::super::suite::put;
use super::server::{ACCESS_KEY, BUCKET, REGION, S3Server, SECRET_KEY, hasty};

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
    let url = format!("s3://{BUCKET}/pg?endpoint={}&region={REGION}", server.endpoint);
    let config = server.directory.path().join("main.toml");
    std::fs::write(&config, format!("[[repository]]\nname = \"s3\"\nurl = \"{url}\"\n{credentials}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcairn"));
    command.env_clear().envs(variables.iter().copied()).arg("--config").arg(&config).arg("list");
    command.output().unwrap()
}

#[test]
fn keys_come_from_environment_instance_and_systemd() {
    let server = S3Server::start();
    Repository::create_on(server.backend("pg"), Encryption::None).unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.endpoint.as_str())];
    server.credentials();
    let directory = server.directory.path().display().to_string();
    let systemd = [("CREDENTIALS_DIRECTORY", directory.as_str())];
    for (credentials, variables) in [
        ("", &keys[..]),
        ("credentials = { environment = true }", &keys),
        ("", &instance),
        ("credentials = { instance = true }", &instance),
        ("credentials = { credential = \"credentials\" }", &systemd),
    ] {
        let output = list(&server, credentials, variables);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{credentials} {said}");
        assert!(said.contains("holds no backup") && !said.contains(SECRET_KEY), "{said}");
    }
    let output = list(&server, "credentials = { web_identity = true }", &keys);
    assert_eq!(output.status.code(), Some(8), "what is asked for is not replaced by what is there");
}
