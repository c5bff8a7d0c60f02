//! One cluster's part of the event stream.

use std::sync::{Arc, Mutex, PoisonError};

use super::{CheckResult, ClusterFinished, Emitter, Event, KeptOutputs, MadeCall, Step};
use crate::reconcile::plan::Plan;

/// Emits the events of one cluster and remembers the step that it is in. Clones speak for the same
/// cluster. After [`finished`](Self::finished) nothing more is emitted, so that a cluster has one
/// final state and it is the cluster's last event, whatever a task that was aborted still tries.
#[derive(Debug, Clone)]
pub struct ClusterEvents {
    cluster: Arc<str>,
    emitter: Emitter,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    step: Option<Step>,
    finished: bool,
}

impl ClusterEvents {
    /// The part of `emitter`'s stream that is about the cluster of this name.
    pub fn new(cluster: &str, emitter: Emitter) -> Self {
        Self {
            cluster: cluster.into(),
            emitter,
            state: Arc::default(),
        }
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The step that was entered last; `None` before the first.
    pub fn step(&self) -> Option<Step> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .step
    }

    /// The cluster's work begins.
    pub fn started(&self) {
        self.emit(|_| Event::ClusterStarted {
            cluster: self.name(),
        });
    }

    /// The cluster's work enters a step.
    pub fn enter(&self, step: Step) {
        self.emit(|state| {
            state.step = Some(step);
            Event::StepStarted {
                cluster: self.name(),
                step,
            }
        });
    }

    /// What the current step is waiting for has reached a new state: one short line for people.
    pub fn progress(&self, message: impl Into<String>) {
        self.emit(|_| Event::Progress {
            cluster: self.name(),
            message: message.into(),
        });
    }

    /// Something worth a person's attention that doesn't stop the cluster: one line.
    pub fn warn(&self, message: impl Into<String>) {
        self.emit(|_| Event::Warning {
            cluster: Some(self.name()),
            message: message.into(),
        });
    }

    /// The cluster's plan is known.
    pub fn planned(&self, plan: Plan) {
        self.emit(|_| Event::Planned {
            plan: Box::new(plan),
        });
    }

    /// A check of the cluster has ended.
    pub fn checked(&self, check: CheckResult) {
        self.emit(|_| Event::Checked {
            cluster: self.name(),
            check,
        });
    }

    /// A call was made for the cluster.
    pub fn called(&self, call: MadeCall) {
        self.emit(|_| Event::Called {
            cluster: self.name(),
            call,
        });
    }

    /// The cluster's outputs are kept.
    pub fn outputs(&self, outputs: KeptOutputs) {
        self.emit(|_| Event::Outputs {
            cluster: self.name(),
            outputs,
        });
    }

    /// The cluster has reached its final state. Only the first call counts.
    pub fn finished(&self, end: ClusterFinished) {
        self.emit(|state| {
            state.finished = true;
            Event::ClusterFinished(end)
        });
    }

    fn name(&self) -> String {
        self.cluster.to_string()
    }

    // The lock is held while emitting: otherwise another thread's event could come after the end.
    fn emit(&self, event: impl FnOnce(&mut State) -> Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.finished {
            self.emitter.emit(event(&mut state));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::event::{CallSummary, Outcome};

    fn end(outcome: Outcome) -> ClusterFinished {
        ClusterFinished {
            cluster: "qa-i01-aws-us-east-2".into(),
            outcome,
            calls: CallSummary::default(),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn nothing_follows_the_first_end() {
        let (emitter, mut stream) = Emitter::channel(Arc::new(|| Timestamp::UNIX_EPOCH));
        let events = ClusterEvents::new("qa-i01-aws-us-east-2", emitter);
        let late = events.clone();

        events.started();
        events.enter(Step::Observe);
        events.finished(end(Outcome::Unchanged));
        late.enter(Step::Plan);
        late.progress("still here");
        late.finished(end(Outcome::Changed { resources: 1 }));
        drop((events, late));

        let mut seen = Vec::new();
        while let Some(stamped) = stream.blocking_recv() {
            seen.push(stamped.event);
        }
        let cluster = || "qa-i01-aws-us-east-2".to_owned();
        assert_eq!(
            seen,
            [
                Event::ClusterStarted { cluster: cluster() },
                Event::StepStarted {
                    cluster: cluster(),
                    step: Step::Observe
                },
                Event::ClusterFinished(end(Outcome::Unchanged)),
            ]
        );
    }

    #[test]
    fn the_step_is_the_last_one_entered() {
        let (emitter, _stream) = Emitter::channel(Arc::new(|| Timestamp::UNIX_EPOCH));
        let events = ClusterEvents::new("qa-i01-aws-us-east-2", emitter);
        assert_eq!(events.step(), None);
        events.enter(Step::Session);
        events.clone().enter(Step::Observe);
        assert_eq!(events.step(), Some(Step::Observe));
    }
}
