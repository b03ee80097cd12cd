//! Contents come back as they were, and damage is told.

use proptest::prelude::*;

use super::*;

fn id() -> BackupId {
    "20261120T030000Z-dump-7k3f".parse().unwrap()
}

fn stream() -> impl Strategy<Value = Stream> {
    (proptest::collection::vec(1..900u32, 0..4), any::<u64>()).prop_map(|(pieces, bytes)| Stream { pieces, bytes })
}

fn table() -> impl Strategy<Value = TableName> {
    (".{0,8}", ".{0,8}").prop_map(|(schema, name)| TableName { schema, name })
}

fn part() -> impl Strategy<Value = Part> {
    let rows = (table(), any::<u64>()).prop_map(|(table, rows)| TableRows { table, rows });
    let columns = proptest::collection::vec(".{0,6}", 0..3);
    let large = (table(), columns, any::<u64>(), proptest::collection::vec(stream(), 0..3))
        .prop_map(|(table, columns, rows, streams)| Large { table, columns, rows, streams });
    let lists = (proptest::collection::vec(rows, 0..3), proptest::collection::vec(large, 0..3));
    (".{0,8}", stream(), proptest::option::of(stream()), lists).prop_map(|(name, schema, rest, (rows, large))| Part {
        database: Database {
            name,
            owner: "o".into(),
            encoding: "UTF8".into(),
            locale: Locale { collate: "C".into(), ctype: "C".into(), provider: "c".into(), name: None },
            settings: vec!["work_mem=8MB".into()],
            comment: None,
            snapshot: "1:1:".into(),
            taken: "2026-11-20T03:00:01Z".parse().unwrap(),
        },
        schema,
        rest,
        rows,
        large,
    })
}

proptest! {
    #[test]
    fn come_back_as_they_were(
        globals in proptest::option::of((any::<bool>(), stream())),
        databases in proptest::collection::vec(part(), 0..3),
    ) {
        let globals = globals.map(|(passwords, stream)| Globals { passwords, stream });
        let contents = Contents { globals, databases };
        let text = contents.format(&id()).unwrap();
        prop_assert_eq!(Contents::parse(&text, &id()).unwrap(), contents);
        // Whatever line is the last, the end is missed.
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        for cut in 0..lines.len() {
            prop_assert!(Contents::parse(&lines[..cut].concat(), &id()).is_err());
            let without: Vec<u8> = lines.iter().enumerate().filter(|(at, _)| *at != cut).flat_map(|(_, line)| line.to_vec()).collect();
            prop_assert!(Contents::parse(&without, &id()).is_err());
        }
    }

    #[test]
    fn anything_is_parsed_without_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Contents::parse(&text, &id());
    }
}

#[test]
fn of_another_dump() {
    let text = Contents::default().format(&id()).unwrap();
    let other = "20261120T030000Z-dump-7k3g".parse().unwrap();
    assert_eq!(Contents::parse(&text, &other), Err(ContentsError::OtherDump(id())));
}

/// Each is refused for what it is, and by the number of its line.
#[test]
fn what_no_contents_are() {
    let first = r#"{"contents":{"format":1,"dump":"20261120T030000Z-dump-7k3f"}}"#;
    let globals = r#"{"globals":{"passwords":true,"stream":{"pieces":[1],"bytes":9}}}"#;
    let database = r#"{"database":{"name":"a","owner":"o","encoding":"UTF8","locale":{"collate":"C","ctype":"C","provider":"c"},"settings":[],"snapshot":"1:1:","taken":"2026-11-20T03:00:01Z"}}"#;
    let schema = r#"{"schema":{"stream":{"pieces":[2],"bytes":9}}}"#;
    let rest = r#"{"rest":{"stream":{"pieces":[3],"bytes":9}}}"#;
    let end = |lines: usize| format!(r#"{{"end":{{"lines":{lines}}}}}"#);
    let read = |lines: &[&str]| Contents::parse(lines.join("\n").as_bytes(), &id()).map(drop);
    assert_eq!(read(&[first, globals, database, schema, rest, &end(6)]), Ok(()));
    assert_eq!(read(&[first, schema, &end(3)]), Err(ContentsError::Astray(2)));
    assert_eq!(read(&[first, database, first, &end(4)]), Err(ContentsError::Astray(3)));
    assert_eq!(read(&[&first.replace(":1,", ":2,"), &end(2)]), Err(ContentsError::TooNew(2)));
    assert_eq!(read(&[first, globals, globals, &end(4)]), Err(ContentsError::Twice(3)));
    assert_eq!(read(&[first, database, schema, schema, &end(5)]), Err(ContentsError::Twice(4)));
    assert_eq!(read(&[first, database, rest, rest, &end(5)]), Err(ContentsError::Twice(4)));
    assert!(matches!(read(&[first, &end(2), schema]), Err(ContentsError::Line(3, _))));
    assert!(matches!(read(&[database, &end(2)]), Err(ContentsError::Line(1, _))));
    assert!(matches!(read(&[first, r#"{"other":{}}"#, &end(3)]), Err(ContentsError::Line(2, _))));
    assert_eq!(read(&[first, globals, &end(2)]), Err(ContentsError::CutShort));
    assert_eq!(read(&[]), Err(ContentsError::CutShort));
}

#[test]
fn names_are_quoted() {
    let name = TableName { schema: "My \"S\"".into(), name: "täble".into() };
    assert_eq!(name.quoted(), "\"My \"\"S\"\"\".\"täble\"");
}
