//! circlepipe's own flags, every one of its settings by its name.

use clap::{Arg, ArgMatches, Command, FromArgMatches};

use super::{Context, Error};
use crate::pipeline::circlepipe::{Checkout, SETTINGS, Settings, SettingsSource};

const CONFIG: &str = "config";

/// circlepipe's flags: `--config`, and one for each setting.
#[derive(Debug)]
pub(super) struct CirclepipeArgs(SettingsSource);

impl CirclepipeArgs {
    /// The settings in effect, and what a person should know of them.
    pub(super) fn read(
        &self,
        context: &Context,
        checkout: &Checkout,
    ) -> Result<(Settings, Vec<String>), Error> {
        Ok(Settings::read(&self.0, &context.env, checkout)?)
    }
}

impl clap::Args for CirclepipeArgs {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .help("circlepipe's configuration file. Default: .circlepipe.yaml, if there is one")
            .help_heading("circlepipe's settings");
        SETTINGS
            .iter()
            .fold(command.arg(config), |command, setting| {
                let default = match setting.default {
                    "" => String::new(),
                    default => format!(" Default: {default}"),
                };
                let arg = Arg::new(setting.name)
                    .long(setting.name)
                    .help(format!("{}{default}", setting.about))
                    .help_heading("circlepipe's settings")
                    .hide_short_help(true);
                command.arg(if setting.is_flag {
                    // As circlepipe's own parser has it: --PipeIsPre, or --PipeIsPre=false.
                    arg.value_name("BOOL")
                        .num_args(0..=1)
                        .require_equals(true)
                        .default_missing_value("true")
                } else {
                    arg.value_name("TEXT")
                })
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for CirclepipeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &str| matches.get_one::<String>(name).cloned();
        let flags = SETTINGS
            .iter()
            .filter_map(|setting| Some((setting.name.to_owned(), given(setting.name)?)))
            .collect();
        Ok(Self(SettingsSource {
            flags,
            config: given(CONFIG),
        }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
