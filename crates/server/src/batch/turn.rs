//! Whose turn it is. Pure.
//!
//! A single session goes before the batches, since somebody polls for it; then the project whose turn is longest ago, and of its
//! batches the oldest. So a batch of a thousand keeps nobody else waiting.

use std::collections::HashMap;

use roadstead_api::ProjectId;

use super::record::{BatchKind, Waiting};

/// When each project had its last turn.
#[derive(Debug, Default)]
pub struct Turns {
    count: u64,
    last: HashMap<ProjectId, u64>,
}

impl Turns {
    /// Chooses among batches that wait, oldest first.
    pub fn plan_next(&self, waiting: &[Waiting]) -> Option<Waiting> {
        let order =
            |waiting: &&Waiting| (waiting.kind == BatchKind::Batch, self.last.get(&waiting.project).copied());
        waiting.iter().min_by_key(order).copied()
    }

    /// Notes that a project has its turn.
    pub fn note(&mut self, project: ProjectId) {
        self.count += 1;
        self.last.insert(project, self.count);
    }
}

#[cfg(test)]
mod tests {
    use roadstead_api::BatchId;

    use super::*;

    #[test]
    fn single_ones_go_first_and_projects_take_turns() {
        let [one, other] = [ProjectId::random(), ProjectId::random()];
        let waiting = |kind, project| Waiting { batch: BatchId::random(), kind, project };
        let big = waiting(BatchKind::Batch, one);
        let later = waiting(BatchKind::Batch, one);
        let small = waiting(BatchKind::Batch, other);
        let single = waiting(BatchKind::Async, one);
        let mut turns = Turns::default();
        assert_eq!(turns.plan_next(&[]), None);
        let mut order = Vec::new();
        for _ in 0..4 {
            let next = turns.plan_next(&[big, later, small]).unwrap();
            turns.note(next.project);
            order.push(next);
        }
        assert_eq!(order, [big, small, big, small]);
        assert_eq!(turns.plan_next(&[big, later, small, single]), Some(single));
    }
}
