//! What keeps a dump from being made or loaded.

use super::super::support::Outcome;
use super::super::support::majors::Installation;
use super::super::support::site::Site;
use super::{Document, Server};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let server = Server::builder(install).start()?;
    let site = Site::new(&server)?;
    site.init()?;
    let bindir = install.bin().display().to_string();
    let dump = |words: &[&'static str]| [&["dump", "--bindir", &bindir], words].concat().join("\n");
    let mut refuses = |when: &str, words: &[&'static str]| {
        let words = dump(words);
        document.refuses(when, &site, &words.split('\n').collect::<Vec<_>>()).map(drop)
    };
    server.sql("create table t as select 1 as a")?;
    let mut holder = server.client()?;
    holder.batch_execute("begin; lock table t in access exclusive mode")?;
    refuses("dump: a table that somebody else has locked", &["--lock-timeout", "1s"])?;
    holder.batch_execute("commit")?;
    refuses("dump: a database that is not there", &["absent"])?;
    refuses("dump: nothing left", &["--exclude", "*"])?;

    let connection = server.connection();
    let restore = |words: &[&'static str]| {
        [&["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir], words].concat().join("\n")
    };
    let mut refuses = |when: &str, words: &[&'static str]| {
        let words = restore(words);
        document.refuses_with_identity(when, &site, &words.split('\n').collect::<Vec<_>>()).map(drop)
    };
    refuses("dump restore: there is no dump", &[])?;
    site.run(&["dump", "--bindir", &bindir])?.ok()?;
    refuses("dump restore: a name that is taken", &[])?;
    refuses("dump restore: a database that the dump has not", &["--database", "absent"])?;
    refuses("dump restore: one name for two", &["--database", "postgres=a", "--database", "postgres=a"])?;
    document.end()
}
