//! A graph of stages as a picture: boxes in layers from the sources down, drawn the same from the same data.

use std::{collections::BTreeMap, fmt::Write};

use super::graph::{Graph, Stage};

/// A box and the space around it, in CSS pixels.
const WIDTH: usize = 272;
const HEIGHT: usize = 52;
const ACROSS: usize = 16;
const DOWN: usize = 28;
/// From the left edge of a box to that of the next.
const STEP: usize = WIDTH + ACROSS;
const MARGIN: usize = 2;
/// Characters of a name that fit a box.
const NAME: usize = 36;
/// Boxes side by side where the runner does not say what feeds what.
const ABREAST: usize = 2;
/// How it looks where it stands alone: it follows the reader's theme. A page that takes it over has the classes.
const STYLE: &str = "\
.g{--n:#fff;--l:#c9ced6;--t:#1b1f24;--d:#59636e;font:12px system-ui,sans-serif}\
@media(prefers-color-scheme:dark){.g{--n:#1c2128;--l:#444c56;--t:#e6edf3;--d:#9aa4af}}\
.b{fill:var(--n);stroke:var(--l)}\
.e{fill:none;stroke:var(--l);stroke-width:1.5}\
.a{fill:var(--l)}\
.t{fill:var(--t);font-weight:600}.d{fill:var(--d)}\
.s{fill:#8b949e}.run{fill:#2f81f7}.done{fill:#2da44e}.bad{fill:#d1383d}";

type Point = (usize, usize);

impl Graph {
    /// The graph as one SVG element with its own style: no script, no address, text escaped.
    pub fn to_svg(&self) -> String {
        let (places, (width, height)) = self.places();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"g\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\"><title>{} stages</title><style>{STYLE}</style>",
            self.stages.len()
        );
        let at: BTreeMap<&str, Point> =
            self.stages.iter().zip(&places).map(|(stage, at)| (stage.id.as_str(), *at)).collect();
        for (stage, to) in self.stages.iter().zip(&places) {
            let from = stage.inputs.iter().filter_map(|input| at.get(input.as_str()));
            from.for_each(|from| edge(&mut svg, *from, *to));
        }
        self.stages.iter().zip(places).for_each(|(stage, at)| node(&mut svg, stage, at));
        svg.push_str("</svg>");
        svg
    }

    /// The upper left corner of each stage's box, and the size of the whole.
    fn places(&self) -> (Vec<Point>, Point) {
        let linked = self.stages.iter().any(|stage| !stage.inputs.is_empty());
        let all: Vec<usize> = (0..self.stages.len()).collect();
        let layers = if linked { self.layers() } else { all.chunks(ABREAST).map(<[usize]>::to_vec).collect() };
        let widest = layers.iter().map(Vec::len).max().unwrap_or(1);
        let width = widest * STEP - ACROSS.min(widest * ACROSS);
        let mut places = vec![(0, 0); self.stages.len()];
        let mut drawn = BTreeMap::new();
        for (layer, stages) in layers.into_iter().enumerate() {
            for (left, place) in self.row(stages, width, &drawn) {
                let point = (MARGIN + left, MARGIN + layer * (HEIGHT + DOWN));
                places.get_mut(place).into_iter().for_each(|corner| *corner = point);
                drawn.extend(self.stages.get(place).map(|stage| (stage.id.as_str(), left)));
            }
        }
        let height = places.iter().map(|(_, y)| y + HEIGHT).max().unwrap_or(HEIGHT + MARGIN);
        (places, (width + 2 * MARGIN, height + MARGIN))
    }

    /// Where the stages of a layer begin: under what feeds them, side by side, within the width.
    fn row(&self, stages: Vec<usize>, width: usize, drawn: &BTreeMap<&str, usize>) -> Vec<(usize, usize)> {
        let centred = (width - (stages.len() * STEP - ACROSS.min(stages.len() * ACROSS))) / 2;
        let wish = |nth: usize, place: usize| {
            let inputs = self.stages.get(place).into_iter().flat_map(|stage| &stage.inputs);
            let fed: Vec<usize> = inputs.filter_map(|input| drawn.get(input.as_str()).copied()).collect();
            if fed.is_empty() { centred + nth * STEP } else { fed.iter().sum::<usize>() / fed.len() }
        };
        let mut row: Vec<(usize, usize)> =
            stages.into_iter().enumerate().map(|(nth, place)| (wish(nth, place), place)).collect();
        row.sort_unstable();
        let (count, spread) = (row.len(), row.iter().map(|(left, _)| left).sum::<usize>());
        let middle = spread.checked_div(count).unwrap_or_default();
        let room = width - (count * STEP - ACROSS.min(count * ACROSS));
        let first = middle.saturating_sub((count.saturating_sub(1)) * STEP / 2).min(room);
        row.iter_mut().enumerate().for_each(|(nth, (left, _))| *left = first + nth * STEP);
        row
    }
}

// Writing to a text cannot fail.

fn edge(svg: &mut String, (x, y): Point, (to_x, to_y): Point) {
    let (x, y, to_x, bend) = (x + WIDTH / 2, y + HEIGHT, to_x + WIDTH / 2, DOWN / 2);
    let end = to_y.saturating_sub(6);
    let _ = write!(
        svg,
        "<path class=\"e\" d=\"M{x} {y}C{x} {} {to_x} {} {to_x} {end}\"/>",
        y + bend,
        end.saturating_sub(bend)
    );
    let _ = write!(svg, "<path class=\"a\" d=\"M{to_x} {to_y}l-4 -7h8z\"/>");
}

