//! What a cluster is made with: the key that encrypts its secrets and the log group that its logs go
//! to.

use std::collections::BTreeMap;

use super::blueprint::Blueprint;
use crate::kms::{Alias, Key, KeyState, Rotation, default_policy};
use crate::logs::LogGroup;
use crate::{eks, kms, logs};

/// In days; KMS's own choice.
const ROTATION_PERIOD: u32 = 365;

/// Makes the key, rotating, with its alias.
pub(super) fn key(kms: &mut kms::Region, blueprint: &Blueprint<'_>) {
    let seed = blueprint.seed;
    let arn = eks::key_arn(seed);
    let id = arn.rsplit('/').next().unwrap_or_default().to_owned();
    let now = blueprint.made_at;
    let alias = Alias {
        key: id.clone(),
        created: now,
        updated: now,
    };
    let key = Key {
        id: id.clone(),
        arn,
        created: now,
        description: format!("Kubernetes secrets of {}", seed.name),
        state: KeyState::Enabled,
        policy: default_policy(&seed.account),
        rotation: Some(Rotation {
            period: ROTATION_PERIOD,
            since: now,
        }),
        grants: BTreeMap::new(),
        tags: blueprint.tags.clone(),
    };
    kms.aliases
        .insert(format!("alias/eks/{}", seed.name), alias);
    kms.keys.insert(id, key);
}

/// Makes the log group.
pub(super) fn log_group(logs: &mut logs::Region, blueprint: &Blueprint<'_>) {
    let seed = blueprint.seed;
    let name = format!("/aws/eks/{}/cluster", seed.name);
    let group = LogGroup {
        retention_days: Some(seed.log_retention_days).filter(|days| *days > 0),
        tags: blueprint.tags.clone(),
        ..LogGroup::new(&name, blueprint.made_at)
    };
    logs.groups.insert(name, group);
}
