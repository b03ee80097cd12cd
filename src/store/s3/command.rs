//! A program that tells the access key, as the AWS tools call one: JSON with `AccessKeyId`, `SecretAccessKey`, and
//! where they are temporary `SessionToken` and `Expiration`.

use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
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

type Answer = SecretBox<Vec<u8>>;

pub(super) fn ask(words: &[String]) -> Result<Answered, NoCredentials> {
    ask_within(words, PATIENCE)
}

fn ask_within(words: &[String], patience: Duration) -> Result<Answered, NoCredentials> {
    let program = words.first().map_or("", String::as_str);
    let wrong = |reason: &str| NoCredentials(format!("credential command {program}: {reason}"));
    let until = Instant::now() + patience;
    let mut child = Command::new(program)
        .args(words.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| wrong(&error.to_string()))?;
    let answer = child.stdout.take().map(read);
    match end(&mut child, until) {
        Some(true) => {}
        Some(false) => return Err(wrong("it failed")),
        None => return Err(wrong(&format!("it did not end within {} s", patience.as_secs()))),
    }
    // Something that it started may hold its output open for ever.
    let left = until.saturating_duration_since(Instant::now());
    let answer = answer.and_then(|answer| answer.recv_timeout(left).ok()).and_then(Result::ok);
    let answer = answer.ok_or_else(|| wrong("its answer cannot be read to its end"))?;
    // The parser's own message may quote what it read.
    let told: Told = serde_json::from_slice(answer.expose_secret())
        .map_err(|_| wrong("its answer is not JSON with AccessKeyId and SecretAccessKey"))?;
    let credential =
        AwsCredential { key_id: told.access_key_id, secret_key: told.secret_access_key, token: told.session_token };
    Ok(Answered { credential: Arc::new(credential), expires: told.expiration })
}

/// By a thread that nobody waits for: the output ends when its last holder ends.
fn read(stdout: ChildStdout) -> Receiver<io::Result<Answer>> {
    let (told, answer) = sync_channel(1);
    std::thread::spawn(move || {
        let mut answer = SecretBox::new(Box::new(Vec::with_capacity(MAX_ANSWER as usize + 1)));
        let read = stdout.take(MAX_ANSWER + 1).read_to_end(answer.expose_secret_mut());
        let _ = told.send(read.map(|_| answer));
    });
    answer
}

/// Whether it succeeded; `None` where it had to be ended.
fn end(child: &mut Child, until: Instant) -> Option<bool> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < until => std::thread::sleep(POLL),
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

    #[test]
    fn a_program_that_does_not_end_is_not_waited_for() {
        let within = |script: &str| {
            let words = ["sh", "-c", script].map(str::to_owned);
            ask_within(&words, Duration::from_millis(300)).err().unwrap().to_string()
        };
        assert_eq!(within("exec sleep 60"), "credential command sh: it did not end within 0 s");
        assert_eq!(within("sleep 60 & echo '{}'"), "credential command sh: its answer cannot be read to its end");
    }
}
