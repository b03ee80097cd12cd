//! Names of schemas and tables as a person gives them: `*` and `?` stand for others, but not in double quotes.

use std::fmt;
use std::str::FromStr;

use wildmatch::WildMatch;

/// One name, or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    Exact(String),
    Wild(String),
}

/// `SCHEMA.TABLE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePattern {
    pub schema: Pattern,
    pub name: Pattern,
}

impl Pattern {
    pub fn fits(&self, name: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == name,
            Pattern::Wild(pattern) => WildMatch::new(pattern).matches(name),
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let wrong = || format!("\"{text}\" is not a name or a pattern such as 'crm_*'");
        let Some(inner) = text.strip_prefix('"') else {
            return if text.is_empty() || text.contains('"') {
                Err(wrong())
            } else {
                Ok(Pattern::Wild(text.to_owned()))
            };
        };
        let inner = inner.strip_suffix('"').filter(|inner| !inner.is_empty()).ok_or_else(wrong)?;
        match inner.replace("\"\"", "").contains('"') {
            true => Err(wrong()),
            false => Ok(Pattern::Exact(inner.replace("\"\"", "\""))),
        }
    }
}

impl FromStr for TablePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<TablePattern, String> {
        let mut is_quoted = false;
        let dot = text.char_indices().find(|(_, c)| {
            is_quoted ^= *c == '"';
            *c == '.' && !is_quoted
        });
        let Some((dot, _)) = dot else {
            return Err(format!("\"{text}\" is not SCHEMA.TABLE, such as public.orders or 'public.order*'"));
        };
        Ok(TablePattern { schema: text[..dot].parse()?, name: text[dot + 1..].parse()? })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Exact(name) => write!(f, "\"{}\"", name.replace('"', "\"\"")),
            Pattern::Wild(pattern) => f.write_str(pattern),
        }
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        let table = |text: &str| text.parse::<TablePattern>();
        let wild = table("public.order*").unwrap();
        assert!(wild.schema.fits("public") && wild.name.fits("orders") && !wild.name.fits("Orders"));
        let exact = table("\"My. Schema\".\"a\"\"*\"").unwrap();
        assert!(exact.schema.fits("My. Schema") && exact.name.fits("a\"*") && !exact.name.fits("a\"b"));
        assert_eq!(exact.to_string(), "\"My. Schema\".\"a\"\"*\"");
        assert!(table("Büro №1.Orders").unwrap().schema.fits("Büro №1"));
        for wrong in ["orders", "", ".", "a.", ".b", "a.\"b", "\"a.b", "a.b\"c", "a.\"b\"c\""] {
            assert!(table(wrong).is_err(), "{wrong}");
        }
        assert!("".parse::<Pattern>().is_err());
    }
}
