//! What a caller of IAM must be allowed. Source: the Service Authorization Reference for IAM.

use super::state::oidc_provider_arn;
use super::{Account, LinkedService};
use crate::authorization::Need;
use crate::call::Call;
use crate::wire::form::Form;
use crate::world::World;

/// What a call needs.
pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    let account = world.accounts.get(&call.account);
    let asked = Asked {
        call,
        iam: account.map(|account| &account.iam),
        form: Form::of(call),
    };
    asked.needs()
}

struct Asked<'a> {
    call: &'a Call,
    iam: Option<&'a Account>,
    form: Form,
}

impl Asked<'_> {
    fn needs(&self) -> Vec<Need> {
        let action = format!("iam:{}", self.call.operation);
        let tags = self.tags();
        let own = |resource: String| Need::on(action.clone(), resource).tagging(tags.clone());
        let made = |own: Need, tag: &'static str| {
            let on = own.resources.clone();
            let mut needs = vec![own];
            if !tags.is_empty() {
                needs.push(Need::on_all(tag, on).tagging(tags.clone()));
            }
            needs
        };
        match self.call.operation.as_str() {
            "ListRoles"
            | "ListPolicies"
            | "ListInstanceProfiles"
            | "ListOpenIDConnectProviders"
            | "GetAccountAuthorizationDetails" => vec![Need::anywhere(action)],

            "CreateRole" => made(self.bounded(own(self.role())), "iam:TagRole"),
            "CreatePolicy" => made(own(self.policy()), "iam:TagPolicy"),
            "CreateInstanceProfile" => made(own(self.profile()), "iam:TagInstanceProfile"),
            "CreateOpenIDConnectProvider" => {
                let url = self.text("Url").trim_start_matches("https://");
                let arn = oidc_provider_arn(&self.call.account, url);
                made(own(arn), "iam:TagOpenIDConnectProvider")
            }

            "AttachRolePolicy" | "DetachRolePolicy" => vec![
                self.bounded(own(self.role()))
                    .with("iam:PolicyARN", self.text("PolicyArn")),
            ],
            "CreateServiceLinkedRole" => {
                let service = self.text("AWSServiceName");
                let linked = LinkedService::of(service);
                let arn = linked.map(|linked| linked.role_arn(&self.call.account));
                let arn =
                    arn.unwrap_or_else(|| self.arn(&format!("role/aws-service-role/{service}/*")));
                vec![own(arn).with("iam:AWSServiceName", service)]
            }
            "GetServiceLinkedRoleDeletionStatus" => {
                let task = self.text("DeletionTaskId").trim_start_matches("task/");
                let role = task.rsplit_once('/').map_or(task, |(role, _)| role);
                vec![own(self.arn(&format!("role/{role}")))]
            }
            "AddRoleToInstanceProfile" => vec![
                own(self.profile()),
                Need::pass_role(&self.role(), "ec2.amazonaws.com"),
            ],

            operation
                if operation.ends_with("OpenIDConnectProvider")
                    || operation.contains("OpenIDConnectProvider") =>
            {
                vec![own(self.text("OpenIDConnectProviderArn").to_owned())]
            }
            operation
                if operation.contains("InstanceProfile")
                    && operation != "ListInstanceProfilesForRole" =>
            {
                vec![own(self.profile())]
            }
            _ if self.form.get("RoleName").is_some() => vec![self.bounded(own(self.role()))],
            _ => vec![own(self.policy())],
        }
    }

    /// With the permissions boundary that a role has or is to have.
    fn bounded(&self, need: Need) -> Need {
        let of_role = self
            .iam
            .and_then(|iam| iam.roles.get(self.text("RoleName"))?.boundary.as_deref());
        match self.form.get("PermissionsBoundary").or(of_role) {
            Some(boundary) => need.with("iam:PermissionsBoundary", boundary),
            None => need,
        }
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        let tags = self.form.structures("Tags.member");
        tags.iter()
            .filter_map(|at| {
                let value = self.form.raw(&format!("{at}.Value"));
                let key = self.form.get(&format!("{at}.Key"))?;
                Some((key, value.unwrap_or_default()))
            })
            .collect()
    }

    fn text(&self, parameter: &str) -> &str {
        self.form.get(parameter).unwrap_or_default()
    }

    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:iam::{}:{resource}", self.call.account)
    }

    /// The role that a request names. One that doesn't exist has no path but what the request
    /// gives it.
    fn role(&self) -> String {
        let name = self.text("RoleName");
        let found = self.iam.and_then(|iam| iam.roles.get(name));
        match found {
            Some(role) => role.arn(&self.call.account),
            None => self.arn(&format!("role{}{name}", self.path())),
        }
    }

    fn profile(&self) -> String {
        let name = self.text("InstanceProfileName");
        let found = self.iam.and_then(|iam| iam.instance_profiles.get(name));
        match found {
            Some(profile) => profile.arn(&self.call.account),
            None => self.arn(&format!("instance-profile{}{name}", self.path())),
        }
    }

    fn policy(&self) -> String {
        match self.form.get("PolicyArn") {
            Some(arn) => arn.to_owned(),
            None => self.arn(&format!("policy{}{}", self.path(), self.text("PolicyName"))),
        }
    }

    fn path(&self) -> &str {
        self.form.get("Path").unwrap_or("/")
    }
}
