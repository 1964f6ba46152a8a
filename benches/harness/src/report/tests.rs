use super::*;

fn report() -> Report {
    let mut report = Report::new("sample", "A <sample>");
    let mut short = Row::counted("bytes a key", Unit::Bytes, 30.0, 60.0);
    short.goal = Some(Goal::Value(24.0));
    report.row(short);
    let samples = |values: [f64; 3]| Samples::new(values.to_vec());
    report.row(Row::of(
        "check".to_owned(),
        &samples([40.0, 42.0, 41.0]),
        Some(&samples([50.0, 50.0, 50.0])),
        Some(Goal::Ratio(0.85)),
        Some((Allocated::default(), Some(Allocated { count: 2, bytes: 96 }))),
    ));
    report.note("a note");
    report
}

#[test]
fn the_goal_stands_beside_the_ratio_and_says_whether_it_is_met() {
    let table = table::render(&report());
    let line = |name| table.lines().find(|line| line.starts_with(name)).unwrap();
    for cell in ["41.0 ns", "50.0 ns", "0.82 (0.80 to 0.84)", "≤ 0.85 ×", "met", "none / 2 (96 B)"]
    {
        assert!(line("check").contains(cell), "{cell}: {table}");
    }
    for cell in ["30.0 B", "0.50", "≤ 24.0 B", "short of goal"] {
        assert!(line("bytes a key").contains(cell), "{cell}: {table}");
    }
    assert!(table.contains("a note"));
}

#[test]
fn the_json_has_what_the_table_has() {
    let json = json::render(&report());
    assert_eq!(json["rows"][1]["ratio"]["median"], 0.82);
    assert_eq!(json["rows"][1]["goal"]["ratio"], 0.85);
    assert_eq!(json["rows"][0]["met"], false);
    assert_eq!(json["rows"][1]["allocations"]["peer"]["bytes"], 96);
}

#[test]
fn the_plot_is_well_formed_and_escaped() {
    let svg = plot::render(&report());
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("A &lt;sample&gt;"));
    assert_eq!(svg.matches("<rect").count(), 3);
}

#[test]
fn what_neither_side_can_do_without_is_taken_off_both() {
    let spin = |steps: u64| {
        Contender::new(move || (0..steps).fold(1_u64, |sum, step| std::hint::black_box(sum ^ step)))
    };
    let contest = Contest::new(spin(2_000), spin(3_000)).floor(
        "beyond the floor",
        spin(1_000),
        Some(Goal::Ratio(0.9)),
    );
    let mut report = Report::new("sample", "Sample");
    report.contest("work", contest, None);
    assert_eq!(report.rows()[1].name, "work: beyond the floor");
    assert_eq!(report.rows()[1].met(), Some(true), "{:?}", report.rows()[1]);
}
