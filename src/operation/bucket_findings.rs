//! What a bucket does by itself with the objects of a repository: told by `check` and `init`, and refused by `init`
//! before there is a repository, where it would destroy backups or not protect them as configured.

use std::time::Duration;

use crate::config::{self, Config};
use crate::model::error::{Code, Error, Result};
use crate::report::check::Finding;
use crate::report::text::count;
use crate::store::{Bucket, BucketLock, Effect, ObjectLock, Repository, RepositoryUrl, Rule, Told, Versions};

const DAY: u64 = 24 * 60 * 60;

const OTHER_RULE: &str =
    "narrow the rule to other prefixes, or remove it: what is no longer needed goes by pgcairn expire";
const OTHER_CLASS: &str =
    "narrow the rule to other prefixes, or remove it: storage_class under [[repository]] puts objects where they stay";
const LONGER_VERSIONS: &str =
    "let the rule keep noncurrent versions as long as object_lock_for and [retention] say, or longer";
const OTHER_BUCKET: &str =
    "make a bucket with Object Lock enabled, or take object_lock out of [[repository]] in the configuration";

/// What the configuration asks of the bucket.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    lock: Option<ObjectLock>,
    /// The longest that `[retention]`, and that of dumps, keep anything where none is missing.
    kept: Option<Duration>,
}

impl Wanted {
    fn by(config: &Config, repository: &config::Repository) -> Wanted {
        let lock = match repository.url.place() {
            RepositoryUrl::S3(settings) => settings.lock,
            RepositoryUrl::File(_) => None,
        };
        Wanted { lock, kept: config.longest_kept(repository) }
    }

    /// So long what was overwritten or deleted must stay readable.
    fn longest(self) -> Option<Duration> {
        self.lock.map(|lock| lock.period).max(self.kept)
    }
}

/// Nothing is made in a bucket that works against the repository.
pub fn refuse(config: &Config, repository: &config::Repository) -> Result<()> {
    let Some(bucket) = Repository::bucket_at(repository.url.place())? else { return Ok(()) };
    let wanted = Wanted::by(config, repository);
    let rules = known(&bucket.lifecycle).map(Vec::as_slice).unwrap_or_default();
    let error = rules.iter().find_map(|rule| against(rule, wanted)).or_else(|| unlocked(&bucket, wanted));
    error.map_or(Ok(()), Err)
}

pub fn findings(config: &Config, repository: &config::Repository, bucket: &Bucket) -> Vec<Finding> {
    let wanted = Wanted::by(config, repository);
    let mut findings = vec![versions(&bucket.versions), object_lock(bucket, wanted)];
    findings.extend(lifecycle(&bucket.lifecycle, wanted));
    findings
}

fn known<T>(told: &Told<T>) -> Option<&T> {
    match told {
        Told::Known(known) => Some(known),
        Told::NotKnown(_) => None,
    }
}

fn not_known(subject: &str, reason: &str) -> Finding {
    Finding::skipped(subject, format!("not known, {reason}"))
}

fn versions(versions: &Told<Versions>) -> Finding {
    const SUBJECT: &str = "versions";
    const ENABLE: &str = "enable versioning of the bucket";
    match versions {
        Told::Known(Versions::Kept) => {
            Finding::pass(SUBJECT, "the bucket keeps them: what is overwritten or deleted can be read again")
        }
        Told::Known(Versions::Suspended) => {
            Finding::advice(SUBJECT, "they are suspended: what is overwritten or deleted from now on is gone", ENABLE)
        }
        Told::Known(Versions::NotKept) => {
            Finding::advice(SUBJECT, "the bucket keeps none: what is overwritten or deleted is gone", ENABLE)
        }
        Told::NotKnown(reason) => not_known(SUBJECT, reason),
    }
}

fn object_lock(bucket: &Bucket, wanted: Wanted) -> Finding {
    const SUBJECT: &str = "object lock";
    if let Some(error) = unlocked(bucket, wanted) {
        return Finding::fail(SUBJECT, error);
    }
    match (&bucket.lock, wanted.lock) {
        (Told::NotKnown(reason), None) => not_known(SUBJECT, reason),
        (Told::NotKnown(reason), Some(_)) => Finding::advice(
            SUBJECT,
            format!("it is configured, and whether the bucket locks anything is not known, {reason}"),
            "let the access key ask: s3:GetBucketObjectLockConfiguration",
        ),
        (Told::Known(_), Some(lock)) => locked(SUBJECT, lock, wanted.kept),
        (Told::Known(BucketLock::Off), None) => Finding::pass(SUBJECT, "the bucket has none"),
        (Told::Known(BucketLock::On { usual: None }), None) => {
            Finding::pass(SUBJECT, "the bucket could lock objects, and nothing asks for it")
        }
        (Told::Known(BucketLock::On { usual: Some(usual) }), None) => {
            Finding::pass(SUBJECT, format!("the bucket locks every object by itself: {usual}"))
        }
    }
}

/// A backup that is kept for longer than it is locked can be deleted for the rest of the time.
fn locked(subject: &str, lock: ObjectLock, kept: Option<Duration>) -> Finding {
    let (mode, period) = (lock.mode.word(), days(lock.period));
    match kept.filter(|kept| *kept > lock.period) {
        None => Finding::pass(subject, format!("every object is locked for {period} from its creation on ({mode})")),
        Some(kept) => Finding::warning(
            subject,
            format!(
                "every object is locked for {period} ({mode}), and [retention] keeps backups for up to {}",
                days(kept)
            ),
            format!("set object_lock_for = \"{}d\" under [[repository]]; what is stored keeps its lock", in_days(kept)),
        ),
    }
}

