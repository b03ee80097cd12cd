//! `pgcairn demo`, a newcomer's first impression: it does what it says, and nothing of it is left behind,
//! however it ends.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use rustix::process::Signal;
use serde_json::Value;

use super::support::account::{account, is_root};
use super::support::majors::Installation;
use super::support::mounted::Mounted;
use super::support::scratch::Scratch;
use super::support::site::{Run, binary};
use super::support::wait::wait_for;
use super::support::{Outcome, Scenario, full_length, process, skip};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "demo::every_row_comes_back", run: every_row_comes_back },
        Scenario { name: "demo::ends_in_order_on_a_signal", run: ends_in_order_on_a_signal },
        Scenario { name: "demo::ends_in_order_when_a_server_fails", run: ends_in_order_when_a_server_fails },
        Scenario { name: "demo::what_is_kept_can_be_used", run: what_is_kept_can_be_used },
        Scenario { name: "demo::little_space_is_said_first", run: little_space_is_said_first },
        Scenario { name: "demo::as_root_somebody_else_runs_it", run: as_root_somebody_else_runs_it },
    ]
}

const CHAPTERS: usize = 7;
/// Signals arrive in these, among them while writers, archiver and a backup are at work.
const INTERRUPTED_CHAPTERS: &[usize] = &[3, 6];
/// What a terminal shows without breaking a line.
const COLUMNS: usize = 80;

/// Room for a demo, and whether anything of it is left there.
struct Stage {
    scratch: Scratch,
    temporary: PathBuf,
}

impl Stage {
    fn new() -> Outcome<Stage> {
        let scratch = Scratch::new()?;
        let temporary = scratch.join("t");
        account().make_dir(&temporary)?;
        Ok(Stage { scratch, temporary })
    }

    fn demo(&self, install: &Installation, arguments: &[&str]) -> Command {
        let mut command = account().command(binary());
        command.env("TMPDIR", &self.temporary).arg("demo").arg("--bindir").arg(install.bin()).args(arguments);
        command
    }

    /// The demo's own directory, while there is one.
    fn directory(&self) -> Outcome<Option<PathBuf>> {
        Ok(fs::read_dir(&self.temporary)?.next().transpose()?.map(|entry| entry.path()))
    }

    fn nothing_is_left(&self) -> Outcome {
        assert_eq!(self.directory()?, None, "a directory is left");
        assert_eq!(process::below(&self.temporary), Vec::<i32>::new(), "processes are left");
        Ok(())
    }
}

fn little_space_is_said_first(install: &'static Installation) -> Outcome {
    let stage = Stage::new()?;
    let _small = Mounted::over(&stage.temporary, "size=1m,mode=777")?;
    let run = Run::of(&mut stage.demo(install, &["--json"]))?.status_is(4)?;
    run.says(&["disk-space", "the demo needs 536870912 bytes in", "are free", "TMPDIR=DIR pgcairn demo"])?;
    stage.nothing_is_left()
}

fn every_row_comes_back(install: &'static Installation) -> Outcome {
    let stage = Stage::new()?;
    let run = Run::of(&mut stage.demo(install, &[]))?.ok()?;
    stage.nothing_is_left()?;
    let major = format!("PostgreSQL {}.", install.major);
    let run =
        run.says(&[&major, "$ pgcairn backup", "statement: DROP TABLE orders", "--before-xid", "are back, none"])?;
    let run = run.says(&["relation \"orders\" does not exist", "servers stopped", "next: pgcairn key generate"])?;
    for chapter in 1..=CHAPTERS {
        assert!(run.stderr.contains(&format!("\n\n{chapter}. ")), "{}", run.report());
    }
    let text = (run.stdout + &run.stderr).replace(&stage.temporary.display().to_string(), "/tmp");
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS, "{line}");
    }
    Ok(())
}

fn ends_in_order_on_a_signal(install: &'static Installation) -> Outcome {
    // In the last one the demo may be done before it hears.
    let every: Vec<usize> = (1..CHAPTERS).collect();
    for chapter in if full_length() { &every } else { INTERRUPTED_CHAPTERS } {
        let stage = Stage::new()?;
        let mut running = Running::start(&stage, install)?;
        running.wait_for_chapter(*chapter)?;
        // The second one must not cut off what the first one began.
        running.signal(Signal::TERM);
        running.signal(Signal::INT);
        let status = running.wait()?;
        let last = running.lines()?.pop().ok_or("it said nothing")?;
        assert_eq!(status.code(), Some(130), "chapter {chapter}: {status}, {last}");
        assert_eq!(last["error"]["code"], "interrupted", "chapter {chapter}: {last}");
        stage.nothing_is_left()?;
    }
    Ok(())
}

