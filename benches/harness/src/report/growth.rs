//! How cost grows: several short reports side by side, one point a row.

use std::{fmt::Write, fs, io, path::Path};

use serde_json::Value;

use super::{Report, Row, json, machine, plot::escape, table};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 44.0;
const RIGHT: f64 = 18.0;
const OURS: &str = "#5b8fb9";
const PEER: &str = "#d98c5f";

/// Reports whose rows are points: each is called by what grows.
#[derive(Debug)]
pub struct Growth {
    /// What it is about.
    pub title: &'static str,
    /// What the peer is called.
    pub peer: &'static str,
    /// What stands under the title of the page.
    pub note: &'static str,
    /// Each with what grows as its name, and what its figures are as its title.
    pub panels: Vec<Report>,
}

impl Growth {
    /// Prints a table for each report.
    pub fn print(&self) {
        for panel in &self.panels {
            panel.print();
        }
    }

    /// Writes `growth.json`, `growth.md` and `growth.svg` into a folder, which is made if it is not
    /// there.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let json = Value::from_iter(self.panels.iter().map(json::render));
        fs::write(folder.join("growth.json"), serde_json::to_string_pretty(&json)? + "\n")?;
        fs::write(folder.join("growth.md"), self.page())?;
        fs::write(folder.join("growth.svg"), self.plot())
    }

    /// The tables, for people who read pages.
    fn page(&self) -> String {
        let (title, note) = (self.title, self.note);
        let mut text = format!("# {title}\n\n{}.\n\n{note}\n\n", machine::describe());
        text.push_str("![How cost grows](growth.svg)\n");
        for panel in &self.panels {
            let _ = write!(
                text,
                "\n## {}\n\n| {} | ours | {} | ratio (min to max) |\n|---:|---:|---:|---:|\n",
                panel.title, panel.name, self.peer
            );
            for row in &panel.rows {
                let [name, ours, peer, ratio, ..] = table::cells(row);
                let _ = writeln!(text, "| {name} | {ours} | {peer} | {ratio} |");
            }
        }
        text
    }

    /// Two plots a line.
    fn plot(&self) -> String {
        let lines = self.panels.len().div_ceil(2);
        let height = (0..lines).fold(44.0, |height, _| height + HEIGHT);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"12\" y=\"26\" font-size=\"15\">{}: \
             <tspan fill=\"{OURS}\">ours</tspan>, <tspan fill=\"{PEER}\">{}</tspan></text>\n",
            2.0 * WIDTH,
            escape(self.title),
            escape(self.peer)
        );
        let mut top = 44.0;
        for pair in self.panels.chunks(2) {
            for (panel, left) in pair.iter().zip([0.0, WIDTH]) {
                let _ = writeln!(svg, "<g transform=\"translate({left} {top})\">");
                curves(&mut svg, panel);
                svg.push_str("</g>\n");
            }
            top += HEIGHT;
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// One plot: the points at even distances, from zero up to the highest.
fn curves(svg: &mut String, panel: &Report) {
    let medians = |of: fn(&Row) -> Option<f64>| panel.rows.iter().map(of).collect::<Vec<_>>();
    let ours = medians(|row| Some(row.ours.median));
    let peer = medians(|row| Some(row.peer?.median));
    let most = ours.iter().chain(&peer).flatten().fold(1.0, |most: f64, value| most.max(*value));
    let (base, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let _ = writeln!(
        svg,
        "<text x=\"12\" y=\"20\">{}</text>\n\
         <path d=\"M{LEFT} {TOP}V{base}H{right}\" fill=\"none\" stroke=\"#333\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{}</text>",
        escape(panel.title),
        f64::midpoint(LEFT, right),
        HEIGHT - 10.0,
        escape(panel.name)
    );
    for share in [0.0, 0.5, 1.0] {
        let y = height(share, 1.0);
        let unit = panel.rows.first().map(|row| row.unit.text(share * most)).unwrap_or_default();
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#666\">{unit}</text>",
            LEFT - 6.0,
            y + 4.0
        );
    }
    let places = places(panel.rows.len());
    for (row, x) in panel.rows.iter().zip(&places) {
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            base + 16.0,
            escape(&row.name)
        );
    }
    for (values, colour) in [(ours, OURS), (peer, PEER)] {
        let points: Vec<String> = values
            .iter()
            .zip(&places)
            .filter_map(|(value, x)| Some(format!("{x:.1},{:.1}", height((*value)?, most))))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
    }
}

fn height(value: f64, most: f64) -> f64 {
    (TOP - (HEIGHT - BOTTOM)).mul_add(value / most, HEIGHT - BOTTOM)
}

/// Where the points stand, with room on both sides.
fn places(count: usize) -> Vec<f64> {
    let step = (WIDTH - LEFT - RIGHT) / (0..count.max(1)).fold(0.0, |sum, _| sum + 1.0);
    let mut next = LEFT + step / 2.0;
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        places.push(next);
        next += step;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Unit;

    fn growth() -> Growth {
        let mut panel = Report::new("keys", "bytes <a key>");
        panel.row(Row::counted("10", Unit::Bytes, 20.0, 80.0));
        panel.row(Row::counted("100", Unit::Bytes, 40.0, 80.0));
        Growth { title: "Growth", peer: "peer", note: "A note.", panels: vec![panel] }
    }

    #[test]
    fn the_page_has_a_line_for_each_point() {
        let page = growth().page();
        assert!(page.contains("| keys | ours | peer |"), "{page}");
        assert!(page.contains("| 100 | 40.0 B | 80.0 B | 0.50 |"), "{page}");
    }

    #[test]
    fn twice_as_much_is_twice_as_high_and_the_most_is_at_the_top() {
        let svg = growth().plot();
        assert!(svg.contains("bytes &lt;a key&gt;") && svg.ends_with("</svg>\n"));
        let (base, top) = (HEIGHT - BOTTOM, TOP);
        assert_eq!(height(0.0, 80.0), base);
        assert_eq!(height(40.0, 80.0), f64::midpoint(base, top));
        assert_eq!(height(80.0, 80.0), top);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(places(2), [143.5, 302.5]);
    }
}
