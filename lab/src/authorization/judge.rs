//! Asks the policies that apply to a session.
//!
//! Source: IAM User Guide, "Policy evaluation logic". An explicit deny anywhere wins; then the
//! role's own policies must allow, and so must its permissions boundary and the session's policies
//! where there are any. A KMS key's policy must let its account decide, or name the caller itself
//! (KMS Developer Guide, "Determining access to KMS keys").

use crate::call::Call;
use crate::credentials::Session;
use crate::iam::policy::{Caller, Context, Document, Question, Verdict};
use crate::iam::{self, AwsManaged};
use crate::world::World;

use super::Need;

/// Why a caller may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// None of the role's policies allows it.
    Unmentioned,
    /// One of the role's policies denies it.
    ByIdentity,
    /// The role's permissions boundary doesn't allow it.
    Boundary,
    /// The session's own policies don't allow it.
    Session,
    /// The resource's policy doesn't allow it.
    Resource,
}

/// One session, with the policies that apply to it.
pub(super) struct Judge<'w> {
    world: &'w World,
    call: &'w Call,
    session: &'w Session,
    identity: Vec<Document>,
    boundary: Option<Vec<Document>>,
    inherited: Option<Vec<Document>>,
    context: Context,
}

impl<'w> Judge<'w> {
    /// The judge of a call's caller; none if it is no session of a role.
    pub(super) fn of(world: &'w World, call: &'w Call) -> Option<Self> {
        let credential = world.credentials.get(call.access_key.as_ref()?)?;
        let session = credential.session.as_ref()?;
        let account = world.accounts.get(&credential.account);
        let iam = account.map(|account| &account.iam);
        let role = iam.and_then(|iam| {
            let name = session.role.rsplit('/').next()?;
            iam.roles
                .get(name)
                .filter(|role| role.arn(&credential.account) == session.role)
        });
        let managed = |arn: &str| managed(iam?, &credential.account, arn);
        // A role that is gone allows its sessions nothing.
        let identity = role.map_or_else(Vec::new, |role| {
            let inline = role.inline.values().filter_map(parse);
            inline
                .chain(role.attached.iter().filter_map(|arn| managed(arn)))
                .collect()
        });
        let boundary = role
            .and_then(|role| role.boundary.as_deref())
            .map(|arn| managed(arn).into_iter().collect());
        let inherited = (!session.policies.is_empty()).then(|| {
            let inline = session.policies.inline.iter().filter_map(parse);
            let arns = session.policies.managed.iter();
            inline.chain(arns.filter_map(|arn| managed(arn))).collect()
        });
        Some(Self {
            world,
            call,
            session,
            identity,
            boundary,
            inherited,
            context: context(call, session, role),
        })
    }

    /// Asks for an action on one resource.
    pub(super) fn ask(&self, need: &Need, resource: &str) -> Result<(), Denial> {
        let mut context = self.context.clone();
        for (key, values) in &need.keys {
            context.set(key, values.iter().map(String::as_str));
        }
        let question = |account| Question {
            caller: Caller::Aws {
                account,
                arn: &self.call.principal,
                role: Some(&self.session.role),
            },
            action: &need.action,
            resource,
            context: &context,
        };
        let asked = &question(&self.call.account);
        let by_identity = verdict(&self.identity, asked);
        if by_identity == Verdict::Denied {
            return Err(Denial::ByIdentity);
        }
        for (policies, denial) in [
            (&self.boundary, Denial::Boundary),
            (&self.inherited, Denial::Session),
        ] {
            if policies
                .as_ref()
                .is_some_and(|policies| verdict(policies, asked) != Verdict::Allowed)
            {
                return Err(denial);
            }
        }
        if let Some(policy) = self.key_policy(need, resource) {
            if policy.verdict(asked) != Verdict::Allowed {
                return Err(Denial::Resource);
            }
            // Without an account nothing but the caller's own name fits.
            if policy.verdict(&question("")) == Verdict::Allowed {
                return Ok(());
            }
        }
        match by_identity {
            Verdict::Allowed => Ok(()),
            Verdict::Denied => Err(Denial::ByIdentity),
            Verdict::Silent => Err(Denial::Unmentioned),
        }
    }

    /// The policy of the key that an action of KMS is on.
    fn key_policy(&self, need: &Need, resource: &str) -> Option<Document> {
        if !need.action.starts_with("kms:") {
            return None;
        }
        let account = self.world.accounts.get(&self.call.account)?;
        let region = account.regions.get(&self.call.region)?;
        let id = resource.split_once(":key/")?.1;
        parse(&region.kms.keys.get(id)?.policy)
    }
}

/// What several policies say together.
fn verdict(policies: &[Document], question: &Question<'_>) -> Verdict {
    let mut together = Verdict::Silent;
    for policy in policies {
        match policy.verdict(question) {
            Verdict::Denied => return Verdict::Denied,
            Verdict::Allowed => together = Verdict::Allowed,
            Verdict::Silent => {}
        }
    }
    together
}

/// A managed policy's document. Of AWS's own the lab knows few, and those that it doesn't know
/// allow nothing.
fn managed(iam: &iam::Account, account: &str, arn: &str) -> Option<Document> {
    match AwsManaged::of(arn) {
        Some(policy) => parse(&policy.document()?),
        None => parse(iam.policy(account, arn)?.document()?),
    }
}

/// Documents were checked when they were saved, so none is lost here.
fn parse(document: &serde_json::Value) -> Option<Document> {
    Document::parse(document).ok()
}

/// The condition keys that every request has. Source: IAM User Guide, "AWS global condition context
/// keys". The lab has no TLS, and stands for services that take nothing else.
fn context(call: &Call, session: &Session, role: Option<&iam::Role>) -> Context {
    let mut context = Context::default();
    context.set("aws:PrincipalArn", [session.role.as_str()]);
    context.set("aws:PrincipalAccount", [call.account.as_str()]);
    context.set("aws:PrincipalType", ["AssumedRole"]);
    context.set("aws:PrincipalIsAWSService", ["false"]);
    context.set("aws:RequestedRegion", [call.region.as_str()]);
    context.set("aws:SecureTransport", ["true"]);
    context.set("aws:CurrentTime", [call.now.to_string()]);
    context.set("aws:EpochTime", [call.now.as_second().to_string()]);
    context.set("aws:SourceIp", ["127.0.0.1"]);
    let of_role = role.into_iter().flat_map(|role| &role.tags);
    for (key, value) in of_role {
        context.set(&format!("aws:PrincipalTag/{key}"), [value.as_str()]);
    }
    for tag in &session.tags {
        context.set(
            &format!("aws:PrincipalTag/{}", tag.key),
            [tag.value.as_str()],
        );
    }
    context
}
