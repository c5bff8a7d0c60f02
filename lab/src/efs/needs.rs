//! What a caller of EFS must be allowed, which includes what EFS does to network interfaces in its
//! name. Sources: the Service Authorization Reference for EFS; for the actions of EC2 the EFS API
//! reference of each operation on mount targets.

use serde_json::Value;

use super::routes;
use crate::authorization::Need;
use crate::call::Call;
use crate::iam::LinkedService;
use crate::world::World;

/// What a call needs.
pub(crate) fn needs(world: &World, call: &Call) -> Vec<Need> {
    let labels = routes::find(&call.method, &call.path).map(|(_, labels)| labels);
    let label = labels.into_iter().flatten().next().map(|(_, value)| value);
    let asked = Asked {
        world,
        call,
        label: label.unwrap_or_default(),
        body: serde_json::from_slice(&call.body).unwrap_or_default(),
    };
    asked.needs()
}

struct Asked<'a> {
    world: &'a World,
    call: &'a Call,
    /// The id in the path.
    label: String,
    body: Value,
}

impl Asked<'_> {
    fn needs(&self) -> Vec<Need> {
        let action = format!("elasticfilesystem:{}", self.call.operation);
        let own = |id: &str| Need::on(action.clone(), self.arn(id));
        match self.call.operation.as_str() {
            "CreateFileSystem" => {
                let encrypted = self.body.get("Encrypted") == Some(&Value::Bool(true));
                let mut needs = vec![
                    Need::anywhere(action)
                        .with("elasticfilesystem:Encrypted", encrypted.to_string())
                        .tagging(self.tags()),
                ];
                needs.extend(self.tagging("fs-*"));
                needs
            }
            "DescribeFileSystems" => match self.call.query("FileSystemId") {
                Some(id) => vec![own(id)],
                None => vec![Need::anywhere(action)],
            },
            "CreateMountTarget" => self.mount_target_creation(own(&self.text("FileSystemId"))),
            "DeleteMountTarget" => {
                let interface = self.mount_target().map(|t| t.network_interface.clone());
                let interface = self.ec2("network-interface", interface.as_deref().unwrap_or("*"));
                vec![
                    own(&self.file_system_mounted()),
                    Need::on("ec2:DeleteNetworkInterface", interface),
                ]
            }
            "DescribeMountTargetSecurityGroups" => vec![
                own(&self.file_system_mounted()),
                Need::anywhere("ec2:DescribeNetworkInterfaceAttribute"),
            ],
            "ModifyMountTargetSecurityGroups" => vec![
                own(&self.file_system_mounted()),
                Need::on(
                    "ec2:ModifyNetworkInterfaceAttribute",
                    self.ec2("network-interface", "*"),
                ),
            ],
            "DescribeMountTargets" => {
                let asked = ["FileSystemId", "AccessPointId"]
                    .into_iter()
                    .find_map(|name| self.call.query(name));
                vec![own(asked.unwrap_or(&self.file_system_mounted()))]
            }
            "CreateAccessPoint" => {
                let mut needs = vec![own(&self.text("FileSystemId"))];
                needs.extend(self.tagging("fsap-*"));
                needs
            }
            "DescribeAccessPoints" => {
                let asked = ["AccessPointId", "FileSystemId"]
                    .into_iter()
                    .find_map(|name| self.call.query(name));
                vec![asked.map_or_else(|| Need::anywhere(action.clone()), own)]
            }
            _ => vec![own(&self.label).tagging(self.tags())],
        }
    }

    fn mount_target_creation(&self, own: Need) -> Vec<Need> {
        let mut needs = vec![own];
        needs.extend(["ec2:DescribeSubnets", "ec2:DescribeNetworkInterfaces"].map(Need::anywhere));
        let mut on = vec![
            self.ec2("network-interface", "*"),
            self.ec2("subnet", &self.text("SubnetId")),
        ];
        let groups = self.body.get("SecurityGroups").and_then(Value::as_array);
        on.extend(
            groups
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|id| self.ec2("security-group", id)),
        );
        needs.push(Need::on_all("ec2:CreateNetworkInterface", on));
        let linked = LinkedService::EFS;
        let account = self.world.accounts.get(&self.call.account);
        if !account.is_some_and(|account| account.iam.roles.contains_key(linked.role)) {
            needs.push(
                Need::on(
                    "iam:CreateServiceLinkedRole",
                    linked.role_arn(&self.call.account),
                )
                .with("iam:AWSServiceName", linked.principal),
            );
        }
        needs
    }

    /// Leave to tag what is being made, if the request says how.
    fn tagging(&self, id: &str) -> Option<Need> {
        let tags = self.tags();
        (!tags.is_empty()).then(|| {
            Need::on("elasticfilesystem:TagResource", self.arn(id))
                .with(
                    "elasticfilesystem:CreateAction",
                    self.call.operation.as_str(),
                )
                .tagging(tags)
        })
    }

    fn tags(&self) -> Vec<(&str, &str)> {
        let tags = self.body.get("Tags").and_then(Value::as_array);
        tags.into_iter()
            .flatten()
            .filter_map(|tag| {
                let value = tag.get("Value").and_then(Value::as_str);
                Some((tag.get("Key")?.as_str()?, value.unwrap_or_default()))
            })
            .collect()
    }

    fn text(&self, member: &str) -> String {
        let text = self.body.get(member).and_then(Value::as_str);
        text.unwrap_or("*").to_owned()
    }

    /// The ARN of what an id names, or the id if it is an ARN.
    fn arn(&self, id: &str) -> String {
        if id.starts_with("arn:") {
            return id.to_owned();
        }
        let kind = match id.split('-').next() {
            Some("fsap") => "access-point",
            _ => "file-system",
        };
        let Call {
            region, account, ..
        } = self.call;
        // The id of what isn't there yet.
        let id = if id.ends_with("-*") { "*" } else { id };
        format!("arn:aws:elasticfilesystem:{region}:{account}:{kind}/{id}")
    }

    fn ec2(&self, kind: &str, id: &str) -> String {
        let Call {
            region, account, ..
        } = self.call;
        format!("arn:aws:ec2:{region}:{account}:{kind}/{id}")
    }

    /// The mount target that a request is about.
    fn mount_target(&self) -> Option<&super::MountTarget> {
        let account = self.world.accounts.get(&self.call.account)?;
        let region = account.regions.get(&self.call.region)?;
        let id = self.call.query("MountTargetId").unwrap_or(&self.label);
        region.efs.mount_targets.get(id)
    }

    /// The file system that it leads to, which is the resource that is asked for.
    fn file_system_mounted(&self) -> String {
        self.mount_target()
            .map_or_else(|| "*".to_owned(), |target| target.file_system.clone())
    }
}
