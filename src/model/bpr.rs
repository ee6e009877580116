//! Users and items as vectors that rank what a user did before what they did not.
//!
//! They are rows of the graph of users and items, with an offset for each item; see [`crate::embed::bpr`], where the
//! sources are named, too.

use super::neighbors::distinct;
use super::{Entry, Knob, Model, ModelError, Params, Query, Training, Wanted};
use crate::embed::bpr::Ranking;
use crate::embed::lanes::Line;
use crate::embed::panels::{Lookup, Panels};
use crate::embed::rows::{Rows, number};
use crate::graph::{CompactGraph, EdgeData};
use crate::schema::RelationId;

pub(super) const ENTRY: Entry = Entry {
    name: "bpr",
    about: "vectors that rank what a user did before what they did not",
    knobs: &[
        Knob { name: "dim", about: "length of the vectors", default: 64.0, grid: &[] },
        Knob { name: "l2", about: "regularisation", default: 0.02, grid: &[0.005, 0.02, 0.05] },
        Knob { name: "rate", about: "learning rate of the first epoch", default: 0.1, grid: &[] },
        Knob {
            name: "epochs",
            about: "times that every interaction is seen",
            default: 30.0,
            grid: &[],
        },
        Knob {
            name: "drawn",
            about: "share of the items drawn to rank the greatest of them below what was done",
            default: 0.0016,
            grid: &[],
        },
    ],
    applies: |_| true,
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// Acts above which a fit takes more than some seconds.
const FEW_ACTS: usize = 300_000;

/// Vectors, each with the item's offset, or 1 for a user, as its last number.
struct Bpr {
    users: Rows,
    items: Rows,
    panels: Panels,
    /// The place of the offset.
    offset: usize,
    target: u8,
}

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let matrix = training.matrix();
    let n_users = matrix.n_rows();
    let data = EdgeData { relation: RelationId(0), sum: 1.0, last_minutes: 0 };
    let edges = (0..n_users).flat_map(|user| {
        let items = matrix.row(user).0.iter();
        items.map(move |item| (user as u32, n_users as u32 + item, data))
    });
    let ranking = Ranking {
        dim: params.get("dim") as usize,
        l2: params.get("l2") as f32,
        rate: params.get("rate") as f32,
        epochs: params.get("epochs") as usize,
        drawn: params.get("drawn") as f32,
        seed,
        offsets: true,
    };
    let graph = CompactGraph::from_edges(n_users + matrix.n_columns(), edges.collect::<Vec<_>>());
    let rows = graph.ok().and_then(|graph| ranking.rows(&graph, &mut |_| ()));
    let Some(rows) = rows else {
        return Err(ModelError::Lacking { method: "bpr", needs: "somebody who did something" });
    };
    let width = ranking.dim + 1;
    let (users, items) = rows.split_at(n_users * width);
    let items = Rows::new(items, width);
    Ok(Box::new(Bpr {
        users: Rows::new(users, width),
        panels: Panels::new(items.lines(), items.width()),
        items,
        offset: ranking.dim,
        target: training.target,
    }))
}

impl Bpr {
    /// The vector of a query's user; somebody new is where their items are.
    fn vector(&self, query: &Query<'_>) -> Vec<Line> {
        let known = query.user.filter(|user| (*user as usize) < self.users.len());
        if let Some(user) = known {
            return self.users.row(user as usize).to_vec();
        }
        let history = distinct(query.acts, self.target);
        let mut vector = vec![Line::ZERO; self.items.width()];
        for item in &history {
            for (sum, line) in vector.iter_mut().zip(self.items.row(*item as usize)) {
                let values = sum.0.iter_mut().zip(line.0);
                values.for_each(|(sum, value)| *sum += value / history.len() as f32);
            }
        }
        *number(&mut vector, self.offset) = 1.0;
        vector
    }
}

impl Model for Bpr {
    fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        self.panels.add_products(&self.vector(query), scores);
    }

    fn greatest(&self, wanted: &[Wanted<'_>], _: usize, k: usize) -> Vec<Vec<u32>> {
        let vectors: Vec<_> = wanted.iter().map(|wanted| self.vector(&wanted.query)).collect();
        let lookups = wanted.iter().zip(&vectors);
        let lookups = lookups.map(|(Wanted { hidden, end, .. }, vector)| Lookup {
            hidden,
            end: *end,
            vector,
        });
        self.panels.greatest(&lookups.collect::<Vec<_>>(), k)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Act, Interactions};
    use super::*;

    fn scores(threads: usize, user: Option<u32>) -> Vec<f32> {
        // Two groups of users, each with ten items of its own, of which everybody lacks one.
        let pairs = (0..40_u32).flat_map(|user| {
            (0..10)
                .filter(move |item| *item != user / 4)
                .map(move |item| (user, user % 2 * 10 + item))
        });
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let acts = pairs.map(|(user, item)| (user, act(item))).collect();
        let training = Training::plain(Interactions::new(40, 20, acts), false);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let params = ENTRY.defaults().with("dim", 15.0);
            let model = fit(&training, &params, 5).unwrap();
            let mut scores = vec![0.0; 20];
            model.score(&Query { user, acts: training.interactions.of(0) }, &mut scores);
            scores
        })
    }

    #[test]
    fn the_group_is_ranked_before_the_others() {
        for user in [Some(0), None] {
            let scores = scores(1, user);
            let worst = scores[..10].iter().copied().fold(f32::INFINITY, f32::min);
            let best = scores[10..].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(worst > best, "{user:?}: {scores:?}");
        }
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(scores(1, Some(0)), scores(3, Some(0)));
    }
}
