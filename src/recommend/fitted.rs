//! What models say that were fitted to everybody's interactions: a recipe of methods, added up.
//!
//! `predilect train recommender` finds the recipe; each snapshot fits it at the first question. A
//! score is taken apart by leaving out one item of the history after the other, which is exact for
//! linear methods; what others add beyond that is named `unexplained`.

use super::{Part, RecommendError, Recommender, Scores};
use crate::explain::History;
use crate::model::{Act, Model, Parts};
use crate::snapshot::Snapshot;

/// The recommender's name.
pub const NAME: &str = "fitted";

/// What no single event of the history explains.
const UNEXPLAINED: &str = "unexplained";

/// Items that are taken apart.
const ITEMS: usize = 200;

/// Models fitted by the snapshot's recipe.
pub struct Fitted;

impl Recommender for Fitted {
    fn score(&self, snapshot: &Snapshot, history: &History) -> Result<Scores, RecommendError> {
        let fitted = snapshot.fitted()?;
        let population = &fitted.population;
        let mut acts: Vec<(usize, Act)> = Vec::new();
        for (place, act) in history.acts.iter().enumerate() {
            let seen = population.act(act.action, act.target, act.at, act.strength);
            let value = |known: Act| if act.masked { 0.0 } else { known.value };
            acts.extend(seen.map(|known| (place, Act { value: value(known), ..known })));
        }
        let seen = history.seen();
        let known: Vec<Act> = acts.iter().map(|(_, act)| *act).collect();
        let query = fitted.query(&known);
        let n_items = population.training.interactions.n_items();
        let mut scores = vec![0.0; n_items];
        fitted.model.score(&query, &mut scores);
        let mut items: Vec<u32> = (0..n_items as u32)
            .filter(|item| scores[*item as usize] > 0.0)
            .filter(|item| !seen.contains(&population.item_node(*item)))
            .collect();
        let better =
            |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
        if items.len() > ITEMS {
            items.select_nth_unstable_by(ITEMS, better);
            items.truncate(ITEMS);
        }
        items.sort_unstable();
        let parts = Parts::of(&fitted.model, &query, &items, n_items);
        let mut answer = Scores::new();
        for (place, item) in items.iter().enumerate() {
            let mut own = vec![Part { source: NAME, act: None, value: parts.base[place].into() }];
            for (brought_by, brought) in &parts.brought {
                // Several events on one item share what it brings.
                let counts = |act: &Act| act.item == *brought_by && act.value != 0.0;
                let events = acts.iter().filter(|(_, act)| counts(act));
                let share = f64::from(brought[place]) / events.clone().count() as f64;
                own.extend(events.map(|(act, _)| Part {
                    source: NAME,
                    act: Some(*act),
                    value: share,
                }));
            }
            let sum: f64 = own.iter().map(|part| part.value).sum();
            let rest = f64::from(parts.scores[place]) - sum;
            own.push(Part { source: UNEXPLAINED, act: None, value: rest });
            own.retain(|part| part.value != 0.0);
            answer.insert(population.item_node(*item), own);
        }
        Ok(answer)
    }
}
