//! Markers that are damaged, forged, moved and made up.

use proptest::prelude::*;

use super::*;
use crate::model::catalog::sealed::Seal;
use crate::model::catalog::{Environment, FORMAT, Flagged, Method, ObjectsDigest, ServerFacts, Tolerated, Totals};
use crate::model::key::ClusterName;
use crate::model::lsn::Lsn;
use crate::model::sha256::Sha256Sum;
use crate::model::signature::Signature;

fn summary() -> Summary {
    let at = |text: &str| text.parse().unwrap();
    Summary {
        format: FORMAT,
        minimum_reader: FORMAT,
        id: "20261120T030000Z-full-7k3f".parse().unwrap(),
        cluster: ClusterName::new("main").unwrap(),
        system_identifier: 7461093382717234431,
        method: Method::Full,
        labels: [("reason".to_owned(), "before the upgrade".to_owned())].into(),
        postgresql: ServerFacts {
            version: 180001,
            catalog_version: 202506291,
            wal_segment_size: 16 << 20,
            block_size: 8192,
            data_checksums: true,
        },
        timeline: 1,
        start_lsn: Lsn(0xA_FE00_0028),
        stop_lsn: Lsn(0xA_FE00_31B8),
        started: at("2026-11-20T03:00:00Z"),
        stopped: at("2026-11-20T03:00:09Z"),
        standby: false,
        parts: 2,
        objects: ObjectsDigest { size: 412, sha256: Sha256Sum::of(b"list") },
        totals: Totals::default(),
        tolerated: Tolerated::default(),
        flagged: Flagged::default(),
        wal_broken_at: None,
        environment: Environment::default(),
        recipients: vec!["age15w6sa4sau9qptrpzrh3df55y2zc7vahmwnqzqmwqfa3regzpa94s3w6kny".to_owned()],
        pgcairn: "0.1.0".to_owned(),
        is_forged: false,
        lacks_objects: false,
    }
}

fn place() -> Key {
    Key::new("clusters/main/7461093382717234431/backups/20261120T030000Z-full-7k3f.json").unwrap()
}

fn host() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

fn signed_marker() -> Vec<u8> {
    format_commit_marker(&summary(), Some(&host())).unwrap()
}

fn outcome(bytes: &[u8]) -> Result<Signed, CatalogError> {
    parse_commit_marker(bytes, &place()).map(|marker| marker.signed)
}

#[test]
fn markers_survive_a_round_trip_with_and_without_a_signature() {
    assert_eq!(outcome(&signed_marker()), Ok(Signed::By(host().public())));
    let unsigned = format_commit_marker(&summary(), None).unwrap();
    assert!(unsigned.ends_with(b",\"signature\":null}\n"));
    let read = parse_commit_marker(&unsigned, &place()).unwrap();
    assert_eq!((read.summary, read.signed), (summary(), Signed::No));
}

