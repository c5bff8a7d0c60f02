//! A release on its way through the roles: what the gate lets through, what it refuses, what is
//! proved by whose word. All through the binary, in one lab each.

use psk_lab::github::{Repository, Status, StatusState};
use psk_lab::world::World;
use serde_json::Value as Json;

use crate::harness::{Files, Psk, Run, Served, psk, world_of};

mod away;
mod order;
mod parts;
mod proofs;
mod released;

const BOT: &str = "psk-release[bot]";

/// Six roles of one cluster each, in the order of the shipped inventory.
fn fleet() -> Files {
    let role = |name: &str, head: &str| {
        format!("{head}clusters:\n  {name}-i01-aws-us-east-1: {{ aws_region: us-east-1 }}\n")
    };
    Files::small()
        .with(
            "psk.yaml",
            "name: psk-test\npromotion:\n  trusted_creators: [\"psk-release[bot]\"]\n  \
             signing_key: \"{{ op://empc-lab/svc-psk/promotion-key }}\"\n",
        )
        .with("roles/sandbox.yaml", &role("sandbox", "trigger: push\n"))
        .with("roles/qa.yaml", &role("qa", "after: [sandbox]\n"))
        .with("roles/preview.yaml", &role("preview", "after: [qa]\n"))
        .with("roles/nonprod.yaml", &role("nonprod", "after: [preview]\n"))
        .with("roles/prod.yaml", &role("prod", "after: [nonprod]\n"))
        .with("roles/mapi.yaml", &role("mapi", "after: [qa]\n"))
}

/// The fleet's world, in which every cluster is as it should be.
struct Promotion {
    files: Files,
    lab: Served,
    commit: String,
}

impl Promotion {
    fn new() -> Self {
        Self::of(fleet(), "{}")
    }

    fn of(files: Files, faults: &str) -> Self {
        Self::with(files, |world| Served::start(world, faults))
    }

    /// The same in a fast world, for what takes its time.
    fn fast(files: Files) -> Self {
        Self::with(files, |world| Served::fast(world, "{}"))
    }

    fn with(files: Files, serve: impl FnOnce(World) -> Served) -> Self {
        let world = world_of(&files, "current");
        let commit = repository(&world).branches["main"].clone();
        let lab = serve(world);
        Self { files, lab, commit }
    }

    /// A command in a job of the default branch.
    fn pushed<const N: usize>(&self, args: [&str; N]) -> Psk<'_> {
        let psk = psk(args).at(&self.files).inside(&self.lab);
        psk.env("PSK_COMMIT", &self.commit)
            .env("PSK_BRANCH", "main")
            .without("PSK_TAG")
            .env("PSK_RUN_URL", "https://ci.example/7")
    }

    /// A command in a job of the tag.
    fn tagged<const N: usize>(&self, args: [&str; N]) -> Psk<'_> {
        self.pushed(args)
            .without("PSK_BRANCH")
            .env("PSK_TAG", "v0.0.0-lab")
    }

    fn fanout(&self, role: &str) -> Psk<'_> {
        let args = [
            "fanout",
            "--output=json",
            "--poll-interval=0.1",
            "--role",
            role,
        ];
        if role == "sandbox" {
            self.pushed(args)
        } else {
            self.tagged(args)
        }
    }

    /// The roles before that one hold the release.
    fn held(self, roles: &[&str]) -> Self {
        for role in roles {
            self.fanout(role).run().ended(0);
        }
        self
    }

    /// Is refused by the gate, and nothing is written anywhere.
    fn refused(&self, psk: Psk<'_>) -> String {
        self.refused_with(11, psk)
    }

    /// The same, with another exit code.
    fn refused_with(&self, code: i32, psk: Psk<'_>) -> String {
        let before = self.writes();
        let told = psk.run().refused(code);
        assert_eq!(self.writes(), before);
        told
    }

    /// What was written, to whatever service.
    fn writes(&self) -> Vec<String> {
        let calls = self.lab.calls();
        let written = calls.iter().filter(|call| call.writes);
        written
            .map(|call| format!("{} {}", call.service, call.operation))
            .collect()
    }

    /// Every status of a context, the earliest first, as `state by creator: text`.
    fn statuses(&self, context: &str) -> Vec<String> {
        self.lab.with_world(|world| {
            let statuses = repository(world).statuses.iter();
            statuses
                .filter(|status| status.context == context)
                .map(|status| {
                    let text = status.description.as_deref().unwrap_or_default();
                    format!("{:?} by {}: {text}", status.state, status.creator)
                })
                .collect()
        })
    }

    /// The last status of a context.
    fn last(&self, context: &str) -> Status {
        self.lab.with_world(|world| {
            let statuses = repository(world).statuses.iter().rev();
            statuses
                .clone()
                .find(|status| status.context == context)
                .unwrap()
                .clone()
        })
    }

    /// Puts a status there, by whatever way it came.
    fn forge(&self, change: impl FnOnce(&mut Status), context: &str) {
        let mut status = self.last(context);
        change(&mut status);
        self.lab.with_world(|world| {
            status.id = world.github.next_id();
            repository_mut(world).statuses.push(status);
        });
    }

    /// Freezes everything, or lets it go on.
    fn freeze(&self, state: StatusState) {
        let freeze = |status: &mut Status| {
            status.context = "psk/freeze".into();
            status.state = state;
            status.description = Some("incident 12".into());
        };
        self.forge(freeze, "psk/sandbox");
    }

    fn board(&self) -> Json {
        self.tagged(["promote", "status", "--output=json"])
            .run()
            .ended(0)
            .report()
    }
}

fn repository(world: &World) -> &Repository {
    &world.github.repositories[0]
}

fn repository_mut(world: &mut World) -> &mut Repository {
    &mut world.github.repositories[0]
}

fn proof(run: &Run) -> Json {
    run.report()["statuses"].clone()
}
