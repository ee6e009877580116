//! What to fit to, and what to find.

use std::collections::HashSet;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::temporal;
use crate::model::{Act, Query, Training};

/// Cases that validation parts should hold together.
const ENOUGH: usize = 5_000;

/// Validation parts at most.
const PARTS: usize = 5;

/// Items above which a fit for each part takes too long, and its matrix too much room.
const FEW_ITEMS: usize = 8_192;

/// Which items a case ranks.
#[derive(Clone, Debug, PartialEq)]
pub enum Pool {
    /// All but those that the user already did the behaviour to predict to.
    Unseen,
    /// As [`Self::Unseen`], but only those with numbers below this one.
    Below(u32),
    /// All items: what was done may be done again.
    All,
    /// These, the relevant ones among them.
    Given(Vec<u32>),
}

/// One user, and what they did next.
#[derive(Clone, Debug)]
pub struct Case {
    /// The user; none for somebody that the model was not fitted to.
    pub user: Option<u32>,
    /// What somebody new did, oldest first; the others' acts are those that the model was fitted to.
    pub acts: Vec<Act>,
    /// The items to find, ascending.
    pub relevant: Vec<u32>,
    /// What is ranked.
    pub pool: Pool,
}

impl Case {
    /// Of a user that the model is fitted to.
    pub fn known(user: u32, mut relevant: Vec<u32>) -> Self {
        relevant.sort_unstable();
        relevant.dedup();
        Self { user: Some(user), acts: Vec::new(), relevant, pool: Pool::Unseen }
    }
}

/// How the cases were cut from what people did; a validation part is cut from the rest likewise.
#[derive(Clone, Debug, PartialEq)]
pub enum Holdout {
    /// A share of each user's items, at random.
    Share(f64),
    /// Each user's last act.
    Last,
    /// Each user's last new item of the behaviour to predict, with all that they did to it.
    LastTarget,
    /// All that some users did to items below a number, of those who did others too.
    Domain {
        /// The number.
        n_items: u32,
        /// The share of these users.
        share: f64,
    },
    /// What came after a moment, ranked among these items.
    Later(Pool),
    /// One item of each user, at random, ranked among as many others.
    Among(usize),
    /// A share of each user's items, at random, ranked among so many others.
    ShareAmong {
        /// The share.
        share: f64,
        /// The others.
        n: usize,
    },
}

/// A protocol's data.
#[derive(Clone, Debug)]
pub struct Task {
    /// What models are fitted to.
    pub training: Training,
    /// What they should find.
    pub cases: Vec<Case>,
    /// How the cases were cut.
    pub holdout: Holdout,
}

impl Task {
    /// What `case` asks a model.
    pub fn query<'a>(&'a self, case: &'a Case) -> Query<'a> {
        let acts = match case.user {
            Some(user) => self.training.interactions.of(user),
            None => &case.acts,
        };
        Query { user: case.user, acts }
    }

    /// Validation parts, each cut once more from the whole: several where the cut is random and a single
    /// one would hold too few cases to tell what is better from what is lucky; and where it is a moment,
    /// one of an earlier moment too, so that no single week decides.
    pub fn validations(&self, seed: u64) -> Vec<Self> {
        let first = self.validation(seed);
        if let Holdout::Later(pool) = &self.holdout {
            let earlier = first.later(pool);
            return [first, earlier].into_iter().filter(|part| !part.cases.is_empty()).collect();
        }
        let few = self.training.interactions.n_items() <= FEW_ITEMS;
        let random = few && matches!(self.holdout, Holdout::Share(_) | Holdout::Among(_));
        let n = if random { ENOUGH.div_ceil(first.cases.len().max(1)).min(PARTS) } else { 1 };
        let others = (1..n as u64).map(|part| self.validation(seed.wrapping_add(part << 32)));
        std::iter::once(first).chain(others).collect()
    }

