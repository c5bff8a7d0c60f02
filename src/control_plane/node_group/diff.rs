//! What differs between a node group and its settings.

use aws_sdk_eks::types::NodegroupStatus;

use super::{Observed, Wanted};
use crate::control_plane::launch_template::TemplateFacts;
use crate::control_plane::tags;
use crate::reconcile::{Diff, DiffBuilder, Error};

pub(super) fn diff(
    wanted: &Wanted,
    newest: Option<&str>,
    template: Option<&TemplateFacts>,
    observed: Option<&Observed>,
) -> Result<Diff, Error> {
    let sizes = |diff: DiffBuilder, is: Option<(i32, i32)>| {
        diff.attribute("scaling.min_size", is.map(|s| s.0), wanted.scaling.min)
            .attribute("scaling.max_size", is.map(|s| s.1), wanted.scaling.max)
    };
    // What is on its way out is as good as gone.
    let observed = observed.filter(|is| is.status != NodegroupStatus::Deleting);
    let Some(is) = observed else {
        let diff = Diff::create()
            .attribute("version", None::<()>, wanted.version.to_string())
            .attribute("release_version", None::<()>, newest)
            .attribute("ami_type", None::<()>, wanted.ami_type.as_str())
            .attribute("capacity_type", None::<()>, &wanted.capacity_type)
            .attribute("instance_types", None::<()>, &wanted.instance_types);
        return Ok(sizes(diff, None)
            .attribute("scaling.desired_size", None::<()>, wanted.scaling.desired)
            .attribute("labels", None::<()>, &wanted.labels)
            .attribute("taints", None::<()>, &wanted.taints)
            .attribute("max_unavailable", None::<()>, &wanted.max_unavailable)
            .with(|diff| tags::diff(diff, None, &wanted.tags))
            .build());
    };
    if wanted.version < is.version {
        return Err(Error::new(
            format!("planning node group {}", is.name),
            format!(
                "its nodes run Kubernetes {} and the settings ask for {}",
                is.version, wanted.version
            ),
            format!(
                "nodes don't go down: set eks_version to {} or higher",
                is.version
            ),
        ));
    }
    let upgraded = wanted.version > is.version;
    let mut diff = Diff::update().attribute(
        "version",
        Some(is.version.to_string()),
        wanted.version.to_string(),
    );
    if let Some(newest) = newest
        && (wanted.refresh || upgraded)
        && newest != is.release
    {
        diff = diff.attribute("release_version", Some(&is.release), newest);
        if !upgraded {
            diff = diff.because(format!("AMI release {newest} is out"));
        }
    }
    // A group that was made without psk's template keeps its own: EKS can't give it another one.
    if let Some((template, (_, version))) = template
        .filter(|template| is.launched_from(&template.id))
        .zip(is.launch_template.as_ref())
    {
        diff = diff.attribute("launch_template.version", Some(version), &template.version);
    }
    if is.status == NodegroupStatus::CreateFailed {
        diff = diff
            .attribute("status", Some(is.status.as_str()), "ACTIVE")
            .because(is.issues.join("; "));
    }
    // Source: EKS API reference, UpdateNodegroupConfig and UpdateNodegroupVersion, which take none
    // of these three.
    diff = diff
        .attribute(
            "ami_type",
            Some(is.ami_type.as_str()),
            wanted.ami_type.as_str(),
        )
        .attribute(
            "capacity_type",
            Some(&is.capacity_type),
            &wanted.capacity_type,
        )
        .attribute(
            "instance_types",
            Some(&is.instance_types),
            &wanted.instance_types,
        )
        .replacing(&["ami_type", "capacity_type", "instance_types", "status"]);
    Ok(sizes(diff, Some(is.sizes))
        .attribute("labels", Some(&is.labels), &wanted.labels)
        .attribute("taints", Some(&is.taints), &wanted.taints)
        .attribute(
            "max_unavailable",
            Some(&is.max_unavailable),
            &wanted.max_unavailable,
        )
        .with(|diff| tags::diff(diff, Some(&is.tags), &wanted.tags))
        .build())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use aws_sdk_eks::types::AmiTypes;

    use super::super::Scaling;
    use super::*;
    use crate::control_plane::Tags;
    use crate::reconcile::plan::Action;

    fn wanted() -> Wanted {
        Wanted {
            cluster: "qa-i01-aws-us-east-2".into(),
            name: "management-arm-rkt-mng".into(),
            version: "1.35".parse().unwrap(),
            refresh: true,
            ami_type: AmiTypes::BottlerocketArm64,
            capacity_type: "SPOT".into(),
            instance_types: vec!["m7g.2xlarge".into()],
            disk_size: 50,
            scaling: Scaling {
                min: 1,
                max: 3,
                desired: 1,
            },
            labels: BTreeMap::new(),
            taints: BTreeSet::new(),
            max_unavailable: "1".into(),
            tags: Tags::new(),
        }
    }

    fn right() -> Observed {
        let wanted = wanted();
        Observed {
            name: "management-arm-rkt-mng-2024".into(),
            status: NodegroupStatus::Active,
            version: wanted.version,
            release: "1.51.0-aa".into(),
            ami_type: wanted.ami_type,
            capacity_type: wanted.capacity_type,
            instance_types: wanted.instance_types,
            sizes: (1, 3),
            desired_size: 1,
            launch_template: None,
            labels: BTreeMap::new(),
            taints: BTreeSet::new(),
            max_unavailable: "1".into(),
            tags: Tags::new(),
            arn: String::new(),
            node_role: String::new(),
            issues: Vec::new(),
        }
    }

    #[test]
    fn a_right_group_is_kept_also_under_a_suffixed_name() {
        let diff = diff(&wanted(), Some("1.51.0-aa"), None, Some(&right())).unwrap();
        assert_eq!(diff.action, Action::Keep);
    }

    #[test]
    fn a_newer_ami_release_refreshes_the_nodes_unless_told_not_to() {
        let refreshed = diff(&wanted(), Some("1.52.0-bb"), None, Some(&right())).unwrap();
        assert_eq!(refreshed.action, Action::Update);
        assert_eq!(
            refreshed.reason.as_deref(),
            Some("AMI release 1.52.0-bb is out")
        );
        let still = Wanted {
            refresh: false,
            ..wanted()
        };
        assert_eq!(
            diff(&still, Some("1.52.0-bb"), None, Some(&right()))
                .unwrap()
                .action,
            Action::Keep
        );
    }

    #[test]
    fn an_upgrade_takes_the_newest_release_whether_or_not_nodes_are_refreshed() {
        let upgraded = Wanted {
            version: "1.36".parse().unwrap(),
            refresh: false,
            ..wanted()
        };
        let diff = diff(&upgraded, Some("1.52.0-bb"), None, Some(&right())).unwrap();
        assert!(diff.touches("version") && diff.touches("release_version"));
    }

    #[test]
    fn what_eks_cannot_change_in_place_replaces_the_group() {
        let other = Wanted {
            instance_types: vec!["c7g.4xlarge".into()],
            ..wanted()
        };
        assert_eq!(
            diff(&other, None, None, Some(&right())).unwrap().action,
            Action::Replace
        );
        let wider = Wanted {
            scaling: Scaling {
                max: 5,
                ..wanted().scaling
            },
            ..wanted()
        };
        assert_eq!(
            diff(&wider, None, None, Some(&right())).unwrap().action,
            Action::Update
        );
    }

    #[test]
    fn a_group_that_never_came_up_or_is_on_its_way_out_is_made_again() {
        let action = |status| {
            let is = Observed { status, ..right() };
            diff(&wanted(), None, None, Some(&is)).unwrap().action
        };
        assert_eq!(action(NodegroupStatus::CreateFailed), Action::Replace);
        assert_eq!(action(NodegroupStatus::Deleting), Action::Create);
    }

    #[test]
    fn nodes_do_not_go_down() {
        let older = Wanted {
            version: "1.34".parse().unwrap(),
            ..wanted()
        };
        assert!(diff(&older, None, None, Some(&right())).is_err());
    }
}
