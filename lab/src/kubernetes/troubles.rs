//! What goes wrong inside a cluster, for rehearsals.

use serde::{Deserialize, Serialize};

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What.
    pub of: Mishap,
    /// Part of the name of what it befalls; empty for any.
    pub name_contains: String,
    /// How often it happens yet; `None` for as long as it is there.
    pub times: Option<u32>,
}

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// A pod's containers end with this code as soon as they run.
    PodCrashes {
        /// The exit code.
        exit_code: i32,
        /// What they say before.
        log: String,
    },
    /// A pod's image can't be had.
    ImagePull,
    /// A pod finds no node.
    PodPending,
    /// A pod that was told to go stays.
    PodStuckTerminating,
    /// A node's kubelet has stopped telling of itself.
    NodeNotReady,
    /// A claim gets no volume.
    ClaimPending {
        /// What the provisioner says.
        message: String,
    },
    /// A volume doesn't grow.
    ResizeFails {
        /// What the provisioner says.
        message: String,
    },
    /// Nothing can be written to a claim's volume.
    VolumeReadOnly,
    /// A claim's volume has no room.
    VolumeFull,
    /// Pods that share a claim don't see one another's files.
    FilesNotShared,
    /// EC2 has no instances for a node claim.
    NoCapacity {
        /// What EC2 says.
        message: String,
    },
    /// A node claim's instance runs and never joins.
    NodeNeverJoins,
    /// Installing or upgrading a chart fails.
    ReleaseFails,
    /// Installing or upgrading a chart never ends.
    ReleasePending,
}

impl super::Inside {
    /// The trouble of some kind that befalls a thing of this name, if one does.
    pub(super) fn trouble(&self, name: &str, is: impl Fn(&Mishap) -> bool) -> Option<Mishap> {
        let befalls = |trouble: &&Trouble| {
            is(&trouble.of) && trouble.times != Some(0) && name.contains(&trouble.name_contains)
        };
        self.troubles.iter().find(befalls).map(|t| t.of.clone())
    }

    /// The same, and it has happened once more.
    pub(super) fn suffer(&mut self, name: &str, is: impl Fn(&Mishap) -> bool) -> Option<Mishap> {
        let befalls = |trouble: &&mut Trouble| {
            is(&trouble.of) && trouble.times != Some(0) && name.contains(&trouble.name_contains)
        };
        let trouble = self.troubles.iter_mut().find(befalls)?;
        if let Some(times) = &mut trouble.times {
            *times -= 1;
        }
        Some(trouble.of.clone())
    }
}
