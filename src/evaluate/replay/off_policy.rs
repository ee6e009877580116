//! What another policy would have brought, from what one policy showed and with which probability.
//!
//! The unit is the request: its places share a user, so intervals go over requests and not over places. A
//! request's value is the mean reward of its places. Each place is judged given the places above it as they
//! were shown.
//!
//! Sources: Horvitz & Thompson, JASA 1952 (IPS); Swaminathan & Joachims, "The self-normalized estimator for
//! counterfactual learning", NIPS 2015 (SNIPS); Dudik, Langford & Li, "Doubly robust policy evaluation and
//! learning", ICML 2011, section 3 (DR). Intervals are normal approximations at 95 %; that of SNIPS by the
//! delta method for a ratio.

use serde::Serialize;
use thiserror::Error;

/// The normal quantile of a two-sided interval at 95 %.
const Z: f64 = 1.959_963_985;
/// Showings of the overall mean that an action's mean reward is shrunk by.
const PRIOR: f64 = 10.0;

/// What was shown in one place, and what the other policy would show there.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What was shown, as a number below the count of actions.
    pub action: usize,
    /// The probability with which it was shown there, in (0, 1].
    pub propensity: f64,
    /// What came of it; finite.
    pub reward: f64,
    /// What the other policy would show there, with probabilities that sum to 1.
    pub target: Vec<(usize, f64)>,
}

impl Decision {
    /// How much likelier the other policy is to show it.
    fn weight(&self) -> f64 {
        let target = self.target.iter().filter(|(action, _)| *action == self.action);
        target.map(|(_, probability)| probability).sum::<f64>() / self.propensity
    }
}

/// Why nothing can be estimated.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum OffPolicyError {
    /// Too few requests for an interval.
    #[error("there are {found} requests; an interval needs 2 or more")]
    TooFew {
        /// So many there are.
        found: usize,
    },
    /// A propensity that is none.
    #[error("propensity {found} of request {request}; give a number above 0 and up to 1")]
    Propensity {
        /// The request's place, from 1.
        request: usize,
        /// As it came.
        found: f64,
    },
    /// Probabilities that are none.
    #[error(
        "target probabilities of request {request} sum to {sum}; give numbers from 0 up that sum to 1"
    )]
    Target {
        /// The request's place, from 1.
        request: usize,
        /// Their sum.
        sum: f64,
    },
    /// A reward that is no number.
    #[error("reward {found} of request {request}; give a finite number")]
    Reward {
        /// The request's place, from 1.
        request: usize,
        /// As it came.
        found: f64,
    },
}

/// A mean reward of a place, with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Lower end of the interval at 95 %.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// The mean of `values` with its interval.
    fn mean(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self::around(mean, (variance / n).sqrt())
    }

    fn around(value: f64, error: f64) -> Self {
        Self { value, low: value - Z * error, high: value + Z * error }
    }
}

/// What the other policy would have brought, by several estimators.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimates {
    /// Requests.
    pub requests: usize,
    /// Places.
    pub places: usize,
    /// Requests that so many equally weighed ones would tell as much as (Kish 1965).
    pub effective_requests: f64,
    /// What the policy that showed them brought.
    pub logged: Estimate,
    /// Inverse propensity scores: unbiased.
    pub ips: Estimate,
    /// Self-normalised: little bias, less variance; none where the other policy shows nothing of it.
    pub snips: Option<Estimate>,
    /// Doubly robust: unbiased, with less variance the better mean rewards of actions predict.
    pub doubly_robust: Estimate,
}

/// Estimates the other policy's mean reward of a place.
///
/// # Arguments
/// * `requests`: the decisions of each, place by place; requests without places are passed over.
/// * `n_actions`: above every action.
///
/// # Errors
/// [`OffPolicyError`].
pub fn estimate(requests: &[Vec<Decision>], n_actions: usize) -> Result<Estimates, OffPolicyError> {
    let requests: Vec<&Vec<Decision>> =
        requests.iter().filter(|request| !request.is_empty()).collect();
    if requests.len() < 2 {
        return Err(OffPolicyError::TooFew { found: requests.len() });
    }
    for (place, request) in requests.iter().enumerate() {
        request.iter().try_for_each(|decision| check(decision, place + 1))?;
    }
    let over = |value: &dyn Fn(&Decision) -> f64| -> Vec<f64> {
        let mean = |request: &&Vec<Decision>| {
            request.iter().map(value).sum::<f64>() / request.len() as f64
        };
        requests.iter().map(mean).collect()
    };
    let rewards = over(&|decision| decision.reward);
    let weighed = over(&|decision| decision.weight() * decision.reward);
    let weights = over(&Decision::weight);
    let sum: f64 = weights.iter().sum();
    let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
    let snips = (sum > 0.0).then(|| {
        let value = weighed.iter().sum::<f64>() / sum;
        let residual = |(reward, weight): (&f64, &f64)| (reward - value * weight).powi(2);
        let residuals: f64 = weighed.iter().zip(&weights).map(residual).sum();
        Estimate::around(value, residuals.sqrt() / sum)
    });
    Ok(Estimates {
        requests: requests.len(),
        places: requests.iter().map(|request| request.len()).sum(),
        effective_requests: if squares > 0.0 { sum * sum / squares } else { 0.0 },
        logged: Estimate::mean(&rewards),
        ips: Estimate::mean(&weighed),
        snips,
        doubly_robust: Estimate::mean(&doubly_robust(&requests, n_actions)),
    })
}

