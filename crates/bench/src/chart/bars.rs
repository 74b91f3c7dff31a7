//! A bar for each rate, with that of PostgreSQL alone above those that are held against it.

use super::{ALONE, Area, FONT, INK, OURS, WIDTH, failed};
use crate::baseline::{ALONE as BASELINE, Baseline};
use crate::error::Result;
use crate::report::Report;
use crate::scenario::Scenario;
use plotters::prelude::{Color, EmptyElement, RGBColor, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoFont, TextStyle};

const TITLE: i32 = 64;
const ROW: i32 = 30;
const LABELS: i32 = 330;
const FIGURES: i32 = 150;

/// One bar.
#[derive(Clone, PartialEq, Debug)]
pub struct Bar {
    name: String,
    per_second: f64,
    ratio: Option<f64>,
}

/// The baseline and the rates that are held against it, those of one product behind the others.
pub fn of(report: &Report) -> Vec<Bar> {
    let Baseline { mixed, hot } = &report.baseline;
    let mut bars = Vec::new();
    for (name, points, one_product) in [("two lines", mixed, false), ("one product", hot, true)] {
        let per_second = Baseline::best(points).orders_per_second;
        bars.push(Bar { name: format!("{BASELINE}, {name}"), per_second, ratio: None });
        let outcomes = report.scenarios.iter().filter(|outcome| (outcome.scenario == Scenario::Hot) == one_product);
        let rates = outcomes.flat_map(|outcome| &outcome.figures).filter(|figure| figure.unit == "/s");
        let held_against = rates.filter(|figure| figure.against_name.as_deref() == Some(BASELINE));
        bars.extend(held_against.map(|it| Bar { name: it.name.clone(), per_second: it.value, ratio: it.ratio }));
        // What is held against two figures of the baseline is shown once.
        bars.dedup_by(|one, before| one.per_second == before.per_second);
    }
    bars
}

/// Pixels that they take.
pub fn height(bars: &[Bar]) -> u32 {
    (TITLE + ROW * bars.len() as i32 + 20) as u32
}

/// Draws them below a title.
pub fn draw(area: &Area<'_>, report: &Report, bars: &[Bar]) -> Result<()> {
    let machine = &report.machine;
    write(area, "Orders per second, everything on one machine", (20, 26), 20, HPos::Left)?;
    let text = format!(
        "{}, {} cores, PostgreSQL {}, {} s each",
        machine.cpu, machine.cores, machine.postgresql, report.seconds
    );
    write(area, &text, (20, 48), 13, HPos::Left)?;
    let most = bars.iter().map(|bar| bar.per_second).fold(1.0, f64::max);
    for (row, bar) in (0..).zip(bars) {
        let (top, middle) = (TITLE + ROW * row + 4, TITLE + ROW * row + ROW / 2);
        let length = f64::from(WIDTH as i32 - LABELS - FIGURES) * bar.per_second / most;
        let right = LABELS + length.round() as i32;
        let colour: RGBColor = if bar.ratio.is_some() { OURS } else { ALONE };
        area.draw(&Rectangle::new([(LABELS, top), (right, top + ROW - 8)], colour.filled())).map_err(failed)?;
        write(area, &bar.name, (LABELS - 10, middle), 15, HPos::Right)?;
        let ratio = bar.ratio.map_or(String::new(), |ratio| format!("  ({ratio:.1} ×)"));
        write(area, &format!("{:.0}{ratio}", bar.per_second), (right + 8, middle), 15, HPos::Left)?;
    }
    Ok(())
}

fn write(area: &Area<'_>, text: &str, at: (i32, i32), size: u32, side: HPos) -> Result<()> {
    let style = TextStyle::from((FONT, size).into_font()).color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&(EmptyElement::at(at) + Text::new(text.to_owned(), (0, 0), style))).map_err(failed)
}
