//! Histories as servers write them, and those that nobody should.

use super::*;

const SEGMENT: u64 = 1 << 24;
const THIRD: &[u8] = b"1\t0/3000110\tno recovery target specified\n\n2\t0/5A00000\tbefore 2026-11-20 03:00:00+00\n";

fn third() -> Timeline {
    Timeline::parse(3, THIRD).unwrap()
}

fn lsn(text: &str) -> Lsn {
    text.parse().unwrap()
}

#[test]
fn history_files() {
    let timeline = third();
    let seen: Vec<_> = timeline.ancestors.iter().map(|a| (a.timeline, a.switch_lsn.to_string())).collect();
    assert_eq!(seen, [(1, "0/3000110".to_owned()), (2, "0/5A00000".to_owned())]);
    assert_eq!(timeline.ancestors[1].reason, "before 2026-11-20 03:00:00+00");
    assert_eq!(Timeline::parse(3, timeline.history_file().as_bytes()).unwrap(), timeline);
    let padded = Timeline::parse(2, b"# comment\n  1 0/03000110").unwrap();
    assert_eq!(padded.begin(), lsn("0/3000110"));
}

#[test]
fn histories_that_nobody_should_write() {
    for (text, id) in [
        ("x", 2),
        ("1", 2),
        ("1\t0", 2),
        ("1\t0/G", 2),
        ("-1\t0/1", 2),
        ("0\t0/1", 2),
        ("1\t0/1\n1\t0/2", 3),
        ("2\t0/1\n1\t0/2", 3),
        ("2\t0/1", 2),
        ("3\t0/1", 2),
        ("", 2),
        ("# nothing", 2),
    ] {
        assert!(Timeline::parse(id, text.as_bytes()).is_err(), "{text}");
    }
    assert!(Timeline::parse(2, b"1\t0/1\t\xff\xfe").is_ok(), "a reason may be in any encoding");
}

#[test]
fn owners() {
    let timeline = third();
    for (at, owner) in [("0/0", 1), ("0/300010F", 1), ("0/3000110", 2), ("0/59FFFFF", 2), ("0/5A00000", 3), ("FF/0", 3)]
    {
        assert_eq!(timeline.owner(lsn(at)), owner, "{at}");
    }
    assert_eq!(Timeline::root(1).owner(lsn("1/0")), 1);
}

#[test]
fn descent() {
    let timeline = third();
    assert!(timeline.descends_from(1, lsn("0/3000110")), "the last byte before the switch is shared");
    assert!(!timeline.descends_from(1, lsn("0/3000111")));
    assert!(timeline.descends_from(2, lsn("0/4000000")));
    assert!(timeline.descends_from(3, lsn("0/6000000")));
    assert!(!timeline.descends_from(4, lsn("0/4000000")));
}

#[test]
fn segments_are_looked_for_from_the_newest_timeline_on() {
    let timeline = third();
    let ids = |number, floor| -> Vec<_> {
        timeline.candidates(number, SEGMENT, floor).iter().map(|segment| segment.timeline).collect()
    };
    assert_eq!(ids(2, 0), [1]);
    assert_eq!(ids(3, 0), [2, 1], "the segment of the switch exists on both");
    assert_eq!(ids(5, 0), [3, 2, 1]);
    assert_eq!(ids(5, 2), [3, 2], "never back to an older timeline");
    let wanted: Vec<_> = timeline.segments(lsn("0/2000028"), lsn("0/6000000"), SEGMENT).collect();
    let wanted: Vec<_> = wanted.iter().map(|segment| (segment.timeline, segment.number)).collect();
    assert_eq!(wanted, [(1, 2), (2, 3), (2, 4), (3, 5)]);
}

#[test]
fn a_timeline_that_left_before_its_parent_began() {
    let timeline = Timeline::parse(3, b"1\t0/5000000\n2\t0/3000000\n").unwrap();
    assert_eq!(timeline.owner(lsn("0/2000000")), 1);
    assert_eq!(timeline.owner(lsn("0/3500000")), 3);
}

#[test]
fn timeline_json_holds_the_descent_and_no_reasons() {
    let timeline = third();
    let json = TimelineJson::from(&timeline);
    let bytes = json.to_bytes();
    let expected = "{\"timeline\":3,\"parent\":2,\"switch_lsn\":\"0/5A00000\",\"ancestors\":[{\"timeline\":1,\
                    \"switch_lsn\":\"0/3000110\"},{\"timeline\":2,\"switch_lsn\":\"0/5A00000\"}]}\n";
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    assert_eq!(TimelineJson::parse(3, &bytes).unwrap(), json);
    assert_eq!(json.timeline().unwrap().owner(lsn("0/4000000")), 2);
    assert!(TimelineJson::parse(2, &bytes).is_err());
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in
        [("\"parent\":2", "\"parent\":1"), ("\"timeline\":1", "\"timeline\":2"), ("0/5A00000\",\"a", "0/1\",\"a")]
    {
        assert!(TimelineJson::parse(3, text.replace(from, to).as_bytes()).is_err(), "{to}");
    }
}
