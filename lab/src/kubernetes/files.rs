//! What volumes hold.

use serde::{Deserialize, Serialize};

/// The files of every volume.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Files {}
