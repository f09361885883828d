//! How far an audit has come, on a terminal; nothing in a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::audit::ScanProgress;

/// A spinner while the store is counted, then a bar.
pub(super) struct Watcher(ProgressBar);

impl Watcher {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length().with_message("asking the store about its settings");
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl ScanProgress for Watcher {
    fn counted(&self, objects: u64) {
        self.0.set_message(format!("counting: {objects} objects"));
    }

    fn examined(&self, objects: u64, of: u64) {
        if self.0.length().is_none() {
            let template = "{bar:32} {human_pos} of {human_len} objects, {per_sec}, {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.0.set_style(style);
            }
            // What an earlier run looked at says nothing about the speed of this one.
            self.0.set_position(objects.saturating_sub(1));
            self.0.reset_eta();
        }
        self.0.set_length(of);
        self.0.set_position(objects);
    }
}
