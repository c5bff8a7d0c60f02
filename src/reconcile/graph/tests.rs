use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::reconcile::Grant;

/// A service that holds named numbers.
type Service = Arc<Mutex<BTreeMap<&'static str, u32>>>;

/// A number that should be its base's plus one, or one without a base.
struct Counter {
    name: &'static str,
    base: Option<Handle<u32>>,
    service: Service,
    /// What goes wrong with it, if anything.
    fault: Option<&'static str>,
}

impl Counter {
    fn wanted(&self) -> Fact<u32> {
        self.base
            .as_ref()
            .map_or(Fact::Known(1), |base| base.get().map(|n| n + 1))
    }

    fn fails_at(&self, step: &str) -> Result<(), Error> {
        if self.fault == Some(step) {
            return Err(Error::new(
                format!("{step} of {}", self.name),
                "it broke",
                "mend it",
            ));
        }
        Ok(())
    }
}

impl Resource for Counter {
    type Observed = u32;
    type Output = u32;
    const KIND: &'static str = "counter";
    const GRANTS: &'static [Grant] = &[];

    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn needs(&self) -> Vec<usize> {
        self.base.iter().map(Handle::index).collect()
    }

    async fn observe(&self) -> Result<Option<u32>, Error> {
        if let Some(base) = &self.base {
            base.observed().await?;
        }
        self.fails_at("observe")?;
        Ok(self.service.lock().unwrap().get(self.name).copied())
    }

    fn output(&self, observed: &u32) -> u32 {
        *observed
    }

    fn diff(&self, observed: Option<&u32>) -> Result<Diff, Error> {
        self.fails_at("diff")?;
        let diff = if observed.is_some() {
            Diff::update()
        } else {
            Diff::create()
        };
        Ok(diff.fact("n", observed, self.wanted()).build())
    }

    async fn apply(&self, _: &Diff, _: Option<&u32>, progress: &Progress) -> Result<(), Error> {
        self.fails_at("apply")?;
        progress.say(format!("{} SETTING", self.name));
        let wanted = self.wanted().known().unwrap();
        self.service.lock().unwrap().insert(self.name, wanted);
        Ok(())
    }

    async fn settle(&self, _: &Progress) -> Result<u32, Error> {
        Ok(self.service.lock().unwrap()[self.name])
    }

    async fn fate(&self, _: &u32) -> Result<Fate, Error> {
        Ok(match self.fault {
            Some("leave") => Fate::Leave("others made it".into()),
            Some("forbid") => Fate::Forbid(Error::new("removing it", "it is held", "let go")),
            Some("fate") => return Err(Error::new("asking whose it is", "it broke", "mend it")),
            _ => Fate::Remove,
        })
    }

    async fn remove(&self, _: &u32, progress: &Progress) -> Result<(), Error> {
        progress.say(format!("{} GOING", self.name));
        self.fails_at("remove")?;
        self.service.lock().unwrap().remove(self.name);
        Ok(())
    }
}

