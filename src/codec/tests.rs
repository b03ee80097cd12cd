//! Every way in which a closed object can be wrong, with and without encryption.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use age::secrecy::ExposeSecret;
use proptest::prelude::*;

use super::*;
use crate::model::key::{Encryption, Key, Kind};

const CHUNK: usize = 64 << 10;

/// A repository's keys: what seals, what opens, and what opens nothing.
struct Keys {
    sealer: Sealer,
    opener: Opener,
    stranger: Opener,
}

fn identity() -> (Opener, Recipient) {
    let (secret, recipient) = generate_identity();
    let identities = Identities::parse(secret.expose_secret().as_bytes(), || None).ok().unwrap();
    (Opener::new(identities), recipient)
}

fn age_keys() -> Keys {
    let (opener, recipient) = identity();
    let sealer = Sealer::new(vec![identity().1, recipient]).unwrap();
    Keys { sealer, opener, stranger: identity().0 }
}

fn plain_keys() -> Keys {
    Keys { sealer: Sealer::plain(), opener: Opener::plain(), stranger: Opener::plain() }
}

fn name(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn seal(sealer: &Sealer, key: &Key, body: &[u8]) -> Vec<u8> {
    let mut writer = sealer.seal(&Envelope::new(key.clone(), Kind::Pack), Vec::new()).unwrap();
    writer.write_all(body).unwrap();
    writer.finish().unwrap()
}

fn read(opener: &Opener, key: &Key, stored: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut body = Vec::new();
    opener.open(key, stored)?.1.read_to_end(&mut body)?;
    Ok(body)
}

fn frames(content: &[u8]) -> Vec<u8> {
    let mut writer = FrameWriter::new(Vec::new(), 3).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn unframe(stored: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut content = Vec::new();
    FrameReader::new(stored)?.read_to_end(&mut content)?;
    Ok(content)
}

/// Bytes that do not compress, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn what_was_sealed_is_opened_and_has_the_size_foretold() {
    let key = name("a/b.zst.age");
    for keys in [age_keys(), plain_keys()] {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 200_000] {
            let body = noise(length);
            let stored = seal(&keys.sealer, &key, &body);
            assert_eq!(read(&keys.opener, &key, &stored).unwrap(), body);
            let start = &stored[..stored.len().min(MAX_HEADER)];
            let peeked = peek(start, keys.sealer.encryption()).unwrap();
            assert_eq!(peeked.envelope, Envelope::new(key.clone(), Kind::Pack));
            assert_eq!(peeked.stored_size(length as u64), stored.len() as u64, "{length}");
        }
    }
}

