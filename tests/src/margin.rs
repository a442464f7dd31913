//! How far a cost may be from what was recorded of it.

/// Bounds on both sides of a budget, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Margin {
    /// A cost above it is a regression.
    pub(crate) above: u64,
    /// A cost below it makes the budget out of date.
    pub(crate) below: u64,
}

impl Margin {
    /// Of what a compiler makes of a program: what a patch release of it may change.
    pub(crate) const COMPILED: Self = Self {
        above: 2,
        below: 10,
    };

    /// Of what is known.
    pub(crate) const EXACT: Self = Self { above: 0, below: 0 };

    /// What a cost outside of the margin is off by, in a sentence; `what` names the unit.
    pub(crate) fn miss(self, cost: u64, what: &str, budget: u64) -> Option<String> {
        let (side, away, bound) = if 100 * cost > (100 + self.above) * budget {
            ("above", cost - budget, self.above)
        } else if 100 * cost < (100 - self.below) * budget {
            ("below", budget - cost, self.below)
        } else {
            return None;
        };
        Some(format!(
            "{cost} {what} are {away} {side} the budget of {budget} (at most {bound} % are allowed)"
        ))
    }
}
