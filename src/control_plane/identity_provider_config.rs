//! The identity provider configuration: the OIDC issuer by whose tokens people use a cluster. A
//! cluster has at most one, which takes many minutes to come and to go and can't be changed.

use std::time::Duration;

use aws_sdk_eks::types::{
    ConfigStatus, IdentityProviderConfig as Reference, OidcIdentityProviderConfig,
    OidcIdentityProviderConfigRequest,
};
use secrecy::{ExposeSecret, SecretString};

use super::updates::{Of, Updates};
use super::{Tags, cluster, tags};
use crate::aws::{CallError, Doing, OrAbsent, Session};
use crate::reconcile::plan::Action;
use crate::reconcile::{
    Diff, Error, Fact, Fate, Grant, Handle, Polling, Progress, Resource, State,
};

/// How long EKS may take to associate or disassociate a provider. It restarts the API servers.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Attributes that EKS can't change in place. Source: EKS API reference, which has no update of
/// an identity provider configuration.
const FIXED: &[&str] = &["issuer_url", "client_id", "groups_claim"];

/// The provider of one cluster's users.
#[derive(Debug)]
pub struct IdentityProviderConfig {
    /// The account and region that the cluster is in.
    pub session: Session,
    /// The cluster.
    pub cluster: Handle<cluster::Facts>,
    /// Places in the graph of what else must be right first.
    pub after: Vec<usize>,
    /// How often EKS is asked how far it is.
    pub polling: Polling,
    /// What it should be.
    pub wanted: Wanted,
}

/// What a configuration should be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The cluster's name.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// URL of the issuer, exactly as its tokens name it.
    pub issuer_url: String,
    /// Whom the tokens must be for.
    pub client_id: SecretString,
    /// The claim that carries a user's groups.
    pub groups_claim: String,
    /// Tags that it must have; others are left alone.
    pub tags: Tags,
}

/// What a configuration is.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Its ARN.
    pub arn: String,
    /// Where it stands in its life.
    pub status: ConfigStatus,
    /// URL of the issuer.
    pub issuer_url: String,
    /// Whom the tokens must be for.
    pub client_id: SecretString,
    /// The claim that carries a user's groups, if any does.
    pub groups_claim: Option<String>,
    /// All its tags.
    pub tags: Tags,
}

impl Resource for IdentityProviderConfig {
    type Observed = Observed;
    type Output = ();
    const KIND: &'static str = "eks_identity_provider_config";
    const GRANTS: &'static [Grant] = &[
        Grant {
            actions: &[
                "eks:AssociateIdentityProviderConfig",
                "eks:DescribeUpdate",
                "eks:ListUpdates",
            ],
            on: &["arn:{partition}:eks:*:{account}:cluster/*"],
            condition: None,
        },
        Grant {
            actions: &[
                "eks:DescribeIdentityProviderConfig",
                "eks:DisassociateIdentityProviderConfig",
                "eks:TagResource",
            ],
            on: &["arn:{partition}:eks:*:{account}:identityproviderconfig/*"],
            condition: None,
        },
    ];

    fn name(&self) -> String {
        self.wanted.name.clone()
    }

    fn needs(&self) -> Vec<usize> {
        let mut needs = vec![self.cluster.index()];
        needs.extend(&self.after);
        needs
    }

    async fn observe(&self) -> Result<Option<Observed>, Error> {
        match self.cluster.observed().await? {
            Fact::Known(_) => Ok(self.read().await.or_absent()?),
            Fact::AfterApply => Ok(None),
        }
    }

    fn output(&self, _observed: &Observed) {}

    fn is_busy(&self, observed: &Observed) -> bool {
        observed.status == ConfigStatus::Creating
    }

    fn diff(&self, observed: Option<&Observed>) -> Result<Diff, Error> {
        Ok(diff(&self.wanted, observed))
    }

    async fn apply(
        &self,
        change: &Diff,
        observed: Option<&Observed>,
        progress: &Progress,
    ) -> Result<(), Error> {
        match observed {
            None => self.associate(progress).await,
            Some(is) if is.status == ConfigStatus::Deleting => {
                self.until_gone(progress).await?;
                self.associate(progress).await
            }
            Some(is) if change.action == Action::Replace => {
                self.disassociate(is, progress).await?;
                self.until_gone(progress).await?;
                self.associate(progress).await
            }
            Some(is) if change.touches("tags") => Ok(self.tag(&is.arn).await?),
            Some(_) => Ok(()),
        }
    }

    async fn settle(&self, progress: &Progress) -> Result<Observed, Error> {
        self.polling
            .until(&self.what(), DEADLINE, progress, || async {
                let is = self.read().await?;
                Ok(if is.status == ConfigStatus::Active {
                    State::Done(is)
                } else {
                    State::UnderWay(is.status.as_str().to_owned())
                })
            })
            .await
    }

    async fn fate(&self, observed: &Observed) -> Result<Fate, Error> {
        Ok(tags::fate(&observed.tags))
    }

    async fn remove(&self, observed: &Observed, progress: &Progress) -> Result<(), Error> {
        if observed.status != ConfigStatus::Deleting {
            self.disassociate(observed, progress).await?;
        }
        self.until_gone(progress).await
    }
}

