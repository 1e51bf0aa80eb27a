//! One word for all parts: it is time to leave. Said once, never taken back.

use tokio::sync::watch;

/// A handle on the word. Clones hear the same one.
#[derive(Clone, Debug)]
pub struct Shutdown {
    said: watch::Sender<bool>,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { said: watch::Sender::new(false) }
    }
}

impl Shutdown {
    /// Says it.
    pub fn ask(&self) {
        self.said.send_replace(true);
    }

    /// Whether it was said.
    pub fn is_asked(&self) -> bool {
        *self.said.borrow()
    }

    /// Returns once it was said.
    pub async fn asked(&self) {
        // The sender lives as long as this handle: waiting cannot fail.
        let _ = self.said.subscribe().wait_for(|said| *said).await;
    }
}
