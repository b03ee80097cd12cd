//! The known name that was probably meant by an unknown one.

/// From here on two names resemble each other.
const LIKE: f64 = 0.75;

pub fn nearest(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    let likeness = |name: &&&'static str| (strsim::jaro_winkler(unknown, name) * 1000.0) as u32;
    known.iter().max_by_key(likeness).copied().filter(|name| strsim::jaro_winkler(unknown, name) > LIKE)
}
