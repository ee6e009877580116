//! What each item of a history brings to the scores of others.

use super::{Act, Model, Query, every_score};

/// Scores of some items, taken apart by the history's items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// What each item gets without any history.
    pub base: Vec<f32>,
    /// Each distinct item of the history, and what it brings: as the score is with it, less what it is
    /// without.
    pub brought: Vec<(u32, Vec<f32>)>,
    /// The whole scores.
    pub scores: Vec<f32>,
}

impl Parts {
    /// Takes the scores of `items` apart; `n_items` is the length of the model's scores.
    ///
    /// For a model that is linear in the history, base and parts sum to the scores. What they lack for
    /// others is no single item's doing.
    ///
    /// # Complexity
    /// A scoring for each distinct item of the history.
    pub fn of(model: &dyn Model, query: &Query<'_>, items: &[u32], n_items: usize) -> Self {
        let mut history: Vec<u32> =
            query.acts.iter().filter(|act| act.value != 0.0).map(|act| act.item).collect();
        history.sort_unstable();
        history.dedup();
        let masked = |mask: &dyn Fn(u32) -> bool| -> Vec<Act> {
            let mask = |act: &Act| if mask(act.item) { Act { value: 0.0, ..*act } } else { *act };
            query.acts.iter().map(mask).collect()
        };
        // All acts, none, and all but those on one item.
        let mut asked = vec![query.acts.to_vec(), masked(&|_| true)];
        asked.extend(history.iter().map(|item| masked(&|other| other == *item)));
        let queries = asked.iter().map(|acts| Query { user: query.user, acts });
        let of_items =
            |all: Vec<f32>| -> Vec<f32> { items.iter().map(|item| all[*item as usize]).collect() };
        let mut found = every_score(model, queries, n_items).map(of_items);
        let whole = found.next().unwrap_or_default();
        let base = found.next().unwrap_or_default();
        let brought = history.into_iter().zip(found).map(|(item, without)| {
            (item, whole.iter().zip(&without).map(|(with, without)| with - without).collect())
        });
        let brought = brought.collect();
        Self { base, brought, scores: whole }
    }

    /// What of the score of the item at `place` neither its base nor the history's items explain.
    pub fn unexplained(&self, place: usize) -> f32 {
        let parts: f32 = self.brought.iter().map(|(_, parts)| parts[place]).sum();
        self.scores[place] - self.base[place] - parts
    }
}