fn check(decision: &Decision, request: usize) -> Result<(), OffPolicyError> {
    let Decision { propensity: found, reward, target, .. } = decision;
    if !(*found > 0.0 && *found <= 1.0) {
        return Err(OffPolicyError::Propensity { request, found: *found });
    }
    let sum: f64 = target.iter().map(|(_, probability)| probability).sum();
    let bad = target.iter().any(|(_, probability)| !(0.0..=1.0 + 1e-9).contains(probability));
    if bad || sum.is_nan() || (sum - 1.0).abs() > 1e-6 {
        return Err(OffPolicyError::Target { request, sum });
    }
    if !reward.is_finite() {
        return Err(OffPolicyError::Reward { request, found: *reward });
    }
    Ok(())
}

/// The doubly robust value of each request. Mean rewards of actions come from the other half of the
/// requests, so that no request is judged by its own rewards.
fn doubly_robust(requests: &[&Vec<Decision>], n_actions: usize) -> Vec<f64> {
    let halves = [0, 1].map(|half| mean_rewards(requests, half, n_actions));
    let value = |(place, request): (usize, &&Vec<Decision>)| {
        let means = &halves[1 - place % 2];
        let one = |decision: &Decision| {
            let mean = |action: usize| means.get(action).copied().unwrap_or(0.0);
            let expected: f64 =
                decision.target.iter().map(|(action, share)| share * mean(*action)).sum();
            expected + decision.weight() * (decision.reward - mean(decision.action))
        };
        request.iter().map(one).sum::<f64>() / request.len() as f64
    };
    requests.iter().enumerate().map(value).collect()
}

