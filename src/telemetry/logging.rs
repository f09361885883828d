//! The program's own log: what operators read when something is wrong.
//!
//! Crates below us are held to `INFO`, whatever the filter says: at lower levels some print request heads and signatures. A panic's payload
//! may hold anything, so the hook logs the place and leaves the payload out.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// Why the log could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLogging {
    /// The filter does not parse.
    #[error(
        "{0:?} is not a log filter: write a level such as 'info', or directives such as 'info,hallpass::origin=debug'"
    )]
    Filter(String),
    /// Somebody set up a log before.
    #[error("a log is already set up in this process")]
    Twice,
}

/// Sends the log to standard error from now on, as text or as JSON lines. `filter` is a level or a list of directives, as of `tracing`'s
/// `EnvFilter`.
pub fn init_logging(filter: &str, json: bool) -> Result<(), BadLogging> {
    let subscriber = subscriber(filter, json, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| BadLogging::Twice)
}

/// From now on a panic anywhere in the process is logged with its place and thread, and without its payload.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "a task panicked");
    }));
}

fn subscriber<W>(filter: &str, json: bool, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, BadLogging>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter)
        .map_err(|_| BadLogging::Filter(filter.to_owned()))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let filter = wanted.and(filter_fn(fit_to_print));
    let registry = tracing_subscriber::registry();
    Ok(if json {
        Box::new(registry.with(lines.json().flatten_event(true).with_filter(filter)))
    } else {
        Box::new(registry.with(lines.with_filter(filter)))
    })
}

/// Whether a line may be printed at all: ours at any level, others from `INFO` up.
fn fit_to_print(about: &Metadata<'_>) -> bool {
    let ours = about.target() == OURS || about.target().starts_with(concat!(env!("CARGO_PKG_NAME"), "::"));
    ours || *about.level() <= Level::INFO
}

const OURS: &str = env!("CARGO_PKG_NAME");

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn logged(filter: &str, json: bool, act: impl FnOnce()) -> String {
        let buffer: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writer = Arc::clone(&buffer);
        let make = move || Shared(Arc::clone(&writer));
        tracing::subscriber::with_default(subscriber(filter, json, make).unwrap(), act);
        let bytes = buffer.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn crates_below_us_are_held_to_info_whatever_the_filter_says() {
        let text = logged("trace,aws_smithy_runtime::client=trace", false, || {
            tracing::trace!("ours");
            tracing::debug!(target: "aws_smithy_runtime::client", "Authorization: s3cr3t");
            tracing::debug!(target: "hallpassed", "not ours");
            tracing::info!(target: "sqlx", "opened");
        });
        assert!(text.contains("ours") && text.contains("opened"), "{text}");
        assert!(!text.contains("s3cr3t") && !text.contains("not ours"), "{text}");
    }

    #[test]
    fn the_filter_decides_about_our_own_lines() {
        let text = logged("warn", false, || {
            tracing::info!("quiet");
            tracing::warn!("loud");
        });
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
        assert!(logged("", false, || tracing::info!("default")).contains("default"));
    }

    #[test]
    fn json_lines_stay_json_with_hostile_text() {
        let text = logged("info", true, || tracing::info!(agent = "\"\n\\\u{1b}", "said"));
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["message"], "said");
        assert_eq!(line["agent"], "\"\n\\\u{1b}");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_named() {
        let Err(bad) = subscriber("info,=,", false, io::sink) else { panic!("it parsed") };
        assert!(bad.to_string().starts_with("\"info,=,\" is not a log filter"), "{bad}");
    }
}
