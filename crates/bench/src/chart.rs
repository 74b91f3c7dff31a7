//! The report as a picture: what was achieved beside what PostgreSQL does alone, and times to answer over the load.
//!
//! The background is drawn, white, so that the picture can be read wherever it is shown.

mod bars;
mod curves;

use crate::error::{BenchError, Result};
use crate::report::Report;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, RGBColor, SVGBackend, WHITE};
use std::fmt::Display;

/// What is drawn on.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 1000;
const CURVES_HEIGHT: u32 = 380;

const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xc4);
const ALONE: RGBColor = RGBColor(0x8c, 0x95, 0x9f);
const SLOWEST: RGBColor = RGBColor(0xc2, 0x4d, 0x0f);

const FONT: &str = "sans-serif";

/// The whole picture as SVG.
pub fn of_report(report: &Report) -> Result<String> {
    let (bars, curves) = (bars::of(report), curves::of(report));
    let bars_height = bars::height(&bars);
    let height = bars_height + if curves.is_empty() { 0 } else { CURVES_HEIGHT };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let (upper, lower) = area.split_vertically(bars_height);
        bars::draw(&upper, report, &bars)?;
        if !curves.is_empty() {
            curves::draw(&lower, &curves)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn failed(error: impl Display) -> BenchError {
    BenchError::Chart(error.to_string())
}

#[cfg(test)]
mod tests;