    /// The same cut once more: cases from what there is to fit to, and the rest of it.
    ///
    /// Users with a single act keep it. Deterministic for a seed.
    pub fn validation(&self, seed: u64) -> Self {
        let training = &self.training;
        if let Holdout::Later(pool) = &self.holdout {
            return self.later(pool);
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut cases = Vec::new();
        for user in 0..training.interactions.n_users() as u32 {
            let acts = training.interactions.of(user);
            let relevant = self.held_out(acts, &mut random);
            if relevant.is_empty() {
                continue;
            }
            let mut case = Case::known(user, relevant);
            match self.holdout {
                Holdout::Among(n) | Holdout::ShareAmong { n, .. } => {
                    case.pool = Pool::Given(self.drawn(acts, &case.relevant, n, &mut random));
                }
                Holdout::Domain { n_items, .. } => case.pool = Pool::Below(n_items),
                _ => {}
            }
            cases.push(case);
        }
        let mut relevant: Vec<&[u32]> = vec![&[]; training.interactions.n_users()];
        for case in &cases {
            if let Some(user) = case.user {
                relevant[user as usize] = &case.relevant;
            }
        }
        let new = self.made_new(&mut random);
        let last = self.holdout == Holdout::Last;
        let rest = training.interactions.filter(|user, act| {
            let held = relevant[user as usize].binary_search(&act.item).is_ok();
            // A sequence may hold an item twice: only its last place is what comes next.
            let latest = training.interactions.of(user).last() == Some(act);
            !(held && (!last || latest)) && !new[act.item as usize]
        });
        Self { training: training.with(rest), cases, holdout: self.holdout.clone() }
    }

    /// Items whose acts a validation part hides: where some of the items that are described were never
    /// done, as many of the others, so that it tells how well new items are found too.
    fn made_new(&self, random: &mut ChaCha8Rng) -> Vec<bool> {
        let side = &self.training.side;
        let mut new = vec![false; self.training.interactions.n_items()];
        let Some(words) = side.words.as_ref().or(side.attributes.as_ref()) else { return new };
        let counts = self.training.matrix().column_sums();
        let described = |item: &usize| *item < words.n_rows() && !words.row(*item).0.is_empty();
        let known: Vec<usize> = (0..new.len()).filter(described).collect();
        let n_new = known.iter().filter(|item| counts[**item] == 0.0).count();
        let share = n_new as f64 / known.len().max(1) as f64;
        for item in known.into_iter().filter(|item| counts[*item] > 0.0) {
            new[item] = share > 0.0 && random.random_bool(share);
        }
        new
    }

    /// What came after a moment within the training part, and what came before.
    fn later(&self, pool: &Pool) -> Self {
        let interactions = &self.training.interactions;
        let moment = temporal::moment(interactions);
        let training = self.training.with(interactions.filter(|_, act| act.at < moment));
        let later: Vec<(u32, Act)> = interactions
            .iter()
            .filter(|(_, act)| act.at >= moment)
            .map(|(user, act)| (user, *act))
            .collect();
        let cases = temporal::cases(&training, &later, pool);
        Self { training, cases, holdout: self.holdout.clone() }
    }

    /// The items of a user to hold out; none when too little would be left.
    fn held_out(&self, acts: &[Act], random: &mut ChaCha8Rng) -> Vec<u32> {
        let target = self.training.target;
        let mut items: Vec<u32> =
            acts.iter().filter(|act| act.behavior == target).map(|act| act.item).collect();
        match &self.holdout {
            Holdout::Last => {
                acts.last().filter(|_| acts.len() > 1).map(|a| a.item).into_iter().collect()
            }
            Holdout::LastTarget => {
                let last = items.last().copied();
                let other = |item| acts.iter().any(|act| act.item != item);
                last.filter(|item| other(*item)).into_iter().collect()
            }
            Holdout::Later(_) => Vec::new(),
            Holdout::Domain { n_items, share } => {
                let n = items.len();
                items.retain(|item| item < n_items);
                let both = !items.is_empty() && items.len() < n;
                if !both || !random.random_bool(*share) {
                    items.clear();
                }
                items
            }
            Holdout::Share(_) | Holdout::Among(_) | Holdout::ShareAmong { .. } => {
                items.sort_unstable();
                items.dedup();
                let n = match &self.holdout {
                    Holdout::Share(share) => (items.len() as f64 * share).round() as usize,
                    // Whole cases are few where a user has few items: each item is drawn by itself.
                    Holdout::ShareAmong { share, .. } => {
                        items.iter().filter(|_| random.random_bool(*share)).count()
                    }
                    _ => 1,
                };
                if items.len() < 2 {
                    return Vec::new();
                }
                items.shuffle(random);
                items.truncate(n.min(items.len() - 1));
                items
            }
        }
    }

    /// The same cases, each ranked among `n` items that were drawn from all that the user never did:
    /// `draws` times each. None where the cases say already what is ranked.
    ///
    /// A case's relevant items are ranked together. Deterministic for a seed.
    pub fn among(&self, n: usize, draws: usize, seed: u64) -> Option<Self> {
        let Holdout::Share(share) = self.holdout else { return None };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut cases = Vec::with_capacity(self.cases.len() * draws);
        for case in &self.cases {
            for _ in 0..draws {
                let pool = self.drawn(self.query(case).acts, &case.relevant, n, &mut random);
                cases.push(Case { pool: Pool::Given(pool), ..case.clone() });
            }
        }
        let training = self.training.clone();
        Some(Self { training, cases, holdout: Holdout::ShareAmong { share, n } })
    }

    /// The relevant items and `n` others that the user did not touch.
    fn drawn(&self, acts: &[Act], relevant: &[u32], n: usize, random: &mut ChaCha8Rng) -> Vec<u32> {
        let n_items = self.training.interactions.n_items() as u32;
        let mut touched: HashSet<u32> = acts.iter().map(|act| act.item).collect();
        touched.extend(relevant);
        let mut pool = relevant.to_vec();
        let wanted = relevant.len() + n.min((n_items as usize).saturating_sub(touched.len()));
        while pool.len() < wanted {
            let item = random.random_range(0..n_items);
            if touched.insert(item) {
                pool.push(item);
            }
        }
        pool.sort_unstable();
        pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Interactions;

    /// Five users who did five items each of 60; each has two to find.
    fn task() -> Task {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = (0..5).flat_map(|user| (0..5).map(move |at| (user, act(user * 7 + at))));
        let training = Training::plain(Interactions::new(5, 60, acts.collect()), false);
        let cases = (0..5).map(|user| Case::known(user, vec![user + 40, user + 50])).collect();
        Task { training, cases, holdout: Holdout::Share(0.2) }
    }

    fn pool(case: &Case) -> &[u32] {
        let Pool::Given(pool) = &case.pool else { panic!("{case:?}") };
        pool
    }

    #[test]
    fn negatives_are_others_that_the_user_never_did() {
        let among = task().among(20, 3, 1).unwrap();
        assert_eq!(among.cases.len(), 15);
        for case in &among.cases {
            assert_eq!(pool(case).len(), 22);
            assert!(pool(case).windows(2).all(|pair| pair[0] < pair[1]));
            assert!(case.relevant.iter().all(|item| pool(case).contains(item)));
            assert!(among.query(case).acts.iter().all(|act| !pool(case).contains(&act.item)));
        }
        assert_ne!(among.cases[0].pool, among.cases[1].pool);
        let again = task().among(20, 3, 1).unwrap();
        assert!(among.cases.iter().zip(&again.cases).all(|(a, b)| a.pool == b.pool));
        assert!(among.among(20, 1, 1).is_none());
    }

    #[test]
    fn few_items_are_all_drawn() {
        let among = task().among(1000, 1, 1).unwrap();
        // 60 items, of which the user did five.
        assert!(among.cases.iter().all(|case| pool(case).len() == 55));
    }

    #[test]
    fn the_validation_part_is_drawn_likewise() {
        let part = task().among(20, 3, 1).unwrap().validation(1);
        assert!(!part.cases.is_empty());
        for case in &part.cases {
            assert_eq!(pool(case).len(), 20 + case.relevant.len());
            assert!(part.query(case).acts.iter().all(|act| !pool(case).contains(&act.item)));
        }
    }
}
