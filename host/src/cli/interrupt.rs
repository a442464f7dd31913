//! Ctrl-C: a command that can be ended early says so by its exit code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::report;

/// The exit code of a command that was interrupted and has saved what there was.
pub(super) const INTERRUPTED: u8 = 130;

/// A flag that Ctrl-C raises. Without a handler, Ctrl-C ends the process as it would any other, and `loss` says
/// what is lost then.
pub(super) fn flag(loss: &str) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    if let Err(error) = ctrlc::set_handler(move || raised.store(true, Ordering::Relaxed)) {
        report::note(&format!("note: {loss}: {error}"));
    }
    stop
}
