//! Makes a world from a seed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    ClusterSeed, DEFAULT_HOME, Maker, Seed, accounts, foundation, identity, inside, instances,
    interruptions, network, pipeline, storage, terraform, vaults,
};
use crate::efs;
use crate::eks::{self, SeedError};
use crate::kubernetes::Inside;
use crate::world::World;

/// How long ago a seeded cluster was made.
const AGE: SignedDuration = SignedDuration::from_hours(45 * 24);

impl Seed {
    /// A new world with this fleet in it. `now` is real time; `entropy` is what its keys are
    /// drawn from, random unless a test wants the same ones again.
    ///
    /// # Errors
    /// If a cluster's settings ask for something that EKS doesn't have.
    pub fn build(&self, now: Timestamp, entropy: [u8; 32]) -> Result<World, SeedError> {
        let mut world = World::empty(now, entropy);
        self.extend(&mut world);

        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for cluster in &self.clusters {
            *sizes.entry(&cluster.role).or_default() += 1;
        }
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for cluster in &self.clusters {
            let place = places.entry(&cluster.role).or_default();
            let of = sizes
                .get(cluster.role.as_str())
                .copied()
                .unwrap_or_default();
            let maker = self.start.maker(*place, of);
            *place += 1;
            if let Some(maker) = maker {
                make(&mut world, cluster, maker, now)?;
            }
        }
        Ok(world)
    }

    /// Adds what the fleet takes for granted and a world lacks: accounts, roles, VPCs and vault
    /// items, but no cluster. What is there stays as it is.
    pub fn extend(&self, world: &mut World) {
        let home = self.home.as_deref().unwrap_or(DEFAULT_HOME);
        accounts::identity(world, home);
        accounts::ci(world, home);
        for cluster in &self.clusters {
            accounts::pipeline_role(world, cluster, home);
            network::vpc(world, cluster);
        }
        vaults::fill(world, &self.secrets);
        if let Some(slack) = &self.slack {
            slack.fill(world);
        }
        if let Some(repository) = &self.repository {
            repository.push(world);
        }
    }
}

/// Makes a cluster with everything around it, as if someone had made it some weeks ago.
fn make(
    world: &mut World,
    cluster: &ClusterSeed,
    maker: Maker,
    now: Timestamp,
) -> Result<(), SeedError> {
    let made_at = now.checked_sub(AGE).unwrap_or(now);
    let blueprint = match maker {
        Maker::Pipeline(condition) => pipeline::blueprint(cluster, condition, made_at),
        Maker::Terraform => terraform::blueprint(cluster, made_at),
    };
    let here = world.region(&cluster.account, &cluster.region);
    foundation::key(&mut here.kms, &blueprint);
    foundation::log_group(&mut here.logs, &blueprint);
    instances::launch_template(&mut here.ec2, &blueprint);
    let made = eks::seed(&mut here.eks, &here.ec2, &blueprint, now)?;
    eks::keep_security_groups(&here.eks, &mut here.ec2);
    instances::security_groups(&mut here.ec2, &blueprint, &made.security_group);
    let file_system = storage::make(&mut here.efs, &here.ec2, &blueprint, &made.security_group);
    efs::keep_interfaces(&here.efs, &mut here.ec2);
    let planted = inside::plant(cluster, maker, &file_system);
    here.kubernetes
        .insert(made.id.clone(), Inside::with(&made.id, planted));
    interruptions::queue(&mut here.sqs, &blueprint);
    interruptions::rules(&mut here.events, &blueprint);
    identity::make(world.iam(&cluster.account), &blueprint, &made.issuer);
    Ok(())
}
