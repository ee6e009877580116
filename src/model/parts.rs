//! What each item of a history brings to the scores of others.

use super::{Act, Model, Query};

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
        let mut all = vec![0.0; n_items];
        let mut scores = |acts: &[Act]| -> Vec<f32> {
            all.fill(0.0);
            model.score(&Query { user: query.user, acts }, &mut all);
            items.iter().map(|item| all[*item as usize]).collect()
        };
        let whole = scores(query.acts);
        let masked = |mask: &dyn Fn(u32) -> bool| -> Vec<Act> {
            let mask = |act: &Act| if mask(act.item) { Act { value: 0.0, ..*act } } else { *act };
            query.acts.iter().map(mask).collect()
        };
        let base = scores(&masked(&|_| true));
        let mut history: Vec<u32> =
            query.acts.iter().filter(|act| act.value != 0.0).map(|act| act.item).collect();
        history.sort_unstable();
        history.dedup();
        let brought = history.into_iter().map(|item| {
            let without = scores(&masked(&|other| other == item));
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
