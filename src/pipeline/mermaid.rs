//! The promotion graph in Mermaid's language, which GitHub draws.

use std::fmt::Write as _;

use crate::inventory::Inventory;

/// The graph of roles, with one of them marked.
pub fn mermaid(inventory: &Inventory, marked: &str) -> String {
    // A role may be called what is a word of the language (`end`): numbers stand for the roles.
    let number = |name: &str| inventory.roles().iter().position(|role| role.name == name);
    let mut out = "graph LR\n".to_owned();
    for (n, role) in inventory.roles().iter().enumerate() {
        let _ = writeln!(out, "  r{n}[\"{} ({})\"]", role.name, role.clusters.len());
        for before in role.after.iter().filter_map(|name| number(name)) {
            let _ = writeln!(out, "  r{before} --> r{n}");
        }
    }
    if let Some(n) = number(marked) {
        let _ = writeln!(out, "  style r{n} stroke-width:4px");
    }
    out
}
