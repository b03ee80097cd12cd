//! What a statement of an archive makes, as the catalogs of a database name it.

use crate::model::dump::archive::Entry;

/// Catalogs that are looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Schema,
    Relation,
    Type,
    Routine,
    Collation,
    Constraint,
    Extension,
    Language,
    Server,
    Wrapper,
}

/// Unique within a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    pub class: Class,
    /// Empty where it belongs to none.
    pub schema: String,
    /// With the types of its arguments, or that of its table before it.
    pub name: String,
}

impl Entry {
    /// Nothing of what is of something else, or looked for by nobody.
    pub fn object(&self) -> Option<Object> {
        let class = match self.description.as_str() {
            "SCHEMA" => Class::Schema,
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "SEQUENCE" | "FOREIGN TABLE" | "INDEX" => Class::Relation,
            "TYPE" | "DOMAIN" | "SHELL TYPE" => Class::Type,
            "FUNCTION" | "PROCEDURE" | "AGGREGATE" => Class::Routine,
            "COLLATION" => Class::Collation,
            "CONSTRAINT" | "FK CONSTRAINT" | "CHECK CONSTRAINT" => Class::Constraint,
            "EXTENSION" => Class::Extension,
            "PROCEDURAL LANGUAGE" => Class::Language,
            "SERVER" => Class::Server,
            "FOREIGN DATA WRAPPER" => Class::Wrapper,
            _ => return None,
        };
        Some(Object { class, schema: self.schema.clone().unwrap_or_default(), name: self.tag.clone() })
    }
}
