//! What the sheet says, in order; as text or as a page.

use super::{Repository, Sheet};
use crate::model::shell_word::shell_word;
use crate::report::text::{utc, whole_second};

/// A line to write on.
const BLANK: &str = "______________________________________________";

#[derive(Debug, Default)]
pub struct Section {
    pub title: &'static str,
    pub words: Vec<String>,
    pub facts: Vec<(&'static str, String)>,
    /// Lines for a shell, as they are.
    pub commands: Vec<String>,
    pub after: Vec<String>,
}

impl Sheet {
    pub fn title(&self) -> String {
        format!("Recovery sheet of PostgreSQL cluster {}", self.cluster)
    }

    pub fn sections(&self) -> Vec<Section> {
        let mut sections = vec![self.about()];
        sections.extend(self.repositories.iter().map(repository));
        sections.extend([self.keys(), self.server(), self.names(), self.with_pgcairn(), self.without_pgcairn()]);
        sections
    }

    fn about(&self) -> Section {
        Section {
            title: "What this is",
            words: vec![
                "All that is needed to bring the database back when its host is gone, but for the key and the access to \
                 the backups. Print it, keep it away from that host, and make it anew when pgcairn status asks for it."
                    .to_owned(),
            ],
            facts: vec![
                ("made", format!("{}, on {}, by pgcairn {}", utc(whole_second(self.made)), self.host, self.pgcairn)),
                ("to be called", BLANK.to_owned()),
            ],
            ..Section::default()
        }
    }

    fn keys(&self) -> Section {
        let mut facts: Vec<(&'static str, String)> =
            self.recipients.iter().map(|recipient| ("encrypted to", recipient.clone())).collect();
        if self.encrypted {
            let kept = self.key_location.clone().unwrap_or_else(|| BLANK.to_owned());
            facts.push(("key is kept in", kept));
        }
        facts.extend(self.trusted.iter().map(|key| ("signed by", key.clone())));
        let words = match self.encrypted {
            true => "A key is a file with a line that begins with AGE-SECRET-KEY-. One of them is enough.",
            false => "The backups are NOT encrypted: no key is needed.",
        };
        Section { title: "Keys", words: vec![words.to_owned()], facts, ..Section::default() }
    }

    fn server(&self) -> Section {
        let major = self.major();
        let mut facts = vec![
            ("PostgreSQL", format!("{major}, the same major version, whatever minor")),
            ("data directory", self.data_dir.display().to_string()),
            ("system identifier", self.system_identifier.clone()),
        ];
        let tablespaces = self.tablespaces.iter().flatten();
        let lines = tablespaces.map(|it| ("tablespace", format!("{} ({}) in {}", it.name, it.oid, it.location)));
        facts.extend(lines);
        if self.tablespaces.is_none() {
            facts.push(("tablespaces", format!("not known, the server was down: {BLANK}")));
        }
        Section {
            title: "The server",
            commands: vec![
                "# as root, on a new host with Debian or Ubuntu; no cluster of its own is made".to_owned(),
                "apt-get install -y postgresql-common".to_owned(),
                "/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y".to_owned(),
                "sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf"
                    .to_owned(),
                format!("apt-get install -y postgresql-{major}"),
            ],
            facts,
            ..Section::default()
        }
    }

    /// What differs from host to host.
    fn names(&self) -> Section {
        let key = "IDENTITY=$HOME/identity.txt".to_owned();
        let mut commands: Vec<String> = self.encrypted.then_some(key).into_iter().collect();
        commands.push("TARGET=/srv/restored".to_owned());
        commands.push(format!("PGBIN=/usr/lib/postgresql/{}/bin", self.major()));
        Section {
            title: "Names for the commands below",
            words: vec![
                "As the user postgres, in bash; correct them first. TARGET is empty, or not there yet.".to_owned(),
            ],
            commands,
            ..Section::default()
        }
    }

    fn with_pgcairn(&self) -> Section {
        let url = self.repositories.first().map(|one| shell_word(&one.url)).unwrap_or_default();
        let place = format!("--repository {url} --cluster {}", self.cluster);
        let trusted: String = self.trusted.iter().map(|key| format!(" --trusted {key}")).collect();
        let (identity, check) = match self.encrypted {
            true => (" --identity \"$IDENTITY\"", Some(format!("pgcairn key check --identity \"$IDENTITY\" {place}"))),
            false => ("", None),
        };
        let mut commands: Vec<String> = check.into_iter().collect();
        commands.push(format!("pgcairn list {place}{trusted}"));
        commands.push(format!("pgcairn restore {place}{identity}{trusted} --target-dir \"$TARGET\" --to latest"));
        commands.extend(start());
        Section {
            title: "Restore with pgcairn",
            words: vec![
                "pgcairn is one program: https://github.com/pgcairn/pgcairn. Where this repository is lost, name another."
                    .to_owned(),
            ],
            commands,
            after: vec![
                "In place of latest: --to '10 minutes ago', or any moment that the list covers. A tablespace that shall \
                 lie elsewhere: --tablespace OLD=NEW. The copy archives nothing before its owner turns that on."
                    .to_owned(),
            ],
            ..Section::default()
        }
    }

    fn without_pgcairn(&self) -> Section {
        let needs_copy = self.repositories.first().is_none_or(|one| one.directory.is_none());
        let copy = "Copy the repository to a directory first, by the tools of the store, and set REPOSITORY to it.";
        let mut words = vec![
            "by-hand.sh, printed by pgcairn recovery-sheet --by-hand and kept beside this sheet, needs age, zstd, jq, \
             openssl and PostgreSQL; docs/restore-by-hand.md in the sources of pgcairn is the same with explanations."
                .to_owned(),
        ];
        words.extend(needs_copy.then(|| copy.to_owned()));
        Section {
            title: "Restore without pgcairn",
            words,
            commands: vec![
                "apt-get install -y age zstd jq openssl    # as root".to_owned(),
                match self.encrypted {
                    true => "export IDENTITY TARGET PGBIN; bash by-hand.sh".to_owned(),
                    false => "export TARGET PGBIN; bash by-hand.sh".to_owned(),
                },
            ],
            ..Section::default()
        }
    }

    fn major(&self) -> String {
        self.postgresql.map_or_else(|| "____".to_owned(), |major| major.to_string())
    }
}

/// A socket of its own and no TCP, until it is known to be right.
fn start() -> [String; 2] {
    [
        "\"$PGBIN/pg_ctl\" -D \"$TARGET\" -w -l \"$TARGET/log\" -o \"-c listen_addresses='' -c unix_socket_directories='$TARGET'\" start"
            .to_owned(),
        "psql -h \"$TARGET\" -U postgres -l".to_owned(),
    ]
}

fn repository(repository: &Repository) -> Section {
    let blank = || BLANK.to_owned();
    let mut facts = vec![("name", repository.name.clone()), ("where", repository.url.clone())];
    facts.push(("id", repository.id.clone().unwrap_or_else(blank)));
    facts.extend(repository.endpoint.iter().map(|endpoint| ("endpoint", endpoint.clone())));
    facts.extend(repository.region.iter().map(|region| ("region", region.clone())));
    match &repository.credentials {
        Some(credentials) => {
            facts.push(("its host uses", credentials.clone()));
            facts.push(("access key from", blank()));
        }
        None => facts.push(("reached through", blank())),
    }
    Section { title: "Where the backups are", facts, ..Section::default() }
}
