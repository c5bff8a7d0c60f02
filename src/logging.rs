//! Diagnostic logging to standard error, off unless `RUST_LOG` asks for it.

use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::env::Env;
use crate::style::{ColourChoice, Style};

/// Logs what `RUST_LOG` asks for, but nothing of AWS's own crates beyond debug: their trace level
/// holds whole answers, and those may hold secrets.
pub fn init(env: &Env) {
    let Some(wanted) = env.get("RUST_LOG") else {
        return;
    };
    let stderr = console::Term::stderr();
    let width = stderr.is_term().then(|| stderr.size().1);
    let style = Style::choose(
        ColourChoice::Auto,
        |name| env.get(name).map(str::to_owned),
        width,
    );
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(wanted))
        .with_ansi(style.colour)
        .with_writer(std::io::stderr)
        .finish()
        .with(filter_fn(|event| {
            !event.target().starts_with("aws_") || *event.level() <= LevelFilter::DEBUG
        }))
        .init();
}
