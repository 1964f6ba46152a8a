//! The same for machines.

use serde_json::{Value, json};

use super::{Goal, Report, Row, Unit, machine};
use crate::{memory::Allocated, stats::Figure};

pub(super) fn render(report: &Report) -> Value {
    json!({
        "name": report.name,
        "title": report.title,
        "machine": machine::describe(),
        "rows": report.rows.iter().map(row).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}

fn row(row: &Row) -> Value {
    json!({
        "name": row.name,
        "unit": match row.unit { Unit::Bytes => "B", Unit::Nanos => "ns" },
        "ours": figure(row.ours),
        "peer": row.peer.map(figure),
        "ratio": row.ratio.map(figure),
        "goal": row.goal.map(|goal| match goal {
            Goal::Ratio(most) => json!({ "ratio": most }),
            Goal::Value(most) => json!({ "value": most }),
        }),
        "met": row.met(),
        "allocations": row.allocated.map(|(ours, peer)| {
            json!({ "ours": allocated(ours), "peer": peer.map(allocated) })
        }),
    })
}

fn figure(figure: Figure) -> Value {
    json!({ "median": figure.median, "min": figure.min, "max": figure.max })
}

fn allocated(allocated: Allocated) -> Value {
    json!({ "count": allocated.count, "bytes": allocated.bytes })
}
