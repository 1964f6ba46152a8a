//! What a benchmark says: a table for people, JSON for machines, a plot for pages.

pub mod growth;
mod json;
mod machine;
mod plot;
mod steps;
mod table;

use std::{fs, io, path::Path};

use crate::{
    measure::{Contender, Plan},
    memory::Allocated,
    stats::{Figure, Samples},
};

/// One line: ours, the peer's, and what to make of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was done.
    pub name: String,
    /// What the figures count.
    pub unit: Unit,
    /// What ours took.
    pub ours: Figure,
    /// What the peer took.
    pub peer: Option<Figure>,
    /// Ours over the peer's, pair by pair.
    pub ratio: Option<Figure>,
    /// What ours is to reach.
    pub goal: Option<Goal>,
    /// What one operation of ours and one of the peer's allocates.
    pub allocated: Option<(Allocated, Option<Allocated>)>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Nanoseconds an operation.
    Nanos,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many times the peer's figure.
    Ratio(f64),
    /// At most this, in the row's unit.
    Value(f64),
}

/// A comparison that is not measured yet.
#[derive(Debug)]
pub struct Contest<'a> {
    /// What ours is to reach.
    pub goal: Option<Goal>,
    /// How it is measured.
    pub plan: Plan,
    /// Ours.
    pub ours: Contender<'a>,
    /// The peer's.
    pub peer: Option<Contender<'a>>,
    /// What neither can do without, and what the rest is called.
    pub floor: Option<Floor<'a>>,
}

/// The part of an operation that is the same on both sides.
#[derive(Debug)]
pub struct Floor<'a> {
    /// What is left without it.
    pub rest: String,
    /// It alone.
    pub contender: Contender<'a>,
    /// What the rest of ours is to reach.
    pub goal: Option<Goal>,
}

impl<'a> Contest<'a> {
    /// Ours beside a peer's.
    #[must_use]
    pub fn new(ours: Contender<'a>, peer: Contender<'a>) -> Self {
        Self { goal: None, plan: Plan::default(), ours, peer: Some(peer), floor: None }
    }

    /// Sets what ours is to reach.
    #[must_use]
    pub const fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Measures by another plan.
    #[must_use]
    pub const fn plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// Measures what neither side can do without, and reports what is left.
    #[must_use]
    pub fn floor(mut self, rest: &str, contender: Contender<'a>, goal: Option<Goal>) -> Self {
        self.floor = Some(Floor { rest: rest.to_owned(), contender, goal });
        self
    }
}

/// A benchmark's rows.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    title: &'static str,
    /// Whether each row is a step whose peer is the step before.
    is_steps: bool,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Report {
    /// A report without rows; files are called by `name`.
    #[must_use]
    pub const fn new(name: &'static str, title: &'static str) -> Self {
        Self { name, title, is_steps: false, rows: Vec::new(), notes: Vec::new() }
    }

    /// Draws what each row adds to its peer, in place of ratios.
    #[must_use]
    pub const fn steps(mut self) -> Self {
        self.is_steps = true;
        self
    }

    /// Adds a row.
    pub fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a line under the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The rows so far.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Measures a contest, and adds its rows under this name.
    pub fn contest(
        &mut self,
        name: &str,
        contest: Contest<'_>,
        allocated: Option<(Allocated, Option<Allocated>)>,
    ) {
        let Contest { goal, plan, ours, peer, floor } = contest;
        let (has_peer, mut contenders) = (peer.is_some(), vec![ours]);
        contenders.extend(peer);
        let floor = floor.map(|floor| {
            contenders.push(floor.contender);
            (floor.rest, floor.goal)
        });
        let samples = plan.measure(&mut contenders);
        let (ours, others) = samples.split_first().expect("ours is always measured");
        let peer = others.first().filter(|_| has_peer);
        self.rows.push(Row::of(name.to_owned(), ours, peer, goal, allocated));
        if let (Some((rest, goal)), Some(floor)) = (floor, samples.last()) {
            let (ours, peer) = (ours.less(floor), peer.map(|peer| peer.less(floor)));
            let mut row = Row::of(format!("{name}: {rest}"), &ours, peer.as_ref(), goal, None);
            // Differences may come near zero, where ratios of pairs mean nothing: theirs is the
            // ratio of the medians.
            row.ratio = row.peer.map(|peer| Figure::exact(row.ours.median / peer.median));
            self.rows.push(row);
        }
    }

    /// Prints the table.
    pub fn print(&self) {
        print!("{}", table::render(self));
    }

    /// Writes `<name>.json` and `<name>.svg` into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(&json::render(self))?;
        fs::write(folder.join(format!("{}.json", self.name)), json + "\n")?;
        let plot = if self.is_steps { steps::render(self) } else { plot::render(self) };
        fs::write(folder.join(format!("{}.svg", self.name)), plot)
    }
}

impl Row {
    fn of(
        name: String,
        ours: &Samples,
        peer: Option<&Samples>,
        goal: Option<Goal>,
        allocated: Option<(Allocated, Option<Allocated>)>,
    ) -> Self {
        Self {
            name,
            unit: Unit::Nanos,
            ours: ours.figure(),
            peer: peer.map(Samples::figure),
            ratio: peer.map(|peer| ours.over(peer).figure()),
            goal,
            allocated,
        }
    }

    /// A row of counted figures.
    #[must_use]
    pub fn counted(name: &str, unit: Unit, ours: f64, peer: f64) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            ours: Figure::exact(ours),
            peer: Some(Figure::exact(peer)),
            ratio: Some(Figure::exact(ours / peer)),
            goal: None,
            allocated: None,
        }
    }

    /// Whether the goal is reached; `None` without one.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::Ratio(most) => self.ratio?.median <= most,
            Goal::Value(most) => self.ours.median <= most,
        })
    }
}

impl Unit {
    /// A figure in a form that is read at a glance.
    fn text(self, value: f64) -> String {
        match (self, value.abs()) {
            (Self::Bytes, 1_048_576.0..) => format!("{:.1} MiB", value / 1_048_576.0),
            (Self::Bytes, 10_240.0..) => format!("{:.1} KiB", value / 1024.0),
            (Self::Bytes, _) => format!("{value:.1} B"),
            (Self::Nanos, 10_000.0..) => format!("{:.2} µs", value / 1000.0),
            (Self::Nanos, 100.0..) => format!("{value:.0} ns"),
            (Self::Nanos, _) => format!("{value:.1} ns"),
        }
    }
}

#[cfg(test)]
mod tests;
