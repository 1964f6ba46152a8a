//! What happened in each second.

use std::{
    fmt::{self, Write},
    sync::Mutex,
    time::Duration,
};

use tokio::time::Instant;

use crate::{LOAD, RECOVERY};

/// Counts by second of virtual time.
pub(crate) struct Log {
    started: Instant,
    seconds: Mutex<Vec<Second>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Calls by the application.
    calls: u32,
    /// Attempts that reached the destination.
    offered: u32,
    /// Calls that were made in this second and succeeded.
    served: u32,
}

impl Log {
    pub(crate) fn new(end: Duration) -> Self {
        let seconds = vec![Second::default(); usize::try_from(end.as_secs()).unwrap()];
        Self { started: Instant::now(), seconds: Mutex::new(seconds) }
    }

    pub(crate) fn called(&self) {
        self.count(|second| second.calls += 1);
    }

    pub(crate) fn offered(&self) {
        self.count(|second| second.offered += 1);
    }

    pub(crate) fn served(&self) {
        self.count(|second| second.served += 1);
    }

    fn count(&self, count: impl FnOnce(&mut Second)) {
        let second = usize::try_from(self.started.elapsed().as_secs()).unwrap();
        if let Some(second) = self.seconds.lock().unwrap().get_mut(second) {
            count(second);
        }
    }

    pub(crate) fn report(&self, name: &'static str) -> Report {
        let seconds = self.seconds.lock().unwrap().clone();
        let share = |count: u32| f64::from(count) / LOAD;
        // Averages over two seconds: arrivals of one second vary by 4 %.
        let peak = seconds.windows(2).map(|pair| {
            let offered: u32 = pair.iter().map(|second| second.offered).sum();
            let calls: u32 = pair.iter().map(|second| second.calls).sum();
            f64::from(offered) / f64::from(calls.max(1))
        });
        let recovery = usize::try_from(RECOVERY.as_secs()).unwrap();
        let good = |second: &Second| f64::from(second.served) >= 0.95 * f64::from(second.calls);
        let after = seconds.get(recovery..).unwrap_or_default();
        let recovered_after = (0..after.len()).find(|&from| after[from..].iter().all(good));
        let during = seconds.get(10..recovery).unwrap_or_default();
        let served: u32 = during.iter().map(|second| second.served).sum();
        Report {
            name,
            peak: peak.fold(0.0, f64::max),
            goodput_degraded: share(served) / 10.0,
            recovered_after,
            seconds,
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) name: &'static str,
    /// The highest ratio of attempts at the destination to calls.
    pub(crate) peak: f64,
    /// The share of the load that was served while the destination was degraded to 43 % of it.
    goodput_degraded: f64,
    /// From which second after the cause was gone at least 95 % of the calls succeed.
    pub(crate) recovered_after: Option<usize>,
    seconds: Vec<Second>,
}

impl Report {
    pub(crate) const HEADER: &'static str = "policies                             | peak load | served while degraded | recovered after";
}

/// All seconds of all variants.
pub(crate) fn csv(reports: &[Report]) -> String {
    let mut csv = String::from("policies,second,calls,offered,served\n");
    for report in reports {
        for (number, second) in report.seconds.iter().enumerate() {
            let Second { calls, offered, served } = second;
            writeln!(csv, "\"{}\",{number},{calls},{offered},{served}", report.name).unwrap();
        }
    }
    csv
}

/// One plot below the other: attempts at the destination in red, served calls in green, the time in
/// which the destination is degraded in grey.
pub(crate) fn svg(reports: &[Report]) -> String {
    const WIDTH: usize = 720;
    const HEIGHT: usize = 110;

    let height = HEIGHT * reports.len() + 30;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (row, report) in reports.iter().enumerate() {
        let top = row * HEIGHT;
        let x = |second: usize| 20 + second * 15;
        let y = |count: u32| top + 100 - usize::try_from(count).unwrap() * 75 / 2_200;
        let line = |of: fn(&Second) -> u32| {
            let points = report.seconds.iter().enumerate();
            let points = points.map(|(second, counts)| format!("{},{}", x(second), y(of(counts))));
            points.collect::<Vec<_>>().join(" ")
        };
        let (from, to) = (x(10), x(20));
        writeln!(
            svg,
            "<rect x=\"{from}\" y=\"{}\" width=\"{}\" height=\"80\" fill=\"#eee\"/>\n\
             <text x=\"20\" y=\"{}\">{}</text>\n\
             <polyline fill=\"none\" stroke=\"#c33\" points=\"{}\"/>\n\
             <polyline fill=\"none\" stroke=\"#283\" stroke-width=\"2\" points=\"{}\"/>",
            top + 22,
            to - from,
            top + 16,
            report.name,
            line(|second| second.offered),
            line(|second| second.served),
        )
        .unwrap();
    }
    let legend = "red: attempts a second; green: calls served; grey: 30 % capacity; 45 seconds";
    writeln!(svg, "<text x=\"20\" y=\"{}\">{legend}</text>\n</svg>", height - 10).unwrap();
    svg
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, peak, goodput_degraded, recovered_after, .. } = self;
        let served = goodput_degraded * 100.0;
        write!(f, "{name:36} | {peak:8.2}x | {served:19.0} % | ")?;
        match recovered_after {
            Some(seconds) => write!(f, "{seconds} s"),
            None => f.write_str("never"),
        }
    }
}
