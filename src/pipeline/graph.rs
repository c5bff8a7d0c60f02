//! The promotion graph as jobs: what a pipeline runs, in which order. Both CI systems are given this one graph.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;

use super::shard::Shard;
use crate::inventory::{Approval, Inventory, Role, Trigger};

/// A soak that is longer isn't waited for by a job, which a runner would have to be there for: somebody starts it again
/// when the time has come, or approves it then.
const LONGEST_SOAK: Duration = Duration::from_secs(2 * 3600);
/// So much longer than the soak a job waits at most.
const SLACK: Duration = Duration::from_secs(15 * 60);

/// How a role's rollout is cut into jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// One job for the role.
    Role,
    /// One job for each cluster, and one that seals the role.
    Cluster,
    /// This many jobs, each with a stable part of the clusters, and one that seals the role. A role with fewer
    /// clusters has fewer.
    Shards(usize),
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Tells what would change.
    Plan,
    /// Waits for a person.
    Approve,
    /// Plans, applies and verifies; where its plan was approved, applies that one.
    Deploy,
    /// Makes the role's proof, once all its parts are proven.
    Seal,
    /// Verifies what runs.
    Verify,
    /// Compares what runs with its settings.
    Drift,
}

impl Task {
    /// The word for it, which its jobs' names begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Approve => "approve",
            Self::Deploy => "deploy",
            Self::Seal => "seal",
            Self::Verify => "verify",
            Self::Drift => "drift",
        }
    }
}

/// Which part of its role a job is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// One cluster.
    Cluster(String),
    /// A stable part of its clusters.
    Shard(Shard),
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it does.
    pub task: Task,
    /// The role.
    pub role: String,
    /// The part of the role.
    pub part: Part,
    /// The file of the plan that it makes, or applies as it was approved; none where it plans for itself.
    pub plan: Option<String>,
    /// For how long it waits for its gate, where what comes before it has to soak.
    pub patience: Option<Duration>,
    /// The names of the jobs that have to succeed before it starts.
    pub requires: Vec<String>,
}

impl Job {
    /// Its name, unique in its graph (`deploy prod 2 of 3`): letters, digits, blanks and dashes.
    pub fn name(&self) -> String {
        self.to_string()
    }

    /// The command line that it is, without the program's name; `None` for one that only waits.
    pub fn arguments(&self) -> Option<Vec<String>> {
        let words = self.command()?.split(' ').map(str::to_owned);
        let mut arguments: Vec<String> = words.collect();
        if let (Task::Deploy, Some(plan)) = (self.task, &self.plan) {
            arguments.push(plan.clone());
        }
        arguments.extend(["--role".to_owned(), self.role.clone()]);
        if let (Task::Plan, Some(plan)) = (self.task, &self.plan) {
            arguments.extend(["--out".to_owned(), plan.clone()]);
        }
        arguments.extend(self.further_arguments());
        Some(arguments)
    }

    /// The command that it is; `None` for one that only waits.
    pub fn command(&self) -> Option<&'static str> {
        Some(match self.task {
            Task::Plan => "plan",
            Task::Approve => return None,
            Task::Deploy if self.plan.is_some() => "apply",
            Task::Deploy => "fanout",
            Task::Seal => "promote seal",
            Task::Verify => "verify",
            Task::Drift => "drift",
        })
    }

    /// The arguments beside command, role and plan: which part of the role, how long to wait for its gate.
    pub fn further_arguments(&self) -> Vec<String> {
        let mut arguments = match &self.part {
            Part::Whole => Vec::new(),
            Part::Cluster(cluster) => vec!["--cluster".to_owned(), cluster.clone()],
            Part::Shard(shard) => vec!["--shard".to_owned(), shard.to_string()],
        };
        if let Some(patience) = self.patience {
            let minutes = patience.as_secs().div_ceil(60);
            arguments.extend(["--wait-for-gate".to_owned(), format!("{minutes}m")]);
        }
        arguments
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.task.word();
        match &self.part {
            Part::Whole => write!(f, "{word} {}", self.role),
            Part::Cluster(cluster) => write!(f, "{word} {cluster}"),
            Part::Shard(shard) => {
                write!(
                    f,
                    "{word} {} {} of {}",
                    self.role,
                    shard.number(),
                    shard.of()
                )
            }
        }
    }
}

