//! Closing objects: the envelope first, then what is written, encrypted to the recipients or as it is.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use age::stream::StreamWriter;
use age::{EncryptError, Encryptor};
use age_core::format::{FileKey, Stanza};

use super::error::CodecError;
use super::header::SKIPPABLE_MAGIC;
use super::recipient::{MAX_RECIPIENTS, Recipient};
use crate::model::envelope::{ENVELOPE_TAG, Envelope};
use crate::model::key::Encryption;

/// Closes objects. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sealer {
    /// None in a repository without encryption.
    recipients: Option<Arc<[Recipient]>>,
}

impl Sealer {
    /// Whoever holds the identity of any one of the recipients can open the objects.
    pub fn new(recipients: Vec<Recipient>) -> Result<Sealer, CodecError> {
        match recipients.len() {
            0 => Err(CodecError::NoRecipients),
            1..=MAX_RECIPIENTS => Ok(Sealer { recipients: Some(recipients.into()) }),
            given => Err(CodecError::TooManyRecipients { given, limit: MAX_RECIPIENTS }),
        }
    }

    /// For a repository without encryption.
    pub fn plain() -> Sealer {
        Sealer { recipients: None }
    }

    pub fn encryption(&self) -> Encryption {
        if self.recipients.is_some() { Encryption::Age } else { Encryption::None }
    }

    /// Writes the header; what is written to the result becomes the body.
    pub fn seal<W: Write>(&self, envelope: &Envelope, mut output: W) -> Result<SealWriter<W>, CodecError> {
        let json = envelope.to_json().map_err(CodecError::Envelope)?;
        let Some(recipients) = &self.recipients else {
            output.write_all(&skippable_frame(envelope, &json))?;
            return Ok(SealWriter(Inner::Plain(output)));
        };
        let enclosed = Enclosed { envelope, json: &json, recipients };
        let encryptor = Encryptor::with_recipients(std::iter::once(&enclosed as &dyn age::Recipient));
        let encryptor = encryptor.map_err(|e| CodecError::Io(io::Error::other(e)))?;
        Ok(SealWriter(Inner::Age(Box::new(encryptor.wrap_output(output)?))))
    }
}

/// All recipients as one, so that the envelope's stanza comes first.
struct Enclosed<'a> {
    envelope: &'a Envelope,
    json: &'a str,
    recipients: &'a [Recipient],
}

impl age::Recipient for Enclosed<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let args = self.envelope.words().map(str::to_owned).to_vec();
        let mut stanzas = vec![Stanza { tag: ENVELOPE_TAG.to_owned(), args, body: self.json.into() }];
        for recipient in self.recipients {
            stanzas.extend(recipient.wrap_file_key(file_key)?.0);
        }
        Ok((stanzas, HashSet::new()))
    }
}

fn skippable_frame(envelope: &Envelope, json: &str) -> Vec<u8> {
    let [version, kind] = envelope.words();
    let content = format!("{ENVELOPE_TAG} {version} {kind}\n{json}\n");
    let length = content.len() as u32;
    [&SKIPPABLE_MAGIC.to_le_bytes()[..], &length.to_le_bytes(), content.as_bytes()].concat()
}

/// The body of an object under construction. Only [`SealWriter::finish`] completes it: what was dropped
/// before cannot be opened (with encryption) or lacks its end.
pub struct SealWriter<W: Write>(Inner<W>);

enum Inner<W> {
    Age(Box<StreamWriter<W>>),
    Plain(W),
}

impl<W: Write> SealWriter<W> {
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Inner::Age(writer) => writer.finish(),
            Inner::Plain(output) => Ok(output),
        }
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Age(writer) => writer.write(bytes),
            Inner::Plain(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Age(writer) => writer.flush(),
            Inner::Plain(output) => output.flush(),
        }
    }
}
