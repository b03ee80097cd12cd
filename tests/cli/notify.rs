//! Who is told of failures, by real services on this machine: once that a command fails and once that it succeeds
//! again, and whatever becomes of it the command ends as it would without.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use insta::assert_snapshot;
use serde_json::json;

use super::service::{Answer, Request, Service};
use super::support::{NOBODY, Place, Run, is_root};
use super::verified::{SECRET, Verified};

fn webhook(service: &Service) -> String {
    format!("webhook = \"{}\"", service.url(&format!("/{SECRET}?token={SECRET}")))
}

fn events(service: &Service) -> Vec<String> {
    let event = |request: Request| request.json()["event"].as_str().unwrap_or_default().to_owned();
    service.requests().into_iter().map(event).collect()
}

/// What differs between two runs, or two hosts, taken out.
fn masked(text: &str, place: &Place) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let text = text.replace(place.path("").to_str().unwrap(), "DIR/").replace(&format!("({host})"), "(HOST)");
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let is_time = digits >= 6 && (word.contains(':') || word.matches('-').count() == 2) && !word.contains('/');
        let is_span = word.trim_end() == "s" || (word.contains('.') && digits == word.trim_end().len() - 1);
        if is_time || is_span { word.replace(|c: char| c.is_ascii_digit(), "0") } else { word.to_owned() }
    });
    words.collect()
}

#[test]
fn a_failure_is_told_once_and_its_end_once() {
    let service = Service::new();
    let verified = Verified::new(&webhook(&service));
    verified.succeeds();
    assert_eq!(service.lines(), Vec::<String>::new());
    assert_eq!(verified.fails().stderr.matches("warning").count(), 0);
    let told = service.requests().remove(0);
    assert_eq!(told.line, format!("POST /{SECRET}?token={SECRET}"));
    let told = told.json();
    assert_eq!(
        (&told["event"], &told["command"], &told["cluster"]),
        (&json!("failed"), &json!("verify"), &json!("main"))
    );
    assert_eq!((&told["failure"]["code"], &told["failure"]["exit_status"]), (&json!("not-a-repository"), &json!(7)));
    assert_snapshot!(masked(told["title"].as_str().unwrap(), &verified.place));
    assert_snapshot!(masked(told["text"].as_str().unwrap(), &verified.place));
    verified.fails();
    assert_eq!(events(&service), Vec::<String>::new(), "told already");
    verified.succeeds();
    let told = service.requests().remove(0).json();
    assert_eq!((&told["event"], &told["failures"]), (&json!("recovered"), &json!(2)));
    assert_snapshot!(masked(&format!("{}\n{}", told["title"], told["text"]), &verified.place));
    verified.succeeds();
    assert_eq!(events(&service), Vec::<String>::new(), "told already");
    verified.fails();
    assert_eq!(events(&service), ["failed"]);
}

#[test]
fn what_was_called_otherwise_is_another_run() {
    let service = Service::new();
    let verified = Verified::new(&webhook(&service));
    verified.fails();
    assert_eq!(verified.run(&["verify", "--repository", "local"]).status, Some(0));
    assert_eq!(events(&service), ["failed"], "another run's success ends no failure");
    // What a person looks at tells nobody.
    for words in [&["list"][..], &["status"], &["expire", "--dry-run"], &["config", "show"]] {
        verified.run(words);
    }
    assert_eq!(events(&service), Vec::<String>::new());
}

#[test]
fn whoever_was_not_reached_is_told_next_time() {
    let service = Service::answering([Answer::Status(404)]);
    let verified = Verified::new(&webhook(&service));
    let run = verified.fails();
    let refused = format!("warning: not notified by webhook to {}: it answers 404\n", service.address);
    assert!(run.stderr.contains(&refused), "{run}");
    assert_eq!(events(&service), ["failed"], "what is refused for good is not sent again at once");
    verified.fails();
    assert_eq!(events(&service), ["failed"]);
    service.answer([Answer::Status(410)]);
    verified.succeeds();
    verified.succeeds();
    verified.succeeds();
    assert_eq!(events(&service), ["recovered", "recovered"]);
}

