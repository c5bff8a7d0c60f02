//! How a role's clusters are gone through, in numbers that are already worked out.

/// The rollout options of one run. The default is everything at once, stopping at the first failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// How many clusters may be under way at once. A run always moves: 0 counts as 1.
    pub max_concurrent: usize,
    /// How many clusters may fail in the whole run; with one more, nothing new starts.
    pub failure_tolerance: usize,
    /// What failures do to the width.
    pub mode: Mode,
    /// How many clusters go first and must succeed before the others start.
    pub canary: usize,
    /// Regions whose clusters go before those of the regions after them; regions that aren't listed
    /// go last, together. Empty: regions don't matter.
    pub region_order: Vec<String>,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            max_concurrent: usize::MAX,
            failure_tolerance: 0,
            mode: Mode::Soft,
            canary: 0,
            region_order: Vec::new(),
        }
    }
}

impl Rollout {
    /// How many clusters may be under way at once when this many have failed. At least 1 as long as
    /// the tolerance isn't passed.
    pub fn width(&self, failures: usize) -> usize {
        let widest = self.max_concurrent.max(1);
        match self.mode {
            Mode::Soft => widest,
            Mode::Strict => {
                let may_still_fail = self
                    .failure_tolerance
                    .saturating_add(1)
                    .saturating_sub(failures);
                widest.min(may_still_fail)
            }
        }
    }
}

/// What failures do to the width, with the meaning that CloudFormation StackSets give the two words
/// (`ConcurrencyMode` in `StackSetOperationPreferences`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: the width stays, so clusters that are under way when the tolerance is passed may
    /// fail as well.
    #[default]
    Soft,
    /// No more clusters are under way than may still fail: tolerance + 1 at the start, one fewer
    /// with each failure. So never more than tolerance + 1 clusters fail.
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(max_concurrent: usize, failure_tolerance: usize, mode: Mode) -> Vec<usize> {
        let rollout = Rollout {
            max_concurrent,
            failure_tolerance,
            mode,
            ..Rollout::default()
        };
        (0..=failure_tolerance)
            .map(|failures| rollout.width(failures))
            .collect()
    }

    #[test]
    fn soft_keeps_its_width() {
        assert_eq!(widths(10, 3, Mode::Soft), [10, 10, 10, 10]);
    }

    // The numbers of the example in CloudFormation's user guide, "Concurrency Mode".
    #[test]
    fn strict_starts_at_tolerance_plus_one_and_loses_one_with_each_failure() {
        assert_eq!(widths(10, 5, Mode::Strict), [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn strict_is_never_wider_than_max_concurrent_and_never_stands_still() {
        assert_eq!(widths(2, 3, Mode::Strict), [2, 2, 2, 1]);
        assert_eq!(widths(10, 0, Mode::Strict), [1]);
    }

    #[test]
    fn a_width_of_zero_counts_as_one() {
        assert_eq!(widths(0, 0, Mode::Soft), [1]);
        assert_eq!(widths(0, 1, Mode::Strict), [1, 1]);
    }

    #[test]
    fn a_tolerance_beyond_all_numbers_is_no_overflow() {
        let rollout = Rollout {
            failure_tolerance: usize::MAX,
            mode: Mode::Strict,
            ..Rollout::default()
        };
        assert_eq!(rollout.width(0), usize::MAX);
    }
}
