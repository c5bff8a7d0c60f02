//! `psk.yaml`: what holds for the pipeline as a whole, out of reach of a role's own file.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::choice::choice;
use super::decode::{Decode, Decoder, mapping, scalar};
use super::node::Node;
use super::parse::parse;
use super::problem::{Problem, Problems};
use super::reference::{Reference, ReferenceUse};
use super::repository::RepositoryName;
use super::resolve::Cluster;
use super::schedule::CronExpression;
use super::source::{Location, Source};
use super::template::{Engine, Known, Taint, outside_templates, references};
use super::window::Freeze;

/// What holds for the pipeline as a whole.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Pipeline {
    /// The pipeline's name, which everything that it makes is tagged with.
    #[schemars(default = "default_name")]
    pub name: String,
    /// The repository on GitHub whose commit statuses count; by default the CI job's or the checkout's.
    pub repository: Option<RepositoryName>,
    /// Where each cluster's outputs go.
    pub outputs: Option<Outputs>,
    /// How commit statuses are written.
    #[schemars(default)]
    pub statuses: Statuses,
    /// What a release has to show before a role may get it.
    #[schemars(default)]
    pub promotion: Promotion,
    /// Who is told of rollouts.
    #[schemars(default)]
    pub notify: Notify,
    /// When a tag becomes a release on GitHub.
    pub release: Option<ReleaseSettings>,
    /// What runs by the clock.
    #[schemars(default)]
    pub schedules: Schedules,
}

/// Where each cluster's outputs go.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The 1Password vault's name.
    pub vault: String,
    /// The item's title; a template with `cluster`, `role`, `region` and `account` in scope.
    #[schemars(with = "String")]
    pub item: ItemTitle,
}

/// The title of the item that a cluster's outputs go to.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemTitle {
    template: String,
    at: Location,
}

/// How commit statuses are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Statuses {
    /// What every status's context begins with.
    pub prefix: String,
    /// What gets a status of its own.
    pub per: StatusPer,
}

impl Default for Statuses {
    fn default() -> Self {
        Self {
            prefix: "psk".to_owned(),
            per: StatusPer::Auto,
        }
    }
}

choice! {
    /// What gets a commit status of its own.
    pub enum StatusPer {
        /// Each cluster as long as GitHub's limits leave room for it, each role always.
        Auto = "auto",
        /// Each cluster and each role.
        Cluster = "cluster",
        /// Each role.
        Role = "role",
    }
}

/// What a release has to show before a role may get it.
#[derive(Debug, Clone, Default, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Promotion {
    /// The GitHub logins whose statuses count as proofs; by default the run's own.
    pub trusted_creators: Vec<String>,
    /// Where the key is that proofs are signed with: `{{ op://… }}`.
    #[schemars(schema_with = "super::schema::reference")]
    pub signing_key: Option<Reference>,
    /// Stretches of time in which nothing is rolled out.
    pub freeze: Vec<Freeze>,
}

/// Who is told of rollouts.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Notify {
    /// The Slack channel.
    pub slack_channel: Option<String>,
    /// Where the token is that psk posts with: `{{ op://… }}`.
    #[schemars(schema_with = "super::schema::reference")]
    pub slack_token: Option<Reference>,
}

/// When a tag becomes a release on GitHub, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ReleaseSettings {
    /// The role that has to hold the tag.
    pub role: String,
    /// The file that the release's notes are in, relative to the inventory's root.
    #[schemars(default = "default_notes")]
    pub notes: String,
}

fn default_notes() -> String {
    "release.md".to_owned()
}

/// What runs by the clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub struct Schedules {
    /// When every cluster is verified.
    pub verify: Option<CronExpression>,
    /// When every cluster is compared with its settings.
    pub drift: Option<CronExpression>,
}

fn default_name() -> String {
    "psk".to_owned()
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            name: default_name(),
            repository: None,
            outputs: None,
            statuses: Statuses::default(),
            promotion: Promotion::default(),
            notify: Notify::default(),
            release: None,
            schedules: Schedules::default(),
        }
    }
}

/// `psk.yaml` as it was read.
pub(crate) struct PipelineFile {
    pub(crate) pipeline: Pipeline,
    pub(crate) references: Vec<ReferenceUse>,
    /// Every role that a freeze names, and where.
    pub(crate) frozen: Vec<(String, Location)>,
    /// The role whose holding makes a release, and where it is named.
    pub(crate) released: Option<(String, Location)>,
}