#[test]
fn a_passing_fault_is_passed_over() {
    let service = Service::answering([Answer::Status(500)]);
    let verified = Verified::new(&webhook(&service));
    assert!(!verified.fails().stderr.contains("warning"));
    assert_eq!(events(&service), ["failed", "failed"]);
    service.answer([Answer::Status(503), Answer::Status(429), Answer::Status(200)]);
    assert!(verified.succeeds().stderr.contains("it answers 429"));
    assert_eq!(events(&service).len(), 2, "asked twice, not thrice");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = Service::new();
    let service = Service::answering([Answer::Redirect(elsewhere.url(&format!("/{SECRET}")))]);
    let verified = Verified::new(&webhook(&service));
    let run = verified.fails();
    assert!(run.stderr.contains("it answers 302, and redirects are not followed"), "{run}");
    assert_eq!((service.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[test]
fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let verified =
        Verified::new(&format!("ping = \"http://{port}/{SECRET}-{{command}}\"\nwebhook = \"http://{port}/{SECRET}\""));
    let run = verified.fails();
    for kind in ["ping", "webhook"] {
        let refused = format!("warning: not notified by {kind} to {port}: Connection refused (os error 111)\n");
        assert!(run.stderr.contains(&refused), "{run}");
    }
    assert!(verified.succeeds().stdout.contains("sound, "));
}

#[test]
fn nobody_answers() {
    let service = Service::answering(vec![Answer::Nothing; 4]);
    let verified = Verified::new(&webhook(&service));
    let run = verified.fails();
    assert!(
        run.stderr.contains(&format!("not notified by webhook to {}: no answer within 5 s\n", service.address)),
        "{run}"
    );
    assert_eq!(service.requests().len(), 2);
}

#[test]
fn a_ping_for_every_run_of_every_command() {
    let service = Service::new();
    let ping = |path: &str| format!("ping = \"{}\"", service.url(path));
    let verified = Verified::new(&ping("/key/main-{command}?create=1"));
    verified.fails();
    let told = service.requests();
    let lines: Vec<&str> = told.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(lines, ["POST /key/main-verify/start?create=1", "POST /key/main-verify/fail?create=1"]);
    assert!(told[0].body.is_empty() && told[1].body.contains("is not a repository"), "{told:?}");
    verified.fails();
    verified.succeeds();
    verified.succeeds();
    let (start, fail, well) = ("/start?create=1", "/fail?create=1", "?create=1");
    let wanted = [start, fail, start, well, start, well].map(|end| format!("POST /key/main-verify{end}"));
    assert_eq!(service.lines(), wanted);
    // One URL for all is of backups: that others run says nothing of them.
    verified.configure(&ping("/uuid"));
    verified.succeeds();
    assert_eq!(service.lines(), Vec::<String>::new());
    verified.run(&["backup"]);
    assert_eq!(service.lines(), ["POST /uuid/start", "POST /uuid/fail"]);
}

#[test]
fn a_program_is_given_the_text() {
    let verified = Verified::new(
        "command = [\"sh\", \"-c\", \"cat > DIR/heard; printf '%s' \\\"$1\\\" > DIR/title\", \"sh\", \"{title}\"]",
    );
    verified.fails();
    let heard = |name: &str| fs::read_to_string(verified.place.path(name)).unwrap();
    let whole = heard("heard");
    assert_eq!(whole.lines().next(), Some(heard("title").as_str()));
    assert_snapshot!(masked(&whole, &verified.place));
    fs::remove_file(verified.place.path("heard")).unwrap();
    verified.fails();
    assert!(!verified.place.path("heard").exists(), "told already");
    verified.succeeds();
    assert!(heard("title").contains("verify succeeds again"));
}

#[test]
fn programs_that_fail() {
    let verified = Verified::new("");
    for (command, reason) in [
        ("\"DIR/absent\"", "absent: No such file or directory (os error 2)"),
        ("\"false\"", "command false: it ended with exit status: 1"),
        ("\"sh\", \"-c\", \"exec <&-; exit 75\"", "command sh: it ended with exit status: 75"),
        ("\"sh\", \"-c\", \"sleep 600; true\"", "command sh: it did not end within 10 s"),
    ] {
        verified.configure(&format!("command = [{command}]"));
        let run = verified.fails();
        assert!(run.stderr.contains(reason) && run.stderr.contains("warning: not notified by command "), "{run}");
    }
}

/// Whoever reads what we say waits for all who hold its other end.
#[test]
fn what_a_program_leaves_behind_holds_up_nobody() {
    let verified = Verified::new("command = [\"sh\", \"DIR/program\"]");
    let (held, over) = (verified.place.write("held", ""), verified.place.path("over"));
    let waits = "n=0; while [ -e held ] && [ $n -lt 600 ]; do n=$((n+1)); sleep 0.1; done; touch over";
    let script = format!("cd {:?} && ({waits}) > /dev/null &\necho said >&2\n", verified.place.path(""));
    verified.place.write("program", &script);
    let run = verified.fails();
    let is_over = over.exists();
    fs::remove_file(held).unwrap();
    assert!(!is_over, "it was waited for: {run}");
    assert_eq!(run.stderr.matches("warning").count(), 0, "{run}");
}

#[test]
fn a_url_is_found_where_the_configuration_says() {
    let service = Service::new();
    let verified = Verified::new("webhook = { file = \"DIR/url\" }");
    let file = verified.place.write("url", &format!("{}\n", service.url(&format!("/{SECRET}"))));
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert!(verified.fails().stderr.contains("not notified by webhook: its URL in DIR/url: its mode is 0644"));
    mode(0o600);
    verified.fails();
    assert_eq!(service.lines(), [format!("POST /{SECRET}")]);
    // Nobody writes to it, so whoever read it would wait for ever.
    fs::rename(&file, verified.place.path("aside")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert!(verified.succeeds().stderr.contains("not notified by webhook: its URL in DIR/url: it is no regular file"));
    fs::remove_file(&file).unwrap();
    fs::rename(verified.place.path("aside"), &file).unwrap();
    fs::write(&file, format!("hxxp://h/{SECRET}")).unwrap();
    assert!(verified.succeeds().stderr.contains("its URL: it is not a URL that begins with https:// or http://"));

    // Another backup is asked for each time, so that the failure is news.
    let run = |variable: &str, value: &std::path::Path, id: &str| {
        let mut command = verified.place.command();
        let run = verified.place.finish(command.args(["-c", "main.toml", "verify", id]).env(variable, value));
        assert_eq!(run.status, Some(5), "{run}");
        run.stderr
    };
    let nowhere = Path::new("");
    verified.configure("webhook = { environment = \"WEBHOOK\" }");
    assert!(run("WEBHOOK", nowhere, "latest~1").contains("its URL: environment variable WEBHOOK is not set"));
    run("WEBHOOK", service.url("/from-the-environment").as_ref(), "latest~2");
    assert_eq!(service.lines(), ["POST /from-the-environment"]);

    verified.configure("webhook = { credential = \"url\" }");
    assert!(
        run("CREDENTIALS_DIRECTORY", nowhere, "latest~3").contains("the systemd credential url was not handed over")
    );
    verified.place.write("url", &service.url("/from-systemd"));
    run("CREDENTIALS_DIRECTORY", &verified.place.path(""), "latest~4");
    assert_eq!(service.lines(), ["POST /from-systemd"]);
}

#[test]
fn forms_of_other_services() {
    let service = Service::new();
    let verified = Verified::new(&format!("{}\nwebhook_format = \"slack\"", webhook(&service)));
    verified.fails();
    let told = service.requests().remove(0);
    assert_eq!(told.header("content-type"), "application/json");
    assert_snapshot!(masked(told.json()["text"].as_str().unwrap(), &verified.place));

    verified.configure(&format!("{}\nwebhook_format = \"ntfy\"", webhook(&service)));
    verified.succeeds();
    let told = service.requests().remove(0);
    assert!(told.header("title").starts_with("pgcairn main: verify succeeds again ("), "{told:?}");
    assert_eq!((told.header("priority"), told.header("tags")), ("3", "white_check_mark"));

    verified.configure(&format!("{}\nwebhook_body = '{{\"note\": \"{{event}}: {{text}}\"}}'", webhook(&service)));
    verified.fails();
    let note = service.requests().remove(0).json()["note"].as_str().unwrap().to_owned();
    assert!(note.starts_with("failed: error: file://") && note.contains("\nhint: "), "{note}");
}

#[test]
fn what_json_says_stays_one_object() {
    let service = Service::answering([Answer::Status(400)]);
    let verified = Verified::new(&webhook(&service));
    fs::rename(verified.place.path("repository/pgcairn.json"), verified.place.path("away")).unwrap();
    let run = verified.run(&["verify", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&object["error"]["code"], run.status), (&json!("not-a-repository"), Some(7)));
    assert!(run.stderr.starts_with("warning: not notified by webhook"), "{run}");
}

#[test]
fn without_a_place_to_remember_everything_is_told() {
    let service = Service::new();
    let verified = Verified::new(&webhook(&service));
    verified.place.write("state", "a file where the directory should be");
    for _ in 0..2 {
        let run = verified.place.run(&["-c", "main.toml", "verify", "latest"]);
        assert_eq!(run.status, Some(5), "{run}");
        assert!(run.stderr.contains("warning: how this run ended is not remembered: cannot "), "{run}");
    }
    assert_eq!(events(&service), ["failed", "failed"]);
}

#[test]
fn what_is_remembered_is_for_its_owner_alone() {
    let service = Service::new();
    let verified = Verified::new(&webhook(&service));
    verified.fails();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&verified.place.path("state")), 0o700);
    assert_eq!(mode(&verified.place.path("state/main.last-runs.json")), 0o600);
    // Where systemd keeps it for a unit.
    let config = fs::read_to_string(verified.place.path("main.toml")).unwrap();
    let elsewhere = verified.place.path("unit");
    fs::write(verified.place.path("main.toml"), config.lines().skip(1).collect::<Vec<_>>().join("\n")).unwrap();
    let mut command = verified.place.command();
    command.args(["-c", "main.toml", "verify"]).env("STATE_DIRECTORY", format!("{}:/other", elsewhere.display()));
    assert_eq!(verified.place.finish(&mut command).status, Some(0));
    assert!(elsewhere.join("main.last-runs.json").exists());
}

/// Root makes the directory for the owner of the data directory, who could not.
#[test]
fn root_makes_the_place_to_remember() {
    if !is_root() {
        return;
    }
    let service = Service::new();
    let verified = Verified::new(&webhook(&service));
    verified.give_to(NOBODY);
    verified.fails();
    for path in ["state", "state/main.last-runs.json"] {
        let metadata = fs::metadata(verified.place.path(path)).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o077), (NOBODY, 0), "{path}");
    }
    assert!(!verified.fails().stderr.contains("warning"));
    assert_eq!(events(&service), ["failed"]);
}

