//! Which checks a command runs.

use super::Error;
use crate::verify::{CHECKS, Chosen};

/// Which checks are run.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Run only this check; may be given more than once.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Don't run this check; may be given more than once.
    #[arg(long, value_name = "NAME")]
    skip: Vec<String>,
}

impl CheckArgs {
    /// The checks that are asked for, each of which there is.
    pub(super) fn chosen(self) -> Result<Chosen, Error> {
        let chosen = Chosen {
            only: self.only,
            skip: self.skip,
        };
        if let [first, ..] = chosen.unknown()[..] {
            let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
            return Err(Error::usage(
                format!("there is no check {first:?}"),
                format!("the checks are {}", names.join(", ")),
            ));
        }
        Ok(chosen)
    }
}
