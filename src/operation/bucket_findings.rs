//! What a bucket does by itself with the objects of a repository: told by `check` and `init`, and refused by `init`
//! before there is a repository, where it would destroy backups or not protect them as configured.

use std::time::Duration;

use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::report::check::Finding;
use crate::store::{Bucket, BucketLock, Effect, ObjectLock, Repository, RepositoryUrl, Rule, Told, Versions};

const DAY: u64 = 24 * 60 * 60;

const OTHER_RULE: &str = "narrow the rule to other prefixes, or remove it; storage_class under [[repository]] puts objects where they stay";
const LONGER_VERSIONS: &str = "let the rule keep noncurrent versions at least as long as object_lock_for";
const OTHER_BUCKET: &str =
    "make a bucket with Object Lock enabled, or take object_lock out of [[repository]] in the configuration";

/// Nothing is made in a bucket that works against the repository.
pub fn refuse(config: &Config) -> Result<()> {
    let Some(bucket) = Repository::bucket_at(config.repository.url.place())? else { return Ok(()) };
    let lock = configured(config);
    let rules = known(&bucket.lifecycle).map(Vec::as_slice).unwrap_or_default();
    let error = rules.iter().find_map(|rule| against(rule, lock)).or_else(|| unlocked(&bucket, lock));
    error.map_or(Ok(()), Err)
}

pub fn findings(config: &Config, bucket: &Bucket) -> Vec<Finding> {
    let lock = configured(config);
    let mut findings = vec![versions(&bucket.versions), object_lock(bucket, lock)];
    findings.extend(lifecycle(&bucket.lifecycle, lock));
    findings
}

fn configured(config: &Config) -> Option<ObjectLock> {
    match config.repository.url.place() {
        RepositoryUrl::S3(settings) => settings.lock,
        RepositoryUrl::File(_) => None,
    }
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

fn object_lock(bucket: &Bucket, wanted: Option<ObjectLock>) -> Finding {
    const SUBJECT: &str = "object lock";
    if let Some(error) = unlocked(bucket, wanted) {
        return Finding::fail(SUBJECT, error);
    }
    match (&bucket.lock, wanted) {
        (Told::NotKnown(reason), _) => not_known(SUBJECT, reason),
        (Told::Known(_), Some(lock)) => {
            let (mode, period) = (lock.mode.word(), days(lock.period));
            Finding::pass(SUBJECT, format!("every object is locked for {period} from its creation on ({mode})"))
        }
        (Told::Known(BucketLock::Off), None) => Finding::pass(SUBJECT, "the bucket has none"),
        (Told::Known(BucketLock::On { usual: None }), None) => {
            Finding::pass(SUBJECT, "the bucket could lock objects, and nothing asks for it")
        }
        (Told::Known(BucketLock::On { usual: Some(usual) }), None) => {
            Finding::pass(SUBJECT, format!("the bucket locks every object by itself: {usual}"))
        }
    }
}

fn unlocked(bucket: &Bucket, wanted: Option<ObjectLock>) -> Option<Error> {
    let lock = wanted.filter(|_| bucket.lock == Told::Known(BucketLock::Off))?;
    let message = format!("object_lock = \"{}\" is configured, and the bucket has no Object Lock", lock.mode.word());
    Some(Error::new(Code::Refused, message).hint(OTHER_BUCKET))
}

fn lifecycle(rules: &Told<Vec<Rule>>, lock: Option<ObjectLock>) -> Vec<Finding> {
    const SUBJECT: &str = "lifecycle";
    let rules = match rules {
        Told::NotKnown(reason) => return vec![not_known(SUBJECT, reason)],
        Told::Known(rules) if rules.is_empty() => {
            return vec![Finding::pass(SUBJECT, "no rule expires or moves objects of the repository")];
        }
        Told::Known(rules) => rules,
    };
    let tell = |rule: &Rule| match (against(rule, lock), &rule.effect) {
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
fn against(rule: &Rule, lock: Option<ObjectLock>) -> Option<Error> {
    let refused = |does: String| Error::new(Code::Refused, format!("the lifecycle rule {:?} {does}", rule.id));
    match &rule.effect {
        Effect::Expires => Some(refused("expires objects of the repository".to_owned()).hint(OTHER_RULE)),
        Effect::Moves(to) => Some(refused(format!("moves objects of the repository to {to}")).hint(OTHER_RULE)),
        Effect::DropsVersions { days: after } => {
            let period = lock.map(|lock| lock.period).filter(|period| u64::from(*after) * DAY < period.as_secs())?;
            let does = format!("drops versions after {after} days, and they are locked for {}", days(period));
            Some(refused(does).hint(LONGER_VERSIONS))
        }
    }
}

/// Rounded up.
fn days(period: Duration) -> String {
    crate::report::text::count(period.as_secs().div_ceil(DAY), "day")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::Verdict;
    use crate::store::LockMode;

    const LOCK: Option<ObjectLock> =
        Some(ObjectLock { mode: LockMode::Governance, period: Duration::from_secs(45 * DAY) });

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
        assert_eq!(object_lock(&silent, None).verdict, Verdict::Skipped);
        assert_eq!(object_lock(&silent, LOCK).verdict, Verdict::Skipped);
        assert_eq!(verdicts(&lifecycle(&silent.lifecycle, LOCK)), [Verdict::Skipped]);
    }

    #[test]
    fn rules_that_destroy_backups_fail() {
        let verdicts = |effects: &[Effect], lock| verdicts(&lifecycle(&rules(effects), lock));
        use Verdict::{Fail, Pass};
        assert_eq!(verdicts(&[], LOCK), [Pass]);
        assert_eq!(verdicts(&[Effect::Expires, Effect::Moves("GLACIER".to_owned())], None), [Fail, Fail]);
        let drops = |days| [Effect::DropsVersions { days }];
        assert_eq!(verdicts(&drops(1), None), [Pass]);
        assert_eq!(verdicts(&drops(44), LOCK), [Fail]);
        assert_eq!(verdicts(&drops(45), LOCK), [Pass]);
    }

    #[test]
    fn a_lock_that_is_wanted_must_be_there() {
        let bucket = |lock| Bucket {
            versions: Told::Known(Versions::Kept),
            lock: Told::Known(lock),
            lifecycle: Told::Known(Vec::new()),
        };
        assert_eq!(object_lock(&bucket(BucketLock::Off), LOCK).verdict, Verdict::Fail);
        assert_eq!(object_lock(&bucket(BucketLock::Off), None).verdict, Verdict::Pass);
        assert_eq!(object_lock(&bucket(BucketLock::On { usual: None }), LOCK).verdict, Verdict::Pass);
    }
}
