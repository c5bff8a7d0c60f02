//! Sessions of a role are judged by its policies, and refused as each service refuses.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::credentials::{Credential, Session, SessionPolicies};
use crate::iam::{LinkedService, Role, ensure_service_linked_role};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "us-east-1";
const ROLE: &str = "PSKRoles/Deployer";

struct Bench(World);

impl Bench {
    /// A world in which a session of the role has these policies.
    fn new(statements: Value) -> Self {
        let mut world = World::empty(Timestamp::UNIX_EPOCH, [7; 32]);
        let role = Role::new(
            "/PSKRoles/",
            "Deployer",
            "AROA",
            json!({}),
            Timestamp::UNIX_EPOCH,
        );
        let arn = role.arn(ACCOUNT);
        let iam = world.iam(ACCOUNT);
        iam.roles.insert("Deployer".to_owned(), role);
        for service in [LinkedService::EKS, LinkedService::EKS_NODEGROUP] {
            ensure_service_linked_role(iam, ACCOUNT, service, Timestamp::UNIX_EPOCH);
        }
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        attach(&mut world, ACCOUNT, ROLE, &[document]).unwrap();
        let session = Session {
            token: "t".to_owned(),
            expires: Timestamp::MAX,
            role: arn,
            tags: Vec::new(),
            policies: SessionPolicies::default(),
        };
        world.credentials.insert(
            "ASIA".to_owned(),
            Credential {
                account: ACCOUNT.to_owned(),
                secret: "s".to_owned(),
                principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/psk"),
                user_id: "AROA:psk".to_owned(),
                session: Some(session),
            },
        );
        Self(world)
    }

    fn session(&mut self) -> &mut Session {
        let credential = self.0.credentials.get_mut("ASIA").unwrap();
        credential.session.as_mut().unwrap()
    }

    fn ask(&self, service: Service, call: Call) -> Result<Vec<Use>, ServiceError> {
        let call = Call {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            principal: format!("arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/psk"),
            access_key: Some("ASIA".to_owned()),
            ..call
        };
        authorize(&self.0, service, &call)
    }

    fn query(
        &self,
        service: Service,
        operation: &str,
        body: &str,
    ) -> Result<Vec<Use>, ServiceError> {
        self.ask(
            service,
            Call {
                operation: operation.to_owned(),
                body: body.as_bytes().to_vec(),
                ..Call::default()
            },
        )
    }

    fn rest(
        &self,
        service: Service,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Vec<Use>, ServiceError> {
        let operation = match service {
            Service::Efs => crate::efs::operation(&method, path),
            _ => crate::eks::operation(&method, path),
        };
        self.ask(
            service,
            Call {
                operation: operation.unwrap().to_owned(),
                method,
                path: path.to_owned(),
                body: body.to_string().into_bytes(),
                ..Call::default()
            },
        )
    }
}

fn allow(actions: &[&str], resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resource })
}

fn used(answer: Result<Vec<Use>, ServiceError>) -> Vec<String> {
    let used = answer.expect("allowed");
    used.into_iter()
        .map(|used| format!("{} {}", used.action, used.resource))
        .collect()
}

fn told(answer: Result<Vec<Use>, ServiceError>) -> (u16, String, String) {
    let error = answer.expect_err("a refusal");
    (error.status.as_u16(), error.code, error.message)
}

