//! Who is told, and in which form.

use super::address::Address;

/// What may stand in braces in a template.
pub const NAMES: [&str; 8] = ["cluster", "host", "command", "event", "title", "text", "code", "at"];

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// A service that expects a sign of life from every run.
    pub ping: Option<Address>,
    pub webhook: Option<Webhook>,
    /// A program and its arguments, with names in braces; the text is its standard input.
    pub command: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub address: Address,
    pub format: Format,
}

/// Of the body of a request to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Format {
    /// Everything, as JSON of our own.
    #[default]
    Json,
    Slack,
    Ntfy,
    /// A template. Where it is JSON, it stays JSON whatever the values are.
    Body(String),
}

impl Format {
    /// Those that have a name.
    pub const NAMED: [Format; 3] = [Format::Json, Format::Slack, Format::Ntfy];

    pub fn name(&self) -> Option<&'static str> {
        match self {
            Format::Json => Some("json"),
            Format::Slack => Some("slack"),
            Format::Ntfy => Some("ntfy"),
            Format::Body(_) => None,
        }
    }
}

impl Settings {
    /// Nobody is told anything.
    pub fn is_empty(&self) -> bool {
        *self == Settings::default()
    }

    /// Whether somebody hears only what is news, for which the last run must be known.
    pub fn tells_news(&self) -> bool {
        self.webhook.is_some() || !self.command.is_empty()
    }
}
