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
        },
        schema,
        rest,
        rows,
        large,
    })
}

proptest! {
    #[test]
    fn come_back_as_they_were(globals in proptest::option::of(stream()), databases in proptest::collection::vec(part(), 0..3)) {
        let contents = Contents { globals, databases };
        let text = contents.format(&id(), true).unwrap();
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
    let text = Contents::default().format(&id(), false).unwrap();
    let other = "20261120T030000Z-dump-7k3g".parse().unwrap();
    assert_eq!(Contents::parse(&text, &other), Err(ContentsError::OtherDump(id())));
}

#[test]
fn names_are_quoted() {
    let name = TableName { schema: "My \"S\"".into(), name: "täble".into() };
    assert_eq!(name.quoted(), "\"My \"\"S\"\"\".\"täble\"");
}
