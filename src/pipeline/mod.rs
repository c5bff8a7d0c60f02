//! Generated pipelines: what CI runs, made from a circlepipe repository.

pub mod circlepipe;
mod go;
