//! The Slack channel that a fleet's rollouts are told in.

use crate::slack::{Bot, Channel};
use crate::world::World;

/// The bot's user.
const USER: &str = "U0PSKLAB001";
/// The channel's id, unless the channel is named by its id.
const CHANNEL: &str = "C0PSKLAB001";

/// A channel, and the token of a bot that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackSeed {
    /// The channel, by name or id.
    pub channel: String,
    /// The bot's token.
    pub token: String,
}

impl SlackSeed {
    /// Puts channel and bot into the workspace. What is there stays as it is.
    pub(super) fn fill(&self, world: &mut World) {
        let bot = Bot {
            user: USER.to_owned(),
        };
        let slack = &mut world.slack;
        slack.bots.entry(self.token.clone()).or_insert(bot);
        let name = self.channel.trim_start_matches('#');
        let is_it = |channel: &Channel| channel.name == name || channel.id == name;
        if slack.channels.iter().any(is_it) {
            return;
        }
        let is_id = name.starts_with('C')
            && name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
        slack.channels.push(Channel {
            id: if is_id { name } else { CHANNEL }.to_owned(),
            name: name.to_lowercase(),
            members: vec![USER.to_owned()],
            messages: Vec::new(),
        });
    }
}