impl IdentityProviderConfig {
    fn what(&self) -> String {
        format!("identity provider {}", self.wanted.name)
    }

    fn updates(&self) -> Updates<'_> {
        Updates {
            session: &self.session,
            cluster: &self.wanted.cluster,
            of: Of::Cluster,
            polling: self.polling,
            deadline: DEADLINE,
        }
    }

    /// The configuration as requests name it.
    fn reference(&self) -> Result<Reference, CallError> {
        Reference::builder()
            .r#type("oidc")
            .name(&self.wanted.name)
            .build()
            .doing(|| format!("naming {}", self.what()))
    }

    async fn read(&self) -> Result<Observed, CallError> {
        let doing = || format!("describing {}", self.what());
        let answer = self
            .session
            .eks()
            .describe_identity_provider_config()
            .cluster_name(&self.wanted.cluster)
            .identity_provider_config(self.reference()?)
            .send()
            .await
            .doing(doing)?;
        let config = answer.identity_provider_config.and_then(|c| c.oidc);
        config
            .map(from_described)
            .ok_or_else(|| CallError::new(doing(), "EKS answered without it", "run again"))
    }

    /// Associates the provider and waits until EKS has.
    async fn associate(&self, progress: &Progress) -> Result<(), Error> {
        let Wanted {
            cluster,
            name,
            issuer_url,
            client_id,
            groups_claim,
            tags,
        } = &self.wanted;
        let client_id = client_id.expose_secret();
        let doing = || format!("associating {} with {cluster}", self.what());
        let parts = [name, issuer_url, client_id, groups_claim];
        let token = &self.updates().next_token(&parts).await?;
        let oidc = &OidcIdentityProviderConfigRequest::builder()
            .identity_provider_config_name(name)
            .issuer_url(issuer_url)
            .client_id(client_id)
            .groups_claim(groups_claim)
            .build()
            .doing(doing)?;
        self.updates()
            .run(&self.what(), progress, || async move {
                let answer = self
                    .session
                    .eks()
                    .associate_identity_provider_config()
                    .cluster_name(cluster)
                    .oidc(oidc.clone())
                    .set_tags(Some(tags::made(tags).into_iter().collect()))
                    .client_request_token(token)
                    .send()
                    .await
                    .doing(doing)?;
                Ok(answer.update)
            })
            .await
    }

    async fn disassociate(&self, is: &Observed, progress: &Progress) -> Result<(), Error> {
        let cluster = &self.wanted.cluster;
        let reference = &self.reference()?;
        let token = &self
            .updates()
            .next_token(&["disassociate", &is.arn])
            .await?;
        let what = format!("disassociation of {}", self.what());
        self.updates()
            .run(&what, progress, || async move {
                let answer = self
                    .session
                    .eks()
                    .disassociate_identity_provider_config()
                    .cluster_name(cluster)
                    .identity_provider_config(reference.clone())
                    .client_request_token(token)
                    .send()
                    .await
                    .doing(|| format!("disassociating {} from {cluster}", self.what()))
                    .or_absent()?;
                Ok(answer.and_then(|answer| answer.update))
            })
            .await
    }

    async fn until_gone(&self, progress: &Progress) -> Result<(), Error> {
        self.polling
            .until(&self.what(), DEADLINE, progress, || async {
                Ok(match self.read().await.or_absent()? {
                    Some(is) => State::UnderWay(is.status.as_str().to_owned()),
                    None => State::Done(()),
                })
            })
            .await
    }

    async fn tag(&self, arn: &str) -> Result<(), CallError> {
        self.session
            .eks()
            .tag_resource()
            .resource_arn(arn)
            .set_tags(Some(self.wanted.tags.clone().into_iter().collect()))
            .send()
            .await
            .doing(|| format!("tagging {}", self.what()))?;
        Ok(())
    }
}