/// Why a graph can't be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A job requires one that isn't there.
    #[error("{job:?} requires {required:?}, which is no job")]
    Missing {
        /// The job.
        job: String,
        /// What it requires.
        required: String,
    },
    /// Two jobs have one name.
    #[error("{0:?} is the name of two jobs")]
    Twice(String),
    /// Jobs require one another.
    #[error("{0:?} requires itself, through others or at once")]
    Cycle(String),
}

/// Jobs by name, and what each requires.
pub type Edges = BTreeMap<String, BTreeSet<String>>;

/// Checks that every required job is there and that none waits for itself.
///
/// # Errors
/// The first thing that is wrong.
pub fn check<'a>(jobs: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Result<(), Broken> {
    let jobs: Vec<_> = jobs.into_iter().collect();
    let mut graph = DiGraph::<&str, ()>::new();
    let mut nodes = BTreeMap::new();
    for (name, _) in &jobs {
        if nodes.insert(*name, graph.add_node(name)).is_some() {
            return Err(Broken::Twice((*name).to_owned()));
        }
    }
    for (name, requires) in &jobs {
        for required in requires {
            let (Some(from), Some(to)) = (nodes.get(required), nodes.get(name)) else {
                return Err(Broken::Missing {
                    job: (*name).to_owned(),
                    required: (*required).to_owned(),
                });
            };
            graph.add_edge(*from, *to, ());
        }
    }
    match toposort(&graph, None) {
        Ok(_) => Ok(()),
        Err(cycle) => Err(Broken::Cycle(graph[cycle.node_id()].to_owned())),
    }
}

/// The jobs of a release: those of every role that the trigger starts, in the order of promotion.
///
/// A role's jobs wait for those of the roles that it comes after. Roles that another trigger starts (sandbox,
/// before a tag's first) are no jobs here: psk's gate sees to them.
pub fn release(inventory: &Inventory, trigger: Trigger, per: Per) -> Vec<Job> {
    let mut last: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut jobs = Vec::new();
    // The inventory has its roles in promotion order.
    for role in inventory
        .roles()
        .iter()
        .filter(|role| role.trigger == trigger)
    {
        let before: Vec<String> = role
            .after
            .iter()
            .filter_map(|name| last.get(name.as_str()))
            .flatten()
            .cloned()
            .collect();
        let of_role = jobs_of(role, per, before);
        let ends = of_role.last().map(Job::name).into_iter().collect();
        last.insert(&role.name, ends);
        jobs.extend(of_role);
    }
    jobs
}

/// The jobs of one role. The last is the one that those of the next roles wait for.
fn jobs_of(role: &Role, per: Per, before: Vec<String>) -> Vec<Job> {
    let approved = role.approval == Approval::Required;
    let soak = role.rollout.soak;
    let patience = (!soak.is_zero() && soak <= LONGEST_SOAK).then(|| soak + SLACK);
    let plan = approved.then(|| format!("psk-plan/{}.json", role.name));
    let job = |task, part, requires| Job {
        task,
        role: role.name.clone(),
        part,
        plan: plan
            .clone()
            .filter(|_| matches!(task, Task::Plan | Task::Deploy)),
        patience: patience.filter(|_| task == Task::Deploy),
        requires,
    };
    let mut jobs = Vec::new();
    let mut before = before;
    if approved {
        let plan = job(Task::Plan, Part::Whole, before);
        let approve = job(Task::Approve, Part::Whole, vec![plan.name()]);
        before = vec![approve.name()];
        jobs.extend([plan, approve]);
    }
    let parts = parts(role, per);
    let deploys: Vec<Job> = parts
        .into_iter()
        .map(|part| job(Task::Deploy, part, before.clone()))
        .collect();
    let names = deploys.iter().map(Job::name).collect();
    let whole = deploys.iter().all(|deploy| deploy.part == Part::Whole);
    jobs.extend(deploys);
    if !whole {
        jobs.push(job(Task::Seal, Part::Whole, names));
    }
    jobs
}

fn parts(role: &Role, per: Per) -> Vec<Part> {
    match per {
        Per::Role => vec![Part::Whole],
        Per::Cluster if role.clusters.len() > 1 => role
            .clusters
            .iter()
            .map(|cluster| Part::Cluster(cluster.to_string()))
            .collect(),
        Per::Cluster => vec![Part::Whole],
        Per::Shards(wanted) => match Shard::all(wanted.min(role.clusters.len())) {
            shards if shards.len() > 1 => shards.into_iter().map(Part::Shard).collect(),
            _ => vec![Part::Whole],
        },
    }
}

