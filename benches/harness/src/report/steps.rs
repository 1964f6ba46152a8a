//! What each step adds to the one before, as bars: SVG, written by hand.

use std::fmt::Write;

use super::{Report, Row, plot::escape};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 280.0;
const BAR: f64 = 18.0;
const STEP: f64 = 30.0;
const TOP: f64 = 56.0;
/// Room for the figure after the longest bar.
const FIGURE: f64 = 200.0;

/// A bar for each row, as long as ours takes longer than its peer, the step before.
pub(super) fn render(report: &Report) -> String {
    let added = |row: &Row| row.ours.median - row.peer.map_or(0.0, |peer| peer.median);
    let most = report.rows.iter().map(added).fold(1.0, f64::max);
    let height = report.rows.iter().fold(TOP + 12.0, |height, _| height + STEP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\">{}</text>\n\
         <text x=\"12\" y=\"40\" fill=\"#666\">what each adds to the one above it: time and allocations</text>\n",
        escape(report.title)
    );
    let mut y = TOP;
    for row in &report.rows {
        let (added, middle) = (added(row), y + BAR * 0.72);
        let length = (WIDTH - LABELS - FIGURE) * added.max(0.0) / most;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LABELS}\" y=\"{y}\" width=\"{length:.1}\" height=\"{BAR}\" fill=\"#5b8fb9\"/>\n\
             <text x=\"{:.1}\" y=\"{middle}\">{}{}</text>",
            LABELS - 8.0,
            escape(&row.name),
            LABELS + length + 6.0,
            row.unit.text(added),
            allocations(row),
        );
        y += STEP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn allocations(row: &Row) -> String {
    match row.allocated {
        Some((ours, Some(before))) => {
            format!(", {} allocations", ours.count.cast_signed() - before.count.cast_signed())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Unit;

    #[test]
    fn the_longest_bar_is_what_adds_most_and_a_gain_has_none() {
        let mut report = Report::new("steps", "a <title>").steps();
        report.row(Row::counted("first", Unit::Nanos, 300.0, 100.0));
        report.row(Row::counted("second", Unit::Nanos, 400.0, 300.0));
        report.row(Row::counted("third", Unit::Nanos, 390.0, 400.0));
        let svg = render(&report);
        let bar = |width: &str| svg.contains(&format!("width=\"{width}\" height=\"18\""));
        assert!(bar("380.0") && bar("190.0") && bar("0.0"), "{svg}");
        assert!(svg.contains("a &lt;title&gt;") && svg.ends_with("</svg>\n"));
    }
}
