//! The IAM OIDC provider: by it IAM trusts the tokens that a cluster issues to its pods.

use std::collections::BTreeSet;

use aws_sdk_iam::types::Tag;

use super::eventual::until_visible;
use super::{Place, Tags, cluster, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::reconcile::{Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource};

/// Who the tokens are for.
const AUDIENCE: &str = "sts.amazonaws.com";

/// The provider of one cluster's issuer.
#[derive(Debug)]
pub struct OidcProvider {
    /// The account that it is in.
    pub session: Session,
    /// The cluster that issues the tokens.
    pub cluster: Handle<cluster::Facts>,
    /// How often IAM is asked whether it sees what was made.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a provider should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where the cluster is.
    pub place: Place,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// What a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its ARN.
    pub arn: String,
    /// Whom its tokens may be for.
    pub audiences: BTreeSet<String>,
    /// All its tags.
    pub tags: Tags,
}

impl Resource for OidcProvider {
    type Observed = Observed;
    /// Its ARN.
    type Output = String;
    const KIND: &'static str = "iam_oidc_provider";
    const GRANTS: &'static [Grant] = &[Grant {
        actions: &[
            "iam:GetOpenIDConnectProvider",
            "iam:CreateOpenIDConnectProvider",
            "iam:TagOpenIDConnectProvider",
            "iam:AddClientIDToOpenIDConnectProvider",
            "iam:DeleteOpenIDConnectProvider",
        ],
        on: &["arn:{partition}:iam::{account}:oidc-provider/oidc*eks*"],
        condition: None,
    }];

    fn name(&self) -> String {
        self.wanted.place.cluster.clone()
    }

    fn needs(&self) -> Vec<usize> {
        vec![self.cluster.index()]
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        self.cluster.observed().await?;
        match self.arn() {
            Fact::Known(arn) => Ok(self.read(&arn).await.or_absent()?),
            Fact::AfterApply => Ok(None),
        }
    }

    fn output(&self, observed: &Observed) -> String {
        observed.arn.clone()
    }

    fn foretold(&self) -> Fact<String> {
        self.arn()
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        Ok(diff(&self.wanted, self.issuer(), observed))
    }

    async fn apply(
        &self,
        change: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        if observed.is_some() {
            return self.mend(change).await;
        }
        let issuer = &self.known(self.issuer())?;
        let made = self
            .session
            .iam()
            .create_open_id_connect_provider()
            .url(issuer)
            .client_id_list(AUDIENCE)
            .set_tags(Some(self.iam_tags(&tags::made(&self.wanted.tags))?))
            .send()
            .await
            .doing(|| format!("creating the IAM OIDC provider of {issuer}"));
        match made {
            Ok(_) => Ok(()),
            // Made since it was looked for, most likely by a request whose answer was lost.
            Err(error) if error.has_code(&["EntityAlreadyExists"]) => {
                let is = self.settle(progress).await?;
                let change = diff(&self.wanted, Fact::AfterApply, Some(&is));
                self.mend(&change).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        let arn = self.known(self.arn())?;
        let what = format!("IAM OIDC provider of {}", self.wanted.place.cluster);
        let unseen = CallError::is_not_found;
        until_visible(self.polling, &what, progress, unseen, || self.read(&arn)).await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, observed: &Observed, _progress: &Progress) -> Result<(), Error> {
        self.session
            .iam()
            .delete_open_id_connect_provider()
            .open_id_connect_provider_arn(&observed.arn)
            .send()
            .await
            .doing(|| format!("deleting {}", observed.arn))
            .or_absent()?;
        Ok(())
    }
}

impl OidcProvider {
    /// URL of the cluster's issuer.
    fn issuer(&self) -> Fact<String> {
        self.cluster.get().map(|facts| facts.access.oidc_issuer)
    }

    /// Its ARN, known as soon as the issuer is.
    fn arn(&self) -> Fact<String> {
        self.issuer()
            .map(|issuer| self.wanted.place.oidc_provider(&issuer))
    }

    fn known<T>(&self, fact: Fact<T>) -> Result<T, Error> {
        fact.known().ok_or_else(|| {
            Error::new(
                format!("creating the IAM OIDC provider of {}", self.name()),
                "the cluster's issuer isn't known",
                "report this as a bug",
            )
        })
    }

    async fn read(&self, arn: &str) -> Result<Observed, CallError> {
        let answer = self
            .session
            .iam()
            .get_open_id_connect_provider()
            .open_id_connect_provider_arn(arn)
            .send()
            .await
            .doing(|| format!("reading {arn}"))?;
        Ok(Observed {
            arn: arn.to_owned(),
            audiences: answer.client_id_list().iter().cloned().collect(),
            tags: answer
                .tags()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                .collect(),
        })
    }

    /// Changes what `diff` told of a provider that exists.
    async fn mend(&self, change: &Diff) -> Result<(), Error> {
        let iam = self.session.iam();
        let arn = &self.known(self.arn())?;
        if change.touches("audiences") {
            iam.add_client_id_to_open_id_connect_provider()
                .open_id_connect_provider_arn(arn)
                .client_id(AUDIENCE)
                .send()
                .await
                .doing(|| format!("adding the audience {AUDIENCE} to {arn}"))?;
        }
        if change.touches("tags") {
            iam.tag_open_id_connect_provider()
                .open_id_connect_provider_arn(arn)
                .set_tags(Some(self.iam_tags(&self.wanted.tags)?))
                .send()
                .await
                .doing(|| format!("tagging {arn}"))?;
        }
        Ok(())
    }

    fn iam_tags(&self, tags: &Tags) -> Result<Vec<Tag>, CallError> {
        let tags = tags.iter();
        tags.map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value).build();
            tag.doing(|| format!("tagging the IAM OIDC provider of {}", self.name()))
        })
        .collect()
    }
}

