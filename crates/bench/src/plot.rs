//! Throughput and latency over time, drawn as SVG.
use crate::report::Report;
use crate::timeline::Point;
use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::fmt::Debug;

/// Width of the drawing, pixels.
const WIDTH: u32 = 1000;
/// Height of one chart, pixels.
const HEIGHT: u32 = 320;
/// Room for the numbers beside a chart, pixels.
const MARGIN: u32 = 80;
/// Lowest latency that is drawn, ms: a logarithmic axis has no zero.
const LOWEST_MS: f64 = 0.01;

type Place<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One line of a chart.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Draws every report that has a timeline, below each other: throughput, latency, and dead tuples
/// where there are any.
///
/// # Errors
/// When nothing was measured over time.
pub fn plot(reports: &[Report]) -> anyhow::Result<String> {
    let charts: Vec<Chart> = reports.iter().flat_map(charts_of).collect();
    let count = u32::try_from(charts.len())?;
    anyhow::ensure!(count > 0, "nothing was measured over time");
    let mut text = String::new();
    {
        let backend = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT * count));
        let root = backend.into_drawing_area();
        root.fill(&WHITE).map_err(drawing)?;
        let places = root.split_evenly((charts.len(), 1));
        for (chart, place) in charts.iter().zip(&places) {
            draw(chart, place)?;
        }
        root.present().map_err(drawing)?;
    }
    Ok(text)
}

struct Chart {
    title: String,
    is_logarithmic: bool,
    lines: Vec<Line>,
}

fn charts_of(report: &Report) -> Vec<Chart> {
    let line = |name, color, value: fn(&Point) -> Option<f64>| {
        let points = report.timeline.iter().filter_map(|point| Some((point.s, value(point)?)));
        Line { name, color, points: points.collect() }
    };
    let throughput = vec![
        line("tasks", BLUE, |point| Some(point.tasks_per_s)),
        line("starts", GREEN, |point| Some(point.starts_per_s)),
    ];
    let latency = vec![
        line("p50", BLUE, |point| point.p50),
        line("p99", MAGENTA, |point| point.p99),
        line("max", RED, |point| point.max),
    ];
    #[expect(clippy::cast_precision_loss, reason = "no database has 2^52 tuples")]
    let dead = vec![line("dead tuples", RED, |point| Some(point.dead_tuples? as f64))];
    let memory = vec![line("memory, MiB", BLUE, |point| point.server_mib)];
    let chart = |what: &str, is_logarithmic, lines| Chart {
        title: format!("{}: {what}", report.scenario),
        is_logarithmic,
        lines,
    };
    let charts = [
        chart("per second", false, throughput),
        chart(&format!("{}, ms", report.latency_of), true, latency),
        chart("dead tuples", false, dead),
        chart("the server's memory, MiB", false, memory),
    ];
    let is_drawn = |chart: &Chart| chart.lines.iter().any(|line| !line.points.is_empty());
    charts.into_iter().filter(is_drawn).collect()
}

fn draw(chart: &Chart, place: &Place<'_>) -> anyhow::Result<()> {
    let highest = highest(chart, |(_, y)| y).max(LOWEST_MS) * 1.1;
    if chart.is_logarithmic {
        // From the power of ten below what there is.
        let lowest = 10.0_f64.powf(lowest(chart).log10().floor()).max(LOWEST_MS);
        draw_on(chart, place, (lowest..highest.max(10.0 * lowest)).log_scale())
    } else {
        draw_on(chart, place, 0.0..highest.max(1.0))
    }
}

fn draw_on<Y>(chart: &Chart, place: &Place<'_>, y: Y) -> anyhow::Result<()>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
    Y::Value: Debug,
{
    let end = highest(chart, |(x, _)| x).max(0.1);
    let mut context = ChartBuilder::on(place)
        .caption(&chart.title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(MARGIN / 2)
        .y_label_area_size(MARGIN)
        .build_cartesian_2d(0.0..end, y)
        .map_err(drawing)?;
    context.configure_mesh().x_desc("seconds").draw().map_err(drawing)?;
    for Line { name, color, points } in &chart.lines {
        let color = *color;
        let points = points.iter().map(|(x, y)| (*x, y.max(LOWEST_MS)));
        let drawn = context.draw_series(LineSeries::new(points, color.stroke_width(2)));
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2));
        drawn.map_err(drawing)?.label(*name).legend(legend);
    }
    context
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
        .map_err(drawing)
}

fn highest(chart: &Chart, of: fn((f64, f64)) -> f64) -> f64 {
    let values = chart.lines.iter().flat_map(|line| &line.points);
    values.map(|point| of(*point)).fold(0.0, f64::max)
}

/// The smallest value that is not zero.
fn lowest(chart: &Chart) -> f64 {
    let values = chart.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y);
    values.filter(|y| *y > 0.0).fold(1.0, f64::min)
}

fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing the plot: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(dead_tuples: Option<i64>) -> Report {
        let point = |s| Point {
            s,
            tasks_per_s: 100.0 * s,
            starts_per_s: 3.0,
            p50: (s > 1.0).then_some(2.5),
            p99: (s > 1.0).then_some(7.5),
            max: Some(0.0),
            server_mib: None,
            dead_tuples,
        };
        let timeline = vec![point(1.0), point(2.0), point(3.0)];
        Report { scenario: "steps", latency_of: "step latency", timeline, ..Report::default() }
    }

    #[test]
    fn there_is_a_chart_for_each_thing_measured() {
        let svg = plot(&[report(None), report(Some(5))]).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert_eq!(svg.matches("steps: per second").count(), 2);
        assert_eq!(svg.matches("steps: step latency, ms").count(), 2);
        assert_eq!(svg.matches("steps: dead tuples").count(), 1);
        assert!(svg.contains(&format!("height=\"{}\"", 5 * HEIGHT)), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_measured_is_not_drawn() {
        assert!(plot(&[Report::default()]).is_err() && plot(&[]).is_err());
    }
}
