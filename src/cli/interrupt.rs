//! Ctrl-C for clients: the first asks for a clean end, the second ends at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// A token that SIGINT or SIGTERM cancels.
pub(super) fn token() -> io::Result<CancellationToken> {
    crate::shutdown::on_signal()
}
