//! The comparison as bars.

use std::fmt::Write as _;

use crate::{
    contender::ALL,
    names,
    record::Record,
    report::{MEASURES, Measure, number},
};

/// The measures that are drawn, by their place among all.
const DRAWN: [usize; 8] = [0, 1, 2, 4, 6, 7, 10, 12];

const COLUMNS: usize = 2;
const PANEL: (f64, f64) = (470.0, 168.0);
const MARGIN: f64 = 20.0;
/// Room for the names in front of the bars, and for the figures behind them.
const NAMES: f64 = 130.0;
const FIGURES: f64 = 70.0;
const BAR: f64 = 18.0;
const STEP: f64 = 25.0;
const HEAD: f64 = 34.0;

const OWN: &str = "#1b6ac9";
const OTHER: &str = "#a9b4c2";
const BARE: &str = "#e3e7ec";
const INK: &str = "#1c232b";
const FAINT: &str = "#5b6672";

/// The chart as SVG.
pub(crate) fn draw(records: &[Record]) -> String {
    let rows = DRAWN.len().div_ceil(COLUMNS);
    let width = PANEL.0 * COLUMNS as f64 + MARGIN * (COLUMNS + 1) as f64;
    let height = PANEL.1 * rows as f64 + MARGIN * (rows + 1) as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (place, measure) in DRAWN.into_iter().enumerate() {
        let x = MARGIN + (PANEL.0 + MARGIN) * (place % COLUMNS) as f64;
        let y = MARGIN + (PANEL.1 + MARGIN) * (place / COLUMNS) as f64;
        panel(&mut svg, (x, y), &MEASURES[measure], records);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, (x, y): (f64, f64), measure: &Measure, records: &[Record]) {
    let better = if measure.more_is_better {
        "more"
    } else {
        "less"
    };
    let (title, unit) = (measure.title, measure.unit);
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{:.0}\" font-weight=\"bold\">{}<tspan dx=\"8\" font-weight=\"normal\" \
         fill=\"{FAINT}\">{unit}, {better} is better</tspan></text>",
        y + 16.0,
        escaped(title),
    );
    let values: Vec<(&str, f64)> = names()
        .filter_map(|name| Some((name, measure.summary(records, name)?.median)))
        .collect();
    let most = values
        .iter()
        .map(|(_, value)| *value)
        .fold(f64::MIN_POSITIVE, f64::max);
    for (line, (name, value)) in values.into_iter().enumerate() {
        let top = y + HEAD + STEP * line as f64;
        let middle = top + BAR * 0.75;
        let length = ((PANEL.0 - NAMES - FIGURES) * value / most).max(1.0);
        let (colour, weight) = match name {
            name if name == ALL[0].name() => (OWN, "bold"),
            name if name == ALL[ALL.len() - 1].name() => (BARE, "normal"),
            _ => (OTHER, "normal"),
        };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>\n\
             <rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{middle:.1}\" font-weight=\"{weight}\">{}</text>",
            x + NAMES - 8.0,
            escaped(name),
            x + NAMES,
            x + NAMES + length + 6.0,
            number(value),
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
