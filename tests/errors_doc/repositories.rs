//! What is refused of several repositories, before any of them is opened.

use pgcairn::model::key::Encryption;
use pgcairn::store::Repository;

use crate::cases::{Case, case};
use crate::place::Place;
use crate::table::Refusal;

/// `config check` of two repositories, with these lines for each.
fn check(place: &Place, first: &str, second: &str) -> Refusal {
    place.write("main.toml", &format!("[[repository]]\n{first}\n[[repository]]\n{second}\n"));
    place.refused(&["config", "check"])
}

/// A repository that holds nothing.
fn found(place: &Place) {
    let url = format!("file://{}", place.shown("repo")).parse().unwrap();
    Repository::create(&url, Encryption::None).unwrap();
}

const LOCAL: &str = "name = \"local\"\nurl = \"file:///var/backups/pgcairn\"";
const OFFSITE: &str = "name = \"offsite\"\nurl = \"file:///mnt/pgcairn\"";

pub const ALL: &[Case] = &[
    case("two repositories of one name", |place| {
        check(place, LOCAL, "name = \"local\"\nurl = \"file:///mnt/pgcairn\"")
    }),
    case("two repositories at one place", |place| {
        check(place, LOCAL, "name = \"offsite\"\nurl = \"file:///var/backups/pgcairn\"")
    }),
    case("a repository's name like a URL", |place| check(place, LOCAL, "name = \"off/site\"\nurl = \"file:///mnt\"")),
    case("the first repository is not required", |place| check(place, &format!("{LOCAL}\nrequired = false"), OFFSITE)),
    case("the first repository keeps less", |place| check(place, &format!("{LOCAL}\nkeep = \"monthly\""), OFFSITE)),
    case("keep is no period", |place| check(place, LOCAL, &format!("{OFFSITE}\nkeep = \"fortnightly\""))),
    case("a price without a currency", |place| check(place, LOCAL, &format!("{OFFSITE}\nprice = \"0.023\""))),
    case("a repository's retention has an unknown key", |place| {
        check(place, LOCAL, &format!("{OFFSITE}\nretention = {{ hourly = 1 }}"))
    }),
    case("verify: a sample without a configuration", |place| {
        found(place);
        place.refused(&["verify", "--sample", "5%", "--repository", &format!("file://{}", place.shown("repo"))])
    }),
    case("verify: a sample that cannot be remembered", |place| {
        found(place);
        place.write("state", "");
        place.configure(&format!("state_dir = {:?}\n", place.path("state")));
        place.refused(&["verify", "--sample", "5%"])
    }),
    case("copy without another repository", |place| {
        place.configure("");
        place.refused(&["copy", "--all"])
    }),
    case("copy to a repository that is not configured", |place| {
        place.configure("[[repository]]\nname = \"offsite\"\nurl = \"file:///mnt/pgcairn\"\n");
        place.refused(&["copy", "--all", "--to", "moon"])
    }),
];
