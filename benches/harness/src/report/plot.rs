//! The ratios as bars: SVG, written by hand.

use std::fmt::Write;

use super::{Goal, Report, Row};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 430.0;
const BAR: f64 = 18.0;
const STEP: f64 = 30.0;
const TOP: f64 = 56.0;
/// How much further than the peer's line the bars may reach: whoever is slower still is cut off.
const MOST: f64 = 1.5;

/// A bar for each row that has a ratio; the peer is the line at 1, a goal is a tick.
pub(super) fn render(report: &Report) -> String {
    let rows: Vec<(&Row, f64)> =
        report.rows.iter().filter_map(|row| Some((row, row.ratio?.median))).collect();
    let height = rows.iter().fold(TOP + 24.0, |height, _| height + STEP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\">{}</text>\n\
         <text x=\"12\" y=\"40\" fill=\"#666\">ours over the peer's: shorter is better, the line is the peer, \
         a tick the goal</text>\n",
        escape(report.title)
    );
    let mut y = TOP;
    for (row, ratio) in rows {
        bar(&mut svg, row, ratio, y);
        y += STEP;
    }
    let one = x(1.0);
    let _ = write!(
        svg,
        "<line x1=\"{one}\" y1=\"{TOP}\" x2=\"{one}\" y2=\"{y}\" stroke=\"#333\"/>\n\
         <text x=\"{one}\" y=\"{}\" text-anchor=\"middle\">1</text>\n</svg>\n",
        y + 14.0
    );
    svg
}

fn bar(svg: &mut String, row: &Row, ratio: f64, y: f64) {
    let (end, middle) = (x(ratio), y + BAR * 0.72);
    let colour = if row.met() == Some(false) { "#d98c5f" } else { "#5b8fb9" };
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{LABELS}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
         <text x=\"{:.1}\" y=\"{middle}\">{ratio:.2}</text>",
        LABELS - 8.0,
        escape(&row.name),
        end - LABELS,
        end + 6.0,
    );
    if let Some(Goal::Ratio(goal)) = row.goal {
        let tick = x(goal);
        let _ = writeln!(
            svg,
            "<line x1=\"{tick:.1}\" y1=\"{:.1}\" x2=\"{tick:.1}\" y2=\"{:.1}\" stroke=\"#a00\" \
             stroke-width=\"2\"/>",
            y - 3.0,
            y + BAR + 3.0
        );
    }
}

fn x(ratio: f64) -> f64 {
    (WIDTH - LABELS - 50.0).mul_add(ratio.clamp(0.0, MOST) / MOST, LABELS)
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
