//! The Parquet crate asserts what a damaged file can break. Here a broken assertion is an error of the file,
//! and nothing of it is written to stderr.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Does this thread read a Parquet file right now?
    static READS: Cell<bool> = const { Cell::new(false) };
}

/// Does what may break an assertion; what it worked on must not be used after an error.
pub(in super::super) fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !READS.get() {
                before(info);
            }
        }));
    });
    READS.set(true);
    let done = panic::catch_unwind(AssertUnwindSafe(read));
    READS.set(false);
    done.unwrap_or_else(|broken| Err(format!("it is damaged: {}", message(&*broken))))
}

fn message(broken: &(dyn Any + Send)) -> &str {
    match (broken.downcast_ref::<&str>(), broken.downcast_ref::<String>()) {
        (Some(message), _) => message,
        (_, Some(message)) => message,
        _ => "an assertion failed",
    }
}
