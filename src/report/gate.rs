//! The gate's answer as people read it.

use crate::release::gate::{Gate, Met};
use crate::style::{Ink, Style};
use crate::text::{pad, visible};
use console::measure_text_width;

/// The gate's answer: a line for each thing that the role asks for, and below one that isn't there
/// what to do about it.
pub fn lines(gate: &Gate, style: &Style) -> Vec<String> {
    let state = match (&gate.overridden, gate.is_open()) {
        (_, true) => style.paint(Ink::Added, "open"),
        (Some(reason), false) => {
            let text = format!("SHUT, AND OVERRIDDEN: {}", visible(reason));
            style.paint(Ink::Removed, text)
        }
        (None, false) => style.paint(Ink::Changed, "shut"),
    };
    let mut lines = vec![format!("gate of {}: {state}", visible(&gate.role))];
    let width = gate
        .checks
        .iter()
        .map(|check| measure_text_width(&visible(&check.requirement)))
        .max()
        .unwrap_or(0);
    for check in &gate.checks {
        let (mark, ink) = mark(check.met, style);
        let requirement = pad(&visible(&check.requirement), width);
        let line = format!(
            "  {} {requirement}  {}",
            style.paint(ink, mark),
            visible(&check.found)
        );
        lines.push(line.trim_end().to_owned());
        let next = check.next.iter().map(|step| {
            let next = style.paint(Ink::Faint, "next:");
            format!("      {next} {}", visible(step))
        });
        lines.extend(next);
    }
    lines
}

fn mark(met: Met, style: &Style) -> (&'static str, Ink) {
    match (met, style.unicode) {
        (Met::Yes, true) => ("✓", Ink::Added),
        (Met::Yes, false) => ("+", Ink::Added),
        (Met::No, true) => ("✗", Ink::Removed),
        (Met::No, false) => ("x", Ink::Removed),
        (Met::Unknown, _) => ("?", Ink::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::gate::Check;

    #[test]
    fn what_is_not_met_comes_with_what_to_do() {
        let check = |requirement: &str, met, found: &str, next: &[&str]| Check {
            requirement: requirement.into(),
            met,
            found: found.into(),
            next: next.iter().map(|step| (*step).to_owned()).collect(),
            until: None,
        };
        let mut gate = Gate {
            role: "qa".into(),
            checks: vec![
                check("started by a tag", Met::Yes, "tag v1", &[]),
                check(
                    "sandbox holds this release",
                    Met::No,
                    "no status of it on this commit",
                    &["psk fanout --role sandbox"],
                ),
                check("no freeze", Met::Unknown, "no token", &[]),
            ],
            overridden: None,
        };
        let told = lines(&gate, &Style::PLAIN).join("\n");
        insta::assert_snapshot!(told, @r"
        gate of qa: shut
          + started by a tag            tag v1
          x sandbox holds this release  no status of it on this commit
              next: psk fanout --role sandbox
          ? no freeze                   no token
        ");
        gate.overridden = Some("incident 12".into());
        assert_eq!(
            lines(&gate, &Style::PLAIN)[0],
            "gate of qa: SHUT, AND OVERRIDDEN: incident 12"
        );
        gate.checks.truncate(1);
        assert_eq!(lines(&gate, &Style::PLAIN)[0], "gate of qa: open");
    }
}
