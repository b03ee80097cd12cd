//! A program that tells the access key, as the AWS tools call one: JSON with `AccessKeyId`, `SecretAccessKey`, and
//! where they are temporary `SessionToken` and `Expiration`.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use object_store::aws::AwsCredential;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use serde::Deserialize;

use super::failure::NoCredentials;

/// Longest answer that is read.
const MAX_ANSWER: u64 = 64 << 10;
/// A program that has not answered by then is ended.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// What expires sooner is fetched anew.
const MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

pub(super) struct Answered {
    pub credential: Arc<AwsCredential>,
    expires: Option<Timestamp>,
}

impl Answered {
    pub fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|expires| Timestamp::now() + MARGIN < expires)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Told {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<Timestamp>,
}

pub(super) fn ask(words: &[String]) -> Result<Answered, NoCredentials> {
    let program = words.first().map_or("", String::as_str);
    let wrong = |reason: &str| NoCredentials(format!("credential command {program}: {reason}"));
    let mut child = Command::new(program)
        .args(words.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| wrong(&error.to_string()))?;
    let reader = child.stdout.take().map(|stdout| {
        std::thread::spawn(move || {
            let mut answer = SecretBox::new(Box::new(Vec::with_capacity(MAX_ANSWER as usize + 1)));
            let read = stdout.take(MAX_ANSWER + 1).read_to_end(answer.expose_secret_mut());
            read.map(|_| answer)
        })
    });
    match end(&mut child) {
        Some(true) => {}
        Some(false) => return Err(wrong("it failed")),
        None => return Err(wrong(&format!("it did not end within {} s", PATIENCE.as_secs()))),
    }
    let answer = reader.and_then(|reader| reader.join().ok()).and_then(Result::ok);
    let answer = answer.ok_or_else(|| wrong("its answer cannot be read"))?;
    // The parser's own message may quote what it read.
    let told: Told = serde_json::from_slice(answer.expose_secret())
        .map_err(|_| wrong("its answer is not JSON with AccessKeyId and SecretAccessKey"))?;
    let credential =
        AwsCredential { key_id: told.access_key_id, secret_key: told.secret_access_key, token: told.session_token };
    Ok(Answered { credential: Arc::new(credential), expires: told.expiration })
}

/// Whether it succeeded; `None` where it had to be ended.
fn end(child: &mut Child) -> Option<bool> {
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if since.elapsed() < PATIENCE => std::thread::sleep(POLL),
            Ok(None) => break,
            Err(_) => return Some(false),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Answered, NoCredentials> {
        ask(&["sh".to_owned(), "-c".to_owned(), script.to_owned()])
    }

    #[test]
    fn an_answer_lasts_until_shortly_before_it_expires() {
        let told = shell(r#"echo '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"}'"#).ok().unwrap();
        assert_eq!((told.credential.key_id.as_str(), told.is_fresh()), ("A", true));
        let until = |span: &str| {
            let script = format!(
                r#"echo "{{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"SessionToken\":\"t\",\"Expiration\":\"$(date -u -d '{span}' +%FT%TZ)\"}}""#
            );
            shell(&script).ok().unwrap().is_fresh()
        };
        assert!(until("1 hour") && !until("1 minute"));
    }

    #[test]
    fn what_cannot_be_used_is_not_quoted() {
        for script in [r#"echo '{"SecretAccessKey":"hush"}'"#, "echo hush", "echo hush; exit 1"] {
            let refused = shell(script).err().unwrap().to_string();
            assert!(refused.starts_with("credential command sh: it") && !refused.contains("hush"), "{refused}");
        }
        assert!(ask(&[]).is_err() && ask(&["/no/such/program".to_owned()]).is_err());
    }
}
