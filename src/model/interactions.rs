//! Who did what to which item, in which order, and what is known beside it.

use super::Sparse;

/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;

/// The knob that says after how many days an act counts half; without times it changes nothing.
pub(crate) const HALF_LIFE: &str = "half_life";

/// One interaction of a user with an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Act {
    /// The item's number, below [`Interactions::n_items`].
    pub item: u32,
    /// The behaviour's number: its place in [`Training::behaviors`].
    pub behavior: u8,
    /// When: seconds, or the place in the user's sequence where there are no times.
    pub at: i64,
    /// How much it counts; 1 where the data says nothing.
    pub value: f32,
}

/// Everybody's interactions, user by user, each in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Interactions {
    n_items: usize,
    offsets: Vec<usize>,
    acts: Vec<Act>,
}

impl Interactions {
    /// Sorts `acts`, pairs of a user and an act, by user and time; equal times keep their order.
    ///
    /// Every user is below `n_users`, every item below `n_items`.
    pub fn new(n_users: usize, n_items: usize, mut acts: Vec<(u32, Act)>) -> Self {
        acts.sort_by_key(|(user, act)| (*user, act.at));
        let mut offsets = vec![0; n_users + 1];
        for (user, _) in &acts {
            offsets[*user as usize + 1] += 1;
        }
        for user in 0..n_users {
            offsets[user + 1] += offsets[user];
        }
        Self { n_items, offsets, acts: acts.into_iter().map(|(_, act)| act).collect() }
    }

    /// Users, with or without acts.
    pub fn n_users(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Items, with or without acts.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// Acts of all users.
    pub fn len(&self) -> usize {
        self.acts.len()
    }

    /// Whether nobody did anything.
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }

    /// The acts of `user`, oldest first.
    pub fn of(&self, user: u32) -> &[Act] {
        &self.acts[self.offsets[user as usize]..self.offsets[user as usize + 1]]
    }

    /// Every user with every act, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Act)> {
        (0..self.n_users() as u32).flat_map(|user| self.of(user).iter().map(move |act| (user, act)))
    }

    /// The acts that `keep` says to keep, of the same users and items.
    pub fn filter(&self, mut keep: impl FnMut(u32, &Act) -> bool) -> Self {
        let kept =
            self.iter().filter(|(user, act)| keep(*user, act)).map(|(user, act)| (user, *act));
        Self::new(self.n_users(), self.n_items, kept.collect())
    }

    /// The matrix of users by items whose cells are the greatest `weight` of the pair's acts; cells
    /// of weight 0 are left out.
    pub fn matrix(&self, weight: impl Fn(&Act) -> f32) -> Sparse {
        Sparse::from_rows(
            self.n_items,
            (0..self.n_users() as u32).map(|user| {
                let mut row: Vec<(u32, f32)> = self
                    .of(user)
                    .iter()
                    .map(|act| (act.item, weight(act)))
                    .filter(|cell| cell.1 != 0.0)
                    .collect();
                row.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
                row.dedup_by_key(|cell| cell.0);
                row
            }),
        )
    }
}

/// What is known of items and users beside their interactions; what is not known is empty.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Items by attributes (categories, brands, tags, words): cells are weights.
    pub attributes: Option<Sparse>,
    /// Users by users: cells are weights of "follows" or "is a friend of".
    pub friends: Option<Sparse>,
    /// Items by words of what is written about them: cells are counts.
    pub words: Option<Sparse>,
    /// Items by dimensions: encodings of the items' texts, rows of unit length.
    pub texts: Option<super::Dense>,
}

/// What a model is fitted to.
#[derive(Clone, Debug, Default)]
pub struct Training {
    /// The interactions.
    pub interactions: Interactions,
    /// What is known beside them.
    pub side: Side,
    /// Names of the behaviours, the weakest first; acts number them.
    pub behaviors: Vec<String>,
    /// The behaviour to predict.
    pub target: u8,
    /// Whether the acts' times say which came first.
    pub ordered: bool,
    /// Whether they are seconds, which say how long ago.
    pub timed: bool,
}

impl Training {
    /// Plain interactions of one behaviour, without anything beside.
    pub fn plain(interactions: Interactions, ordered: bool) -> Self {
        let behaviors = vec!["interaction".to_owned()];
        Self { interactions, side: Side::default(), behaviors, target: 0, ordered, timed: false }
    }

    /// The same, fitted to other interactions of the same users and items.
    pub fn with(&self, interactions: Interactions) -> Self {
        Self { interactions, ..self.clone() }
    }

    /// Users by items: 1 where the user did the behaviour to predict.
    pub fn matrix(&self) -> Sparse {
        self.fading(0.0)
    }

    /// Users by items as [`matrix`](Self::matrix), an act counting half for every `half_life` days that
    /// it is older than the last of all; 0 days, or times that are not known: all count 1.
    pub(super) fn fading(&self, half_life: f64) -> Sparse {
        let half_life = if self.timed { half_life * DAY } else { 0.0 };
        let last = self.interactions.iter().map(|(_, act)| act.at).max().unwrap_or_default();
        self.interactions.matrix(|act| match act.behavior == self.target {
            false => 0.0,
            true if half_life > 0.0 => 0.5_f64.powf((last - act.at) as f64 / half_life) as f32,
            true => 1.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_fade_by_their_age_where_times_are_known() {
        let act = |item, days: i64| Act { item, behavior: 0, at: days * 86_400, value: 1.0 };
        // The oldest act, one a half-life later, and the last of all; item 0 twice.
        let acts = vec![(0, act(0, 0)), (0, act(1, 7)), (1, act(0, 14)), (0, act(0, 7))];
        let mut training = Training::plain(Interactions::new(2, 2, acts), true);
        let ones = vec![(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0)];
        assert_eq!(training.fading(7.0), Sparse::from_cells(2, 2, ones.clone()));
        training.timed = true;
        assert_eq!(training.fading(0.0), Sparse::from_cells(2, 2, ones));
        let faded = vec![(0, 0, 0.5), (0, 1, 0.5), (1, 0, 1.0)];
        assert_eq!(training.fading(7.0), Sparse::from_cells(2, 2, faded));
    }
}
