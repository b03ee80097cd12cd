//! What people are told who are not there: that a command fails, and that it succeeds again.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::SCHEMA;
use super::text::{count, seconds, utc, whole_second};
use crate::model::error::Code;
use crate::model::template;
use crate::notify::{Format, MAX_TEXT, Post};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// Priorities of ntfy.
const HIGH: &str = "4";
const USUAL: &str = "3";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Failed,
    Recovered,
    Test,
}

impl Event {
    pub fn word(self) -> &'static str {
        match self {
            Event::Failed => "failed",
            Event::Recovered => "recovered",
            Event::Test => "test",
        }
    }
}

/// One message, whoever gets it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notification {
    pub event: Event,
    pub cluster: String,
    pub host: String,
    /// As it was called: `backup`, `copy --all --to offsite`.
    pub command: String,
    /// When it ended.
    pub at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Since when it had failed, and how often, where it succeeds again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
}

/// How a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub code: &'static str,
    pub exit_status: u8,
    /// What it said to whoever was there.
    pub message: String,
}

impl Failure {
    pub fn new(code: Code, message: String) -> Failure {
        Failure { code: code.name(), exit_status: code.exit_status(), message }
    }
}

impl Notification {
    /// One line: the subject of a mail.
    pub fn title(&self) -> String {
        let what = match self.event {
            Event::Failed => format!("{} failed", self.command),
            Event::Recovered => format!("{} succeeds again", self.command),
            Event::Test => "a test, nothing failed".to_owned(),
        };
        format!("pgcairn {}: {what} ({})", self.cluster, self.host)
    }

    /// All else.
    pub fn text(&self) -> String {
        let at = utc(whole_second(self.at));
        let took = seconds(self.seconds.unwrap_or_default());
        match (&self.failure, self.failed_since) {
            (Some(failure), _) => {
                let ended = match self.seconds {
                    Some(_) => format!("\n\nended at {at} with exit status {}, after {took}", failure.exit_status),
                    None => format!("\n\nfound at {at}"),
                };
                format!("{}{ended}", cut(failure.message.trim_end(), MAX_TEXT - ended.len()))
            }
            (None, Some(since)) => {
                let times = count(self.failures.unwrap_or(1), "time");
                format!("ended well at {at}, after {took}; it had failed {times} since {}", utc(whole_second(since)))
            }
            (None, None) if self.event == Event::Test => format!("sent at {at} by: pgcairn notify test"),
            (None, None) => format!("ended well at {at}, after {took}"),
        }
    }

    /// Title and text, for what has no place of its own for the title.
    pub fn whole(&self) -> String {
        format!("{}\n\n{}\n", self.title(), self.text())
    }

    fn value(&self, name: &str) -> Option<String> {
        Some(match name {
            "cluster" => self.cluster.clone(),
            "host" => self.host.clone(),
            "command" => self.command.clone(),
            "event" => self.event.word().to_owned(),
            "title" => self.title(),
            "text" => self.text(),
            "code" => self.failure.as_ref().map_or("", |failure| failure.code).to_owned(),
            "at" => self.at.to_string(),
            _ => return None,
        })
    }

    /// A template with the values of this message.
    pub fn fill(&self, template: &str) -> String {
        template::fill(template, |name| self.value(name))
    }

    /// For a service that watches for pings, when a run has ended.
    pub fn ping(&self) -> Post {
        Post { content_type: TEXT, headers: Vec::new(), body: self.text() }
    }

    pub fn post(&self, format: &Format) -> Post {
        match format {
            Format::Json => self.json(),
            Format::Slack => json_post(&json!({ "text": for_slack(&self.whole()) })),
            Format::Ntfy => self.ntfy(),
            Format::Body(template) => match serde_json::from_str(template) {
                Ok(value) => json_post(&self.filled(value)),
                Err(_) => Post { content_type: TEXT, headers: Vec::new(), body: self.fill(template) },
            },
        }
    }

    fn json(&self) -> Post {
        let mut value = json!(self);
        value["schema"] = json!(SCHEMA);
        value["title"] = json!(self.title());
        value["text"] = json!(self.text());
        json_post(&value)
    }

    fn ntfy(&self) -> Post {
        let (priority, tags) = match self.event {
            Event::Failed => (HIGH, "rotating_light"),
            Event::Recovered => (USUAL, "white_check_mark"),
            Event::Test => (USUAL, "test_tube"),
        };
        let headers = vec![("title", self.title()), ("priority", priority.to_owned()), ("tags", tags.to_owned())];
        Post { content_type: TEXT, headers, body: self.text() }
    }

    /// Every text in it is a template; what is filled in cannot break out of its quotes.
    fn filled(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.filled(item)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, value)| (key, self.filled(value))).collect(),
            other => other,
        }
    }
}

/// For a service that watches for pings.
pub fn began() -> Post {
    Post { content_type: TEXT, headers: Vec::new(), body: String::new() }
}

fn json_post(value: &Value) -> Post {
    Post { content_type: JSON, headers: Vec::new(), body: value.to_string() }
}

/// The three characters that Slack reads as its own.
fn for_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The beginning of a text that is too long.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    const MORE: &str = "\n…";
    let end = (0..=most - MORE.len()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{MORE}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::NAMES;

    fn failed(message: &str) -> Notification {
        Notification {
            event: Event::Failed,
            cluster: "main".to_owned(),
            host: "db1".to_owned(),
            command: "backup".to_owned(),
            at: "2026-11-20T03:00:12.5Z".parse().unwrap(),
            seconds: Some(12.4),
            failure: Some(Failure::new(Code::Unreachable, message.to_owned())),
            failed_since: None,
            failures: None,
        }
    }

    #[test]
    fn every_name_has_a_value() {
        for name in NAMES {
            assert!(failed("x").value(name).is_some(), "{name}");
        }
        assert_eq!(failed("x").value("url"), None);
    }

    #[test]
    fn a_template_that_is_json_stays_json() {
        let notification = failed("a \"quoted\" {title}\nsecond line");
        let template = r#"{"channel": "ops", "blocks": [{"text": "{command}: {text}"}, 7], "{cluster}": null}"#;
        let post = notification.post(&Format::Body(template.to_owned()));
        let body: Value = serde_json::from_str(&post.body).unwrap();
        assert!(body["blocks"][0]["text"].as_str().unwrap().starts_with("backup: a \"quoted\" {title}\nsecond line"));
        assert_eq!((post.content_type, &body["blocks"][1], &body["channel"]), (JSON, &json!(7), &json!("ops")));
        let plain = notification.post(&Format::Body("{event} {code} {nothing}".to_owned()));
        assert_eq!((plain.content_type, plain.body.as_str()), (TEXT, "failed unreachable {nothing}"));
    }

    #[test]
    fn a_long_text_is_cut_and_says_how_it_ended() {
        for letter in ["x", "é", "\u{1f418}"] {
            let text = failed(&letter.repeat(MAX_TEXT)).text();
            assert!(text.len() <= MAX_TEXT && text.contains("\n…\n\nended at 2026-11-20 03:00:12Z"), "{text}");
        }
    }

    #[test]
    fn nothing_in_a_text_is_markup_of_slack() {
        let body: Value = serde_json::from_str(&failed("<!channel> & <http://h|x>").post(&Format::Slack).body).unwrap();
        let text = body["text"].as_str().unwrap();
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;http://h|x&gt;"), "{text}");
    }
}
