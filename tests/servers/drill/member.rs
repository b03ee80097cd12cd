//! A drill by somebody who may read a local repository and owns nothing of it: a member of the group `pgcairn`. Nobody but
//! root can play that, in a view of the file system where that group exists.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use super::stage::Stage;
use crate::support::account::{account, is_root};
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};
use crate::support::{Outcome, skip};

/// Whom nobody else is, and a group that nobody else is in.
const MEMBER: u32 = 61_236;
const READERS: u32 = 61_237;
const UNSHARE: &str = "/usr/bin/unshare";

pub fn by_a_member(install: &'static Installation) -> Outcome {
    install.needs("pg_checksums")?;
    if !is_root() {
        return skip("only root becomes another user");
    }
    let place = Place::new(install)?;
    if !place.can_be_seen()? {
        return skip("unshare -m is not to be had");
    }
    let drills = place.cluster()?.join("drills");
    // As it was made before there were such readers, or by an earlier pgcairn.
    assert!(!drills.exists());
    place.drill()?.says(&["the drill is not recorded", "Permission denied", "sudo pgcairn", "check"])?;
    place.by_owner("check --json")?.status_in(0..=3)?;
    assert_eq!(mode(&drills)?, (0o1770, READERS));
    place.drill()?.ok()?.says(&["PASSED"])?;
    assert_eq!(drilled_by(&place)?, [MEMBER, MEMBER]);
    let told = place.stage.site.run(&["status", "--json"])?.json()?;
    assert_eq!(told["repositories"][0]["last_drill"]["passed"], true, "{told}");

    // Of a dump too.
    place.stage.dump(&[])?;
    assert_eq!(place.drill()?.ok()?.stdout.matches("PASSED").count(), 2);
    assert_eq!(drilled_by(&place)?, [MEMBER; 6]);

    // Another's records are not the member's, and nothing else is either.
    place.stage.drill(&[])?.ok()?;
    place.takes_nothing()?;
    assert_eq!(drilled_by(&place)?.len(), 10);
    // What a member puts there stands in nobody's way.
    let cluster = drills.display();
    let junk = format!(
        "cd {cluster}; mkdir -m 0 closed; ln -s / root; mkfifo 20261120T050000Z-00000001.json; \
         echo {{}} >20261120T050000Z-00000002.json; chmod 0 20261120T050000Z-00000002.json"
    );
    place.by_member(&junk)?.ok()?;
    let again = place.stage.site.run(&["status", "--json"])?.json()?;
    assert_eq!(again["repositories"][0]["last_drill"]["passed"], true, "{again}");
    place.stage.site.run(&["verify"])?.ok()?;
    place.by_member(&format!("cd {cluster}; rm -r closed root 20261120T050000Z-*"))?.ok()?;
    // A backup mends what somebody has closed again.
    fs::set_permissions(&drills, fs::Permissions::from_mode(0o750))?;
    place.by_owner("backup")?.ok()?;
    assert_eq!(mode(&drills)?, (0o1770, READERS));
    Ok(())
}

fn mode(path: &std::path::Path) -> Outcome<(u32, u32)> {
    let metadata = path.metadata()?;
    Ok((metadata.mode() & 0o7777, metadata.gid()))
}

/// Whose the records are; all of them can be read by the owner of the repository.
fn drilled_by(place: &Place) -> Outcome<Vec<u32>> {
    let mut owners = Vec::new();
    for entry in fs::read_dir(place.cluster()?.join("drills"))? {
        let metadata = entry?.metadata()?;
        assert_eq!(metadata.mode() & 0o7777, 0o644);
        owners.push(metadata.uid());
    }
    Ok(owners)
}

struct Place {
    stage: Stage,
    /// `/etc/group`, with the group of readers.
    groups: PathBuf,
    /// The member's own: the copy is made in it, and the key lies there.
    home: PathBuf,
}

