//! How psk ends: the one list of its exit codes.

use crate::event::Interruption;

/// Makes the codes, the list of them and what each means from one table.
macro_rules! exit_codes {
    ($($(#[$about:meta])+ $name:ident = $code:literal => $meaning:literal,)+) => {
        /// psk's exit codes. They are part of its interface: scripts and pipelines match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Exit {
            $($(#[$about])+ $name = $code,)+
        }

        impl Exit {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What it says, in a few words.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)+
                }
            }
        }
    };
}

exit_codes! {
    /// What was asked for is done.
    Done = 0 => "done",
    /// Something that psk has no better word for went wrong.
    Unexpected = 1 => "something unexpected went wrong",
    /// The command line can't be understood.
    Usage = 2 => "the command line can't be understood",
    /// At least one cluster failed, or its role's proof could not be written: the role doesn't hold
    /// this release.
    ClustersFailed = 10 => "at least one cluster failed, or the role's proof could not be written",
    /// The gate refused the run before anything was changed.
    Refused = 11 => "refused by the gate",
    /// The inventory, or a reference in it, is invalid.
    InvalidInventory = 12 => "the inventory, or a reference in it, is invalid",
    /// A saved plan no longer says what would be done.
    StalePlan = 13 => "the saved plan is stale",
    /// Changes are pending (`plan --detailed-exitcode`, `drift`).
    ChangesPending = 20 => "changes are pending",
    /// Cancelled by SIGINT.
    Sigint = 130 => "cancelled by SIGINT",
    /// Cancelled by SIGTERM.
    Sigterm = 143 => "cancelled by SIGTERM",
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Interruption> for Exit {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Sigint => Self::Sigint,
            Interruption::Sigterm => Self::Sigterm,
        }
    }
}
