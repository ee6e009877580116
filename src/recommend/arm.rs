//! Which arm of an experiment a user belongs to.
//!
//! A hash of the experiment's name and the user is a number in [0, 1); the arms' shares are laid end to
//! end from 0. So a user stays in their arm for good, another experiment divides the users anew, and arms
//! that are appended take users only from those who had none.

use thiserror::Error;

/// An arm: what its users get.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name, for logs.
    pub name: String,
    /// The share of users who belong to it, in (0, 1].
    pub share: f64,
    /// The recommender that answers them.
    pub method: String,
}

/// Why arms cannot divide users.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum ArmError {
    /// A share that is none.
    #[error("arm `{name}` has share {share}; give a number above 0 and up to 1")]
    Share {
        /// The arm.
        name: String,
        /// Its share.
        share: f64,
    },
    /// More than everybody.
    #[error("the arms' shares sum to {sum}; give at most 1")]
    Sum {
        /// The sum.
        sum: f64,
    },
    /// Two arms of a name, or an arm without one.
    #[error("arm `{name}` has no name of its own; give each arm another")]
    Name {
        /// The name.
        name: String,
    },
}

/// The arm of `user` in the experiment `salt`; none for those whom the shares leave out.
///
/// # Errors
/// [`ArmError`].
pub fn arm_of<'a>(salt: &str, user: &str, arms: &'a [Arm]) -> Result<Option<&'a Arm>, ArmError> {
    let mut sum = 0.0;
    for (place, arm) in arms.iter().enumerate() {
        let Arm { name, share, .. } = arm;
        if name.is_empty() || arms[..place].iter().any(|other| other.name == *name) {
            return Err(ArmError::Name { name: name.clone() });
        }
        if !(*share > 0.0 && *share <= 1.0) {
            return Err(ArmError::Share { name: name.clone(), share: *share });
        }
        sum += share;
    }
    // Ten times a tenth is more than 1 by a rounding.
    if sum > 1.0 + 1e-9 {
        return Err(ArmError::Sum { sum });
    }
    let bucket = bucket(salt, user);
    let mut end = 0.0;
    Ok(arms.iter().find(|arm| {
        end += arm.share;
        bucket < end
    }))
}

/// The user's number in [0, 1) under a salt.
fn bucket(salt: &str, user: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(salt.len() as u64).to_le_bytes()).update(salt.as_bytes());
    hasher.update(user.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    // 53 bits are those that a float holds exactly.
    (u64::from_le_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(shares: &[f64]) -> Vec<Arm> {
        let arm = |(place, share): (usize, &f64)| Arm {
            name: format!("arm-{place}"),
            share: *share,
            method: String::new(),
        };
        shares.iter().enumerate().map(arm).collect()
    }

    fn place(salt: &str, user: usize, arms: &[Arm]) -> Option<String> {
        arm_of(salt, &format!("user-{user}"), arms).unwrap().map(|arm| arm.name.clone())
    }

    #[test]
    fn shares_are_within_binomial_bounds() {
        let (arms, n) = (arms(&[0.5, 0.3, 0.05]), 100_000);
        for salt in ["spring", "autumn", "winter"] {
            for arm in &arms {
                let members =
                    (0..n).filter(|user| place(salt, *user, &arms) == Some(arm.name.clone()));
                let found = members.count() as f64 / n as f64;
                let bound = 3.3 * (arm.share * (1.0 - arm.share) / n as f64).sqrt();
                assert!((found - arm.share).abs() < bound, "{salt} {arm:?}: {found}");
            }
        }
    }

    #[test]
    fn an_appended_arm_moves_nobody_from_another() {
        let (before, after) = (arms(&[0.2, 0.3]), arms(&[0.2, 0.3, 0.25]));
        let mut joined = 0;
        for user in 0..20_000 {
            match place("x", user, &before) {
                Some(arm) => assert_eq!(place("x", user, &after), Some(arm)),
                None => joined += usize::from(place("x", user, &after).is_some()),
            }
        }
        assert!((4_700..5_300).contains(&joined), "{joined}");
    }

    #[test]
    fn another_salt_divides_anew() {
        let arms = arms(&[0.5]);
        let same = |user: &usize| place("x", *user, &arms) == place("y", *user, &arms);
        let same = (0..20_000).filter(same).count();
        assert!((9_700..10_300).contains(&same), "{same}");
    }

    #[test]
    fn bad_arms_are_refused() {
        let refused = |shares: &[f64]| arm_of("x", "u", &arms(shares)).unwrap_err().to_string();
        assert_eq!(refused(&[0.0]), "arm `arm-0` has share 0; give a number above 0 and up to 1");
        assert_eq!(refused(&[0.75, 0.5]), "the arms' shares sum to 1.25; give at most 1");
        assert!(refused(&[f64::NAN]).contains("NaN"));
        let twice = [arms(&[0.1]), arms(&[0.1])].concat();
        assert!(arm_of("x", "u", &twice).unwrap_err().to_string().contains("no name of its own"));
        assert_eq!(arm_of("x", "u", &[]), Ok(None));
        assert!(arm_of("x", "u", &arms(&[0.1; 10])).unwrap().is_some());
    }
}
