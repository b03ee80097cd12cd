//! The shared credentials file of the AWS tools: `[profile]`, then `aws_access_key_id = …` and its companions.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use object_store::aws::AwsCredential;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};

use super::failure::NoCredentials;

/// Longest file that is read.
const MAX_FILE: u64 = 64 << 10;

const DEFAULT_PROFILE: &str = "default";

/// Nobody but the owner and the group may look at a secret.
const OTHERS: u32 = 0o007;

pub(super) fn read(path: &Path, profile: Option<&str>) -> Result<AwsCredential, NoCredentials> {
    let wrong = |reason: String| NoCredentials(format!("credentials file {}: {reason}", path.display()));
    let mut content = SecretBox::new(Box::new(Vec::with_capacity(MAX_FILE as usize + 1)));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if metadata.mode() & OTHERS != 0 {
        return Err(wrong(format!("its mode is {:04o}, everybody may read it", metadata.mode() & 0o7777)));
    }
    let read = file.take(MAX_FILE + 1).read_to_end(content.expose_secret_mut());
    if read.map_err(|error| wrong(error.to_string()))? as u64 > MAX_FILE {
        return Err(wrong(format!("it is longer than {MAX_FILE} bytes")));
    }
    let text = std::str::from_utf8(content.expose_secret()).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    parse(text, profile.unwrap_or(DEFAULT_PROFILE)).map_err(wrong)
}

/// Lines that are not understood are passed over, and never quoted.
fn parse(text: &str, profile: &str) -> Result<AwsCredential, String> {
    let mut section = None;
    let mut found: [Option<&str>; 3] = [None; 3];
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Some(name.trim());
        } else if let Some((key, value)) = line.split_once('=').filter(|_| section == Some(profile)) {
            let at = match key.trim() {
                "aws_access_key_id" => 0,
                "aws_secret_access_key" => 1,
                "aws_session_token" => 2,
                _ => continue,
            };
            found[at] = Some(value.trim()).filter(|value| !value.is_empty());
        }
    }
    let required = |value: Option<&str>, name| {
        value.map(str::to_owned).ok_or_else(|| format!("profile [{profile}] has no {name}"))
    };
    Ok(AwsCredential {
        key_id: required(found[0], "aws_access_key_id")?,
        secret_key: required(found[1], "aws_secret_access_key")?,
        token: found[2].map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TEXT: &str = "# of the tests\n[default]\naws_access_key_id = A1\naws_secret_access_key=s3cr=t\n\n[other]\n\
                        aws_access_key_id = B\naws_secret_access_key = b\naws_session_token = t\nregion = x\n[empty]\n";

    #[test]
    fn profiles_are_told_apart() {
        let default = parse(TEXT, "default").unwrap();
        assert_eq!((default.key_id.as_str(), default.secret_key.as_str(), default.token), ("A1", "s3cr=t", None));
        let other = parse(TEXT, "other").unwrap();
        assert_eq!((other.key_id.as_str(), other.token.as_deref()), ("B", Some("t")));
        for profile in ["empty", "absent"] {
            let reason = parse(TEXT, profile).unwrap_err();
            assert_eq!(reason, format!("profile [{profile}] has no aws_access_key_id"));
        }
    }

    #[test]
    fn a_file_that_everybody_reads_is_refused_and_not_quoted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        std::fs::write(&path, TEXT).unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let refused = read(&path, None).err().unwrap().to_string();
        assert!(refused.contains("0644") && !refused.contains("s3cr"), "{refused}");
        mode(0o640);
        assert!(read(&path, Some("other")).is_ok());
        std::fs::write(&path, "[default]\naws_access_key_id = s3cr").unwrap();
        let wanting = read(&path, None).err().unwrap().to_string();
        assert!(wanting.ends_with("profile [default] has no aws_secret_access_key"), "{wanting}");
        assert!(read(&directory.path().join("absent"), None).is_err());
    }
}