/// The mean reward of each action in every second request from `half` on, shrunk to that of all.
fn mean_rewards(requests: &[&Vec<Decision>], half: usize, n_actions: usize) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; n_actions], vec![0.0; n_actions]);
    for decision in requests.iter().skip(half).step_by(2).flat_map(|request| request.iter()) {
        if decision.action < n_actions {
            sums[decision.action] += decision.reward;
            counts[decision.action] += 1.0;
        }
    }
    let mean = sums.iter().sum::<f64>() / counts.iter().sum::<f64>().max(1.0);
    let shrunk = |(sum, count): (&f64, &f64)| (sum + PRIOR * mean) / (count + PRIOR);
    sums.iter().zip(&counts).map(shrunk).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const ACTIONS: usize = 8;
    const PLACES: usize = 2;

    /// How likely a user of a kind is to act on something.
    fn rate(kind: usize, action: usize) -> f64 {
        0.05 + 0.9 * ((kind * 5 + action * 3) % ACTIONS) as f64 / ACTIONS as f64
    }

    /// Another policy: what it shows to a kind.
    type Policy = fn(usize) -> Vec<(usize, f64)>;
    /// How likely a user of a kind is to act on something.
    type Rate = fn(usize, usize) -> f64;

    fn greedy(kind: usize) -> Vec<(usize, f64)> {
        vec![(kind, 1.0)]
    }

    fn mixed(kind: usize) -> Vec<(usize, f64)> {
        (0..ACTIONS).map(|action| (action, if action == kind { 0.3 } else { 0.1 })).collect()
    }

    /// A log of an epsilon-greedy policy; some users act more than others, in all places alike.
    fn log(n: usize, policy: Policy, rate: Rate, rng: &mut ChaCha8Rng) -> Vec<Vec<Decision>> {
        let share = 0.4;
        (0..n)
            .map(|_| {
                let kind = rng.random_range(0..4);
                let keen = if rng.random::<bool>() { 1.0 } else { 0.5 };
                let place = |_| {
                    let rival = rng.random_range(1..ACTIONS);
                    let explores = rng.random::<f64>() < share;
                    let action = if explores { (kind + rival) % ACTIONS } else { kind };
                    let propensity =
                        if explores { share / (ACTIONS - 1) as f64 } else { 1.0 - share };
                    let acted = rng.random::<f64>() < keen * rate(kind, action);
                    let reward = f64::from(u8::from(acted));
                    Decision { action, propensity, reward, target: policy(kind) }
                };
                (0..PLACES).map(place).collect()
            })
            .collect()
    }

    fn truth(policy: Policy) -> f64 {
        let of_kind = |kind| -> f64 {
            policy(kind).iter().map(|(action, share)| share * 0.75 * rate(kind, *action)).sum()
        };
        (0..4).map(of_kind).sum::<f64>() / 4.0
    }

    /// Of 1,000 simulated logs, the intervals of 95 % hold the truth in 950, within what chance allows
    /// once in a thousand times (3.29 deviations: 927 to 973).
    #[test]
    fn intervals_cover_the_truth_as_often_as_they_say() {
        for (policy, seed) in [(greedy as Policy, 1), (mixed as Policy, 2)] {
            let (mut rng, truth) = (ChaCha8Rng::seed_from_u64(seed), truth(policy));
            let mut covered = [0; 3];
            for _ in 0..1_000 {
                let found = estimate(&log(800, policy, rate, &mut rng), ACTIONS).unwrap();
                let all = [found.ips, found.snips.unwrap(), found.doubly_robust];
                for (place, estimate) in all.iter().enumerate() {
                    covered[place] += u32::from((estimate.low..=estimate.high).contains(&truth));
                }
            }
            assert!(covered.iter().all(|n| (927..=973).contains(n)), "{covered:?}");
        }
    }

    /// Where the mean reward of an action says all there is, the doubly robust interval is the narrowest.
    #[test]
    fn a_good_model_narrows_the_interval() {
        let by_action: Rate = |_, action| 0.1 + 0.8 * (action % 2) as f64;
        let requests = log(4_000, mixed, by_action, &mut ChaCha8Rng::seed_from_u64(4));
        let found = estimate(&requests, ACTIONS).unwrap();
        let width = |estimate: Estimate| estimate.high - estimate.low;
        assert!(width(found.doubly_robust) < 0.95 * width(found.ips), "{found:?}");
        assert!(width(found.snips.unwrap()) < width(found.ips), "{found:?}");
    }

    #[test]
    fn the_policy_that_showed_it_is_judged_by_what_it_brought() {
        let mut requests = log(200, greedy, rate, &mut ChaCha8Rng::seed_from_u64(3));
        for decision in requests.iter_mut().flatten() {
            decision.target = vec![(decision.action, 1.0)];
            decision.propensity = 1.0;
        }
        let found = estimate(&requests, ACTIONS).unwrap();
        assert_eq!(found.ips, found.logged);
        assert!((found.snips.unwrap().value - found.logged.value).abs() < 1e-12);
        assert!((found.doubly_robust.value - found.logged.value).abs() < 1e-12);
        assert_eq!(found.effective_requests, 200.0);
    }

    #[test]
    fn by_hand() {
        let decision = |action, propensity, reward| {
            vec![Decision { action, propensity, reward, target: vec![(0, 1.0)] }]
        };
        let requests = [decision(0, 0.5, 1.0), decision(1, 0.5, 1.0), decision(0, 0.5, 0.0)];
        let found = estimate(&requests, 2).unwrap();
        assert!((found.ips.value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(found.snips.unwrap().value, 0.5);
        assert_eq!(found.effective_requests, 2.0);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let with = |propensity, reward, share| {
            let target = vec![(0, share)];
            let request = vec![Decision { action: 0, propensity, reward, target }];
            estimate(&[request.clone(), request], 1).map_err(|error| error.to_string())
        };
        assert!(with(1.0, 1.0, 1.0).is_ok());
        assert!(with(0.0, 1.0, 1.0).unwrap_err().starts_with("propensity 0 of request 1"));
        assert!(with(1.0, f64::NAN, 1.0).unwrap_err().starts_with("reward NaN"));
        assert!(with(1.0, 1.0, 0.5).unwrap_err().contains("sum to 0.5"));
        assert_eq!(estimate(&[], 1), Err(OffPolicyError::TooFew { found: 0 }));
        // The other policy shows nothing of what was shown.
        let request =
            vec![Decision { action: 0, propensity: 1.0, reward: 1.0, target: vec![(1, 1.0)] }];
        let found = estimate(&[request.clone(), request], 2).unwrap();
        assert_eq!((found.ips.value, found.snips), (0.0, None));
    }
}
