//! Kubeconfig files, by which `kubectl` and others reach a cluster.

use kube::config::{
    AuthInfo, Cluster, Context, ExecConfig, ExecInteractiveMode, Kubeconfig, NamedAuthInfo,
    NamedCluster, NamedContext,
};

use super::{Endpoint, Error};

/// Who makes the tokens of a kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenMaker {
    /// `psk kube token`.
    Psk,
    /// `aws eks get-token`.
    AwsCli,
}

/// Which cluster a kubeconfig is for, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The cluster's name, which its context gets too.
    pub cluster: String,
    /// AWS region of the cluster.
    pub region: String,
    /// ARN of the role to assume; none where it is left to whoever uses the file.
    pub role_arn: Option<String>,
}

/// The kubeconfig of one cluster, as YAML. It holds no secret: a token is made when it is needed.
///
/// # Errors
/// The YAML can't be written.
pub fn kubeconfig(
    subject: &Subject,
    endpoint: &Endpoint,
    maker: TokenMaker,
) -> Result<String, Error> {
    written(&config(subject, endpoint, maker))
}

/// An existing kubeconfig with this cluster in it, in place of one of the same name, as its current
/// context. Everything else in it stays.
///
/// # Errors
/// The existing file is no kubeconfig.
pub fn merged(
    existing: &str,
    subject: &Subject,
    endpoint: &Endpoint,
    maker: TokenMaker,
) -> Result<String, Error> {
    let mut old = Kubeconfig::from_yaml(existing).map_err(|error| {
        Error::new(
            "adding the cluster to the kubeconfig that is there",
            error.to_string(),
            "mend the file, or give another one",
        )
    })?;
    let new = config(subject, endpoint, maker);
    old.clusters.retain(|named| named.name != subject.cluster);
    old.auth_infos.retain(|named| named.name != subject.cluster);
    old.contexts.retain(|named| named.name != subject.cluster);
    old.clusters.extend(new.clusters);
    old.auth_infos.extend(new.auth_infos);
    old.contexts.extend(new.contexts);
    old.current_context = new.current_context;
    old.kind = new.kind;
    old.api_version = new.api_version;
    written(&old)
}

fn config(subject: &Subject, endpoint: &Endpoint, maker: TokenMaker) -> Kubeconfig {
    let name = &subject.cluster;
    Kubeconfig {
        api_version: Some("v1".to_owned()),
        kind: Some("Config".to_owned()),
        clusters: vec![NamedCluster {
            name: name.clone(),
            cluster: Some(Cluster {
                server: Some(endpoint.url.clone()),
                certificate_authority_data: Some(endpoint.certificate_authority.clone()),
                ..Cluster::default()
            }),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: name.clone(),
            auth_info: Some(AuthInfo {
                exec: Some(exec(subject, maker)),
                ..AuthInfo::default()
            }),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(Context {
                cluster: name.clone(),
                user: Some(name.clone()),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name.clone()),
        ..Kubeconfig::default()
    }
}

/// The exec plugin. Source: Kubernetes docs, "client-go credential plugins".
fn exec(subject: &Subject, maker: TokenMaker) -> ExecConfig {
    let (command, first, named): (_, &[&str], _) = match maker {
        TokenMaker::Psk => ("psk", &["kube", "token"], "--cluster"),
        TokenMaker::AwsCli => (
            "aws",
            &["eks", "get-token", "--output", "json"],
            "--cluster-name",
        ),
    };
    let mut args: Vec<String> = first.iter().map(|arg| (*arg).to_owned()).collect();
    args.extend([named.to_owned(), subject.cluster.clone()]);
    args.extend(["--region".to_owned(), subject.region.clone()]);
    if let Some(role) = &subject.role_arn {
        args.extend(["--role-arn".to_owned(), role.clone()]);
    }
    let api_version = match maker {
        TokenMaker::Psk => "client.authentication.k8s.io/v1",
        // The only version that every version 2 of the AWS CLI answers with.
        TokenMaker::AwsCli => "client.authentication.k8s.io/v1beta1",
    };
    let hint = match maker {
        TokenMaker::Psk => "psk makes the token: put it on the PATH",
        TokenMaker::AwsCli => "the AWS CLI makes the token: put aws on the PATH",
    };
    ExecConfig {
        api_version: Some(api_version.to_owned()),
        command: Some(command.to_owned()),
        args: Some(args),
        install_hint: Some(hint.to_owned()),
        interactive_mode: Some(ExecInteractiveMode::Never),
        ..ExecConfig::default()
    }
}

fn written(config: &Kubeconfig) -> Result<String, Error> {
    serde_saphyr::to_string(config).map_err(|error| {
        Error::new(
            "writing a kubeconfig",
            error.to_string(),
            "report this as a bug",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            cluster: "qa-i01-aws-us-east-2".into(),
            region: "us-east-2".into(),
            role_arn: Some("arn:aws:iam::111122223333:role/PSKRoles/R".into()),
        }
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            url: "https://ABCD.gr7.us-east-2.eks.amazonaws.com".into(),
            certificate_authority: "LS0tLS1CRUdJTg==".into(),
        }
    }

    #[test]
    fn tokens_are_made_by_psk() {
        insta::assert_snapshot!(kubeconfig(&subject(), &endpoint(), TokenMaker::Psk).unwrap());
    }

    #[test]
    fn tokens_are_made_by_the_aws_cli() {
        insta::assert_snapshot!(kubeconfig(&subject(), &endpoint(), TokenMaker::AwsCli).unwrap());
    }

    #[test]
    fn what_else_is_in_the_file_stays() {
        let other = Subject {
            cluster: "mine".into(),
            role_arn: None,
            ..subject()
        };
        let before = kubeconfig(&other, &endpoint(), TokenMaker::AwsCli).unwrap();
        let once = merged(&before, &subject(), &endpoint(), TokenMaker::Psk).unwrap();
        let twice = merged(&once, &subject(), &endpoint(), TokenMaker::Psk).unwrap();
        assert_eq!(once, twice);
        let read = Kubeconfig::from_yaml(&twice).unwrap();
        let names: Vec<_> = read.contexts.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["mine", "qa-i01-aws-us-east-2"]);
        assert_eq!(
            read.current_context.as_deref(),
            Some("qa-i01-aws-us-east-2")
        );
        assert!(merged("][", &subject(), &endpoint(), TokenMaker::Psk).is_err());
    }
}