/// Reads `psk.yaml`.
pub(crate) fn read(source: &Arc<Source>, problems: &mut Vec<Problem>) -> Option<PipelineFile> {
    let map = parse(source, problems)?;
    let at = source.beginning();
    let mut decoder = Decoder::new(&map, &at, "the pipeline", "", problems);
    let name = decoder.or("name", default_name());
    let repository = decoder.optional("repository");
    let outputs = decoder.optional("outputs");
    let statuses = decoder.or("statuses", Statuses::default());
    let promotion_node = decoder.node("promotion");
    let promotion = decoder.or("promotion", Promotion::default());
    let notify = decoder.or("notify", Notify::default());
    let notify_node = decoder.node("notify");
    let release_node = decoder.node("release");
    let release = decoder.optional::<ReleaseSettings>("release");
    let schedules = decoder.or("schedules", Schedules::default());
    decoder.finish();
    let released = release_node
        .and_then(|node| mapping(node, "", &mut Vec::new())?.get("role"))
        .and_then(|entry| {
            let scalar = scalar(&entry.node, "", &mut Vec::new())?;
            Some((scalar.text.clone(), entry.node.at.clone()))
        });
    let frozen = promotion_node.map(frozen_roles).unwrap_or_default();
    let mut references = Vec::new();
    for (node, key) in [
        (promotion_node, "signing_key"),
        (notify_node, "slack_token"),
    ] {
        references.extend(node.and_then(|node| reference_use(node, key)));
    }
    let pipeline = Pipeline {
        name: name?,
        repository: repository?,
        outputs: outputs?,
        statuses: statuses?,
        promotion: promotion?,
        notify: notify?,
        release: release?,
        schedules: schedules?,
    };
    Some(PipelineFile {
        pipeline,
        references,
        frozen,
        released,
    })
}

fn reference_use(section: &Node, key: &str) -> Option<ReferenceUse> {
    let map = mapping(section, "", &mut Vec::new())?;
    let node = &map.get(key)?.node;
    let SecretAt(reference) = SecretAt::decode(node, key, &mut Vec::new())?;
    Some(ReferenceUse {
        reference,
        settings: [key.to_owned()].into(),
        used_at: [node.at.clone()].into(),
    })
}

fn frozen_roles(promotion: &Node) -> Vec<(String, Location)> {
    let mut roles = Vec::new();
    let freezes = mapping(promotion, "", &mut Vec::new()).and_then(|map| map.get("freeze"));
    let Some(super::node::Value::List(freezes)) = freezes.map(|entry| &entry.node.value) else {
        return roles;
    };
    for freeze in freezes {
        let named = mapping(freeze, "", &mut Vec::new()).and_then(|map| map.get("roles"));
        if let Some(entry) = named {
            entry
                .node
                .scalars(&mut |at, role| roles.push((role.text.clone(), at.clone())));
        }
    }
    roles
}

impl Decode for Outputs {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let vault = decoder.required("vault");
        let item = decoder.required("item");
        decoder.finish();
        Some(Self {
            vault: vault?,
            item: item?,
        })
    }
}

impl Decode for ItemTitle {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let template = String::decode(node, path, problems)?;
        let title = Self {
            template,
            at: node.at.clone(),
        };
        if !references(&title.template).is_empty() {
            let message =
                format!("{path} can't hold a reference: everyone can read an item's title");
            problems.push(Problem::at(&node.at, message));
            return None;
        }
        // The words stand for any cluster's: a template that takes them takes others.
        let sample = ["cluster", "role", "region", "account"].map(|name| (name, name));
        title.render(sample, problems).map(|_| title)
    }
}

impl ItemTitle {
    /// The item's title for one cluster.
    ///
    /// # Errors
    /// If the template can't take the cluster's values.
    pub fn for_cluster(&self, cluster: &Cluster) -> Result<String, Problems> {
        let mut problems = Vec::new();
        let scope = [
            ("cluster", cluster.name.as_str()),
            ("role", cluster.role.as_str()),
            ("region", cluster.region.as_str()),
            ("account", cluster.account.as_str()),
        ];
        let title = self.render(scope, &mut problems).unwrap_or_default();
        Problems::none_or(problems, title)
    }

    fn render(&self, scope: [(&str, &str); 4], problems: &mut Vec<Problem>) -> Option<String> {
        let scope: BTreeMap<String, minijinja::Value> = scope
            .map(|(name, value)| (name.to_owned(), minijinja::Value::from(value)))
            .into();
        let written = (&self.at, self.template.as_str());
        let (title, _) =
            Engine::new().render(written, &scope, &Known::new(), Taint::default(), problems)?;
        Some(title)
    }
}

impl Decode for Statuses {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let default = Self::default();
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let prefix = decoder.or("prefix", default.prefix);
        let per = decoder.or("per", default.per);
        decoder.finish();
        Some(Self {
            prefix: prefix?,
            per: per?,
        })
    }
}

impl Decode for Promotion {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let trusted_creators = decoder.or("trusted_creators", Vec::new());
        let signing_key = decoder.optional::<SecretAt>("signing_key");
        let freeze = decoder.or("freeze", Vec::new());
        decoder.finish();
        Some(Self {
            trusted_creators: trusted_creators?,
            signing_key: signing_key?.map(|SecretAt(reference)| reference),
            freeze: freeze?,
        })
    }
}