fn from_described(config: OidcIdentityProviderConfig) -> Observed {
    Observed {
        arn: config.identity_provider_config_arn.unwrap_or_default(),
        status: config.status.unwrap_or(ConfigStatus::Creating),
        issuer_url: config.issuer_url.unwrap_or_default(),
        client_id: config.client_id.unwrap_or_default().into(),
        groups_claim: config.groups_claim,
        tags: config.tags.unwrap_or_default().into_iter().collect(),
    }
}

fn diff(wanted: &Wanted, observed: Option<&Observed>) -> Diff {
    // What is on its way out is as good as gone.
    let observed = observed.filter(|is| is.status != ConfigStatus::Deleting);
    let diff = match observed {
        Some(_) => Diff::update(),
        None => Diff::create(),
    };
    let other_client =
        observed.is_none_or(|is| is.client_id.expose_secret() != wanted.client_id.expose_secret());
    let issuer_url = observed.map(|is| &is.issuer_url);
    let groups_claim = observed.and_then(|is| is.groups_claim.as_ref());
    diff.attribute("issuer_url", issuer_url, &wanted.issuer_url)
        .secret("client_id", other_client)
        .attribute("groups_claim", groups_claim, &wanted.groups_claim)
        .replacing(FIXED)
        .with(|diff| tags::diff(diff, observed.map(|is| &is.tags), &wanted.tags))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "canary-client-id";

    fn wanted() -> Wanted {
        Wanted {
            cluster: "x".into(),
            name: "Auth0".into(),
            issuer_url: "https://pskctl.us.auth0.com/".into(),
            client_id: SECRET.into(),
            groups_claim: "teams".into(),
            tags: [("cluster".to_owned(), "x".to_owned())].into(),
        }
    }

    fn right() -> Observed {
        let wanted = wanted();
        Observed {
            arn: "arn:config".into(),
            status: ConfigStatus::Active,
            issuer_url: wanted.issuer_url,
            client_id: wanted.client_id,
            groups_claim: Some(wanted.groups_claim),
            tags: wanted.tags,
        }
    }

    #[test]
    fn a_right_configuration_is_kept() {
        assert_eq!(diff(&wanted(), Some(&right())).action, Action::Keep);
    }

    #[test]
    fn another_client_replaces_it_and_neither_id_is_told() {
        let is = Observed {
            client_id: "canary-other-id".into(),
            ..right()
        };
        let changed = diff(&wanted(), Some(&is));
        assert_eq!(changed.action, Action::Replace);
        let made = diff(&wanted(), None);
        assert!(made.touches("client_id"));
        let told = format!("{changed:?} {made:?} {is:?} {:?}", wanted());
        assert!(!told.contains("canary"), "{told}");
    }

    #[test]
    fn tags_alone_do_not_replace_it() {
        let is = Observed {
            tags: Tags::new(),
            ..right()
        };
        assert_eq!(diff(&wanted(), Some(&is)).action, Action::Update);
    }

    #[test]
    fn one_that_is_on_its_way_out_is_made_again() {
        let is = Observed {
            status: ConfigStatus::Deleting,
            ..right()
        };
        assert_eq!(diff(&wanted(), Some(&is)).action, Action::Create);
    }
}