fn node(svg: &mut String, stage: &Stage, (x, y): Point) {
    let class = tone(stage.state.as_deref().unwrap_or_default());
    let _ = write!(svg, "<g><title>{}</title>", escaped(&stage.name));
    let _ = write!(svg, "<rect class=\"b\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>");
    let _ = write!(svg, "<circle class=\"s {class}\" cx=\"{}\" cy=\"{}\" r=\"4\"/>", x + 15, y + 19);
    let _ = write!(svg, "<text class=\"t\" x=\"{}\" y=\"{}\">{}</text>", x + 27, y + 23, escaped(&short(&stage.name)));
    let _ = write!(svg, "<text class=\"d\" x=\"{}\" y=\"{}\">{}</text></g>", x + 27, y + 41, escaped(&facts(stage)));
}

/// How a state is coloured, whatever the runner calls it.
fn tone(state: &str) -> &'static str {
    let state = state.trim_start_matches("EXECUTION_STATE_");
    match state {
        "RUNNING" | "ACTIVE" => "run",
        "FINISHED" | "COMPLETE" | "SUCCEEDED" => "done",
        "FAILED" | "FAILING" => "bad",
        _ => "",
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= NAME { name.to_owned() } else { name.chars().take(NAME - 1).chain(['…']).collect() }
}

/// What a box says under its name.
fn facts(stage: &Stage) -> String {
    let word = stage.state.as_ref().map(|word| word.trim_start_matches("EXECUTION_STATE_").to_lowercase());
    let number = |value: Option<u64>, word: &str| value.map(|value| format!("{} {word}", compact(value)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let progress = stage.progress.map(|share| format!("{} %", (share.clamp(0.0, 1.0) * 100.0) as u8));
    let facts = [
        word,
        progress,
        stage.parallelism.map(|tasks| format!("×{tasks}")),
        number(stage.records_in, "in"),
        number(stage.records_out, "out"),
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// A count in at most four characters and a unit.
fn compact(value: u64) -> String {
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    match units.into_iter().find(|(unit, _)| value >= *unit) {
        Some((unit, word)) if value / unit < 10 => format!("{}.{}{word}", value / unit, value % unit * 10 / unit),
        Some((unit, word)) => format!("{}{word}", value / unit),
        None => value.to_string(),
    }
}

/// Text as XML shows it; what XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(id: &str, inputs: &[&str]) -> Stage {
        let inputs = inputs.iter().map(|id| (*id).into()).collect();
        Stage { id: id.into(), name: id.into(), inputs, ..Stage::default() }
    }

    #[test]
    fn the_picture_has_a_box_for_each_stage_and_a_line_for_each_input() {
        let read = Stage { state: Some("RUNNING".into()), records_out: Some(1_234_567), ..stage("read", &[]) };
        let svg = Graph::new(vec![read, stage("a", &["read"]), stage("b", &["read", "a"])], vec![]).to_svg();
        let count = |part: &str| svg.matches(part).count();
        assert_eq!(
            (count("<rect class=\"b\""), count("<path class=\"e\""), count("class=\"s run\"")),
            (3, 3, 1),
            "{svg}"
        );
        assert!(svg.contains("running · 1.2M out"), "{svg}");
        assert!(svg.contains("viewBox=\"0 0 276 216\""), "three layers of one box: {svg}");
    }

    #[test]
    fn a_stage_stands_under_what_feeds_it() {
        let stages =
            vec![stage("a", &[]), stage("b", &["a"]), stage("c", &["a"]), stage("d", &["c"]), stage("e", &["d", "b"])];
        let (places, (width, _)) = Graph::new(stages, vec![]).places();
        let left = |place: usize| places[place].0;
        assert_eq!((left(3), left(0), width), (left(2), left(4), 2 * STEP - ACROSS + 2 * MARGIN));
        assert!(left(1) < left(0) && left(0) < left(2), "{places:?}");
    }

    #[test]
    fn stages_nobody_links_stand_in_rows() {
        let svg = Graph::new((0..5).map(|id| stage(&id.to_string(), &[])).collect(), vec![]).to_svg();
        assert!(svg.contains("viewBox=\"0 0 564 216\"") && !svg.contains("class=\"e\""), "{svg}");
        assert!(Graph::default().to_svg().ends_with("</svg>"));
    }

    #[test]
    fn a_hostile_name_is_text() {
        let name = "</text><script>alert(1)</script>\"'&\u{0}";
        let svg = Graph::new(vec![Stage { name: name.into(), ..stage("x", &[]) }], vec![]).to_svg();
        assert!(!svg.contains("<script") && svg.contains("&lt;/text&gt;&lt;script&gt;alert(1)"), "{svg}");
        assert!(svg.contains("&quot;'&amp;<"), "{svg}");
    }

    #[test]
    fn counts_are_short() {
        for (value, told) in [(0, "0"), (999, "999"), (1_000, "1.0k"), (12_345, "12k"), (u64::MAX, "18446744T")] {
            assert_eq!(compact(value), told);
        }
    }
}
