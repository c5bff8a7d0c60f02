//! What differs between a cluster and its settings.

use aws_sdk_eks::types::ClusterStatus;

use super::upgrade::refuse_if_blocked;
use super::{Observed, Wanted};
use crate::control_plane::network::Subnets;
use crate::control_plane::tags;
use crate::reconcile::{Diff, Error, Fact};

pub(super) fn diff(
    wanted: &Wanted,
    network: &Fact<Subnets>,
    observed: Option<&Observed>,
) -> Result<Diff, Error> {
    let Some(is) = observed else {
        let subnets = network
            .as_ref()
            .map(|n| n.intra.iter().map(|s| &s.id).collect::<Vec<_>>());
        return Ok(Diff::create()
            .attribute("version", None::<()>, wanted.version.to_string())
            .fact("subnet_ids", None::<()>, subnets)
            .attribute("log_types", None::<()>, &wanted.log_types)
            .attribute(
                "endpoint_public_access",
                None::<()>,
                wanted.endpoint_public_access,
            )
            .attribute("endpoint_private_access", None::<()>, true)
            .attribute("authentication_mode", None::<()>, "API")
            .attribute("secrets_encrypted", None::<()>, true)
            .attribute("support_type", None::<()>, &wanted.support_type)
            .attribute(
                "deletion_protection",
                None::<()>,
                wanted.deletion_protection,
            )
            .known_after_apply("arn")
            .known_after_apply("endpoint")
            .known_after_apply("oidc_issuer")
            .with(|diff| tags::diff(diff, None, &wanted.tags))
            .build());
    };
    let gone_wrong = match is.status {
        ClusterStatus::Failed => Some(("EKS says that it is FAILED", "delete it")),
        ClusterStatus::Deleting => Some(("it is being deleted", "wait until it is gone")),
        _ => None,
    };
    if let Some((cause, next)) = gone_wrong {
        return Err(Error::new(
            format!("planning cluster {}", wanted.name),
            cause,
            format!("{next}, then run again"),
        ));
    }
    if wanted.version < is.version {
        return Err(Error::new(
            format!("planning cluster {}", wanted.name),
            format!(
                "it runs Kubernetes {} and its settings ask for {}",
                is.version, wanted.version
            ),
            format!(
                "a control plane doesn't go down: set eks_version to {} or higher",
                is.version
            ),
        ));
    }
    if wanted.version > is.version && wanted.force_upgrade.is_none() {
        refuse_if_blocked(&wanted.name, is.version.next(), &is.blocking)?;
    }
    let mut diff = Diff::update()
        .attribute(
            "version",
            Some(is.version.to_string()),
            wanted.version.to_string(),
        )
        .attribute("log_types", Some(&is.log_types), &wanted.log_types)
        .attribute(
            "endpoint_public_access",
            Some(is.public_access),
            wanted.endpoint_public_access,
        )
        .attribute("endpoint_private_access", Some(is.private_access), true)
        .attribute("authentication_mode", Some(&is.authentication_mode), "API")
        .attribute("secrets_encrypted", Some(is.secrets_encrypted), true)
        .attribute("support_type", Some(&is.support_type), &wanted.support_type)
        .attribute(
            "deletion_protection",
            Some(is.deletion_protection),
            wanted.deletion_protection,
        )
        .with(|diff| tags::diff(diff, Some(&is.tags), &wanted.tags));
    if wanted.version.minor() > is.version.minor() + 1 {
        diff = diff.because(format!(
            "one minor version at a time, from {} on",
            is.version
        ));
    }
    Ok(diff.build())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            name: "qa-i01-aws-us-east-2".into(),
            version: "1.35".parse().unwrap(),
            log_types: ["api", "audit"].map(str::to_owned).into(),
            endpoint_public_access: true,
            support_type: "STANDARD".into(),
            deletion_protection: true,
            tags: [("role".to_owned(), "qa".to_owned())].into(),
            force_upgrade: None,
        }
    }

    fn right() -> Observed {
        let wanted = wanted();
        Observed {
            arn: "arn:aws:eks:us-east-2:111122223333:cluster/qa-i01-aws-us-east-2".into(),
            version: wanted.version,
            status: ClusterStatus::Active,
            log_types: wanted.log_types,
            public_access: true,
            private_access: true,
            authentication_mode: "API".into(),
            secrets_encrypted: true,
            support_type: "STANDARD".into(),
            deletion_protection: true,
            tags: [("role", "qa"), ("team", "theirs")]
                .map(|(k, v)| (k.into(), v.into()))
                .into(),
            access: None,
            blocking: Vec::new(),
        }
    }

    fn paths(diff: &Diff) -> Vec<&str> {
        diff.attributes.iter().map(|a| a.path.as_str()).collect()
    }

    #[test]
    fn a_right_cluster_is_kept_and_the_tags_of_others_are_left_alone() {
        let diff = diff(&wanted(), &Fact::AfterApply, Some(&right())).unwrap();
        assert_eq!(paths(&diff), <[&str; 0]>::default());
    }

    #[test]
    fn every_attribute_that_differs_is_told() {
        let is = Observed {
            version: "1.33".parse().unwrap(),
            log_types: ["api"].map(str::to_owned).into(),
            private_access: false,
            authentication_mode: "API_AND_CONFIG_MAP".into(),
            deletion_protection: false,
            tags: BTreeMap::new(),
            ..right()
        };
        let diff = diff(&wanted(), &Fact::AfterApply, Some(&is)).unwrap();
        assert_eq!(
            paths(&diff),
            [
                "version",
                "log_types",
                "endpoint_private_access",
                "authentication_mode",
                "deletion_protection",
                "tags.role"
            ]
        );
        assert_eq!(
            diff.reason.as_deref(),
            Some("one minor version at a time, from 1.33 on")
        );
    }

    #[test]
    fn a_control_plane_does_not_go_down() {
        let is = Observed {
            version: "1.36".parse().unwrap(),
            ..right()
        };
        let error = diff(&wanted(), &Fact::AfterApply, Some(&is)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "planning cluster qa-i01-aws-us-east-2: it runs Kubernetes 1.36 and its settings ask for 1.35"
        );
    }

    #[test]
    fn a_cluster_that_failed_or_is_on_its_way_out_is_left_to_people() {
        for status in [ClusterStatus::Failed, ClusterStatus::Deleting] {
            let is = Observed { status, ..right() };
            assert!(diff(&wanted(), &Fact::AfterApply, Some(&is)).is_err());
        }
    }

    #[test]
    fn a_missing_cluster_is_made_with_everything_it_needs() {
        let network = Fact::Known(Subnets {
            vpc_id: "vpc-1".into(),
            node: vec![],
            intra: vec![],
        });
        let made = diff(&wanted(), &network, None).unwrap();
        assert_eq!(made.action, crate::reconcile::plan::Action::Create);
        assert!(
            ["version", "subnet_ids", "arn", "tags.role"]
                .iter()
                .all(|path| made.touches(path))
        );
    }

    #[test]
    fn an_insight_in_error_blocks_an_upgrade_unless_it_is_forced() {
        let is = Observed {
            version: "1.34".parse().unwrap(),
            blocking: vec!["Kubelet version skew: nodes are too old".into()],
            ..right()
        };
        assert!(diff(&wanted(), &Fact::AfterApply, Some(&is)).is_err());
        let forced = Wanted {
            force_upgrade: Some("tested by hand".into()),
            ..wanted()
        };
        assert!(diff(&forced, &Fact::AfterApply, Some(&is)).is_ok());
    }
}