/// The jobs of a schedule: one for every role, none of which waits for another.
pub fn nightly(inventory: &Inventory, task: Task) -> Vec<Job> {
    inventory
        .roles()
        .iter()
        .map(|role| Job {
            task,
            role: role.name.clone(),
            part: Part::Whole,
            plan: None,
            patience: None,
            requires: Vec::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Inventory {
        Inventory::load(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn told(jobs: &[Job]) -> String {
        jobs.iter()
            .map(|job| format!("{job} < {}\n", job.requires.join(", ")))
            .collect()
    }

    #[test]
    fn a_tag_goes_through_the_fork() {
        insta::assert_snapshot!(told(&release(&shipped(), Trigger::Tag, Per::Role)), @r"
        deploy qa < 
        plan mapi < deploy qa
        approve mapi < plan mapi
        deploy mapi < approve mapi
        deploy preview < deploy qa
        deploy nonprod < deploy preview
        plan prod < deploy nonprod
        approve prod < plan prod
        deploy prod < approve prod
        ");
        insta::assert_snapshot!(told(&release(&shipped(), Trigger::Push, Per::Role)), @"deploy sandbox < ");
    }

    #[test]
    fn a_large_tier_is_cut_and_sealed() {
        let jobs = release(&shipped(), Trigger::Tag, Per::Shards(3));
        let nonprod: Vec<String> = jobs
            .iter()
            .filter(|job| job.role == "nonprod")
            .map(|job| format!("{job} < {}", job.requires.join(", ")))
            .collect();
        assert_eq!(
            nonprod,
            [
                "deploy nonprod 1 of 3 < seal preview",
                "deploy nonprod 2 of 3 < seal preview",
                "deploy nonprod 3 of 3 < seal preview",
                "seal nonprod < deploy nonprod 1 of 3, deploy nonprod 2 of 3, deploy nonprod 3 of 3",
            ]
        );
        let qa = jobs.iter().filter(|job| job.role == "qa").count();
        assert_eq!(qa, 3, "two clusters make two shards and a seal");
        let jobs = release(&shipped(), Trigger::Push, Per::Shards(3));
        assert_eq!(
            told(&jobs),
            "deploy sandbox < \n",
            "one cluster needs no seal"
        );
        let jobs = release(&shipped(), Trigger::Tag, Per::Cluster);
        assert_eq!(
            jobs.iter().filter(|job| job.task == Task::Deploy).count(),
            20
        );
        let jobs = release(&shipped(), Trigger::Push, Per::Cluster);
        assert_eq!(told(&jobs), "deploy sandbox < \n");
    }

    #[test]
    fn what_was_approved_is_what_is_applied_part_by_part() {
        let jobs = release(&shipped(), Trigger::Tag, Per::Shards(2));
        let prod: Vec<String> = jobs
            .iter()
            .filter(|job| job.role == "prod")
            .filter_map(|job| Some(job.arguments()?.join(" ")))
            .collect();
        assert_eq!(
            prod,
            [
                "plan --role prod --out psk-plan/prod.json",
                "apply psk-plan/prod.json --role prod --shard 1/2",
                "apply psk-plan/prod.json --role prod --shard 2/2",
                "promote seal --role prod",
            ]
        );
    }

    #[test]
    fn every_graph_can_be_run() {
        for per in [
            Per::Role,
            Per::Cluster,
            Per::Shards(1),
            Per::Shards(4),
            Per::Shards(100),
        ] {
            for trigger in [Trigger::Push, Trigger::Tag] {
                let jobs = release(&shipped(), trigger, per);
                let names: Vec<String> = jobs.iter().map(Job::name).collect();
                let requires = jobs
                    .iter()
                    .map(|job| job.requires.iter().map(String::as_str).collect());
                check(names.iter().map(String::as_str).zip(requires)).unwrap();
            }
        }
    }

    #[test]
    fn what_can_not_be_run_is_told() {
        let broken = |jobs: &[(&'static str, &[&'static str])]| {
            check(
                jobs.iter()
                    .map(|(name, requires)| (*name, requires.to_vec())),
            )
            .unwrap_err()
            .to_string()
        };
        assert_eq!(
            broken(&[("a", &["b"])]),
            "\"a\" requires \"b\", which is no job"
        );
        assert_eq!(
            broken(&[("a", &[]), ("a", &[])]),
            "\"a\" is the name of two jobs"
        );
        assert!(
            broken(&[("a", &["b"]), ("b", &["a"])])
                .ends_with("requires itself, through others or at once")
        );
    }
}