/// A postmaster that dies: the demo fails with its last words and tidies up.
fn ends_in_order_when_a_server_fails(install: &'static Installation) -> Outcome {
    let stage = Stage::new()?;
    let mut running = Running::start(&stage, install)?;
    running.wait_for_chapter(3)?;
    let pid = postmaster(&stage, "origin")?;
    process::signal(pid, Signal::KILL);
    let status = running.wait()?;
    let last = running.lines()?.pop().ok_or("it said nothing")?;
    assert!(matches!(status.code(), Some(1 | 7 | 12)), "{status}, {last}");
    assert_ne!(last["error"]["code"], "interrupted", "{last}");
    // Its children notice its death by themselves.
    wait_for("orphans of the postmaster to end", || Ok(process::below(&stage.temporary).is_empty().then_some(())))?;
    stage.nothing_is_left()
}

fn what_is_kept_can_be_used(install: &'static Installation) -> Outcome {
    if !full_length() {
        return skip("in full length only");
    }
    let stage = Stage::new()?;
    let run = Run::of(&mut stage.demo(install, &["--keep", "--json"]))?.ok()?;
    assert_eq!(process::below(&stage.temporary), Vec::<i32>::new(), "servers must be stopped");
    let last: Value = serde_json::from_str(run.stdout.lines().last().unwrap_or_default())?;
    assert_eq!((&last["schema"], &last["result"]), (&Value::from(1), &Value::from("demo")));
    assert!(last["orders"].as_u64() > Some(50_000), "{last}");
    let kept = stage.directory()?.ok_or("nothing was kept")?;
    assert_eq!(last["kept"].as_str(), kept.to_str());
    let mut list = account().command(binary());
    let list = Run::of(list.arg("-c").arg(kept.join("demo.toml")).args(["list", "--json"]))?.ok()?.json()?;
    assert_eq!(list["backups"].as_array().map(Vec::len), Some(1), "{list}");
    Ok(())
}

fn as_root_somebody_else_runs_it(install: &'static Installation) -> Outcome {
    if !is_root() {
        return skip("not run as root");
    }
    let closed = Scratch::new()?;
    let hidden = closed.join("pgcairn");
    // Linked, not copied: a process that is being started meanwhile could keep the copy open for writing.
    fs::hard_link(binary(), &hidden)?;
    std::os::unix::fs::chown(closed.path(), Some(0), Some(0))?;
    let mut demo = Command::new(&hidden);
    demo.arg("demo").arg("--bindir").arg(install.bin());
    let name = &account().name;
    let hint = format!("hint: install -m 0755 {} /usr/local/bin/pgcairn", hidden.display());
    Run::of(&mut demo)?.status_is(8)?.says(&[&format!("{name} cannot run {}", hidden.display()), &hint])?;
    if full_length() {
        let open = Scratch::new()?;
        let mut demo = Command::new(binary());
        demo.env("TMPDIR", open.path()).arg("demo").arg("--bindir").arg(install.bin());
        Run::of(&mut demo)?.ok()?.says(&["are back, none"])?;
    }
    Ok(())
}

/// A demo at work, what it says in a file.
struct Running {
    child: Child,
    said: PathBuf,
}

impl Running {
    fn start(stage: &Stage, install: &Installation) -> Outcome<Running> {
        let said = stage.scratch.join("said");
        let errors = File::create(stage.scratch.join("errors"))?;
        let child = stage.demo(install, &["--json"]).stdout(File::create(&said)?).stderr(errors).spawn()?;
        Ok(Running { child, said })
    }

    /// Whole lines only.
    fn lines(&self) -> Outcome<Vec<Value>> {
        let text = fs::read_to_string(&self.said)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).map_err(|e| format!("{line}: {e}").into())).collect()
    }

    fn wait_for_chapter(&mut self, chapter: usize) -> Outcome {
        let begins = |line: &Value| {
            let title = line["message"].as_str().unwrap_or_default();
            line["event"] == "heading" && title.starts_with(&format!("{chapter}. "))
        };
        wait_for(&format!("chapter {chapter}"), || {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended with {status}: {:?}", self.lines()?.last()).into());
            }
            Ok(self.lines()?.iter().any(begins).then_some(()))
        })
    }

    fn signal(&self, signal: Signal) {
        process::signal(self.child.id().cast_signed(), signal);
    }

    fn wait(&mut self) -> Outcome<ExitStatus> {
        wait_for("the demo to end", || Ok(self.child.try_wait()?))
    }
}

impl Drop for Running {
    /// A trial that failed before it let the demo end.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::TERM);
            let _ = self.wait();
        }
    }
}

/// From the first line of `postmaster.pid`.
fn postmaster(stage: &Stage, data: &str) -> Outcome<i32> {
    let directory = stage.directory()?.ok_or("the demo has no directory")?;
    let text = fs::read_to_string(directory.join(data).join("postmaster.pid"))?;
    Ok(text.lines().next().unwrap_or_default().trim().parse()?)
}
