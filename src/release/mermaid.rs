//! The graph of roles in Mermaid's language, which GitHub draws.

use std::fmt::Write as _;

use crate::inventory::Role;

/// A role as it is drawn.
pub(super) struct Node<'a> {
    pub(super) role: &'a str,
    pub(super) after: &'a [String],
    /// What stands in it: lines, of which none means anything to Mermaid.
    pub(super) label: Vec<String>,
    /// Its class, of those that are defined.
    pub(super) class: Option<&'static str>,
}

/// The graph of these roles, and what each class looks like.
pub(super) fn draw(nodes: &[Node<'_>], classes: &[(&str, &str)]) -> String {
    // A role may be called what is a word of the language (`end`): numbers stand for the roles.
    let number = |name: &str| nodes.iter().position(|node| node.role == name);
    let mut out = "flowchart LR\n".to_owned();
    for (n, node) in nodes.iter().enumerate() {
        let label: Vec<String> = node.label.iter().map(|line| quoted(line)).collect();
        let class = node
            .class
            .map_or(String::new(), |class| format!(":::{class}"));
        // Writing to a String can't fail.
        let _ = writeln!(out, "  r{n}[\"{}\"]{class}", label.join("<br/>"));
        for before in node.after.iter().filter_map(|name| number(name)) {
            let _ = writeln!(out, "  r{before} --> r{n}");
        }
    }
    for (class, style) in classes {
        let _ = writeln!(out, "  classDef {class} {style}");
    }
    out
}

/// The graph of roles with how many clusters each has, one of them marked.
pub fn marked(roles: &[Role], marked: &str) -> String {
    let nodes: Vec<Node<'_>> = roles
        .iter()
        .map(|role| Node {
            role: &role.name,
            after: &role.after,
            label: vec![format!("{} ({})", role.name, role.clusters.len())],
            class: (role.name == marked).then_some("marked"),
        })
        .collect();
    draw(&nodes, &[("marked", "stroke-width:4px")])
}

/// Mermaid takes entities where a label holds what means something to it.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::graph::tests::roles;

    #[test]
    fn the_marked_role_is_drawn_thick() {
        insta::assert_snapshot!(marked(&roles(), "prod"), @r#"
        flowchart LR
          r0["sandbox (0)"]
          r1["qa (0)"]
          r0 --> r1
          r2["mapi (0)"]
          r1 --> r2
          r3["preview (0)"]
          r1 --> r3
          r4["nonprod (0)"]
          r3 --> r4
          r5["prod (0)"]:::marked
          r4 --> r5
          classDef marked stroke-width:4px
        "#);
    }

    #[test]
    fn nothing_in_a_label_means_anything() {
        assert_eq!(quoted("a\"b<c>#d\ne"), "a#quot;b#lt;c#gt;#35;d e");
    }
}
