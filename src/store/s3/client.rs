//! The client of object_store, made from settings. It never asks twice by itself: what may be repeated, and what
//! its repetition means, is decided where the operation is known.

use std::io;
use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::{Certificate, ClientOptions, HeaderValue, RetryConfig};

use super::super::error::{Error, Result};
use super::credentials;
use super::failure::{Failure, NoCredentials};
use super::lock::Signer;
use super::patience::Patience;
use super::sdk::Sdk;
use super::settings::{S3Settings, ServerSideEncryption, USUAL_REGION};
use super::transport::{Connector, Observed};

const CONNECT: &str = "cannot reach";

/// The same store for two libraries, over one HTTP client.
pub(super) struct Clients {
    pub store: AmazonS3,
    pub sdk: Sdk,
}

pub(super) fn build(settings: &S3Settings, patience: Patience, observed: &Arc<Observed>) -> Result<Clients> {
    let failed = |failure: Failure| failure.into_error(CONNECT, &settings.url(), None);
    let source = credentials::source(&settings.credentials)
        .map_err(|missing: NoCredentials| failed(Failure::NoCredentials(missing)))?;
    let connector = Connector::new(settings, patience, observed.clone());
    let builder = place(settings)
        .with_client_options(options(settings, patience)?)
        .with_http_connector(connector.clone())
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_checksum_algorithm(Checksum::SHA256)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_disable_bulk_delete(true)
        .with_disable_tagging(true);
    let builder = match &settings.encryption {
        Some(ServerSideEncryption::Aes256) => {
            let key =
                "aws_server_side_encryption".parse().map_err(|error: object_store::Error| failed(error.into()))?;
            builder.with_config(key, "AES256")
        }
        Some(ServerSideEncryption::Kms { key_id }) => builder.with_sse_kms_encryption(key_id),
        None => builder,
    };
    let store = source.give(builder).and_then(AmazonS3Builder::build).map_err(|error| failed(error.into()))?;
    connector.sign_with(Signer { credentials: store.credentials().clone(), region: region(settings) });
    let http = connector.made().ok_or_else(|| failed(Failure::Other("no HTTP client was made".to_owned())))?;
    let sdk = Sdk::new(settings, patience, http, &store);
    Ok(Clients { store, sdk })
}

/// That requests are signed for.
pub(super) fn region(settings: &S3Settings) -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let region = settings.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
    region.unwrap_or_else(|| USUAL_REGION.to_owned())
}

fn place(settings: &S3Settings) -> AmazonS3Builder {
    let builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(region(settings))
        .with_virtual_hosted_style_request(!settings.is_path_style());
    match settings.bucket_endpoint() {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    }
}

fn options(settings: &S3Settings, patience: Patience) -> Result<ClientOptions> {
    let plain = settings.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    // Requests are bounded by their size, bodies part by part; a bound on the whole would cut off slow consumers.
    let mut options = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(concat!("pgcairn/", env!("CARGO_PKG_VERSION"))))
        .with_timeout_disabled()
        .with_connect_timeout(patience.connect)
        .with_allow_http(plain);
    if let Some(proxy) = &settings.proxy {
        options = options.with_proxy_url(proxy);
    }
    if let Some(file) = &settings.ca_file {
        let place = || file.display().to_string();
        let unreadable = |source: io::Error| Error::Io { action: "cannot read ca_file", place: place(), source };
        let pem = std::fs::read(file).map_err(unreadable)?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| unreadable(io::Error::other("it holds no PEM certificate")))?;
        options = certificates.into_iter().fold(options.with_no_system_certificates(true), |options, certificate| {
            options.with_root_certificate(certificate)
        });
    } else if plain {
        // Without TLS there is nothing to read authorities for.
        options = options.with_no_system_certificates(true);
    }
    Ok(options)
}