fn unlocked(bucket: &Bucket, wanted: Wanted) -> Option<Error> {
    let lock = wanted.lock.filter(|_| bucket.lock == Told::Known(BucketLock::Off))?;
    let message = format!("object_lock = \"{}\" is configured, and the bucket has no Object Lock", lock.mode.word());
    Some(Error::new(Code::Refused, message).hint(OTHER_BUCKET))
}

fn lifecycle(rules: &Told<Vec<Rule>>, wanted: Wanted) -> Vec<Finding> {
    const SUBJECT: &str = "lifecycle";
    let rules = match rules {
        Told::NotKnown(reason) => return vec![not_known(SUBJECT, reason)],
        Told::Known(rules) if rules.is_empty() => {
            return vec![Finding::pass(SUBJECT, "no rule expires or moves objects of the repository")];
        }
        Told::Known(rules) => rules,
    };
    let tell = |rule: &Rule| match (against(rule, wanted), &rule.effect) {
        (Some(error), _) => Finding::fail(SUBJECT, error),
        (None, Effect::DropsVersions { days }) => Finding::pass(
            SUBJECT,
            format!("what is overwritten or deleted can be read for {days} days more, by the rule {:?}", rule.id),
        ),
        (None, _) => Finding::pass(SUBJECT, format!("the rule {:?} does no harm", rule.id)),
    };
    rules.iter().map(tell).collect()
}

/// Why this rule cannot be.
fn against(rule: &Rule, wanted: Wanted) -> Option<Error> {
    let refused = |does: String| Error::new(Code::Refused, format!("the lifecycle rule {:?} {does}", rule.id));
    match &rule.effect {
        Effect::Expires => Some(refused("expires objects of the repository".to_owned()).hint(OTHER_RULE)),
        Effect::Moves(to) => Some(refused(format!("moves objects of the repository to {to}")).hint(OTHER_CLASS)),
        Effect::DropsVersions { days: after } => {
            let longest = wanted.longest().filter(|longest| u64::from(*after) * DAY < longest.as_secs())?;
            let kept = if wanted.lock.is_some_and(|lock| lock.period == longest) { "locked" } else { "kept" };
            let does = format!("drops versions after {after} days, and objects are {kept} for {}", days(longest));
            Some(refused(does).hint(LONGER_VERSIONS))
        }
    }
}

/// Rounded up.
fn in_days(period: Duration) -> u64 {
    period.as_secs().div_ceil(DAY)
}

fn days(period: Duration) -> String {
    count(in_days(period), "day")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::Verdict;
    use crate::store::LockMode;

    const LOCK: Wanted = Wanted {
        lock: Some(ObjectLock { mode: LockMode::Governance, period: Duration::from_secs(45 * DAY) }),
        kept: None,
    };
    const NONE: Wanted = Wanted { lock: None, kept: None };

    fn kept(days: u64, wanted: Wanted) -> Wanted {
        Wanted { kept: Some(Duration::from_secs(days * DAY)), ..wanted }
    }

    fn verdicts(findings: &[Finding]) -> Vec<Verdict> {
        findings.iter().map(|finding| finding.verdict).collect()
    }

    fn rules(effects: &[Effect]) -> Told<Vec<Rule>> {
        Told::Known(effects.iter().map(|effect| Rule { id: "r".to_owned(), effect: effect.clone() }).collect())
    }

    #[test]
    fn what_is_not_told_is_no_fault() {
        let silent = Bucket {
            versions: Told::NotKnown("403".to_owned()),
            lock: Told::NotKnown("403".to_owned()),
            lifecycle: Told::NotKnown("501".to_owned()),
        };
        assert_eq!(versions(&silent.versions).verdict, Verdict::Skipped);
        assert_eq!(object_lock(&silent, NONE).verdict, Verdict::Skipped);
        assert_eq!(object_lock(&silent, LOCK).verdict, Verdict::Advice, "nothing shows that it protects");
        assert_eq!(verdicts(&lifecycle(&silent.lifecycle, LOCK)), [Verdict::Skipped]);
    }

    #[test]
    fn rules_that_destroy_backups_fail() {
        let verdicts = |effects: &[Effect], wanted| verdicts(&lifecycle(&rules(effects), wanted));
        use Verdict::{Fail, Pass};
        assert_eq!(verdicts(&[], LOCK), [Pass]);
        assert_eq!(verdicts(&[Effect::Expires, Effect::Moves("GLACIER".to_owned())], NONE), [Fail, Fail]);
        let drops = |days| [Effect::DropsVersions { days }];
        assert_eq!(verdicts(&drops(1), NONE), [Pass]);
        assert_eq!(verdicts(&drops(44), LOCK), [Fail]);
        assert_eq!(verdicts(&drops(45), LOCK), [Pass]);
        assert_eq!(verdicts(&drops(45), kept(46, LOCK)), [Fail]);
        assert_eq!(verdicts(&drops(45), kept(46, NONE)), [Fail]);
    }

    #[test]
    fn a_lock_that_is_wanted_must_be_there() {
        let bucket = |lock| Bucket {
            versions: Told::Known(Versions::Kept),
            lock: Told::Known(lock),
            lifecycle: Told::Known(Vec::new()),
        };
        assert_eq!(object_lock(&bucket(BucketLock::Off), LOCK).verdict, Verdict::Fail);
        assert_eq!(object_lock(&bucket(BucketLock::Off), NONE).verdict, Verdict::Pass);
        let on = BucketLock::On { usual: None };
        assert_eq!(object_lock(&bucket(on.clone()), LOCK).verdict, Verdict::Pass);
        assert_eq!(object_lock(&bucket(on.clone()), kept(45, LOCK)).verdict, Verdict::Pass);
        assert_eq!(object_lock(&bucket(on), kept(46, LOCK)).verdict, Verdict::Warning);
    }
}
