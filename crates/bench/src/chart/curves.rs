//! Times to answer over the load offered, on a logarithmic scale: one picture for each kind of order.

use super::{Area, FONT, INK, OURS, SLOWEST, failed};
use crate::error::Result;
use crate::report::Report;
use crate::scenarios::curve::{KINDS, SHOWN};
use plotters::prelude::{
    ChartBuilder, Circle, Color, IntoLogRange, LineSeries, PathElement, SeriesLabelPosition, WHITE,
};
use plotters::style::{IntoFont, TextStyle};

/// Points of the load offered per second and the time in milliseconds.
type Points = Vec<(f64, f64)>;

/// The two curves of one kind of order.
#[derive(Clone, PartialEq, Debug)]
pub struct Curves {
    title: String,
    p50: Points,
    p99: Points,
}

/// Those that were measured.
pub fn of(report: &Report) -> Vec<Curves> {
    let series: Vec<_> = report.scenarios.iter().flat_map(|outcome| &outcome.series).collect();
    let points = |kind: &str, shown: &str| {
        let wanted = format!("{kind}: {shown}");
        series.iter().find(|it| it.name == wanted).map(|it| it.points.clone()).unwrap_or_default()
    };
    let [_, p50, p99] = SHOWN;
    let all = KINDS.into_iter().zip(["two lines of random products", "one line of one product"]);
    let curves =
        all.map(|(kind, title)| Curves { title: title.to_owned(), p50: points(kind, p50), p99: points(kind, p99) });
    curves.filter(|it| !it.p99.is_empty()).collect()
}

/// Draws them side by side.
pub fn draw(area: &Area<'_>, curves: &[Curves]) -> Result<()> {
    let parts = area.split_evenly((1, curves.len()));
    parts.iter().zip(curves).try_for_each(|(part, curves)| draw_one(part, curves))
}

fn draw_one(area: &Area<'_>, curves: &Curves) -> Result<()> {
    let style = |size: u32| TextStyle::from((FONT, size).into_font()).color(&INK);
    let all = || curves.p50.iter().chain(&curves.p99);
    let offered = all().map(|(offered, _)| *offered).fold(1.0, f64::max);
    // Zero has no place on a logarithmic scale.
    let least = all().map(|(_, ms)| *ms).fold(f64::MAX, f64::min).max(0.1);
    let most = all().map(|(_, ms)| *ms).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Time to answer, {}", curves.title), style(16))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..offered * 1.05, (least / 2.0..most * 2.0).log_scale())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .x_desc("orders offered per second")
        .y_desc("milliseconds")
        .x_labels(6)
        .max_light_lines(0)
        .axis_style(INK)
        .label_style(style(12))
        .axis_desc_style(style(13))
        .x_label_formatter(&|offered| format!("{offered:.0}"))
        .y_label_formatter(&|ms| format!("{ms}"))
        .draw()
        .map_err(failed)?;
    for (name, points, colour) in [("half", &curves.p50, OURS), ("99 of 100", &curves.p99, SLOWEST)] {
        let points: Points = points.iter().map(|(offered, ms)| (*offered, ms.max(least))).collect();
        let sample = move |(x, y): (i32, i32)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2));
        let line = LineSeries::new(points.clone(), colour.stroke_width(2));
        chart.draw_series(line).map_err(failed)?.label(name).legend(sample);
        let dots = points.into_iter().map(|point| Circle::new(point, 3, colour.filled()));
        chart.draw_series(dots).map_err(failed)?;
    }
    let legend = style(13);
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(INK)
        .label_font(legend)
        .draw()
        .map_err(failed)
}