#[test]
fn what_no_policy_mentions_is_refused_in_each_services_words() {
    let bench = Bench::new(json!([allow(&["sts:*"], "*")]));
    let who = format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/psk is not authorized to perform:"
    );
    let cases = [
        (
            bench.rest(Service::Eks, Method::GET, "/clusters/c", json!({})),
            (
                403,
                "AccessDeniedException",
                format!(
                    "{who} eks:DescribeCluster on resource: arn:aws:eks:{REGION}:{ACCOUNT}:cluster/c \
                     because no identity-based policy allows the eks:DescribeCluster action"
                ),
            ),
        ),
        (
            bench.query(Service::Ec2, "DescribeVpcs", ""),
            (
                403,
                "UnauthorizedOperation",
                format!(
                    "You are not authorized to perform this operation. {who} ec2:DescribeVpcs because \
                     no identity-based policy allows the ec2:DescribeVpcs action"
                ),
            ),
        ),
        (
            bench.query(Service::Iam, "GetRole", "RoleName=x"),
            (
                403,
                "AccessDenied",
                format!(
                    "{who} iam:GetRole on resource: role x because no identity-based policy allows the \
                     iam:GetRole action"
                ),
            ),
        ),
        (
            bench.query(Service::Events, "PutRule", r#"{"Name":"r"}"#),
            (
                400,
                "AccessDeniedException",
                format!(
                    "{who} events:PutRule on resource: arn:aws:events:{REGION}:{ACCOUNT}:rule/r because \
                     no identity-based policy allows the events:PutRule action"
                ),
            ),
        ),
        (
            bench.query(Service::Sqs, "CreateQueue", r#"{"QueueName":"q"}"#),
            (
                403,
                "AccessDeniedException",
                format!(
                    "{who} sqs:createqueue on resource: arn:aws:sqs:{REGION}:{ACCOUNT}:q because no \
                     identity-based policy allows the sqs:createqueue action"
                ),
            ),
        ),
        (
            bench.rest(
                Service::Efs,
                Method::GET,
                "/2015-02-01/file-systems",
                json!({}),
            ),
            (
                403,
                "AccessDeniedException",
                "User is not authorized to perform that action on the specified resource"
                    .to_owned(),
            ),
        ),
    ];
    for (answer, (status, code, message)) in cases {
        assert_eq!(told(answer), (status, code.to_owned(), message));
    }
}

#[test]
fn a_deny_wins_over_an_allow() {
    let bench = Bench::new(json!([
        allow(&["eks:*"], "*"),
        { "Effect": "Deny", "Action": "eks:Delete*", "Resource": "arn:*:*:*:*:cluster/c" },
    ]));
    let delete = |name: &str| {
        bench.rest(
            Service::Eks,
            Method::DELETE,
            &format!("/clusters/{name}"),
            json!({}),
        )
    };
    assert!(delete("d").is_ok());
    let (_, _, message) = told(delete("c"));
    assert!(
        message.ends_with("with an explicit deny in an identity-based policy"),
        "{message}"
    );
}

#[test]
fn a_boundary_and_a_sessions_own_policies_only_take_away() {
    let describe = |bench: &Bench| bench.rest(Service::Eks, Method::GET, "/clusters/c", json!({}));
    let mut bench = Bench::new(json!([allow(&["eks:*"], "*")]));
    bench.session().policies.inline =
        Some(json!({ "Statement": [allow(&["ec2:*", "eks:List*"], "*")] }));
    assert!(told(describe(&bench)).2.contains("no session policy"));
    assert!(
        bench
            .rest(Service::Eks, Method::GET, "/clusters", json!({}))
            .is_ok()
    );
    let only_the_session = bench.query(Service::Ec2, "DescribeVpcs", "");
    assert!(
        told(only_the_session)
            .2
            .contains("no identity-based policy")
    );

    let mut bench = Bench::new(json!([allow(&["eks:*"], "*")]));
    let role = bench.0.iam(ACCOUNT).roles.get_mut("Deployer").unwrap();
    role.boundary = Some("arn:aws:iam::aws:policy/AmazonSQSFullAccess".to_owned());
    assert!(told(describe(&bench)).2.contains("no permissions boundary"));
}

#[test]
fn the_labs_own_user_may_do_everything() {
    let mut bench = Bench::new(json!([allow(&["sts:*"], "*")]));
    bench.0.credentials.get_mut("ASIA").unwrap().session = None;
    assert!(bench.query(Service::Ec2, "DescribeVpcs", "").is_ok());
}

#[test]
fn a_cluster_takes_leave_to_pass_its_role_and_to_use_its_key() {
    let key = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/k");
    let body = json!({
        "name": "c",
        "roleArn": format!("arn:aws:iam::{ACCOUNT}:role/c-cluster"),
        "encryptionConfig": [{ "resources": ["secrets"], "provider": { "keyArn": key } }],
        "tags": { "role": "qa" },
    });
    let create = |statements: Value| {
        Bench::new(statements).rest(Service::Eks, Method::POST, "/clusters", body.clone())
    };
    let mut statements = vec![allow(&["eks:CreateCluster"], "*")];
    assert!(
        told(create(json!(statements)))
            .2
            .contains("eks:TagResource")
    );
    statements.push(allow(&["eks:TagResource"], "arn:aws:eks:*:*:cluster/*"));
    assert!(told(create(json!(statements))).2.contains("iam:PassRole"));
    let pass_to = |service: &str| {
        json!({
            "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
            "Condition": { "StringEquals": { "iam:PassedToService": service } },
        })
    };
    statements.push(pass_to("ec2.amazonaws.com"));
    assert!(told(create(json!(statements))).2.contains("iam:PassRole"));
    statements.push(pass_to("eks.amazonaws.com"));
    statements.push(allow(&["kms:DescribeKey"], "*"));
    assert_eq!(
        told(create(json!(statements))),
        (
            400,
            "InvalidRequestException".to_owned(),
            "User not authorized to perform kms:CreateGrant operation".to_owned()
        )
    );
    statements.push(allow(&["kms:CreateGrant"], "*"));
    assert_eq!(
        used(create(json!(statements))),
        [
            format!("eks:CreateCluster arn:aws:eks:{REGION}:{ACCOUNT}:cluster/c"),
            format!("eks:TagResource arn:aws:eks:{REGION}:{ACCOUNT}:cluster/c"),
            format!("iam:PassRole arn:aws:iam::{ACCOUNT}:role/c-cluster"),
            format!("kms:DescribeKey {key}"),
            format!("kms:CreateGrant {key}"),
        ]
    );
}

#[test]
fn the_first_cluster_of_an_account_takes_leave_to_make_the_service_linked_role() {
    let mut bench = Bench::new(json!([allow(&["eks:*", "iam:PassRole"], "*")]));
    let body = json!({ "name": "c", "roleArn": "arn:aws:iam::111122223333:role/x" });
    let create = |bench: &Bench| bench.rest(Service::Eks, Method::POST, "/clusters", body.clone());
    assert!(create(&bench).is_ok());
    bench.0.iam(ACCOUNT).roles.remove(LinkedService::EKS.role);
    assert_eq!(
        told(create(&bench)).2,
        "Failed to create service linked role: AWSServiceRoleForAmazonEKS due to missing permissions \
         for 'iam:CreateServiceLinkedRole'"
    );
}

#[test]
fn a_node_group_takes_leave_to_launch_its_template() {
    let mut bench = Bench::new(json!([
        allow(&["eks:*", "iam:*", "ec2:Describe*", "ec2:CreateLaunchTemplate"], "*"),
        {
            "Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*",
            "Condition": { "ArnLike": { "ec2:LaunchTemplate": "arn:aws:ec2:*:*:launch-template/lt-*" } },
        },
        {
            "Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "arn:aws:ec2:*:*:instance/*",
            "Condition": { "StringEquals": { "ec2:CreateAction": "RunInstances" } },
        },
    ]));
    let make = |bench: &mut Bench, name: &str, tagged: &str| {
        let call = Call {
            operation: "CreateLaunchTemplate".to_owned(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            body: format!(
                "LaunchTemplateName={name}&LaunchTemplateData.TagSpecification.1.ResourceType={tagged}\
                 &LaunchTemplateData.TagSpecification.1.Tag.1.Key=a\
                 &LaunchTemplateData.TagSpecification.1.Tag.1.Value=b"
            )
            .into_bytes(),
            ..Call::default()
        };
        crate::ec2::handle(&mut bench.0, &call).unwrap();
    };
    make(&mut bench, "one", "instance");
    make(&mut bench, "two", "volume");
    let create = |template: &str| {
        let body = json!({
            "nodegroupName": "g", "subnets": ["subnet-1"],
            "nodeRole": format!("arn:aws:iam::{ACCOUNT}:role/c-nodes"),
            "launchTemplate": { "name": template },
        });
        bench.rest(Service::Eks, Method::POST, "/clusters/c/node-groups", body)
    };
    let uses = used(create("one"));
    for wanted in [
        "iam:ListAttachedRolePolicies arn:aws:iam::111122223333:role/c-nodes",
        "ec2:DescribeSubnets *",
        "ec2:RunInstances arn:aws:ec2:us-east-1:111122223333:subnet/subnet-1",
        "ec2:CreateTags arn:aws:ec2:us-east-1:111122223333:instance/*",
    ] {
        assert!(uses.iter().any(|used| used == wanted), "{wanted}: {uses:?}");
    }
    let (_, code, message) = told(create("two"));
    assert_eq!(code, "InvalidRequestException");
    assert!(
        message
            .starts_with("You are not authorized to launch instances with this launch template."),
        "{message}"
    );
}

#[test]
fn a_mount_target_takes_leave_to_make_its_network_interface() {
    let body =
        json!({ "FileSystemId": "fs-1", "SubnetId": "subnet-1", "SecurityGroups": ["sg-1"] });
    let create = |statements: Value| {
        Bench::new(statements).rest(
            Service::Efs,
            Method::POST,
            "/2015-02-01/mount-targets",
            body.clone(),
        )
    };
    let mut statements = vec![
        allow(
            &[
                "elasticfilesystem:*",
                "iam:CreateServiceLinkedRole",
                "ec2:Describe*",
            ],
            "*",
        ),
        allow(
            &["ec2:CreateNetworkInterface"],
            "arn:aws:ec2:*:*:network-interface/*",
        ),
        allow(&["ec2:CreateNetworkInterface"], "arn:aws:ec2:*:*:subnet/*"),
    ];
    assert!(create(json!(statements)).is_err());
    statements.push(allow(
        &["ec2:CreateNetworkInterface"],
        "arn:aws:ec2:*:*:security-group/*",
    ));
    let uses = used(create(json!(statements)));
    assert!(uses.contains(&format!(
        "ec2:CreateNetworkInterface arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-1"
    )));
}

#[test]
fn a_keys_policy_must_let_its_account_decide() {
    let mut bench = Bench::new(json!([allow(&["kms:*"], "*")]));
    let make = Call {
        operation: "CreateKey".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        ..Call::default()
    };
    let reply = crate::kms::handle(&mut bench.0, &make).unwrap();
    let made: Value = serde_json::from_slice(&reply.body).unwrap();
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let describe = |bench: &Bench| {
        bench.query(
            Service::Kms,
            "DescribeKey",
            &json!({ "KeyId": id }).to_string(),
        )
    };
    let set = |bench: &mut Bench, principal: &str| {
        let key = bench.0.kms(ACCOUNT, REGION).keys.get_mut(&id).unwrap();
        key.policy = json!({ "Statement": {
            "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "kms:*", "Resource": "*",
        } });
    };
    assert!(describe(&bench).is_ok());
    set(&mut bench, "arn:aws:iam::111122223333:role/other");
    assert!(
        told(describe(&bench))
            .2
            .contains("no resource-based policy")
    );
    let mut named = Bench::new(json!([allow(&["sts:*"], "*")]));
    named.0.account(ACCOUNT).regions = bench.0.account(ACCOUNT).regions.clone();
    assert!(describe(&named).is_err());
    set(
        &mut named,
        "arn:aws:iam::111122223333:role/PSKRoles/Deployer",
    );
    assert!(describe(&named).is_ok());
}

#[test]
fn the_arns_of_log_groups_end_by_what_is_asked() {
    let on = |resource: &str| {
        let bench = Bench::new(json!([allow(&["logs:*"], resource)]));
        let create = r#"{"logGroupName":"/aws/eks/c/cluster","tags":{"a":"b"}}"#;
        let retain = r#"{"logGroupName":"/aws/eks/c/cluster","retentionInDays":1}"#;
        (
            bench.query(Service::Logs, "CreateLogGroup", create).is_ok(),
            bench
                .query(Service::Logs, "PutRetentionPolicy", retain)
                .is_ok(),
        )
    };
    let group = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/eks/c/cluster");
    assert_eq!(on(&group), (false, false));
    assert_eq!(on(&format!("{group}:*")), (false, true));
    assert_eq!(on(&format!("{group}*")), (true, true));
}

#[test]
fn a_policy_that_iam_would_not_take_is_not_attached() {
    let mut bench = Bench::new(json!([allow(&["sts:*"], "*")]));
    let wrong = json!({ "Statement": [{ "Effect": "Allow", "Action": "*" }] });
    assert!(matches!(
        attach(&mut bench.0, ACCOUNT, ROLE, &[wrong]),
        Err(PolicyError::Document { number: 1, .. })
    ));
    assert!(matches!(
        attach(&mut bench.0, ACCOUNT, "PSKRoles/Nobody", &[]),
        Err(PolicyError::Role { .. })
    ));
}
