//! A plan as text for people: `+ ~ -/+ -` per resource, attribute by attribute, old → new.

mod page;
#[cfg(test)]
mod tests;
mod value;

pub use page::{render, render_applied};
