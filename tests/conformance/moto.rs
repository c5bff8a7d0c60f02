//! psk's resources against moto, a simulator of AWS that other people wrote: what moto has of a cluster's base is
//! made there, changed, and needs nothing after that.

mod resources;
mod server;

use std::collections::BTreeSet;

use psk::aws::{Aws, Identity, Session, Target};
use psk::env::Env;
use psk::reconcile::plan::{Action, ResourceChange};
use psk::reconcile::{Error, Graph, Progress};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use self::resources::{Variant, graph};
use self::server::Moto;
use crate::checked::hold;
use crate::python::Python;

const ACCOUNT: &str = "111122223333";
const OTHER_ACCOUNT: &str = "444455556666";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A session in one of moto's accounts, by a role of it, as a run has it.
async fn session(moto: &Moto, account: &str) -> Session {
    let env: Env = [
        ("AWS_ENDPOINT_URL", moto.url()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    let identity = Identity {
        pipeline: "psk-test".to_owned(),
        role: "qa".to_owned(),
        commit: None,
    };
    let target = Target {
        account: account.to_owned(),
        region: "us-east-1".to_owned(),
        assume_role: "PSKRoles/PSKControlPlaneBaseRole".to_owned(),
    };
    let aws = Aws::new(env, identity, 256).await.unwrap();
    aws.session(&target).await.unwrap()
}

/// Makes all changes, and tells which there were.
async fn apply(graph: &Graph) -> Vec<ResourceChange> {
    let told = |errors: &[Error]| format!("{errors:#?}");
    graph.observe().await.map_err(|e| told(&e)).unwrap();
    let progress = Progress::new(CancellationToken::new(), |_| {});
    let applied = graph.apply(&progress).await;
    assert!(applied.failed.is_empty(), "{}", told(&applied.failed));
    applied.done
}

/// What a plan says is still to do: kind, name and attributes.
async fn to_do(graph: &Graph) -> Vec<ResourceChange> {
    graph.observe().await.unwrap();
    let changes = graph.plan().unwrap().into_iter();
    changes
        .filter(|change| change.action != Action::Keep)
        .collect()
}

fn kinds(changes: &[ResourceChange], action: Action) -> BTreeSet<&str> {
    let with = changes.iter().filter(|change| change.action == action);
    with.map(|change| change.kind.as_str()).collect()
}

/// Nothing of it is in another account: each call was made by the session of its own.
async fn others_have_nothing(moto: &Moto) {
    let session = session(moto, OTHER_ACCOUNT).await;
    let groups = session.logs().describe_log_groups().send().await.unwrap();
    assert_eq!(groups.log_groups(), []);
    let roles = session.iam().list_roles().send().await.unwrap();
    assert_eq!(roles.roles(), []);
}

#[test]
fn what_moto_has_of_a_base_is_made_and_changed_until_nothing_is_to_do() {
    let Some(python) = Python::new() else { return };
    let moto = Moto::start(&python);
    runtime().block_on(async {
        let session = session(&moto, ACCOUNT).await;
        let given = resources::surroundings(&session).await;

        let made = apply(&graph(&session, &given, Variant::First)).await;
        assert_eq!(kinds(&made, Action::Create), resources::kinds());
        assert_eq!(to_do(&graph(&session, &given, Variant::First)).await, []);

        let changed = apply(&graph(&session, &given, Variant::Second)).await;
        assert_eq!(kinds(&changed, Action::Update), resources::changing());
        assert_eq!(to_do(&graph(&session, &given, Variant::Second)).await, []);
        others_have_nothing(&moto).await;
    });
    let called = moto.stop();
    hold("moto", called, resources::faults());
}