/// `status` knows how runs ended whoever is told; where that cannot be remembered, nobody hears of it.
#[test]
fn runs_are_remembered_though_nobody_is_told() {
    let has_failed = |verified: &Verified| verified.run(&["status"]).stdout.contains("the last \"verify\" has failed");
    let quiet = Verified::with("");
    assert!(!has_failed(&quiet));
    quiet.fails();
    assert!(has_failed(&quiet));
    quiet.succeeds();
    assert!(!has_failed(&quiet));
    let closed = Verified::with("");
    fs::write(closed.place.path("state"), "no directory").unwrap();
    assert!(!closed.fails().stderr.contains("not remembered") && !has_failed(&closed));
}

#[test]
fn a_test_tells_of_each_what_became_of_it() {
    let (watching, service) = (Service::new(), Service::answering([Answer::Status(403)]));
    let ping = format!("ping = \"{}\"", watching.url(&format!("/{SECRET}")));
    let verified = Verified::new(&format!("{ping}\n{}\ncommand = [\"false\"]", webhook(&service)));
    let masked = |run: &Run| run.to_string().replace(&watching.address, "PING").replace(&service.address, "WEBHOOK");
    let run = verified.run(&["notify", "test"]);
    assert_eq!(run.status, Some(3), "{run}");
    assert_snapshot!(masked(&run));
    assert_eq!(watching.lines(), [format!("POST /{SECRET}/fail"), format!("POST /{SECRET}")]);
    assert_eq!(events(&service), ["test"]);
    verified.configure(&format!("{ping}\n{}\ncommand = [\"true\"]", webhook(&service)));
    assert_snapshot!(masked(&verified.run(&["notify", "test"])));
    assert_snapshot!(masked(&verified.run(&["notify", "test", "--json"])));
    assert!(!verified.place.path("state").join("main.last-runs.json").exists(), "a test is no run");
}