/// Every byte, every bit.
#[test]
fn a_flipped_bit_is_noticed() {
    let good = signed_marker();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let said = outcome(&bytes);
            let noticed = matches!(said, Err(_) | Ok(Signed::Wrong(_)));
            assert!(noticed, "bit {bit} of byte {at}: {said:?} in {}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn a_marker_belongs_to_its_place() {
    let place = place();
    for (from, to) in [("main", "other"), ("431/", "432/"), ("7k3f", "7k3g"), ("backups", "trash")] {
        let elsewhere = Key::new(place.as_str().replace(from, to)).unwrap();
        let refused = parse_commit_marker(&signed_marker(), &elsewhere);
        assert_eq!(refused, Err(CatalogError::OtherBackup(place.clone())), "{elsewhere}");
    }
}

/// Whoever has the store computes digests as well as we do.
#[test]
fn another_summary_needs_the_key() {
    let signed = String::from_utf8(signed_marker()).unwrap();
    let line_two = signed.lines().nth(1).unwrap();
    let forged = Summary { parts: 3, ..summary() };
    let forged = String::from_utf8(format_commit_marker(&forged, None).unwrap()).unwrap();
    let forged_line = forged.lines().next().unwrap();
    let digest = |text: &str| Sha256Sum::of(format!("{text}\n").as_bytes()).to_string();
    let line_two = line_two.replace(&digest(signed.lines().next().unwrap()), &digest(forged_line));
    let said = outcome(format!("{forged_line}\n{line_two}\n").as_bytes());
    assert!(matches!(&said, Ok(Signed::Wrong(reason)) if reason.contains("has not signed")), "{said:?}");
    let other = SigningKey::from_seed([2; 32]);
    let theirs = format_commit_marker(&summary(), Some(&other)).unwrap();
    assert_eq!(outcome(&theirs), Ok(Signed::By(other.public())));
}

/// A signature over the bare line, or over something else of ours, is none.
#[test]
fn the_signature_says_what_it_is_of() {
    let text = String::from_utf8(signed_marker()).unwrap();
    let line_one = text.split_inclusive('\n').next().unwrap();
    let with = |signature: Signature| {
        let seal =
            Seal { sha256: Sha256Sum::of(line_one.as_bytes()), signature: serde_json::to_value(signature).unwrap() };
        outcome(format!("{line_one}{}\n", serde_json::to_string(&seal).unwrap()).as_bytes())
    };
    assert_eq!(with(host().sign(format!("pgcairn 1 commit\n{line_one}").as_bytes())), Ok(Signed::By(host().public())));
    for other in [line_one.to_owned(), format!("pgcairn 1 pack\n{line_one}"), format!("pgcairn 1 commit{line_one}")] {
        assert!(matches!(with(host().sign(other.as_bytes())), Ok(Signed::Wrong(_))));
    }
}

#[test]
fn what_is_no_signature_is_a_wrong_one_and_none_at_all_is_damage() {
    let text = String::from_utf8(format_commit_marker(&summary(), None).unwrap()).unwrap();
    for odd in ["true", "{}", "\"x\"", "[]", r#"{"key":"rsa:AA==","value":""}"#, r#"{"key":null,"value":null}"#] {
        let marker = text.replace("\"signature\":null", &format!("\"signature\":{odd}"));
        assert!(matches!(outcome(marker.as_bytes()), Ok(Signed::Wrong(_))), "{odd}");
    }
    let without = text.replace(",\"signature\":null", "");
    assert!(matches!(outcome(without.as_bytes()), Err(CatalogError::Unreadable(_))));
}

proptest! {
    /// Whatever is put in the place of some of its bytes; blanks between the words of line two mean nothing.
    #[test]
    fn spliced_markers_are_refused(at in 0usize..1200, cut in 0usize..80, put in prop::collection::vec(any::<u8>(), 0..80)) {
        let good = signed_marker();
        let at = at.min(good.len());
        let end = (at + cut).min(good.len());
        let bytes = [&good[..at], &put, &good[end..]].concat();
        prop_assume!(bytes != good);
        let line_one = |bytes: &[u8]| bytes.split(|b| *b == b'\n').next().map(<[u8]>::to_vec);
        let noticed = matches!(outcome(&bytes), Err(_) | Ok(Signed::Wrong(_)));
        prop_assert!(noticed || line_one(&bytes) == line_one(&good));
    }

    #[test]
    fn anything_can_be_parsed(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(outcome(&bytes).is_err());
    }

    /// Two lines of what looks like JSON.
    #[test]
    fn anything_that_looks_like_json_can_be_parsed(one in "[\\[\\]{}\",:a-z0-9]{0,60}", two in "[\\[\\]{}\",:a-z0-9]{0,60}") {
        let text = format!("{{\"minimum_reader\":1,{one}\n{{\"sha256\":\"{two}\n");
        let said = outcome(text.as_bytes());
        prop_assert!(said.is_err());
    }
}
