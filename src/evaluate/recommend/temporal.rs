//! What people did after a moment, to be found from what they did before.

use super::task::{Case, Holdout, Pool, Task};
use crate::model::{Act, Interactions, Training};

/// Share of the acts that come after the moment of a validation part.
const LATER: f64 = 0.1;

/// The acts of `interactions` in time, parted where the last share begins; equal times stay together.
pub(super) fn moment(interactions: &Interactions) -> i64 {
    let mut times: Vec<i64> = interactions.iter().map(|(_, act)| act.at).collect();
    times.sort_unstable();
    let place = (times.len() as f64 * (1.0 - LATER)) as usize;
    times.get(place).copied().unwrap_or(i64::MAX)
}

/// Cases from what users did after a moment, the behaviour to predict only.
///
/// Users without any earlier act are left out: no method but popularity has an answer for them.
pub(super) fn cases(before: &Training, later: &[(u32, Act)], pool: &Pool) -> Vec<Case> {
    let mut relevant: Vec<Vec<u32>> = vec![Vec::new(); before.interactions.n_users()];
    for (user, act) in later.iter().filter(|(_, act)| act.behavior == before.target) {
        let acts = before.interactions.of(*user);
        let seen = || acts.iter().any(|a| a.behavior == before.target && a.item == act.item);
        if !acts.is_empty() && (*pool == Pool::All || !seen()) {
            relevant[*user as usize].push(act.item);
        }
    }
    let found = (0..).zip(relevant).filter(|(_, items)| !items.is_empty());
    found.map(|(user, items)| Case { pool: pool.clone(), ..Case::known(user, items) }).collect()
}

/// Tasks of what came after a moment.
#[derive(Clone, Debug)]
pub struct Temporal {
    /// To find what is new to each user.
    pub new: Task,
    /// To find all that they did, again or for the first time; none where nobody did anything again.
    pub all: Option<Task>,
}

impl Temporal {
    /// Parts what was done `before` from what came `later`.
    pub fn new(before: &Training, later: &[(u32, Act)]) -> Self {
        let task = |pool: Pool| Task {
            cases: cases(before, later, &pool),
            training: before.clone(),
            holdout: Holdout::Later(pool),
        };
        let (new, all) = (task(Pool::Unseen), task(Pool::All));
        let n_relevant = |task: &Task| task.cases.iter().map(|c| c.relevant.len()).sum::<usize>();
        let repeats = n_relevant(&all) > n_relevant(&new);
        Self { new, all: repeats.then_some(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(item: u32, at: i64) -> Act {
        Act { item, behavior: 0, at, value: 1.0 }
    }

    #[test]
    fn what_is_new_and_what_is_done_again_are_apart() {
        let before = Interactions::new(3, 4, vec![(0, act(0, 1)), (1, act(1, 2))]);
        let later = [(0, act(0, 5)), (0, act(2, 6)), (1, act(1, 7)), (2, act(3, 8))];
        let temporal = Temporal::new(&Training::plain(before, true), &later);
        let found = |task: &Task| -> Vec<(Option<u32>, Vec<u32>)> {
            task.cases.iter().map(|case| (case.user, case.relevant.clone())).collect()
        };
        assert_eq!(found(&temporal.new), [(Some(0), vec![2])]);
        let all = [(Some(0), vec![0, 2]), (Some(1), vec![1])];
        assert_eq!(found(&temporal.all.unwrap()), all);
    }

    #[test]
    fn a_validation_part_is_later_than_the_rest() {
        let acts = (0..20).map(|at| (at % 2, act(at / 2 % 10, i64::from(at)))).collect();
        let training = Training::plain(Interactions::new(2, 10, acts), true);
        let task = Task { training, cases: Vec::new(), holdout: Holdout::Later(Pool::Unseen) };
        let validation = task.validation(1);
        assert!(validation.training.interactions.iter().all(|(_, act)| act.at < 18));
        let found: Vec<_> = validation.cases.iter().map(|case| case.relevant.clone()).collect();
        assert_eq!(found, [vec![9], vec![9]]);
    }
}
