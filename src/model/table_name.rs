//! Names of tables as PostgreSQL writes them: `shop.public.orders`, `shop."My Schema"."Orders"`. What is not quoted is
//! lower case; a quote within quotes is written twice.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// PostgreSQL cuts names after this many bytes (`NAMEDATALEN`); one that is longer would not be found.
const MAX_NAME: usize = 63;

/// A table of a cluster, as its catalogs spell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    pub database: String,
    pub schema: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TableNameError {
    #[error("\"{0}\" is not DATABASE.SCHEMA.TABLE, such as app.public.orders or app.\"My Schema\".\"Orders\"")]
    Parts(String),
    #[error("a quote of \"{0}\" does not end")]
    OpenQuote(String),
    #[error("the name \"{0}\" has not 1 to {MAX_NAME} bytes, as every name has")]
    Length(String),
}

impl TableName {
    /// Several, with commas between them.
    pub fn list(text: &str) -> Result<Vec<TableName>, TableNameError> {
        split(text, ',')?.iter().map(|part| part.trim().parse()).collect()
    }

    /// Without the database, as statements name it.
    pub fn in_database(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<TableName, TableNameError> {
        let wrong = || TableNameError::Parts(text.to_owned());
        let parts: Vec<String> =
            split(text, '.')?.iter().map(|part| unquoted(part).ok_or_else(wrong)).collect::<Result<_, _>>()?;
        if let Some(part) = parts.iter().find(|part| !(1..=MAX_NAME).contains(&part.len())) {
            return Err(TableNameError::Length(part.clone()));
        }
        let [database, schema, name] = <[String; 3]>::try_from(parts).map_err(|_| wrong())?;
        Ok(TableName { database, schema, name })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quoted(&self.database), self.in_database())
    }
}

/// At every separator outside of quotes.
fn split(text: &str, separator: char) -> Result<Vec<&str>, TableNameError> {
    let mut is_quoted = false;
    let parts = text.split(|c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    });
    let parts = parts.collect();
    if is_quoted { Err(TableNameError::OpenQuote(text.to_owned())) } else { Ok(parts) }
}

/// `None` where quotes stand within a name, or where there is what only quotes may hold.
fn unquoted(part: &str) -> Option<String> {
    if let Some(inner) = part.strip_prefix('"') {
        let inner = inner.strip_suffix('"')?;
        return (!inner.replace("\"\"", "").contains('"') && !inner.contains('\0'))
            .then(|| inner.replace("\"\"", "\""));
    }
    // Like `downcase_identifier`, which leaves letters beyond ASCII as they are where they have several bytes.
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"';
    part.chars().all(is_plain).then(|| part.to_ascii_lowercase())
}

/// As a statement takes it; without quotes where it is the same without. Reserved words are quoted by being none of these.
pub fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_plain = name.starts_with(plain) && name.chars().all(|c| plain(c) || c.is_ascii_digit());
    match is_plain && !RESERVED.contains(&name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Key words that no statement takes for the name of a table or a column (`RESERVED_KEYWORD`, `TYPE_FUNC_NAME_KEYWORD` and `COL_NAME_KEYWORD` in
/// `kwlist.h`) and that are likely names.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(database: &str, schema: &str, name: &str) -> TableName {
        TableName { database: database.to_owned(), schema: schema.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn names_are_read_as_postgresql_writes_them() {
        for (text, wanted) in [
            ("app.public.orders", name("app", "public", "orders")),
            ("App.Public.ORDERS", name("app", "public", "orders")),
            ("db.\"My Schema\".\"Täble\"", name("db", "My Schema", "Täble")),
            ("db.\"a.b\".\"c,\"\"d\"", name("db", "a.b", "c,\"d")),
            ("db.s.Täble", name("db", "s", "täble")),
        ] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for text in
            ["", "orders", "public.orders", "a.b.c.d", "a..c", "a.b.", "a.b.c d", "a.b.c\"d", "a.b.\"c", "a.b.\"c\"d"]
        {
            assert!(text.parse::<TableName>().is_err(), "{text}");
        }
        assert!(format!("a.b.{}", "x".repeat(64)).parse::<TableName>().is_err());
    }

    #[test]
    fn a_list_has_commas_between_names() {
        let listed = TableName::list("a.b.c, a.b.\"d,e\"").unwrap();
        assert_eq!(listed, [name("a", "b", "c"), name("a", "b", "d,e")]);
        assert!(TableName::list("a.b.c,").is_err() && TableName::list("").is_err());
    }

    #[test]
    fn words_of_the_language_are_quoted() {
        assert_eq!(name("app", "public", "order").to_string(), "app.public.\"order\"");
        assert_eq!(name("app", "public", "orders_2").to_string(), "app.public.orders_2");
        assert_eq!(name("app", "public", "2orders").to_string(), "app.public.\"2orders\"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(parts in proptest::array::uniform3("[^\0]{1,15}")) {
            let [database, schema, table] = parts;
            let wanted = vec![name(&database, &schema, &table), name(&table, &database, &schema)];
            let text: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            prop_assert_eq!(TableName::list(&text.join(",")), Ok(wanted));
        }

        #[test]
        fn no_text_is_too_much(text in ".{0,80}") {
            let _ = TableName::list(&text);
        }
    }
}
