//! What a store on the network was found to keep of its promises; shared by `init` and `check`.

use jiff::SignedDuration;

use super::bucket_findings;
use super::failure::OTHER_STORE;
use crate::config::{self, Config};
use crate::model::error::{Code, Error};
use crate::report::check::Finding;
use crate::store::{Error as StoreError, Inspection, PROBES, Repository};

/// Clocks further apart are said: retention goes by the store's, and S3 refuses requests at 15 minutes.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Nothing for a local repository, which promises what its file system does.
pub fn inspect(config: &Config, wanted: &config::Repository, repository: &Repository) -> Vec<Finding> {
    let mut found = match repository.inspect() {
        Ok(None) => return Vec::new(),
        Ok(Some(inspection)) => findings(repository.url(), &inspection),
        Err(error) => vec![Finding::fail("store", error.into())],
    };
    found.extend(match repository.bucket() {
        Ok(bucket) => bucket.map(|bucket| bucket_findings::findings(config, wanted, &bucket)).unwrap_or_default(),
        Err(error) => vec![Finding::fail("bucket", error.into())],
    });
    found
}

fn findings(url: &str, inspection: &Inspection) -> Vec<Finding> {
    let mut findings = vec![race(url, inspection.winners), ranges(inspection.ranges), checksums(inspection.checksums)];
    findings.extend(inspection.clock_ahead.map(clock));
    if !inspection.deletes {
        findings
            .push(Finding::pass("deleting", "these credentials may not; what was made to try the store is left there"));
    }
    findings
}

fn race(url: &str, winners: usize) -> Finding {
    match winners {
        1 => Finding::pass("concurrent creates", format!("of {PROBES} writers of one object one wins")),
        _ => {
            let error = StoreError::NotCreateOnly { url: url.to_owned(), winners, of: PROBES };
            Finding::fail("concurrent creates", error.into())
        }
    }
}

fn ranges(honoured: bool) -> Finding {
    match honoured {
        true => Finding::pass("range reads", "a part of an object is that part"),
        false => Finding::fail(
            "range reads",
            Error::new(Code::Refused, "the store answers another part of an object than was asked for")
                .hint(OTHER_STORE),
        ),
    }
}

fn checksums(refused: bool) -> Finding {
    match refused {
        true => Finding::pass("checksums", "a body that does not match its checksum is refused"),
        false => Finding::advice(
            "checksums",
            "the store takes a body that does not match its checksum: damage on the way is found only when it is read",
            "reach it over https, which lets no damage through",
        ),
    }
}

fn clock(ahead: SignedDuration) -> Finding {
    let (by, side) = (ahead.abs(), if ahead.is_negative() { "behind" } else { "ahead of" });
    let message = format!("the store's clock is {} s {side} this host's", by.as_secs());
    match by > CLOCK_SKEW {
        true => Finding::warning("clock", message, "set the clock that is wrong; on this host: timedatectl status"),
        false => Finding::pass("clock", message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::Verdict;

    #[test]
    fn each_broken_promise_is_told() {
        let kept = Inspection { winners: 1, ranges: true, checksums: true, clock_ahead: None, deletes: true };
        let verdicts = |inspection: Inspection| -> Vec<Verdict> {
            findings("s3://b", &inspection).iter().map(|finding| finding.verdict).collect()
        };
        let minutes = |minutes| Some(SignedDuration::from_mins(minutes));
        use Verdict::{Advice, Fail, Pass, Warning};
        assert_eq!(verdicts(kept.clone()), [Pass, Pass, Pass]);
        assert_eq!(verdicts(Inspection { winners: 2, ..kept.clone() }), [Fail, Pass, Pass]);
        assert_eq!(verdicts(Inspection { ranges: false, ..kept.clone() }), [Pass, Fail, Pass]);
        assert_eq!(verdicts(Inspection { checksums: false, ..kept.clone() }), [Pass, Pass, Advice]);
        assert_eq!(verdicts(Inspection { clock_ahead: minutes(-4), ..kept.clone() }), [Pass, Pass, Pass, Pass]);
        assert_eq!(verdicts(Inspection { clock_ahead: minutes(-6), ..kept.clone() }), [Pass, Pass, Pass, Warning]);
        assert_eq!(verdicts(Inspection { deletes: false, ..kept }), [Pass, Pass, Pass, Pass]);
    }
}
