//! A role that several jobs roll out, each a part of its clusters: when all of them hold the release.

use super::gate::{Evidence, Question};
use super::proof::{Claim, cluster_subject, judge, role_context, told_since};
use crate::inventory::Role;

/// The clusters of a role that aren't proven to hold the release, each with why; none where the role
/// may be sealed.
///
/// # Errors
/// Why that can't be told.
pub fn missing(question: &Question<'_>, role: &Role) -> Result<Vec<(String, String)>, String> {
    let read = match question.evidence {
        Evidence::Read(read) => read,
        Evidence::None { why, .. } => return Err(why.clone()),
    };
    let (Some(repository), Some(commit)) = (&question.release.repository, &question.release.commit)
    else {
        return Err("no repository or no commit is known".to_owned());
    };
    let history = read.statuses.as_deref().unwrap_or_default();
    let context = role_context(question.prefix, &role.name);
    let doubt = |cluster: &str| {
        let subject = cluster_subject(&role.name, cluster);
        let claim = Claim {
            repository,
            commit,
            role: &subject,
            digest: question.digest,
            key: read.key.as_ref(),
        };
        let of_cluster = format!("{context}/{cluster}");
        match judge(history, &of_cluster, &read.trusted, &claim) {
            Err(doubt) => Some(doubt.to_string()),
            // A run over the whole role may have said nothing of its clusters.
            Ok(_) => told_since(history, &of_cluster, &context)
                .map(|state| format!("{} came to be {} since then", role.name, state.as_str())),
        }
    };
    let clusters = role.clusters.iter().map(ToString::to_string);
    Ok(clusters
        .filter_map(|cluster| {
            let doubt = doubt(&cluster)?;
            Some((cluster, doubt))
        })
        .collect())
}
