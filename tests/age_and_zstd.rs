//! Readable without pgcairn: what is sealed here is opened by `age` and `zstd` from the command line.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use pgcairn::codec::{Envelope, FrameWriter, Identities, Opener, Sealer, generate_identity};
use pgcairn::model::envelope::MAX_ENVELOPE;
use pgcairn::model::key::{Key, Kind};
use secrecy::{ExposeSecret, SecretString};

/// Standard output of a program fed with `input`; the tests need the packages `age` and `zstd`.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{program}: {e}; install the package {program}"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{program} {arguments:?}: {}", output.status);
    output.stdout
}

fn content() -> Vec<u8> {
    (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x3f).collect()
}

fn sealed(sealer: &Sealer, name: &Key, content: &[u8]) -> Vec<u8> {
    let body = sealer.seal(&Envelope::new(name.clone(), Kind::Pack), Vec::new()).unwrap();
    let mut frames = FrameWriter::new(body, 3).unwrap();
    frames.write_all(content).unwrap();
    frames.finish().unwrap().finish().unwrap()
}

fn write_secret(path: &Path, secret: &SecretString) {
    std::fs::write(path, secret.expose_secret()).unwrap();
}

/// Names of every length, so that the stanza's last line of base64 ends in every possible way.
#[test]
fn age_and_zstd_read_what_is_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let identity = directory.path().join("identity");
    let (secret, recipient) = generate_identity();
    write_secret(&identity, &secret);
    let sealer = Sealer::new(vec![generate_identity().1, recipient]).unwrap();
    let arguments = ["-d", "-i", identity.to_str().unwrap()];
    let longest = MAX_ENVELOPE - r#"{"name":""}"#.len();
    for length in (1..=48).chain([longest]) {
        let content = format!("content {length}").into_bytes();
        let stored = sealed(&sealer, &Key::new("k".repeat(length)).unwrap(), &content);
        assert_eq!(run("zstd", &["-dc"], &run("age", &arguments, &stored)), content, "a name of {length} bytes");
    }
    let stored = sealed(&sealer, &Key::new("large").unwrap(), &content());
    assert!(run("zstd", &["-dc"], &run("age", &arguments, &stored)) == content());
}

#[test]
fn zstd_alone_reads_what_is_not_encrypted() {
    let name = Key::new("clusters/main/1/packs/x/1.zst").unwrap();
    for content in [content(), Vec::new()] {
        let stored = sealed(&Sealer::plain(), &name, &content);
        assert!(run("zstd", &["-dc"], &stored) == content);
    }
}

#[test]
fn identities_of_age_keygen_open_and_ours_are_like_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = run("age-keygen", &[], b"");
    let identities = Identities::parse(&file, || None).ok().unwrap();
    let sealer = Sealer::new(identities.recipients()).unwrap();
    let name = Key::new("a/b").unwrap();
    assert!(Opener::new(identities).open(&name, &sealed(&sealer, &name, b"x")[..]).is_ok());
    let (secret, recipient) = generate_identity();
    let path = directory.path().join("identity");
    write_secret(&path, &secret);
    let printed = run("age-keygen", &["-y", path.to_str().unwrap()], b"");
    assert_eq!(String::from_utf8(printed).unwrap().trim(), recipient.to_string());
}