fn diff(wanted: &Wanted, issuer: Fact<String>, observed: Option<&Observed>) -> Diff {
    let (diff, mut audiences) = match observed {
        Some(is) => (Diff::update(), is.audiences.clone()),
        None => (
            Diff::create().fact("url", None::<()>, issuer),
            BTreeSet::new(),
        ),
    };
    // Audiences of others are left alone.
    audiences.insert(AUDIENCE.to_owned());
    diff.attribute("audiences", observed.map(|is| &is.audiences), audiences)
        .with(|diff| tags::diff(diff, observed.map(|is| &is.tags), &wanted.tags))
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::place::tests::place;
    use super::*;
    use crate::reconcile::plan::{Action, Target};

    fn wanted() -> Wanted {
        Wanted {
            place: place("us-east-2"),
            tags: [("role".to_owned(), "qa".to_owned())].into(),
        }
    }

    fn with_audiences(audiences: &[&str]) -> Observed {
        Observed {
            arn: "arn".into(),
            audiences: audiences.iter().map(|a| (*a).to_owned()).collect(),
            tags: wanted().tags,
        }
    }

    #[test]
    fn the_audience_is_added_to_those_of_others() {
        let right = with_audiences(&[AUDIENCE, "theirs"]);
        let kept = diff(&wanted(), Fact::AfterApply, Some(&right));
        assert_eq!(kept.action, Action::Keep);
        let lacking = with_audiences(&["theirs"]);
        let added = diff(&wanted(), Fact::AfterApply, Some(&lacking));
        assert_eq!(
            added.attributes[0].new,
            Target::Value(json!([AUDIENCE, "theirs"]))
        );
    }

    #[test]
    fn before_the_cluster_exists_its_issuer_is_known_after_apply() {
        let made = diff(&wanted(), Fact::AfterApply, None);
        assert_eq!(made.action, Action::Create);
        assert_eq!(made.attributes[0].path, "url");
        assert_eq!(made.attributes[0].new, Target::KnownAfterApply);
    }
}
