//! A body in memory whose SHA-256 is known. object_store would reckon it again, so its request for an empty object
//! becomes that for this one, with this digest, and is signed once more.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use object_store::HeaderValue;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpRequestBody};
use reqwest::header::CONTENT_LENGTH;

use crate::model::sha256::Sha256Sum;

const CHECKSUM: &str = "x-amz-checksum-sha256";

/// As an extension of a request: the body that it really has.
#[derive(Debug, Clone)]
pub(super) struct Digested {
    pub content: Bytes,
    pub sha256: Sha256Sum,
}

impl Digested {
    pub fn of(content: impl Into<Bytes>) -> Digested {
        let content = content.into();
        Digested { sha256: Sha256Sum::of(&content), content }
    }

    /// It must be signed after this.
    pub fn put_into(self, request: &mut HttpRequest) -> Result<(), HttpError> {
        describe(request, self.content.len() as u64, self.sha256)?;
        *request.body_mut() = HttpRequestBody::from(self.content);
        Ok(())
    }
}

/// What a request says of its body.
pub(super) fn describe(request: &mut HttpRequest, size: u64, sha256: Sha256Sum) -> Result<(), HttpError> {
    let unusable = |error| HttpError::new(HttpErrorKind::Request, error);
    let checksum = HeaderValue::try_from(BASE64_STANDARD.encode(sha256.0)).map_err(unusable)?;
    request.headers_mut().insert(CHECKSUM, checksum);
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(size));
    Ok(())
}