/// A chain a → b → c, and d beside it.
fn graph(service: &Service, faults: &[(&str, &'static str)]) -> Graph {
    let mut graph = Graph::new();
    let fault = |name| faults.iter().find(|(n, _)| *n == name).map(|(_, f)| *f);
    let mut add = |name, base| {
        graph.add(Counter {
            name,
            base,
            service: service.clone(),
            fault: fault(name),
        })
    };
    let a = add("a", None);
    let b = add("b", Some(a));
    add("c", Some(b));
    add("d", None);
    graph
}

fn quiet() -> Progress {
    Progress::new(CancellationToken::new(), |_| {})
}

fn names(changes: &[ResourceChange]) -> Vec<&str> {
    changes.iter().map(|c| c.name.as_str()).collect()
}

#[tokio::test]
async fn what_does_not_exist_is_planned_made_in_order_and_then_right() {
    let service = Service::default();
    let first = graph(&service, &[]);
    first.observe().await.unwrap();
    let plan = first.plan().unwrap();
    assert!(plan.iter().all(|c| c.action == Action::Create));
    assert!(
        service.lock().unwrap().is_empty(),
        "planning must not write"
    );

    let applied = first.apply(&quiet()).await;
    assert_eq!(applied.failed, []);
    let order = names(&applied.done);
    let place = |n| order.iter().position(|o| *o == n);
    assert!(place("a") < place("b") && place("b") < place("c") && place("d").is_some());
    assert_eq!(
        *service.lock().unwrap(),
        BTreeMap::from([("a", 1), ("b", 2), ("c", 3), ("d", 1)])
    );

    let second = graph(&service, &[]);
    second.observe().await.unwrap();
    assert!(
        second
            .plan()
            .unwrap()
            .iter()
            .all(|c| c.action == Action::Keep)
    );
    assert!(second.apply(&quiet()).await.done.is_empty());
}

#[tokio::test]
async fn a_failure_stops_what_needs_it_and_nothing_else() {
    let service = Service::default();
    let graph = graph(&service, &[("b", "apply")]);
    graph.observe().await.unwrap();
    let applied = graph.apply(&quiet()).await;
    assert_eq!(applied.failed.len(), 1);
    assert_eq!(applied.failed[0].to_string(), "apply of b: it broke");
    assert_eq!(
        service.lock().unwrap().keys().copied().collect::<Vec<_>>(),
        ["a", "d"]
    );
}

#[tokio::test]
async fn who_waits_for_what_cannot_be_observed_does_not_hang_and_is_not_reported() {
    let graph = graph(&Service::default(), &[("a", "observe"), ("d", "observe")]);
    let errors = graph.observe().await.unwrap_err();
    let doing: Vec<_> = errors.iter().map(|e| e.doing.as_str()).collect();
    assert_eq!(doing, ["observe of a", "observe of d"]);
}

#[tokio::test]
async fn every_refusal_of_a_plan_is_told() {
    let graph = graph(&Service::default(), &[("b", "diff"), ("d", "diff")]);
    graph.observe().await.unwrap();
    assert_eq!(graph.plan().unwrap_err().len(), 2);
}

#[tokio::test]
async fn once_cancelled_nothing_new_is_started() {
    let service = Service::default();
    let graph = graph(&service, &[]);
    graph.observe().await.unwrap();
    let cancel = CancellationToken::new();
    let progress = {
        let cancel = cancel.clone();
        Progress::new(cancel.clone(), move |_| cancel.cancel())
    };
    let applied = graph.apply(&progress).await;
    assert!(applied.cancelled);
    assert_eq!(names(&applied.done), ["a"]);
}

/// A graph over a service that has everything, observed.
async fn made(faults: &[(&str, &'static str)]) -> (Service, Graph) {
    let all = BTreeMap::from([("a", 1), ("b", 2), ("c", 3), ("d", 1)]);
    let service = Service::new(Mutex::new(all));
    let graph = graph(&service, faults);
    graph.observe().await.unwrap();
    (service, graph)
}

fn there(service: &Service) -> Vec<&'static str> {
    service.lock().unwrap().keys().copied().collect()
}

fn left(removal: &Removal) -> Vec<String> {
    let left = removal.left.iter();
    left.map(|left| format!("{}: {}", left.name, left.why))
        .collect()
}

#[tokio::test]
async fn what_needs_a_thing_goes_before_it() {
    let (service, graph) = made(&[]).await;
    let removal = graph.plan_removal(|_| None).await.unwrap();
    assert_eq!(names(&removal.changes), ["d", "c", "b", "a"]);
    assert_eq!(there(&service).len(), 4, "planning must not write");
    let removed = graph.remove(&removal, &quiet()).await;
    assert_eq!(removed.failed, []);
    let order = names(&removed.done);
    let place = |n| order.iter().position(|o| *o == n);
    assert!(place("c") < place("b") && place("b") < place("a") && place("d").is_some());
    assert!(removed.done.iter().all(|c| c.action == Action::Delete));
    assert_eq!(there(&service), [""; 0]);

    let again = graph_of(&service).await;
    let removal = again.plan_removal(|_| None).await.unwrap();
    assert_eq!(removal, Removal::default());
    assert!(again.remove(&removal, &quiet()).await.done.is_empty());
}

async fn graph_of(service: &Service) -> Graph {
    let graph = graph(service, &[]);
    graph.observe().await.unwrap();
    graph
}

#[tokio::test]
async fn what_cannot_be_removed_keeps_only_what_it_needs() {
    let (service, graph) = made(&[("b", "remove")]).await;
    let removal = graph.plan_removal(|_| None).await.unwrap();
    let removed = graph.remove(&removal, &quiet()).await;
    assert_eq!(removed.failed.len(), 1);
    assert_eq!(removed.failed[0].to_string(), "remove of b: it broke");
    assert_eq!(there(&service), ["a", "b"]);
}

#[tokio::test]
async fn what_others_made_stays_with_all_that_it_needs() {
    let (service, graph) = made(&[("b", "leave")]).await;
    let removal = graph.plan_removal(|_| None).await.unwrap();
    assert_eq!(names(&removal.changes), ["d", "c"]);
    assert_eq!(
        left(&removal),
        ["a: counter b needs it, which is left", "b: others made it"]
    );
    let removed = graph.remove(&removal, &quiet()).await;
    assert_eq!(removed.failed, []);
    assert_eq!(there(&service), ["a", "b"]);
}

#[tokio::test]
async fn what_is_kept_stays_and_says_why() {
    let (service, graph) = made(&[]).await;
    let kept = |kind: &str| (kind == "counter").then(|| "it holds data".to_owned());
    let removal = graph.plan_removal(kept).await.unwrap();
    assert!(removal.changes.is_empty());
    assert_eq!(left(&removal).len(), 4);
    graph.remove(&removal, &quiet()).await;
    assert_eq!(there(&service).len(), 4);
}

#[tokio::test]
async fn what_forbids_or_cannot_be_found_out_is_all_told_and_nothing_is_removed() {
    let (_, graph) = made(&[("a", "forbid"), ("d", "fate")]).await;
    let errors = graph.plan_removal(|_| None).await.unwrap_err();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["removing it: it is held", "asking whose it is: it broke"]
    );
}

#[tokio::test]
async fn an_interrupted_removal_starts_nothing_new() {
    let (service, graph) = made(&[]).await;
    let removal = graph.plan_removal(|_| None).await.unwrap();
    let cancel = CancellationToken::new();
    let progress = {
        let cancel = cancel.clone();
        Progress::new(cancel.clone(), move |_| cancel.cancel())
    };
    let removed = graph.remove(&removal, &progress).await;
    assert!(removed.cancelled);
    assert_eq!(removed.done.len(), 1);
    assert_eq!(there(&service).len(), 3);
}

#[tokio::test]
async fn an_apply_that_is_held_to_a_plan_makes_no_other_change() {
    let service = Service::default();
    let mut graph = graph(&service, &[]);
    graph.observe().await.unwrap();
    let plan = graph.plan().unwrap();
    graph.hold_to(plan.into_iter().filter(|c| c.name != "b").collect());
    let applied = graph.apply(&quiet()).await;
    assert_eq!(applied.failed.len(), 1);
    assert_eq!(applied.failed[0].doing, "changing counter b as reviewed");
    assert_eq!(there(&service), ["a", "d"]);
}

#[tokio::test]
async fn fingerprints_tell_what_has_moved() {
    let (service, graph) = made(&[]).await;
    let (_, before) = graph.plan_and_fingerprints().unwrap();
    service.lock().unwrap().insert("d", 7);
    service.lock().unwrap().remove("c");
    let (_, after) = graph_of(&service).await.plan_and_fingerprints().unwrap();
    let moved: Vec<_> = before
        .iter()
        .zip(&after)
        .map(|(b, a)| b.moved(a).len())
        .collect();
    assert_eq!(moved, [0, 0, 1, 1]);
    assert!(after[2].attributes.is_none());
}
