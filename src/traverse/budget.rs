//! How much a traversal may do, and how it is told to stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::TraverseError;

/// A cap on the edges that a traversal looks at, and a flag that stops it.
///
/// A traversal reads no clock: whoever has a deadline sets the flag when it has passed. A traversal
/// that is stopped by the flag returns an error; one that reaches the cap returns what it has, and
/// says so.
///
/// # Example
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
/// use predilect::traverse::{Budget, TraverseError};
///
/// let flag = Arc::new(AtomicBool::new(false));
/// let budget = Budget { max_visits: 10_000, cancelled: Some(Arc::clone(&flag)) };
/// assert_eq!(budget.check(), Ok(()));
/// flag.store(true, Ordering::Relaxed);
/// assert_eq!(budget.check(), Err(TraverseError::Cancelled));
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    /// Most edges to look at, an edge met twice counted twice. Default: `usize::MAX`, no cap.
    pub max_visits: usize,
    /// When true, the traversal stops with [`TraverseError::Cancelled`]. Default: none.
    pub cancelled: Option<Arc<AtomicBool>>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { max_visits: usize::MAX, cancelled: None }
    }
}

impl Budget {
    /// At most `max_visits` edges, without a flag.
    pub fn visits(max_visits: usize) -> Self {
        Self { max_visits, cancelled: None }
    }

    /// Whether to go on; costs one relaxed load, and is asked once per node at least.
    ///
    /// # Errors
    /// [`TraverseError::Cancelled`] when the flag is set.
    pub fn check(&self) -> Result<(), TraverseError> {
        match &self.cancelled {
            Some(flag) if flag.load(Ordering::Relaxed) => Err(TraverseError::Cancelled),
            _ => Ok(()),
        }
    }
}
