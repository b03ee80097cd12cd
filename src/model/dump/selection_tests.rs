//! A shop, of which parts are wanted.

use super::*;

/// A shop: `order` refers to `customer`, which has a type, an index, a trigger and a sequence of its own; and measurements in
/// partitions.
fn shop() -> Vec<Entry> {
    let entry = |id: u32, description: &str, schema: &str, tag: &str, relies_on: &[u32]| Entry {
        id,
        description: description.to_owned(),
        schema: Some(schema.to_owned()).filter(|schema| !schema.is_empty()),
        tag: tag.to_owned(),
        relies_on: relies_on.to_vec(),
        ..Entry::default()
    };
    let inherits = "CREATE TABLE s.child (\n    b text\n)\nINHERITS (s.customer);\n";
    vec![
        entry(1, "SCHEMA", "", "s", &[]),
        entry(2, "COMMENT", "", "SCHEMA s", &[1]),
        entry(3, "EXTENSION", "", "hstore", &[]),
        entry(4, "TYPE", "public", "mood", &[]),
        entry(5, "FUNCTION", "public", "note()", &[]),
        entry(6, "COMMENT", "public", "FUNCTION note()", &[5]),
        entry(10, "TABLE", "s", "customer", &[1, 4, 3, 99]),
        entry(11, "SEQUENCE", "s", "customer_id_seq", &[10]),
        entry(12, "SEQUENCE OWNED BY", "s", "customer_id_seq", &[11]),
        entry(13, "DEFAULT", "s", "customer id", &[10, 11]),
        entry(14, "ACL", "s", "TABLE customer", &[10]),
        entry(15, "TABLE", "public", "order", &[]),
        Entry { definition: inherits.to_owned(), ..entry(16, "TABLE", "s", "child", &[10]) },
        entry(17, "TABLE", "public", "uses_the_row_type", &[10]),
        entry(18, "VIEW", "public", "seen", &[10]),
        entry(20, "TABLE", "m", "measured", &[]),
        entry(21, "TABLE", "m", "measured_1", &[20]),
        entry(22, "TABLE ATTACH", "m", "measured_1", &[21, 20]),
        entry(30, "CONSTRAINT", "s", "customer customer_pkey", &[10]),
        entry(31, "INDEX", "s", "customer_name", &[10, 10]),
        entry(32, "TRIGGER", "s", "customer noted", &[10, 5]),
        entry(33, "FK CONSTRAINT", "public", "order order_fkey", &[10, 15, 30]),
        entry(34, "COMMENT", "public", "CONSTRAINT order_fkey ON order", &[33]),
        entry(35, "PUBLICATION", "", "all", &[]),
        entry(36, "PUBLICATION TABLE", "s", "all customer", &[10, 35]),
        entry(40, "INDEX", "m", "measured_at", &[20]),
        entry(41, "INDEX", "m", "measured_1_at", &[21, 40]),
        entry(42, "INDEX ATTACH", "m", "measured_1_at", &[41, 40, 21, 20]),
        entry(50, "BLOB", "", "4711", &[]),
        entry(51, "ACL", "", "LARGE OBJECT 4711", &[50]),
    ]
}

fn wish(schemas: &[&str], tables: &[&str]) -> Wish {
    Wish {
        schemas: schemas.iter().map(|text| text.parse().unwrap()).collect(),
        tables: tables.iter().map(|text| text.parse().unwrap()).collect(),
        ..Wish::default()
    }
}

