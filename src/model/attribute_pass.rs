//! [`low_pass`](super::low_pass) on the graph of users, items and attributes.
//!
//! What an attribute is on holds together as what a user did does: attributes are rows beside the users,
//! so items that few users did are placed by what they share with others. It is linear in the history.
//!
//! Source: Singh & Gordon, "Relational learning via collective matrix factorization", KDD 2008, for two
//! relations that share the items' space; the space as in Shen et al., CIKM 2021.

use super::low_pass::{LowPass, scaled};
use super::{Entry, Knob, Model, ModelError, Params, Sparse, Training};

pub(super) const ENTRY: Entry = Entry {
    name: "attribute_pass",
    about: "the smoothest part of a history on the graph of items and attributes",
    knobs: &[
        Knob {
            name: "weight",
            about: "weight of an attribute to that of an act",
            default: 0.6,
            grid: &[0.2, 0.4, 0.6, 0.8],
        },
        Knob {
            name: "d",
            about: "dimensions that pass",
            default: 64.0,
            grid: &[32.0, 64.0, 128.0],
        },
        Knob {
            name: "item",
            about: "exponent by which an item weighs less the more users and attributes it has",
            default: 0.35,
            grid: &[0.35, 0.5],
        },
        Knob {
            name: "user",
            about: "exponent by which a user, or an attribute, weighs less the more items it has",
            default: 0.5,
            grid: &[],
        },
    ],
    applies: |training| training.side.attributes.is_some(),
    costly: |training| training.interactions.len() > FEW_ACTS,
    fit,
};

/// Acts above which a fit takes more than some seconds.
const FEW_ACTS: usize = 100_000;

fn fit(training: &Training, params: &Params, seed: u64) -> Result<Box<dyn Model>, ModelError> {
    let attributes = training.side.attributes.as_ref().ok_or(ModelError::Lacking {
        method: "attribute_pass",
        needs: "attributes of items; give --attributes",
    })?;
    let weight = params.get("weight") as f32;
    let (graph, scales) = scaled(stacked(&training.matrix(), attributes, weight), params);
    let d = params.get("d") as usize;
    let turned = graph.transposed();
    Ok(Box::new(LowPass::new((&graph, &turned), scales, d, seed, training.target)))
}

/// Users by items, and below them attributes by items; an attribute of a single item tells nothing.
fn stacked(users: &Sparse, attributes: &Sparse, weight: f32) -> Sparse {
    let holders = attributes.transposed();
    let users_rows = (0..users.n_rows()).map(|user| users.cells(user).collect());
    let shared = (0..holders.n_rows()).filter(|attribute| holders.row(*attribute).0.len() > 1);
    let rows = shared.map(|attribute| {
        holders.cells(attribute).map(|(item, value)| (item, weight * value)).collect()
    });
    Sparse::from_rows(users.n_columns(), users_rows.chain(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Act, Interactions, Query};

    #[test]
    fn attributes_are_rows_below_the_users() {
        let users = Sparse::from_cells(2, 3, vec![(0, 0, 1.0), (1, 2, 1.0)]);
        // Items 0 and 1 share attribute 0; only item 2 has attribute 1.
        let attributes = Sparse::from_cells(3, 2, vec![(0, 0, 1.0), (1, 0, 1.0), (2, 1, 1.0)]);
        let expected = vec![(0, 0, 1.0), (1, 2, 1.0), (2, 0, 0.5), (2, 1, 0.5)];
        assert_eq!(stacked(&users, &attributes, 0.5), Sparse::from_cells(3, 3, expected));
    }

    /// Two circles of users and items; nobody did items 3 and 7, which share an attribute with the first
    /// and with the second circle.
    fn scores(threads: usize) -> Vec<f32> {
        let act = |item| Act { item, behavior: 0, at: 0, value: 1.0 };
        let pairs = (0..12_u32).flat_map(|user| {
            let first = user % 2 * 4;
            (first..first + 3).filter(move |item| item % 4 != user / 2 % 3).map(move |i| (user, i))
        });
        let acts = pairs.map(|(user, item)| (user, act(item))).collect();
        let mut training = Training::plain(Interactions::new(12, 8, acts), false);
        let cells = (0..8).map(|item| (item, item / 4, 1.0)).collect();
        training.side.attributes = Some(Sparse::from_cells(8, 2, cells));
        let params = ENTRY.defaults().with("d", 2.0);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let model = pool.install(|| fit(&training, &params, 1)).unwrap();
        let mut scores = vec![0.0; 8];
        model.score(&Query { user: Some(0), acts: training.interactions.of(0) }, &mut scores);
        scores
    }

    #[test]
    fn an_item_that_nobody_did_is_found_by_its_attribute() {
        let scores = scores(1);
        assert!(scores[3] > 0.05, "{scores:?}");
        assert!(scores[4..].iter().all(|score| score.abs() < 1e-3), "{scores:?}");
    }

    #[test]
    fn threads_change_no_bit() {
        assert_eq!(scores(1), scores(3));
    }

    #[test]
    fn without_attributes_it_says_what_to_give() {
        let plain = Training::plain(Interactions::new(1, 1, Vec::new()), false);
        assert!(!(ENTRY.applies)(&plain));
        let error = fit(&plain, &ENTRY.defaults(), 1).err().unwrap().to_string();
        assert!(error.contains("--attributes"), "{error}");
    }
}
