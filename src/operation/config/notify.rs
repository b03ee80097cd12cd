//! `[notify]` as `config show` has it: where secrets are found, and no secret.

use serde_json::{Value, json};

use crate::config::Config;
use crate::notify::{self, Address, Format, Webhook};

/// The value of a key and its default.
pub fn setting(config: &Config, path: &str) -> (Value, Value) {
    match path {
        "notify.ping" => (address(config.notify.ping.as_ref()), Value::Null),
        "notify.webhook" => webhook(config, |webhook| address(Some(&webhook.address))),
        "notify.webhook_format" => {
            let (format, _) = webhook(config, |webhook| json!(webhook.format.name()));
            (format, webhook(config, |_| json!(Format::default().name())).0)
        }
        "notify.webhook_body" => webhook(config, |webhook| match &webhook.format {
            // Some services want their key in it.
            Format::Body(_) => json!("(set, not shown)"),
            _ => Value::Null,
        }),
        // In case somebody put a secret into the others.
        "notify.command" => (json!(config.notify.command.iter().take(1).collect::<Vec<_>>()), json!([])),
        _ => (Value::Null, Value::Null),
    }
}

fn webhook(config: &Config, value: impl Fn(&Webhook) -> Value) -> (Value, Value) {
    (config.notify.webhook.as_ref().map_or(Value::Null, value), Value::Null)
}

/// Where a URL is found; of one that is written down only the host.
fn address(address: Option<&Address>) -> Value {
    match address {
        None => Value::Null,
        Some(Address::File(path)) => json!({"file": path}),
        Some(Address::Environment(name)) => json!({"environment": name}),
        Some(Address::Credential(name)) => json!({"credential": name}),
        Some(Address::Written(text)) => json!(notify::shown(text)),
    }
}
