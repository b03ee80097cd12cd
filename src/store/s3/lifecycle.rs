//! Lifecycle rules: which of them reach objects of a repository, and what they do to them.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};

use super::super::bucket::{Effect, Rule};
use super::probe::NAMES;

/// What these rules do to objects below `prefix`, which is empty or ends with a slash.
pub(super) fn effects(rules: &[LifecycleRule], prefix: &str) -> Vec<Rule> {
    rules.iter().filter(|rule| reaches(rule, prefix)).flat_map(what_it_does).collect()
}

fn reaches(rule: &LifecycleRule, prefix: &str) -> bool {
    if *rule.status() == ExpirationStatus::Disabled || is_by_tag(rule) {
        return false;
    }
    let theirs = rule_prefix(rule);
    let is_for_probes = theirs.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(NAMES));
    (theirs.starts_with(prefix) || prefix.starts_with(theirs)) && !is_for_probes
}

/// Our objects have no tags, so such a rule meets none of them.
fn is_by_tag(rule: &LifecycleRule) -> bool {
    let Some(filter) = rule.filter() else { return false };
    filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty())
}

/// Old rules have it outside of the filter; without one a rule is for the whole bucket. Sizes are not looked at:
/// objects of a repository have all of them.
fn rule_prefix(rule: &LifecycleRule) -> &str {
    #[expect(deprecated, reason = "stores still give such rules back")]
    let old = rule.prefix();
    let filtered = rule.filter().and_then(|filter| filter.prefix().or_else(|| filter.and()?.prefix()));
    filtered.or(old).unwrap_or_default()
}

fn what_it_does(rule: &LifecycleRule) -> Vec<Rule> {
    let mut effects = Vec::new();
    // `ExpiredObjectDeleteMarker` alone takes away only what hides nothing.
    if rule.expiration().is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some()) {
        effects.push(Effect::Expires);
    }
    let class = rule.transitions().first().map(|to| to.storage_class().map_or("another class", |class| class.as_str()));
    // After an attack they are what is restored from.
    let of_versions = rule.noncurrent_version_transitions().first();
    let of_versions = of_versions.map(|to| to.storage_class().map_or("another class", |class| class.as_str()));
    effects.extend(class.or(of_versions).map(|class| Effect::Moves(class.to_owned())));
    if let Some(expiration) = rule.noncurrent_version_expiration() {
        let days = expiration.noncurrent_days().unwrap_or_default();
        effects.push(Effect::DropsVersions { days: u32::try_from(days).unwrap_or_default() });
    }
    let id = rule.id().unwrap_or_default();
    effects.into_iter().map(|effect| Rule { id: id.to_owned(), effect }).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::builders::LifecycleRuleBuilder;
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter,
        NoncurrentVersionExpiration, Tag, Transition, TransitionStorageClass,
    };

    use super::*;

    fn rule() -> LifecycleRuleBuilder {
        LifecycleRule::builder().id("r").status(ExpirationStatus::Enabled)
    }

    fn under(prefix: &str) -> LifecycleRuleFilter {
        LifecycleRuleFilter::builder().prefix(prefix).build()
    }

    fn found(rule: LifecycleRuleBuilder, prefix: &str) -> Vec<Effect> {
        effects(&[rule.build().unwrap()], prefix).into_iter().map(|rule| rule.effect).collect()
    }

    fn expiring() -> LifecycleRuleBuilder {
        rule().expiration(LifecycleExpiration::builder().days(30).build())
    }

    #[test]
    fn a_rule_reaches_what_its_prefix_meets() {
        for (theirs, ours, meets) in [
            ("", "", true),
            ("", "pg/", true),
            ("pg", "pg/", true),
            ("pg/", "pg/", true),
            ("pg/clusters/main/", "pg/", true),
            ("pg/clusters/main/", "", true),
            ("logs/", "pg/", false),
            ("pg2/", "pg/", false),
            ("pg/runs/probe-", "pg/", false),
            ("runs/probe-", "", false),
            ("runs/", "", true),
        ] {
            assert_eq!(!found(expiring().filter(under(theirs)), ours).is_empty(), meets, "{theirs} {ours}");
            #[expect(deprecated)]
            let old = expiring().prefix(theirs);
            assert_eq!(!found(old, ours).is_empty(), meets, "{theirs} {ours}, as it was written once");
        }
        assert_eq!(found(expiring(), "pg/"), [Effect::Expires]);
        assert_eq!(found(expiring().status(ExpirationStatus::Disabled), "pg/"), []);
    }

    #[test]
    fn a_rule_for_tagged_objects_meets_none_of_ours() {
        let tag = || Tag::builder().key("k").value("v").build().unwrap();
        assert_eq!(found(expiring().filter(LifecycleRuleFilter::builder().tag(tag()).build()), "pg/"), []);
        let and = |and: LifecycleRuleAndOperator| expiring().filter(LifecycleRuleFilter::builder().and(and).build());
        let operator = || LifecycleRuleAndOperator::builder().prefix("pg/");
        assert_eq!(found(and(operator().tags(tag()).build()), "pg/"), []);
        assert_eq!(found(and(operator().object_size_greater_than(1).build()), "pg/"), [Effect::Expires]);
        assert_eq!(found(and(operator().object_size_greater_than(1).build()), "logs/"), []);
    }

    #[test]
    fn what_hurts_is_told_and_the_rest_is_not() {
        let uploads = AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build();
        assert_eq!(found(rule().abort_incomplete_multipart_upload(uploads), ""), []);
        let markers = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
        assert_eq!(found(rule().expiration(markers), ""), []);
        let cold = Transition::builder().days(1).storage_class(TransitionStorageClass::Glacier).build();
        assert_eq!(found(rule().transitions(cold), ""), [Effect::Moves("GLACIER".to_owned())]);
        let versions = NoncurrentVersionExpiration::builder().noncurrent_days(7).build();
        let both = expiring().noncurrent_version_expiration(versions);
        assert_eq!(found(both, ""), [Effect::Expires, Effect::DropsVersions { days: 7 }]);
    }
}
