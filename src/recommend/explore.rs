//! A share of an answer's places goes to what would not stand there, so that something is learned.
//!
//! Each place is a draw of its own: with probability `share` it goes to a candidate that the order would
//! not have put there, else to the best one left. So the probability of every placing is known, given the
//! places above it, and is logged: replay needs it. Draws are a function of seed and request.
//!
//! Source: Sutton & Barto, "Reinforcement Learning", 2nd ed., section 2.2 (epsilon-greedy); Chapelle & Li,
//! "An empirical evaluation of Thompson sampling", NIPS 2011.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution};

/// Draws of all candidates' rates at once, of which each candidate's chance to be the best is counted.
const WORLDS: usize = 64;
/// What share of an exploring Thompson draw goes to all candidates alike, so that no chance is 0.
const UNIFORM: f64 = 0.1;

/// Who is put in a place that explores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Any other candidate, each with the same chance.
    #[default]
    EpsilonGreedy,
    /// The likelier a candidate is the one that users act on most, the likelier it is drawn.
    Thompson,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 2] = [Self::EpsilonGreedy, Self::Thompson];

    /// Its name on the wire and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::EpsilonGreedy => "epsilon_greedy",
            Self::Thompson => "thompson",
        }
    }

    /// The policy of this name; the first when empty.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| name.is_empty() || policy.name() == name)
    }
}

/// How often an item was shown, and how often it was acted on after that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trials {
    /// Users whom it was shown to.
    pub shown: u32,
    /// Those of them who acted on it afterwards.
    pub acted: u32,
}

/// What stands in a place of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slot {
    /// The candidate's place in the order.
    pub candidate: usize,
    /// The probability that it was put here, given the places above.
    pub propensity: f64,
    /// Who would stand here, where this place explores.
    pub instead_of: Option<usize>,
}

