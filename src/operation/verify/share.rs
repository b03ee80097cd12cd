//! How much a sample is.

use std::fmt;

/// Of everything, in millionths; neither none nor more than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u32);

const ALL: u32 = 1_000_000;

impl Share {
    pub fn of_percent(percent: f64) -> Option<Share> {
        let millionths = (percent * f64::from(ALL) / 100.0).round();
        (1.0..=f64::from(ALL)).contains(&millionths).then_some(Share(millionths as u32))
    }

    /// Rounded up.
    pub fn of(self, all: u64) -> u64 {
        (u128::from(all) * u128::from(self.0)).div_ceil(u128::from(ALL)) as u64
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) * 100.0 / f64::from(ALL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_a_hundred() {
        let share = |percent| Share::of_percent(percent);
        assert_eq!(share(5.0).map(|share| (share.to_string(), share.of(101))), Some(("5%".to_owned(), 6)));
        assert_eq!(share(100.0).map(|share| share.of(u64::MAX)), Some(u64::MAX));
        assert_eq!(share(0.5).map(|share| share.to_string()), Some("0.5%".to_owned()));
        for wrong in [0.0, -1.0, 100.1, 1e-9, f64::NAN, f64::INFINITY] {
            assert_eq!(share(wrong), None, "{wrong}");
        }
    }
}
