//! The table.

use std::fmt::Write;

use super::{Goal, Report, Row, machine};
use crate::memory::Allocated;

const HEAD: [&str; 7] =
    ["", "ours", "peer", "ratio (min to max)", "goal", "", "allocations, ours / peer"];

pub(super) fn render(report: &Report) -> String {
    let cells: Vec<[String; 7]> =
        [HEAD.map(str::to_owned)].into_iter().chain(report.rows.iter().map(cells)).collect();
    let mut widths = [0; 7];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = format!("\n{}\n{}\n\n", report.title, machine::describe());
    for row in &cells {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            // Names and words stand left, figures right.
            let _ = match index {
                0 | 5 | 6 => write!(line, "{cell}{pad}  "),
                _ => write!(line, "{pad}{cell}  "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for note in &report.notes {
        let _ = write!(text, "\n{note}");
    }
    text.push('\n');
    text
}

pub(super) fn cells(row: &Row) -> [String; 7] {
    [
        row.name.clone(),
        row.unit.text(row.ours.median),
        row.peer.map_or_else(dash, |peer| row.unit.text(peer.median)),
        row.ratio.map_or_else(dash, |ratio| {
            if ratio.min < ratio.max {
                format!("{} ({} to {})", share(ratio.median), share(ratio.min), share(ratio.max))
            } else {
                share(ratio.median)
            }
        }),
        match row.goal {
            None => dash(),
            Some(Goal::Ratio(most)) => format!("≤ {most} ×"),
            Some(Goal::Value(most)) => format!("≤ {}", row.unit.text(most)),
        },
        match row.met() {
            None => String::new(),
            Some(true) => "met".to_owned(),
            Some(false) => "short of goal".to_owned(),
        },
        row.allocated.map_or_else(String::new, |(ours, peer)| {
            format!("{} / {}", allocated(ours), peer.map_or_else(dash, allocated))
        }),
    ]
}

fn allocated(Allocated { count, bytes }: Allocated) -> String {
    if count == 0 { "none".to_owned() } else { format!("{count} ({bytes} B)") }
}

/// Two digits that mean something.
fn share(ratio: f64) -> String {
    if ratio.abs() < 0.095 { format!("{ratio:.4}") } else { format!("{ratio:.2}") }
}

fn dash() -> String {
    "–".to_owned()
}