impl Decode for Notify {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let slack_channel = decoder.optional::<String>("slack_channel");
        let slack_token = decoder.optional::<SecretAt>("slack_token");
        if let (Some(channel), Some(token)) = (&slack_channel, &slack_token)
            && channel.is_some() != token.is_some()
        {
            let message = format!("{path} needs both slack_channel and slack_token");
            decoder.problem(Problem::at(&node.at, message));
        }
        decoder.finish();
        Some(Self {
            slack_channel: slack_channel?,
            slack_token: slack_token?.map(|SecretAt(reference)| reference),
        })
    }
}

impl Decode for ReleaseSettings {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let role = decoder.required("role");
        let notes = decoder.or("notes", default_notes());
        decoder.finish();
        Some(Self {
            role: role?,
            notes: notes?,
        })
    }
}

impl Decode for Schedules {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let map = mapping(node, path, problems)?;
        let mut decoder = Decoder::new(map, &node.at, path, path, problems);
        let verify = decoder.optional("verify");
        let drift = decoder.optional("drift");
        decoder.finish();
        Some(Self {
            verify: verify?,
            drift: drift?,
        })
    }
}

/// A secret that is only ever given by reference.
struct SecretAt(Reference);

impl Decode for SecretAt {
    fn decode(node: &Node, path: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        let scalar = scalar(node, path, problems)?;
        let mut found = references(&scalar.text).into_iter();
        if let (Some((_, reference)), None) = (found.next(), found.next())
            && outside_templates(&scalar.text).trim().is_empty()
        {
            return Some(Self(reference));
        }
        let message = format!("{path} is not one reference to a vault");
        let help = "a secret must not be written here: use \"{{ op://vault/item/field }}\"";
        problems.push(Problem::at(&node.at, message).help(help));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(text: &str) -> Result<PipelineFile, Vec<String>> {
        let mut problems = Vec::new();
        match read(&Source::new("psk.yaml", text), &mut problems) {
            Some(file) if problems.is_empty() => Ok(file),
            _ => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn everything_may_be_left_out() {
        assert_eq!(pipeline("").unwrap().pipeline, Pipeline::default());
    }

    #[test]
    fn the_whole_file_is_read() {
        let file = pipeline(
            "name: base\noutputs: { vault: v, item: \"psk-aws-{{ cluster }}\" }\n\
             statuses: { prefix: x, per: role }\npromotion:\n  trusted_creators: [\"a[bot]\"]\n  \
             signing_key: \"{{ op://v/i/key }}\"\n  freeze:\n  - { from: 2026-12-20T00:00:00Z, \
             to: 2027-01-02T00:00:00Z, reason: holidays, roles: [prod] }\n\
             notify: { slack_channel: c, slack_token: \"{{op://v/i/token}}\" }\n\
             release: { role: prod }\n\
             schedules: { verify: \"0 1 * * SUN\", drift: \"0 2 * * *\" }\n",
        )
        .unwrap();
        let release = file.pipeline.release.unwrap();
        assert_eq!(
            (release.role.as_str(), release.notes.as_str()),
            ("prod", "release.md")
        );
        assert_eq!(file.released.unwrap().0, "prod");
        let used: Vec<String> = file
            .references
            .iter()
            .map(|used| used.reference.to_string())
            .collect();
        assert_eq!(used, ["op://v/i/key", "op://v/i/token"]);
        assert_eq!(file.frozen.len(), 1);
        assert_eq!(file.pipeline.statuses.per, StatusPer::Role);
        assert_eq!(file.pipeline.schedules.drift.unwrap().as_str(), "0 2 * * *");
    }

    #[test]
    fn a_secret_may_only_be_a_reference_and_is_never_repeated() {
        let problems = pipeline(
            "promotion: { signing_key: canary }\n\
             notify: { slack_channel: c, slack_token: \"canary{{ op://v/i/f }}\" }\n",
        )
        .err()
        .unwrap();
        assert_eq!(
            problems,
            [
                "psk.yaml:1:27: promotion.signing_key is not one reference to a vault (a secret \
                 must not be written here: use \"{{ op://vault/item/field }}\")",
                "psk.yaml:2:42: notify.slack_token is not one reference to a vault (a secret \
                 must not be written here: use \"{{ op://vault/item/field }}\")",
            ]
        );
    }

    #[test]
    fn bad_values_are_told_together() {
        let problems = pipeline(
            "outputs: { item: \"{{ clutser }}\" }\nstatuses: { per: all }\n\
             notify: { slack_channel: c }\nschedules: { verify: daily }\npromotions: {}\n",
        )
        .err()
        .unwrap();
        assert_eq!(
            problems,
            [
                "psk.yaml:1:22: the template names \"clutser\", which is not set \
                 (did you mean \"cluster\"?)",
                "psk.yaml:1:10: outputs has no outputs.vault",
                "psk.yaml:2:18: statuses.per: \"all\" is not one of auto, cluster, role",
                "psk.yaml:3:9: notify needs both slack_channel and slack_token",
                "psk.yaml:4:22: schedules.verify: \"daily\" doesn't have cron's five fields \
                 (minute, hour, day of the month, month, day of the week)",
                "psk.yaml:5:1: unknown key \"promotions\" (did you mean \"promotion\"?)",
            ]
        );
    }
}
