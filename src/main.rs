//! Predilect's command line: parses, calls, and turns the result into an exit code.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use predilect::cli;

fn main() {
    leave(cli::run(std::env::args_os(), interrupts));
}

/// Ends the program as it stands. A call that nobody waits for any more may still be inside RocksDB, whose
/// statics the ordinary way out would take down under it; what was acknowledged is on disk.
#[expect(unsafe_code, reason = "the standard library has no way out without exit handlers")]
fn leave(code: cli::ExitCode) -> ! {
    // Whoever read the answer may be gone.
    let _ = std::io::stdout().flush();
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(code as i32) }
}

/// A flag that the first Ctrl-C or end signal sets, so that a load can finish what it has at hand;
/// the second one ends the program at once.
fn interrupts() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Without a runtime the system's own way of ending stays as it was.
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(signal()).is_ok() {
            set.store(true, Ordering::Relaxed);
        }
        if runtime.block_on(signal()).is_ok() {
            leave(cli::ExitCode::Interrupted);
        }
    });
    flag
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut end = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done,
        _ = end.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