#[test]
fn urls_are_not_shown() {
    let verified = Verified::new(&format!(
        "ping = \"https://user:{SECRET}@hc.example.org:8443/{SECRET}\"\nwebhook = {{ file = \"/etc/pgcairn/webhook\" }}\n\
         webhook_body = \"{{title}} {SECRET}\"\ncommand = [\"mail\", \"-s\", \"{SECRET}\"]"
    ));
    let show = verified.run(&["config", "show"]);
    let lines: Vec<&str> = show.stdout.lines().filter(|line| line.starts_with("notify.")).collect();
    assert_snapshot!(lines.join("\n"));
    verified.run(&["config", "show", "--json"]);
    for wrong in [
        format!("ping = \"{SECRET}\""),
        format!("ping = \"ftp://{SECRET}\""),
        format!("ping = \"https://h/{{{SECRET}}}/{{hush}}\""),
        format!("webhook = {{ url = \"https://h/{SECRET}\" }}"),
        format!("webhook = [\"https://h/{SECRET}\"]"),
    ] {
        verified.configure(&wrong);
        assert_eq!(verified.run(&["config", "check"]).status, Some(2), "{wrong}");
    }
}

/// systemd tells of a run that could not; what it could is not told twice.
#[test]
fn what_a_run_could_not_tell_is_told_for_it() {
    let service = Service::new();
    let verified = Verified::new(&webhook(&service));
    let failed = |invocation: &str| {
        let mut command = verified.place.command();
        command.args(["-c", "main.toml", "notify", "failed", "verify"]).env("MONITOR_INVOCATION_ID", invocation);
        let killed = [("SERVICE_RESULT", "oom-kill"), ("EXIT_CODE", "killed"), ("EXIT_STATUS", "KILL")];
        verified.place.finish(command.envs(killed.map(|(name, value)| (format!("MONITOR_{name}"), value))))
    };
    // The run of that unit told itself.
    fs::rename(verified.place.path("repository/pgcairn.json"), verified.place.path("away")).unwrap();
    let mut command = verified.place.command();
    command.args(["-c", "main.toml", "verify"]).env("INVOCATION_ID", "first");
    assert_eq!(verified.place.finish(&mut command).status, Some(7));
    fs::rename(verified.place.path("away"), verified.place.path("repository/pgcairn.json")).unwrap();
    assert_eq!(events(&service), ["failed"]);
    assert_snapshot!(failed("first"));
    assert_eq!(events(&service), Vec::<String>::new());
    verified.succeeds();
    assert_eq!(events(&service), ["recovered"]);
    // The next one was killed.
    assert_snapshot!(failed("second"));
    let told = service.requests().remove(0).json();
    assert_snapshot!(masked(&format!("{}\n{}", told["title"], told["text"]), &verified.place));
    assert_eq!(
        (&told["event"], &told["command"], &told["seconds"]),
        (&json!("failed"), &json!("verify"), &json!(null))
    );
    assert_eq!(failed("second").stdout, "verify: its failure was told already\n");
    verified.succeeds();
    assert_eq!(service.requests().remove(0).json()["failures"], 1);
    // Nobody can be reached: nothing but this fails.
    service.answer([Answer::Status(404)]);
    let run = failed("third");
    assert!(run.status == Some(3) && run.stderr.contains("warning: not notified by webhook to "), "{run}");
    verified.configure("");
    assert_eq!(failed("fourth").status, Some(0));
}
