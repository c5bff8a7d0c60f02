//! Which cluster goes when. Pure: the same clusters, options and order give the same schedule.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::rollout::{Mode, Rollout};
use super::words;
use crate::event::ClusterRef;

/// The clusters of a run in the order in which they are started, cut into waves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    rollout: Rollout,
    order: Order,
    clusters: Vec<ClusterRef>,
    waves: Vec<Wave>,
}

/// Clusters that may be under way together. A wave begins when every cluster of the one before it
/// has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// Every cluster of this wave must succeed before the next wave begins.
    pub canary: bool,
    /// The listed region whose clusters these are; `None` for clusters of regions that aren't.
    pub region: Option<String>,
    /// Where the wave's clusters stand in [`Schedule::clusters`].
    pub clusters: Range<usize>,
}

/// The order of clusters between which the rollout options make no difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// By name.
    #[default]
    ByName,
    /// By the SHA-256 of the seed (eight bytes, big-endian) followed by the name: for one seed
    /// always the same, on every machine and in every version, and a cluster that joins or leaves
    /// doesn't change the order of the others.
    Shuffled {
        /// Another seed is another order.
        seed: u64,
    },
}

impl Order {
    /// What clusters are compared by.
    fn key(self, name: &str) -> (Option<[u8; 32]>, &str) {
        let digest = match self {
            Self::ByName => None,
            Self::Shuffled { seed } => Some(
                Sha256::new()
                    .chain_update(seed.to_be_bytes())
                    .chain_update(name)
                    .finalize()
                    .into(),
            ),
        };
        (digest, name)
    }
}

impl Schedule {
    /// Puts the clusters in order: by listed region, then by `order`. The first of them are the
    /// canaries, so that these too keep to the order of regions.
    pub fn new(mut clusters: Vec<ClusterRef>, rollout: Rollout, order: Order) -> Self {
        let position = |cluster: &ClusterRef| {
            rollout
                .region_order
                .iter()
                .position(|region| *region == cluster.region)
        };
        clusters.sort_by(|a, b| {
            let rank = |cluster| position(cluster).unwrap_or(usize::MAX);
            rank(a)
                .cmp(&rank(b))
                .then_with(|| order.key(&a.name).cmp(&order.key(&b.name)))
        });

        let mut waves: Vec<Wave> = Vec::new();
        for (index, cluster) in clusters.iter().enumerate() {
            let canary = index < rollout.canary;
            let region = position(cluster).map(|_| cluster.region.clone());
            match waves.last_mut() {
                Some(wave) if wave.canary == canary && wave.region == region => {
                    wave.clusters.end = index + 1;
                }
                _ => waves.push(Wave {
                    canary,
                    region,
                    clusters: index..index + 1,
                }),
            }
        }
        Self {
            rollout,
            order,
            clusters,
            waves,
        }
    }

    /// Every cluster, in the order in which they are started.
    pub fn clusters(&self) -> &[ClusterRef] {
        &self.clusters
    }

    /// The waves, in the order in which they begin. None is empty.
    pub fn waves(&self) -> &[Wave] {
        &self.waves
    }

    /// The options that the schedule was made with.
    pub fn rollout(&self) -> &Rollout {
        &self.rollout
    }

    /// The effective schedule in words, a line each.
    pub fn describe(&self) -> Vec<String> {
        if self.clusters.is_empty() {
            return vec!["no clusters: nothing to do".to_owned()];
        }
        let mut lines: Vec<String> = (0..self.waves.len())
            .map(|index| self.describe_wave(index))
            .collect();
        lines.extend(self.describe_strict());
        lines.extend(self.describe_tolerance());
        if let Order::Shuffled { seed } = self.order {
            lines.push(format!("order: shuffled with seed {seed}"));
        }
        lines
    }

    fn describe_wave(&self, index: usize) -> String {
        let wave = &self.waves[index];
        let then = if index == 0 { "" } else { "then " };
        let size = wave.clusters.len();
        let pace = match self.rollout.width(0).min(size) {
            _ if size == 1 => String::new(),
            1 => ", one at a time".to_owned(),
            width if width == size => ", all at once".to_owned(),
            width => format!(", {width} at once"),
        };
        if wave.canary {
            let names: Vec<&str> = self.clusters[wave.clusters.clone()]
                .iter()
                .map(|cluster| cluster.name.as_str())
                .collect();
            let noun = if size == 1 { "canary" } else { "canaries" };
            let condition = if index + 1 < self.waves.len() {
                "; must succeed before the rest starts"
            } else {
                ""
            };
            return format!("{then}{noun}: {}{pace}{condition}", words::list(&names));
        }
        let place = match &wave.region {
            Some(region) => format!("{region}: "),
            None if self.rollout.region_order.is_empty() => String::new(),
            None => "other regions: ".to_owned(),
        };
        format!("{then}{place}{}{pace}", words::count(size, "cluster"))
    }

