//! What is refused of a repository on an S3-compatible store: its URL and keys, and every kind of answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;

use crate::cases::{Case, case};
use crate::place::{Place, RECIPIENT};
use crate::table::Refusal;

/// `config check` of a repository with this URL and these lines.
fn check(place: &Place, url: &str, lines: &str) -> Refusal {
    place.write("main.toml", &format!("[[repository]]\nname = \"offsite\"\nurl = \"{url}\"\n{lines}\n"));
    place.refused(&["config", "check"])
}

fn lines(place: &Place, lines: &str) -> Refusal {
    check(place, "s3://bucket/pg", lines)
}

/// A store that answers each method always in one way: status and code, or a body. `GET ?lifecycle` is a method with
/// something in its URL.
struct Store {
    endpoint: String,
}

type Answer = (&'static str, u16, &'static str);

impl Store {
    fn answering(answers: &'static [Answer]) -> Store {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                std::thread::spawn(move || answer(socket, answers));
            }
        });
        Store { endpoint }
    }
}

fn answer(mut socket: TcpStream, answers: &[Answer]) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let (mut line, mut method, mut url, mut length) = (String::new(), String::new(), String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        let (name, value) = line.split_once(' ').unwrap_or_default();
        if method.is_empty() {
            (method, url) = (name.to_owned(), value.to_owned());
        } else if name.eq_ignore_ascii_case("content-length:") {
            length = value.trim().parse().ok()?;
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
    let meets = |of: &str| match of.split_once(' ') {
        Some((of, part)) => of == method && url.contains(part),
        None => of == method || of.is_empty(),
    };
    let (_, status, code) = answers.iter().find(|(of, ..)| meets(of))?;
    let body = match code.starts_with('<') {
        _ if method == "HEAD" => String::new(),
        true => (*code).to_owned(),
        false => format!("<Error><Code>{code}</Code></Error>"),
    };
    let head =
        format!("HTTP/1.1 {status} X\r\nETag: \"0\"\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    socket.write_all((head + &body).as_bytes()).ok()
}

/// A configuration for the store, with a file that holds an access key.
fn configure(place: &Place, endpoint: &str, more: &str) {
    credentials(place, 0o600);
    let (data, file) = (place.path("data"), place.path("credentials"));
    place.write(
        "main.toml",
        &format!(
            "[postgres]\ndata_dir = {data:?}\n[encryption]\nrecipients = [\"{RECIPIENT}\"]\n[[repository]]\n\
             name = \"offsite\"\nurl = \"s3://bucket/pg\"\nendpoint = \"{endpoint}\"\n{}{more}",
            if more.contains("credentials") { String::new() } else { format!("credentials = {{ file = {file:?} }}\n") },
        ),
    );
}

fn credentials(place: &Place, mode: u32) {
    place.write("credentials", "[default]\naws_access_key_id = AKID\naws_secret_access_key = hush\n");
    std::fs::set_permissions(place.path("credentials"), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn list(place: &Place, answers: &'static [Answer]) -> Refusal {
    configure(place, &Store::answering(answers).endpoint, "");
    place.refused(&["list"])
}

/// Root becomes somebody who cannot read the files of this test, so a command tells the key.
fn init(place: &Place, answers: &'static [Answer]) -> Refusal {
    init_with(place, "", answers)
}

fn init_with(place: &Place, more: &str, answers: &'static [Answer]) -> Refusal {
    let told = r#"credentials = { command = ["echo", '{"AccessKeyId":"AKID","SecretAccessKey":"hush"}'] }"#;
    configure(place, &Store::answering(answers).endpoint, &format!("{told}\n{more}"));
    place.refused(&["init"])
}

const LOCKED: &str = "object_lock = \"governance\"\nobject_lock_for = \"45d\"\n";

/// The same with these lines, before anything is asked.
fn list_with(place: &Place, more: &str) -> Refusal {
    configure(place, "http://127.0.0.1:1", more);
    place.refused(&["list"])
}

/// The same without a configuration: the URL as an argument, the key in the environment.
fn list_by_argument(place: &Place, endpoint: &str) -> Refusal {
    let url = format!("s3://bucket/pg?endpoint={endpoint}");
    let key = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hush")];
    place.refused_in(&key, &["list", "--repository", &url])
}

fn list_answered(place: &Place, answers: &'static [Answer]) -> Refusal {
    list_by_argument(place, &Store::answering(answers).endpoint)
}

const EXPIRES: &str = "<LifecycleConfiguration><Rule><ID>tidy</ID><Status>Enabled</Status><Prefix></Prefix><Expiration>\
                       <Days>30</Days></Expiration></Rule></LifecycleConfiguration>";
const MOVES: &str = "<LifecycleConfiguration><Rule><ID>cold</ID><Status>Enabled</Status><Prefix>pg/</Prefix><Transition>\
                     <Days>1</Days><StorageClass>GLACIER</StorageClass></Transition></Rule></LifecycleConfiguration>";
const DROPS: &str = "<LifecycleConfiguration><Rule><ID>old</ID><Status>Enabled</Status><Prefix></Prefix>\
                     <NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration></Rule>\
                     </LifecycleConfiguration>";

pub const ALL: &[Case] = &[
    case("a bucket that cannot be one", |place| check(place, "s3://b/pg", "")),
    case("a prefix that cannot be one", |place| check(place, "s3://bucket/pg//main", "")),
    case("a key in the URL of a bucket", |place| check(place, "s3://AKID:hush@bucket/pg", "")),
    case("a parameter that is not known", |place| check(place, "s3://bucket/pg?access_key=hush", "")),
    case("an endpoint without its scheme", |place| lines(place, "endpoint = \"minio.example:9000\"")),
    case("an endpoint that is said twice", |place| {
        check(place, "s3://bucket/pg?endpoint=https://a.example", "endpoint = \"https://b.example\"")
    }),
    case("a region that cannot be one", |place| lines(place, "region = \"eu central\"")),
    case("a region beside a local repository", |place| check(place, "file:///r", "region = \"eu-central-1\"")),
    case("an encryption that S3 does not know", |place| lines(place, "sse = \"aes\"")),
    case("aws:kms without its key", |place| lines(place, "sse = \"aws:kms\"")),
    case("a key for aws:kms without it", |place| lines(place, "kms_key_id = \"alias/backup\"")),
    case("an Object Lock that S3 does not know", |place| lines(place, "object_lock = \"forever\"")),
    case("object_lock without its period", |place| lines(place, "object_lock = \"governance\"")),
    case("a period of no object_lock", |place| lines(place, "object_lock_for = \"45d\"")),
    case("a period of object_lock that is too short", |place| {
        lines(place, "object_lock = \"governance\"\nobject_lock_for = \"1h\"")
    }),
    case("--oldest-versions of a local repository", |place| {
        place.refused(&["list", "--repository", "file:///srv/copy", "--oldest-versions"])
    }),
    case("a proxy with a password", |place| lines(place, "proxy = \"http://me:hush@proxy.example:3128\"")),
    case("too many requests at once", |place| lines(place, "concurrency = 1000")),
    case("path_style that is no yes or no", |place| lines(place, "path_style = \"yes\"")),
    case("credentials that are written down", |place| lines(place, "credentials = { access_key = \"hush\" }")),
    case("credentials from two places", |place| lines(place, "credentials = { environment = true, instance = true }")),
    case("credentials that are no table", |place| lines(place, "credentials = \"AKID:hush\"")),
    case("a profile of no file", |place| lines(place, "credentials = { environment = true, profile = \"backup\" }")),
    case("a place of credentials that is false", |place| lines(place, "credentials = { instance = false }")),
    case("a systemd credential by its path", |place| lines(place, "credentials = { credential = \"/run/s3\" }")),
    case("a command for credentials that is one text", |place| lines(place, "credentials = { command = \"key\" }")),
    case("the environment has no access key", |place| list_with(place, "credentials = { environment = true }\n")),
    case("the credentials file is not there", |place| {
        list_with(place, &format!("credentials = {{ file = {:?} }}\n", place.path("absent")))
    }),
    case("the credentials file may be read by everybody", |place| {
        configure(place, "http://127.0.0.1:1", "");
        credentials(place, 0o644);
        place.refused(&["list"])
    }),
    case("the credentials file lacks the profile", |place| {
        let file = place.path("credentials");
        list_with(place, &format!("credentials = {{ file = {file:?}, profile = \"backup\" }}\n"))
    }),
    case("the systemd credential was not handed over", |place| {
        list_with(place, "credentials = { credential = \"s3\" }\n")
    }),
    case("the credential command fails", |place| list_with(place, "credentials = { command = [\"false\"] }\n")),
    case("ca_file is not there", |place| list_with(place, &format!("ca_file = {:?}\n", place.path("ca.pem")))),
    case("ca_file holds no certificate", |place| {
        place.write("ca.pem", "none\n");
        list_with(place, &format!("ca_file = {:?}\n", place.path("ca.pem")))
    }),
    case("nobody listens at the endpoint", |place| list_with(place, "")),
    case("the store does not permit it", |place| list(place, &[("", 403, "AccessDenied")])),
    case("the bucket is not there", |place| list(place, &[("", 404, "NoSuchBucket")])),
    case("the bucket has no repository there", |place| list(place, &[("", 404, "NoSuchKey")])),
    case("the bucket is in another region", |place| list(place, &[("", 301, "PermanentRedirect")])),
    case("the store asks to slow down, again and again", |place| list(place, &[("", 503, "SlowDown")])),
    case("the store calls the request wrong", |place| list(place, &[("", 400, "InvalidArgument")])),
    case("the bucket's quota is used up", |place| {
        init(place, &[("PUT", 507, "XMinioStorageFull"), ("", 404, "NoSuchKey")])
    }),
    case("the store has no conditional creates", |place| {
        init(place, &[("PUT", 501, "NotImplemented"), ("", 404, "NoSuchKey")])
    }),
    case("--repository: nobody listens at the endpoint", |place| list_by_argument(place, "http://127.0.0.1:1")),
    case("--repository: no access key is at hand", |place| {
        let nobody = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")];
        place.refused_in(&nobody, &["list", "--repository", "s3://bucket/pg"])
    }),
    case("--repository: the store does not permit it", |place| list_answered(place, &[("", 403, "AccessDenied")])),
    case("--repository: the bucket is not there", |place| list_answered(place, &[("", 404, "NoSuchBucket")])),
    case("--repository: the bucket has no repository there", |place| list_answered(place, &[("", 404, "NoSuchKey")])),
    case("--repository: the bucket is in another region", |place| {
        list_answered(place, &[("", 301, "PermanentRedirect")])
    }),
    case("a lifecycle rule would expire objects", |place| {
        init(place, &[("GET ?lifecycle", 200, EXPIRES), ("", 404, "NoSuchKey")])
    }),
    case("a lifecycle rule would move objects to another storage class", |place| {
        init(place, &[("GET ?lifecycle", 200, MOVES), ("", 404, "NoSuchKey")])
    }),
    case("a lifecycle rule would drop versions before their lock ends", |place| {
        init_with(place, LOCKED, &[("GET ?lifecycle", 200, DROPS), ("", 404, "NoSuchKey")])
    }),
    case("object_lock without Object Lock of the bucket", |place| {
        init_with(
            place,
            LOCKED,
            &[("GET ?object-lock", 404, "ObjectLockConfigurationNotFoundError"), ("", 404, "NoSuchKey")],
        )
    }),
    case("the store cannot list versions", |place| {
        configure(
            place,
            &Store::answering(&[("GET versions", 501, "NotImplemented"), ("", 404, "NoSuchKey")]).endpoint,
            "",
        );
        place.refused(&["list", "--oldest-versions"])
    }),
    case("the store lets objects be overwritten", |place| init(place, &[("PUT", 200, "Fine"), ("", 404, "NoSuchKey")])),
];
