//! The end of a transaction in `psql` that brings rows: it is told to commit only where every table has as many as it should.

/// Begins a line of an answer that is for us; other statements answer too.
const MARK: &str = "pgcairn";
const COMMITTED: &str = "pgcairn committed";

/// Counts, says what it counted, and commits where that is what is expected; tables are named as statements name them.
pub fn end(expected: &[(String, u64)]) -> String {
    let mut text = "\nSET search_path = pg_catalog;\n".to_owned();
    for (number, (table, _)) in expected.iter().enumerate() {
        text += &format!("SELECT count(*) AS c{number} FROM ONLY {table} \\gset\n\\echo {MARK} {number} :c{number}\n");
    }
    text += "\\set same true\n";
    for (number, (_, rows)) in expected.iter().enumerate() {
        text += &format!("SELECT :'same'::bool AND :c{number} = {rows} AS same \\gset\n");
    }
    text + &format!("\\if :same\nCOMMIT;\n\\echo {COMMITTED}\n\\endif\n")
}

/// What was counted, in its order.
pub fn counted(answer: &[String]) -> Vec<u64> {
    let number = |line: &String| line.strip_prefix(MARK)?.split_whitespace().nth(1)?.parse().ok();
    answer.iter().filter_map(number).collect()
}

pub fn is_committed(answer: &[String]) -> bool {
    answer.iter().any(|line| line == COMMITTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_read_in_order_among_other_answers() {
        let answer = ["", "7", "pgcairn 0 1000", "pgcairn 1 0", COMMITTED].map(str::to_owned);
        assert_eq!((counted(&answer), is_committed(&answer)), (vec![1000, 0], true));
        assert!(!is_committed(&answer[..4]));
    }
}