    fn describe_strict(&self) -> Option<String> {
        let tolerance = self.rollout.failure_tolerance;
        (self.rollout.mode == Mode::Strict && tolerance < self.clusters.len()).then(|| {
            format!(
                "strict: starts {} wide, narrows with failures; at most {} can fail",
                self.rollout.width(0).min(self.clusters.len()),
                words::count(tolerance + 1, "cluster"),
            )
        })
    }

    /// Nothing where every cluster starts at once: then no failure can keep one from starting.
    fn describe_tolerance(&self) -> Option<String> {
        if self.waves.len() == 1 && self.rollout.width(0) >= self.clusters.len() {
            return None;
        }
        let tolerance = self.rollout.failure_tolerance;
        Some(if tolerance < self.clusters.len() {
            format!(
                "nothing new starts after {}",
                words::count(tolerance + 1, "failure")
            )
        } else {
            "goes on whatever the number of failures".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name@region`, separated by blanks.
    fn clusters(list: &str) -> Vec<ClusterRef> {
        list.split_whitespace()
            .map(|entry| {
                let (name, region) = entry.split_once('@').unwrap();
                ClusterRef {
                    name: name.into(),
                    region: region.into(),
                    account: "111122223333".into(),
                }
            })
            .collect()
    }

    fn regions(list: &[&str]) -> Vec<String> {
        list.iter().map(|&region| region.into()).collect()
    }

    /// The waves as `a b | c d`, canaries with a `!`.
    fn waves(schedule: &Schedule) -> String {
        let wave = |wave: &Wave| {
            let mark = if wave.canary { "!" } else { "" };
            let names: Vec<String> = schedule.clusters()[wave.clusters.clone()]
                .iter()
                .map(|cluster| format!("{}{mark}", cluster.name))
                .collect();
            names.join(" ")
        };
        let waves: Vec<String> = schedule.waves().iter().map(wave).collect();
        waves.join(" | ")
    }

    const FLEET: &str = "d@us-west-2 b@us-east-1 a@eu-west-1 c@us-east-1 e@ap-southeast-2";

    #[test]
    fn by_default_all_clusters_go_at_once_in_the_order_of_their_names() {
        let schedule = Schedule::new(clusters(FLEET), Rollout::default(), Order::ByName);
        assert_eq!(waves(&schedule), "a b c d e");
        assert_eq!(schedule.describe(), ["5 clusters, all at once",]);
    }

    #[test]
    fn what_a_failure_keeps_from_starting_is_told_only_where_there_is_such_a_thing() {
        let told = |list, max_concurrent| {
            let rollout = Rollout {
                max_concurrent,
                ..Rollout::default()
            };
            Schedule::new(clusters(list), rollout, Order::ByName).describe()
        };
        assert_eq!(told("a@eu-west-1", 1), ["1 cluster"]);
        assert_eq!(
            told("a@eu-west-1 b@eu-west-1", 2),
            ["2 clusters, all at once"]
        );
        assert_eq!(
            told("a@eu-west-1 b@eu-west-1", 1),
            [
                "2 clusters, one at a time",
                "nothing new starts after 1 failure"
            ]
        );
    }

    #[test]
    fn listed_regions_go_one_after_the_other_and_the_others_together_at_the_end() {
        let rollout = Rollout {
            max_concurrent: 2,
            failure_tolerance: 1,
            region_order: regions(&["us-east-1", "eu-central-1", "eu-west-1"]),
            ..Rollout::default()
        };
        let schedule = Schedule::new(clusters(FLEET), rollout, Order::ByName);
        assert_eq!(waves(&schedule), "b c | a | d e");
        assert_eq!(
            schedule.describe(),
            [
                "us-east-1: 2 clusters, all at once",
                "then eu-west-1: 1 cluster",
                "then other regions: 2 clusters, all at once",
                "nothing new starts after 2 failures",
            ]
        );
    }

    #[test]
    fn the_canary_comes_out_of_the_first_region() {
        let rollout = Rollout {
            max_concurrent: 3,
            canary: 1,
            region_order: regions(&["us-east-1"]),
            ..Rollout::default()
        };
        let schedule = Schedule::new(clusters(FLEET), rollout, Order::ByName);
        assert_eq!(waves(&schedule), "b! | c | a d e");
        assert_eq!(
            schedule.describe(),
            [
                "canary: b; must succeed before the rest starts",
                "then us-east-1: 1 cluster",
                "then other regions: 3 clusters, all at once",
                "nothing new starts after 1 failure",
            ]
        );
    }

    #[test]
    fn canaries_of_two_regions_keep_to_the_order_of_regions() {
        let rollout = Rollout {
            canary: 3,
            region_order: regions(&["us-east-1"]),
            ..Rollout::default()
        };
        let schedule = Schedule::new(clusters(FLEET), rollout, Order::ByName);
        assert_eq!(waves(&schedule), "b! c! | a! | d e");
        assert_eq!(
            schedule.describe(),
            [
                "canaries: b and c, all at once; must succeed before the rest starts",
                "then canary: a; must succeed before the rest starts",
                "then other regions: 2 clusters, all at once",
                "nothing new starts after 1 failure",
            ]
        );
    }

    #[test]
    fn more_canaries_than_clusters_make_every_cluster_a_canary() {
        let rollout = Rollout {
            max_concurrent: 2,
            canary: 9,
            ..Rollout::default()
        };
        let schedule = Schedule::new(clusters(FLEET), rollout, Order::ByName);
        assert_eq!(waves(&schedule), "a! b! c! d! e!");
        assert_eq!(
            schedule.describe(),
            [
                "canaries: a, b, c and 2 more, 2 at once",
                "nothing new starts after 1 failure",
            ]
        );
    }

    #[test]
    fn strict_says_how_wide_it_starts_and_how_many_can_fail() {
        let rollout = Rollout {
            mode: Mode::Strict,
            ..Rollout::default()
        };
        let schedule = Schedule::new(clusters(FLEET), rollout, Order::ByName);
        assert_eq!(
            schedule.describe(),
            [
                "5 clusters, one at a time",
                "strict: starts 1 wide, narrows with failures; at most 1 cluster can fail",
                "nothing new starts after 1 failure",
            ]
        );
    }

    // A tolerance of 100 % comes out as the number of clusters.
    #[test]
    fn a_tolerance_of_all_clusters_never_stops_the_run() {
        let rollout = Rollout {
            max_concurrent: 2,
            failure_tolerance: 5,
            mode: Mode::Strict,
            ..Rollout::default()
        };
        let schedule = Schedule::new(clusters(FLEET), rollout, Order::ByName);
        assert_eq!(
            schedule.describe(),
            [
                "5 clusters, 2 at once",
                "goes on whatever the number of failures"
            ]
        );
    }

    #[test]
    fn no_clusters_are_said_to_be_none() {
        let rollout = Rollout {
            canary: 1,
            ..Rollout::default()
        };
        let schedule = Schedule::new(Vec::new(), rollout, Order::ByName);
        assert!(schedule.waves().is_empty());
        assert_eq!(schedule.describe(), ["no clusters: nothing to do"]);
    }

    // Written down, so that no change of code or library can change the order of a seed unnoticed.
    #[test]
    fn a_seed_is_one_order_for_ever() {
        let shuffled = |seed| {
            let order = Order::Shuffled { seed };
            waves(&Schedule::new(clusters(FLEET), Rollout::default(), order))
        };
        assert_eq!(shuffled(1), "a c e b d");
        assert_eq!(shuffled(2), "b a d c e");
    }

    #[test]
    fn a_seed_is_named_and_keeps_to_the_order_of_regions() {
        let rollout = Rollout {
            region_order: regions(&["us-east-1"]),
            ..Rollout::default()
        };
        let schedule = Schedule::new(clusters(FLEET), rollout, Order::Shuffled { seed: 7 });
        assert_eq!(schedule.waves()[0].clusters, 0..2);
        assert_eq!(schedule.clusters()[0].region, "us-east-1");
        assert_eq!(schedule.clusters()[1].region, "us-east-1");
        assert_eq!(
            schedule.describe().last().map(String::as_str),
            Some("order: shuffled with seed 7")
        );
    }

    #[test]
    fn a_cluster_that_leaves_does_not_change_the_order_of_the_others() {
        let order = Order::Shuffled { seed: 3 };
        let whole = Schedule::new(clusters(FLEET), Rollout::default(), order);
        for gone in clusters(FLEET) {
            let mut expected = whole.clusters().to_vec();
            expected.retain(|cluster| *cluster != gone);
            let mut fewer = clusters(FLEET);
            fewer.retain(|cluster| *cluster != gone);
            let schedule = Schedule::new(fewer, Rollout::default(), order);
            assert_eq!(schedule.clusters(), expected);
        }
    }
}
