//! What a bucket tells of itself.

use std::sync::Arc;

use pgcairn::store::{
    Backend, Bucket, BucketLock, Effect, Error, Repository, RepositoryUrl, S3Backend, Told, Versions,
};

use super::moto_server::Moto;
use super::server::{Fault, S3Server, hasty};

fn rule(id: &str, status: &str, prefix: &str, what: &str) -> String {
    format!("<Rule><ID>{id}</ID><Status>{status}</Status><Filter><Prefix>{prefix}</Prefix></Filter>{what}</Rule>")
}

const EXPIRES: &str = "<Expiration><Days>30</Days></Expiration>";
const MOVES: &str = "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>";
const DROPS: &str = "<NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration>";
const UPLOADS: &str = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
                       </AbortIncompleteMultipartUpload>";

#[test]
fn a_bucket_tells_of_versions_lock_and_lifecycle() {
    let Some(moto) = Moto::start(None) else { return };
    let directory = tempfile::tempdir().unwrap();
    let ask = |bucket: &str| -> Bucket {
        let url = RepositoryUrl::S3(Box::new(moto.settings(directory.path(), bucket, "pg")));
        Repository::bucket_at(&url).unwrap().unwrap()
    };
    moto.say("PUT /plain", "", "").unwrap();
    let plain = ask("plain");
    assert_eq!(plain.versions, Told::Known(Versions::NotKept));
    assert_eq!(plain.lock, Told::Known(BucketLock::Off));
    assert_eq!(plain.lifecycle, Told::Known(Vec::new()));
    moto.versions("plain", "Enabled");
    assert_eq!(ask("plain").versions, Told::Known(Versions::Kept));
    moto.versions("plain", "Suspended");
    assert_eq!(ask("plain").versions, Told::Known(Versions::Suspended));

    moto.locking_bucket("locking");
    assert_eq!(ask("locking").lock, Told::Known(BucketLock::On { usual: None }));
    let usual = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                 <Mode>GOVERNANCE</Mode><Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    moto.say("PUT /locking?object-lock", "", usual).unwrap();
    assert_eq!(ask("locking").lock, Told::Known(BucketLock::On { usual: Some("GOVERNANCE, 30 days".to_owned()) }));

    let rules = [
        rule("harmless", "Enabled", "pg/", UPLOADS),
        rule("elsewhere", "Enabled", "logs/", EXPIRES),
        rule("asleep", "Disabled", "", EXPIRES),
        rule("old", "Enabled", "pg/clusters/", EXPIRES),
        rule("cold", "Enabled", "", MOVES),
        rule("versions", "Enabled", "pg/", DROPS),
    ];
    let lifecycle = format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rules.concat());
    moto.say("PUT /plain?lifecycle", "", &lifecycle).unwrap();
    let Told::Known(found) = ask("plain").lifecycle else { panic!("it tells its rules") };
    let found: Vec<(&str, &Effect)> = found.iter().map(|rule| (rule.id.as_str(), &rule.effect)).collect();
    let moves = Effect::Moves("GLACIER".to_owned());
    let drops = Effect::DropsVersions { days: 7 };
    assert_eq!(found, [("old", &Effect::Expires), ("cold", &moves), ("versions", &drops)]);

    let absent = RepositoryUrl::S3(Box::new(moto.settings(directory.path(), "absent", "pg")));
    assert!(matches!(Repository::bucket_at(&absent), Err(Error::NotARepository { .. })));
}

/// s3s-fs lacks the calls; and credentials may be too small for them.
#[test]
fn what_a_store_does_not_tell_is_not_known() {
    let server = S3Server::start();
    let unknown = |bucket: &Bucket, reason: &str| {
        let says = |told: &str| assert!(told.contains(reason), "{told}");
        let (Told::NotKnown(versions), Told::NotKnown(lock), Told::NotKnown(lifecycle)) =
            (&bucket.versions, &bucket.lock, &bucket.lifecycle)
        else {
            panic!("{bucket:?}")
        };
        [versions, lock, lifecycle].into_iter().for_each(|told| says(told));
    };
    unknown(&server.backend("pg").bucket().unwrap().unwrap(), "501");
    server.permit(|action| action == "s3:GetObject");
    unknown(&server.backend("pg").bucket().unwrap().unwrap(), "403 AccessDenied");
    let asked = ["s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning", "s3:GetLifecycleConfiguration"];
    assert_eq!(server.refused(), asked);
    server.permit(|_| true);

    // Asked again where that may help; and what may be anything is no answer.
    server.ambush("GET", "versioning", &[Fault::Refuse(503, "SlowDown"), Fault::Closed]);
    unknown(&server.backend("pg").bucket().unwrap().unwrap(), "501");
    server.ambush("GET", "versioning", &[Fault::Refuse(503, "SlowDown"); 4]);
    assert!(matches!(server.backend("pg").bucket(), Err(Error::Unreachable { .. })));
    server.clear();

    let mut settings = server.settings("pg");
    settings.endpoint = Some("http://127.0.0.1:1".to_owned());
    let nowhere = Arc::new(S3Backend::open_with(&settings, hasty(), None).unwrap());
    assert!(matches!(nowhere.bucket(), Err(Error::Unreachable { .. })));
}
