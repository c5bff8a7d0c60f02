//! A cluster of the lab, and a Kubernetes client that talks to it.

use data_encoding::BASE64URL_NOPAD;
use http::Method;
use jiff::Timestamp;
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster,
    NamedContext,
};
use psk_lab::faults::Faults;
use psk_lab::kubernetes::Inside;
use psk_lab::seed::{ClusterSeed, NodeGroupSeed, Start};
use psk_lab::world::World;
use psk_lab::{Lab, Options};
use serde_json::Value;

use crate::client::{Client, NONPROD, now, seed};

pub(crate) const CLUSTER: &str = "nonprod-i01-aws-us-east-1";
pub(crate) const REGION: &str = "us-east-1";

/// A world in which the clusters exist.
pub(crate) fn world() -> World {
    world_with(|_| {})
}

/// The same, with something more asked of the clusters.
pub(crate) fn world_with(ask: impl Fn(&mut ClusterSeed)) -> World {
    let mut seed = seed();
    seed.start = Start::Current;
    for cluster in &mut seed.clusters {
        cluster.eks_version = "1.35".into();
        cluster.pipeline = "p".into();
        cluster.node_group = NodeGroupSeed {
            name: "management".into(),
            role: "management".into(),
            ami_type: "BOTTLEROCKET_ARM_64".into(),
            instance_types: vec!["t4g.2xlarge".into()],
            capacity_type: "ON_DEMAND".into(),
            disk_size: 50,
            desired_size: 2,
            min_size: 1,
            max_size: 3,
            max_unavailable: "1".into(),
        };
        cluster.addons = [
            "vpc-cni",
            "coredns",
            "kube-proxy",
            "aws-ebs-csi-driver",
            "aws-efs-csi-driver",
            "eks-pod-identity-agent",
        ]
        .map(str::to_owned)
        .into();
        ask(cluster);
    }
    seed.build(Timestamp::try_from(now()).unwrap(), [7; 32])
        .unwrap()
}

/// A cluster and who talks to it.
pub(crate) struct Kube {
    pub(crate) lab: Lab,
    pub(crate) kubeconfig: Kubeconfig,
    pub(crate) client: kube::Client,
}

impl Kube {
    pub(crate) async fn start() -> Self {
        Self::with(world(), Options::default()).await
    }

    pub(crate) async fn with_faults(faults: &str) -> Self {
        let faults = Faults::parse(faults, std::path::Path::new("faults.json")).unwrap();
        Self::with(
            world(),
            Options {
                faults,
                ..Options::default()
            },
        )
        .await
    }

    pub(crate) async fn with(world: World, options: Options) -> Self {
        let lab = Lab::start(world, options).await.unwrap();
        let base = Client::base(&lab);
        let pipeline = base.assume(NONPROD).await;
        let kubeconfig = kubeconfig(&pipeline, CLUSTER).await;
        let client = client(&kubeconfig).await;
        Self {
            lab,
            kubeconfig,
            client,
        }
    }

    /// Changes the cluster from outside.
    pub(crate) fn inside<T>(&self, visit: impl FnOnce(&mut Inside) -> T) -> T {
        let now = Timestamp::try_from(now()).unwrap();
        self.lab
            .with_world(|world| visit(world.kubernetes(NONPROD, REGION, CLUSTER, now).unwrap()))
    }
}

impl Kube {
    /// Every object of the cluster, and the same after all its controllers have looked again at the same moment.
    pub(crate) fn looked_at_twice(&self) -> [Value; 2] {
        let now = Timestamp::try_from(now()).unwrap();
        self.lab.with_world(|world| {
            // Whoever has reached into it may have changed anything, so all look at it the next time.
            [(); 2].map(|()| {
                let inside = world.kubernetes(NONPROD, REGION, CLUSTER, now).unwrap();
                serde_json::to_value(&*inside).unwrap()["objects"].take()
            })
        })
    }

    /// Lets time pass in the world.
    pub(crate) fn pass(&self, seconds: i64) {
        let time = jiff::SignedDuration::from_secs(seconds);
        self.lab.with_world(|world| world.clock.advance(time));
    }
}

pub(crate) async fn client(kubeconfig: &Kubeconfig) -> kube::Client {
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default())
            .await
            .unwrap();
    kube::Client::try_from(config).unwrap()
}

/// A token as the AWS CLI makes it.
pub(crate) fn token(caller: &Client, cluster: &str) -> String {
    let target = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let url = caller.presign("sts", target, &[("x-k8s-aws-id", cluster)]);
    format!("k8s-aws-v1.{}", BASE64URL_NOPAD.encode(url.as_bytes()))
}

pub(crate) async fn describe(caller: &Client, cluster: &str) -> Value {
    let path = format!("/clusters/{cluster}");
    let answer = caller
        .send("eks", Method::GET, &path, &[], b"")
        .await
        .unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

/// What a client needs to talk to a cluster as a caller.
pub(crate) async fn kubeconfig(caller: &Client, cluster: &str) -> Kubeconfig {
    let described = describe(caller, cluster).await;
    let text = |pointer: &str| {
        described
            .pointer(pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    };
    Kubeconfig {
        clusters: vec![NamedCluster {
            name: "c".into(),
            cluster: Some(Cluster {
                server: Some(text("/cluster/endpoint")),
                certificate_authority_data: Some(text("/cluster/certificateAuthority/data")),
                ..Cluster::default()
            }),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: "u".into(),
            auth_info: Some(AuthInfo {
                token: Some(token(caller, cluster).into()),
                ..AuthInfo::default()
            }),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: "x".into(),
            context: Some(Context {
                cluster: "c".into(),
                user: Some("u".into()),
                ..Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some("x".into()),
        ..Kubeconfig::default()
    }
}