fn names(names: &[TableName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_table_comes_with_all_that_is_its_own() {
    let selection = Selection::of(&shop(), &wish(&[], &["s.customer"]), None).unwrap();
    assert_eq!(names(&selection.tables), ["s.customer", "s.child"]);
    assert_eq!(names(&selection.sequences), ["s.customer_id_seq"]);
    // The schema, type, extension and function that it relies on are made, and what is said of these.
    assert_eq!(selection.statements, [1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 16, 30, 31, 32]);
    assert_eq!((selection.privileges, selection.relations.len()), (BTreeSet::from([14]), 3));
    assert_eq!(selection.along, ["extension hstore", "type public.mood", "function public.note()"]);
    assert_eq!(selection.left_out, ["being published, of s.all customer"]);
}

#[test]
fn what_refers_to_others_is_left_out_where_these_are_not() {
    let selection = Selection::of(&shop(), &wish(&[], &["public.order"]), None).unwrap();
    assert_eq!(
        (selection.statements, selection.left_out),
        (vec![15], vec!["foreign key public.order order_fkey".into()])
    );
    // Where they are it comes along, with what is said of it.
    let there = BTreeSet::from([10, 30]);
    let selection = Selection::of(&shop(), &wish(&[], &["public.order"]), Some(&there)).unwrap();
    assert_eq!(selection.statements, [15, 33, 34]);
    let selection = Selection::of(&shop(), &wish(&[], &["public.order", "s.*"]), None).unwrap();
    assert!(selection.statements.ends_with(&[33, 34]), "{selection:?}");
}

#[test]
fn a_database_that_is_there_must_have_what_is_relied_on() {
    let there = BTreeSet::from([1, 3]);
    let error = Selection::of(&shop(), &wish(&[], &["s.customer"]), Some(&there)).unwrap_err();
    assert_eq!(error, SelectionError::Lacking(vec!["type public.mood".into()]));
    let there = BTreeSet::from([1, 3, 4]);
    let selection = Selection::of(&shop(), &wish(&[], &["s.customer"]), Some(&there)).unwrap();
    // The trigger's function is not there.
    assert_eq!(selection.left_out, ["being published, of s.all customer", "trigger s.customer noted"]);
    assert_eq!(selection.statements, [10, 11, 12, 13, 14, 16, 30, 31]);
    // A schema that is not there is made.
    let there = BTreeSet::from([3, 4, 5]);
    let selection = Selection::of(&shop(), &wish(&[], &["s.customer"]), Some(&there)).unwrap();
    assert_eq!((selection.statements[0], selection.along.len()), (1, 0));
}

#[test]
fn partitions() {
    let selection = Selection::of(&shop(), &wish(&[], &["m.measured"]), None).unwrap();
    assert_eq!(selection.statements, [20, 21, 22, 40, 41, 42]);
    let selection = Selection::of(&shop(), &wish(&[], &["m.measured_1"]), None).unwrap();
    assert_eq!(selection.statements, [21, 41]);
    assert_eq!(selection.left_out, ["being a partition, of m.measured_1"]);
    // It becomes one again when it has its index.
    let there = BTreeSet::from([20, 40]);
    let selection = Selection::of(&shop(), &wish(&[], &["m.measured_1"]), Some(&there)).unwrap();
    assert_eq!((selection.statements, selection.attachments), (vec![21, 41], vec![22]));
}

#[test]
fn schemas_and_everything() {
    let selection = Selection::of(&shop(), &wish(&["m"], &[]), None).unwrap();
    assert_eq!(selection.statements, [20, 21, 22, 40, 41, 42]);
    let all = Selection::of(&shop(), &Wish::default(), None).unwrap();
    assert_eq!(all.statements.len(), shop().len() - 2);
    let kept = Selection::of(&shop(), &Wish::default(), Some(&BTreeSet::from([1, 3]))).unwrap();
    assert!(![1, 2, 3].iter().any(|id| kept.statements.contains(id)), "{kept:?}");
    for nothing in [wish(&["absent"], &[]), wish(&[], &["s.absent*"]), wish(&[], &["absent.order"])] {
        assert!(matches!(Selection::of(&shop(), &nothing, None), Err(SelectionError::Nothing(_))));
    }
}

#[test]
fn rows_of_an_archive() {
    let selection = Selection::of(&shop(), &Wish { data_only: true, ..wish(&["s"], &[]) }, None).unwrap();
    assert!(selection.statements.is_empty());
    let row = |id, description: &str, schema: &str, tag: &str| Entry {
        id,
        description: description.into(),
        schema: Some(schema.into()),
        tag: tag.into(),
        ..Entry::default()
    };
    let rest = [
        row(1, "TABLE DATA", "public", "customer"),
        row(2, "TABLE DATA", "s", "customer"),
        row(3, "SEQUENCE SET", "s", "customer_id_seq"),
        row(4, "BLOBS", "", "BLOBS"),
    ];
    assert_eq!(Selection::list(&selection.rows(&rest)), "2;\n3;\n");
}