/// Random numbers that follow from a seed, a request and what they are for.
pub(super) fn draws(seed: u64, request: &[&str]) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for part in request {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

/// Fills `k` places from `n` candidates, best first.
///
/// # Arguments
/// * `share`: the chance of each place to explore, in [0, 1].
/// * `trials`: what is known of the candidate at a place; asked only by [`Policy::Thompson`].
///
/// # Returns
/// At most `k` slots. A last candidate without a rival is placed with certainty.
pub(super) fn fill(
    (n, k): (usize, usize),
    share: f64,
    policy: Policy,
    trials: impl Fn(usize) -> Trials,
    rng: &mut ChaCha8Rng,
) -> Vec<Slot> {
    let mut left: Vec<usize> = (0..n).collect();
    let mut worlds: Option<Vec<Vec<f64>>> = None;
    let mut slots = Vec::new();
    while slots.len() < k && !left.is_empty() {
        let best = left[0];
        if left.len() == 1 || rng.random::<f64>() >= share {
            let propensity = if left.len() == 1 { 1.0 } else { 1.0 - share };
            slots.push(Slot { candidate: left.remove(0), propensity, instead_of: None });
            continue;
        }
        let rivals = &left[1..];
        let (chosen, chance) = match policy {
            Policy::EpsilonGreedy => (rng.random_range(0..rivals.len()), 1.0 / rivals.len() as f64),
            Policy::Thompson => {
                let worlds = worlds.get_or_insert_with(|| worlds_of(n, &trials, rng));
                let chances = chances(worlds, rivals);
                let mut rest = rng.random::<f64>();
                let passed = chances.iter().position(|chance| {
                    rest -= chance;
                    rest < 0.0
                });
                let chosen = passed.unwrap_or(rivals.len() - 1);
                (chosen, chances[chosen])
            }
        };
        let candidate = left.remove(chosen + 1);
        slots.push(Slot { candidate, propensity: share * chance, instead_of: Some(best) });
    }
    slots
}

/// Rates of all candidates, drawn [`WORLDS`] times from what is known of each: a beta distribution around
/// one act in ten showings, which ten showings outweigh.
fn worlds_of(n: usize, trials: impl Fn(usize) -> Trials, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    let known: Vec<Option<Beta<f64>>> = (0..n)
        .map(|candidate| {
            let Trials { shown, acted } = trials(candidate);
            let acted = acted.min(shown);
            Beta::new(1.0 + f64::from(acted), 9.0 + f64::from(shown - acted)).ok()
        })
        .collect();
    let draw = |rng: &mut ChaCha8Rng| {
        known.iter().map(|beta| beta.as_ref().map_or(0.0, |beta| beta.sample(rng))).collect()
    };
    (0..WORLDS).map(|_| draw(rng)).collect()
}

/// Each rival's share of the worlds in which it is the best of them, and of [`UNIFORM`]. The draw goes by
/// these very numbers, so they are its exact chances.
fn chances(worlds: &[Vec<f64>], rivals: &[usize]) -> Vec<f64> {
    let mut chances = vec![UNIFORM / rivals.len() as f64; rivals.len()];
    for world in worlds {
        let mut best = 0;
        for (place, rival) in rivals.iter().enumerate() {
            if world[*rival] > world[rivals[best]] {
                best = place;
            }
        }
        chances[best] += (1.0 - UNIFORM) / worlds.len() as f64;
    }
    chances
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: usize) -> Trials {
        Trials::default()
    }

    #[test]
    fn the_share_is_what_was_asked_for() {
        let greedy = (Policy::EpsilonGreedy, 100_000, [0.05, 0.2, 0.5].as_slice());
        for (policy, requests, shares) in [greedy, (Policy::Thompson, 20_000, &[0.2])] {
            for &share in shares {
                let mut explored = 0_u32;
                for request in 0..requests {
                    let mut rng = draws(1, &[&request.to_string()]);
                    let slots = fill((40, 10), share, policy, none, &mut rng);
                    assert_eq!(slots.len(), 10);
                    explored +=
                        slots.iter().filter(|slot| slot.instead_of.is_some()).count() as u32;
                }
                let found = f64::from(explored) / (10.0 * f64::from(requests));
                assert!((found - share).abs() < 0.01 * share.max(0.1), "{share}: {found}");
            }
        }
    }

    /// Over many requests, each placing in the first two places is as frequent as its propensity says:
    /// the mean of 1 / propensity over the requests that show it is 1.
    #[test]
    fn propensities_are_true() {
        let known = |candidate: usize| Trials { shown: 30, acted: 3 * candidate as u32 };
        for policy in Policy::ALL {
            let n_requests = 60_000;
            let (mut first, mut second) = ([0.0; 5], [0.0; 5]);
            for request in 0..n_requests {
                let mut rng = draws(5, &[&request.to_string()]);
                let slots = fill((5, 2), 0.4, policy, known, &mut rng);
                first[slots[0].candidate] += 1.0 / slots[0].propensity;
                second[slots[1].candidate] += 1.0 / slots[1].propensity;
            }
            for (candidate, sum) in first.iter().enumerate() {
                let mean = sum / f64::from(n_requests);
                assert!((mean - 1.0).abs() < 0.1, "{policy:?} {candidate}: {mean}");
            }
            // In the second place each but the one above: over all of them, 4 in all.
            let mean = second.iter().sum::<f64>() / f64::from(n_requests);
            assert!((mean - 4.0).abs() < 0.1, "{policy:?}: {mean}");
        }
    }

    #[test]
    fn thompson_prefers_what_is_acted_on() {
        let known = |candidate: usize| match candidate {
            3 => Trials { shown: 100, acted: 60 },
            _ => Trials { shown: 100, acted: 5 },
        };
        let mut drawn = [0; 6];
        for request in 0..2_000 {
            let mut rng = draws(9, &[&request.to_string()]);
            drawn[fill((6, 1), 1.0, Policy::Thompson, known, &mut rng)[0].candidate] += 1;
        }
        assert!(drawn[3] > 1_800, "{drawn:?}");
        assert!(drawn[1..].iter().all(|&n| n > 0), "{drawn:?}");
    }

    #[test]
    fn the_same_seed_and_request_draw_the_same() {
        let fill = |seed, request| {
            fill((30, 10), 0.5, Policy::Thompson, none, &mut draws(seed, &[request]))
        };
        assert_eq!(fill(1, "a"), fill(1, "a"));
        assert_ne!(fill(1, "a"), fill(1, "b"));
        assert_ne!(fill(1, "a"), fill(2, "a"));
    }

    #[test]
    fn every_candidate_is_placed_once() {
        let slots = fill((7, 20), 0.5, Policy::EpsilonGreedy, none, &mut draws(3, &[]));
        let mut placed: Vec<usize> = slots.iter().map(|slot| slot.candidate).collect();
        placed.sort_unstable();
        assert_eq!(placed, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(slots[6].propensity, 1.0);
        assert!(fill((0, 3), 0.5, Policy::Thompson, none, &mut draws(3, &[])).is_empty());
    }
}