impl Place {
    fn new(install: &'static Installation) -> Outcome<Place> {
        let mut stage = Stage::new(install)?;
        let trusted = stage.site.public_key()?;
        stage.configure(&format!("[signing]\ntrusted = [\"{trusted}\"]\n[retention]\n"))?;
        let (groups, home) = (stage.site.path("group"), stage.site.path("member"));
        let known = fs::read_to_string("/etc/group")?;
        let known: String = known
            .lines()
            .filter(|line| !line.starts_with("pgcairn:"))
            .fold(String::new(), |all, line| all + line + "\n");
        fs::write(&groups, format!("{known}pgcairn:x:{READERS}:\n"))?;
        // initdb asks for its user's name.
        let users = fs::read_to_string("/etc/passwd")?;
        let line = format!("member:x:{MEMBER}:{READERS}::/nonexistent:/bin/sh\n");
        fs::write(stage.site.path("passwd"), users + &line)?;
        fs::create_dir(&home)?;
        fs::copy(stage.site.identity(), home.join("identity"))?;
        for path in [&home, &home.join("identity")] {
            chown(path, Some(MEMBER), Some(MEMBER))?;
        }
        // As docs/systemd.md makes an older repository readable.
        let repository = stage.site.repository();
        let give = format!(
            "chgrp -R {READERS} {0}; find {0} -type d -exec chmod g+rxs {{}} +; find {0} -type f -exec chmod g+r {{}} +",
            repository.display()
        );
        Run::of(Command::new("sh").args(["-ec", &give]))?.ok()?;
        for (path, mode) in [(stage.site.path(""), 0o755), (stage.site.config(), 0o644)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(Place { stage, groups, home })
    }

    /// The cluster's directory in the repository.
    fn cluster(&self) -> Outcome<PathBuf> {
        let object = self.stage.site.object(&format!("backups/{}", self.stage.backup))?;
        let is_cluster = |path: &&std::path::Path| path.join("packs").is_dir();
        Ok(object.ancestors().find(is_cluster).ok_or("the cluster has no directory")?.to_owned())
    }

    fn can_be_seen(&self) -> Outcome<bool> {
        let status = Command::new(UNSHARE).args(["-m", "true"]).status();
        Ok(status.is_ok_and(|status| status.success()))
    }

    /// A shell of somebody's, where the group exists; what is mounted there, nobody else sees.
    fn shell(&self, who: &str, script: &str) -> Outcome<Run> {
        let (groups, users) = (self.groups.display(), self.stage.site.path("passwd"));
        let mounts = format!("mount --bind {groups} /etc/group; mount --bind {} /etc/passwd", users.display());
        let view = format!("{mounts}; exec setpriv {who} sh -c \"$0\"");
        let mut command = Command::new(UNSHARE);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TZ", "UTC").current_dir("/");
        command.env("STATE_DIRECTORY", "/nonexistent/state");
        Run::of(command.args(["-m", "sh", "-ec", &view, &format!("umask 077; {script}")]))
    }

    fn by_member(&self, script: &str) -> Outcome<Run> {
        self.shell(&format!("--reuid {MEMBER} --regid {MEMBER} --groups {READERS}"), script)
    }

    fn by_owner(&self, arguments: &str) -> Outcome<Run> {
        let (owner, config) = (&account().name, self.stage.site.config());
        let line = format!("{} -c {} {arguments}", binary().display(), config.display());
        self.shell(&format!("--reuid {owner} --regid {owner} --clear-groups"), &line)
    }

    fn drill(&self) -> Outcome<Run> {
        let (program, config, home) = (binary().display(), self.stage.site.config(), self.home.display());
        self.by_member(&format!(
            "{program} -c {} drill --bindir {} --scratch {home} --identity {home}/identity",
            config.display(),
            self.stage.bindir()
        ))
    }

    /// Neither a record of the owner's, nor the directory that holds them, nor what lies beside it.
    fn takes_nothing(&self) -> Outcome {
        let cluster = self.cluster()?;
        let find = format!("cd {}; for file in $(find drills -type f ! -user {MEMBER})", cluster.display());
        for attempt in ["rm -f $file", "mv $file drills/x", ": >>$file", "ln -f /etc/hostname $file", "chmod 666 $file"]
        {
            let run = self.by_member(&format!("{find}; do ({attempt}) && echo $file; done; true"))?.ok()?;
            assert_eq!(run.stdout, "", "{attempt}");
        }
        for attempt in
            ["mv drills away", "rmdir drills", "mkdir new", "rm -r backups", "touch backups/x", "chmod 777 drills"]
        {
            let run = self.by_member(&format!("cd {}; {attempt}", cluster.display()))?;
            assert_ne!(run.status, 0, "{attempt}");
        }
        Ok(())
    }
}