#[test]
fn the_envelope_stands_in_the_first_kib() {
    let recipients: Vec<_> = (0..MAX_RECIPIENTS).map(|_| identity().1).collect();
    let key = name(&"k".repeat(crate::model::envelope::MAX_ENVELOPE - r#"{"name":""}"#.len()));
    let sealer = Sealer::new(recipients.clone()).unwrap();
    let stored = seal(&sealer, &key, b"");
    let second = stored.windows(11).position(|w| w == b"\n-> X25519 ").unwrap();
    assert!(second < 1024, "{second}");
    assert!(peek(&stored, Encryption::Age).unwrap().header_length < MAX_HEADER as u64);
    let one_more = Sealer::new([recipients, vec![identity().1]].concat());
    assert!(matches!(one_more, Err(CodecError::TooManyRecipients { given: 33, limit: 32 })));
    assert!(matches!(Sealer::new(Vec::new()), Err(CodecError::NoRecipients)));
}

#[test]
fn a_swapped_object_and_a_strange_identity_are_named() {
    let keys = age_keys();
    let stored = seal(&keys.sealer, &name("a/1"), b"body");
    assert!(matches!(
        read(&keys.opener, &name("a/2"), &stored),
        Err(CodecError::Swapped { expected, found }) if expected == name("a/2") && found == name("a/1")
    ));
    assert!(matches!(read(&keys.stranger, &name("a/1"), &stored), Err(CodecError::WrongIdentity)));
    // One kind of repository never takes the other's objects.
    assert!(matches!(read(&Opener::plain(), &name("a/1"), &stored), Err(CodecError::Damaged(_))));
    let plain = seal(&Sealer::plain(), &name("a/1"), b"body");
    assert!(matches!(read(&keys.opener, &name("a/1"), &plain), Err(CodecError::Damaged(_))));
    assert!(matches!(read(&Opener::plain(), &name("a/2"), &plain), Err(CodecError::Swapped { .. })));
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let keys = age_keys();
    let key = name("a/b");
    let stored = seal(&keys.sealer, &key, &noise(300));
    for at in 0..stored.len() {
        let mut flipped = stored.clone();
        flipped[at] ^= 1 << (at % 8);
        let error = read(&keys.opener, &key, &flipped).unwrap_err();
        assert!(
            matches!(error, CodecError::Damaged(_) | CodecError::WrongIdentity | CodecError::TooNew(_)),
            "{at}: {error}"
        );
    }
}

#[test]
fn cut_and_extended_objects_fail() {
    let keys = age_keys();
    let key = name("a/b");
    for length in [0, 100, CHUNK, CHUNK + 5, 2 * CHUNK] {
        let stored = seal(&keys.sealer, &key, &noise(length));
        let header = peek(&stored[..stored.len().min(MAX_HEADER)], Encryption::Age).unwrap().header_length as usize;
        let chunk_ends = (1..).map(|n| header + 16 + n * (CHUNK + 16)).take_while(|end| *end < stored.len());
        let cuts = [0, 1, 22, 100, header, header + 16, stored.len() - 16, stored.len() - 1].into_iter();
        for cut in cuts.chain(chunk_ends) {
            let error = read(&keys.opener, &key, &stored[..cut]).unwrap_err();
            assert!(matches!(error, CodecError::Damaged(_)), "{length} cut to {cut}: {error}");
            let error = keys.opener.open_seekable(&key, Cursor::new(&stored[..cut])).err().unwrap();
            assert!(matches!(error, CodecError::Damaged(_)), "{length} cut to {cut}, seekable: {error}");
        }
        for tail in [&b"x"[..], &noise(CHUNK + 16), &stored] {
            let error = read(&keys.opener, &key, &[&stored, tail].concat()).unwrap_err();
            assert!(matches!(error, CodecError::Damaged(_)), "{length} + {}: {error}", tail.len());
        }
    }
}

#[test]
fn parts_are_read_at_any_place() {
    let key = name("a/b");
    for keys in [age_keys(), plain_keys()] {
        for length in [0, 10, CHUNK, 2 * CHUNK, 3 * CHUNK + 7] {
            let body = noise(length);
            let stored = seal(&keys.sealer, &key, &body);
            let (_, mut reader) = keys.opener.open_seekable(&key, Cursor::new(&stored)).unwrap();
            assert_eq!(reader.length(), length as u64);
            for at in [0, 1, 9, CHUNK - 1, CHUNK, CHUNK + 1, length / 2, length, 0, length] {
                let Some(rest) = body.get(at..) else {
                    let error = reader.seek(SeekFrom::Start(at as u64)).unwrap_err();
                    assert!(matches!(error.into(), CodecError::Damaged(_)));
                    continue;
                };
                assert_eq!(reader.seek(SeekFrom::End(at as i64 - length as i64)).unwrap(), at as u64);
                let mut part = vec![0; rest.len().min(1000)];
                reader.read_exact(&mut part).unwrap();
                assert_eq!(part, rest[..part.len()], "{length} at {at}");
                assert_eq!(reader.stream_position().unwrap(), (at + part.len()) as u64);
            }
            reader.rewind().unwrap();
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(all, body);
        }
    }
}

#[test]
fn a_part_beyond_the_end_is_damage() {
    let key = name("a/b");
    for keys in [age_keys(), plain_keys()] {
        let stored = seal(&keys.sealer, &key, b"ten bytes.");
        let (_, mut reader) = keys.opener.open_seekable(&key, Cursor::new(&stored)).unwrap();
        reader.seek(SeekFrom::Start(8)).unwrap();
        let error = reader.read_exact(&mut [0; 3]).unwrap_err();
        assert!(matches!(error.into(), CodecError::Damaged(_)));
        let error = reader.seek(SeekFrom::Current(-11)).unwrap_err();
        assert!(matches!(error.into(), CodecError::Damaged(_)));
    }
}

/// Gives one byte at a time, then fails as a store may.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Err(io::ErrorKind::ConnectionReset.into()) };
        buffer[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn a_failing_store_is_not_damage() {
    let key = name("a/b");
    for keys in [age_keys(), plain_keys()] {
        let stored = seal(&keys.sealer, &key, &frames(&noise(MAX_HEADER)));
        for end in [0, 100, 1000, stored.len() - 1] {
            let opened = keys.opener.open(&key, Failing(&stored[..end])).map(|(_, reader)| reader);
            let result = opened.and_then(|reader| Ok(FrameReader::new(reader)?.read_to_end(&mut Vec::new())?));
            let error = result.unwrap_err();
            assert!(
                matches!(&error, CodecError::Io(e) if e.kind() == io::ErrorKind::ConnectionReset),
                "{end}: {error}"
            );
        }
    }
}

#[test]
fn damage_below_shows_through_the_frames() {
    let keys = age_keys();
    let mut stored = seal(&keys.sealer, &name("a/b"), &frames(&noise(3 * CHUNK)));
    let last = stored.len() - 1;
    stored[last] ^= 1;
    let reader = keys.opener.open(&name("a/b"), &stored[..]).unwrap().1;
    let error = FrameReader::new(reader).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(CodecError::from(error).to_string(), "it is damaged: decryption error");
}

#[test]
fn streams_of_frames_survive_and_cut_ones_fail() {
    for length in [0, 1, FRAME_SIZE, FRAME_SIZE + 1, 3 * FRAME_SIZE] {
        let content = noise(length);
        let stored = frames(&content);
        assert_eq!(unframe(&stored).unwrap(), content);
        for cut in [0, 1, 3, stored.len() / 2, stored.len() - 1] {
            assert!(matches!(unframe(&stored[..cut]), Err(CodecError::Damaged(_))), "{length} cut to {cut}");
        }
        for tail in [&b"x"[..], b"garbage behind the frames"] {
            assert!(matches!(unframe(&[&stored, tail].concat()), Err(CodecError::Damaged(_))), "{length}");
        }
    }
    let skippable = [&0x184D_2A5Fu32.to_le_bytes()[..], &3u32.to_le_bytes(), b"abc"].concat();
    assert_eq!(unframe(&[&frames(b"one"), &skippable[..], &frames(b"two")].concat()).unwrap(), b"onetwo");
}

#[test]
fn a_stream_cannot_ask_for_a_large_window() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"x").unwrap();
    assert!(matches!(unframe(&encoder.finish().unwrap()), Err(CodecError::Damaged(_))));
}

#[test]
fn single_frames_are_exactly_what_was_asked_for() {
    let mut compressor = FrameCompressor::new(3).unwrap();
    let mut decompressor = FrameDecompressor::new().unwrap();
    let (mut stored, mut out) = (b"before".to_vec(), Vec::new());
    for content in [&b""[..], b"some pages", &noise(FRAME_SIZE)] {
        let start = stored.len();
        let length = compressor.compress(content, &mut stored).unwrap();
        assert_eq!(start + length, stored.len());
        let frame = &stored[start..];
        decompressor.decompress(frame, content.len(), &mut out).unwrap();
        assert_eq!(out, content);
        let mut flipped = frame.to_vec();
        flipped[length - 1] ^= 1;
        for (frame, expected) in [
            (frame, content.len() + 1),
            (&frame[..length - 1], content.len()),
            (&[frame, b"x"].concat(), content.len()),
            (&[frame, frame].concat(), content.len()),
            (&flipped, content.len()),
        ] {
            let error = decompressor.decompress(frame, expected, &mut out).unwrap_err();
            assert!(matches!(error, CodecError::Damaged(_)) && out.is_empty(), "{error}");
        }
    }
    assert!(stored.starts_with(b"before"));
    assert!(matches!(FrameCompressor::new(20), Err(CodecError::Level { given: 20, .. })));
}

#[test]
fn a_frame_that_lies_about_its_size_gets_no_memory() {
    let mut frame = Vec::new();
    FrameCompressor::new(3).unwrap().compress(&[0; 300], &mut frame).unwrap();
    let mut out = Vec::new();
    assert!(FrameDecompressor::new().unwrap().decompress(&frame, 10, &mut out).is_err());
    assert_eq!(out.capacity(), 0);
}

#[test]
fn a_newer_envelope_is_not_damage() {
    let stored = seal(&Sealer::plain(), &name("a/b"), b"");
    let text = String::from_utf8_lossy(&stored[8..]).replace("pgcairn 1 ", "pgcairn 2 ");
    let newer = [&stored[..8], text.as_bytes()].concat();
    assert!(matches!(read(&Opener::plain(), &name("a/b"), &newer), Err(CodecError::TooNew(v)) if v == "2"));
}

#[test]
fn secrets_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Sealer>();
    shared::<Opener>();
}

proptest! {
    #[test]
    fn peeking_never_panics(start in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for (encryption, magic) in [(Encryption::Age, &b"age-encryption.org/v1\n"[..]), (Encryption::None, b"\x50\x2a\x4d\x18")] {
            let _ = peek(&start, encryption);
            let _ = peek(&[magic, &start].concat(), encryption);
        }
    }

    #[test]
    fn opening_never_panics(body in proptest::collection::vec(any::<u8>(), 0..2000), at: usize, byte: u8) {
        for keys in [age_keys(), plain_keys()] {
            let mut stored = seal(&keys.sealer, &name("a/b"), &frames(&body));
            let at = at % stored.len();
            stored[at] = byte;
            let opened = keys.opener.open(&name("a/b"), &stored[..]);
            let read = opened.and_then(|(_, reader)| Ok(FrameReader::new(reader)?.read_to_end(&mut Vec::new())?));
            let _ = read;
            let _ = FrameDecompressor::new().unwrap().decompress(&stored, byte.into(), &mut Vec::new());
        }
    }
}
