//! The signal that ends accepting and serving.

use tokio::sync::watch;

/// Resolves when the process stops, or when its sender is gone.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}
