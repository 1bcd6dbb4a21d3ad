//! The recorded run: new seeds in stretches, each stretch a line of a file that is committed, so that ten million
//! schedules may take several sittings and anybody can add them up.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use beam_mcp_simulation::{Cell, Flavour, Mode};

use crate::{
    command::{Command, Record},
    report::Report,
};

/// Seeds of a stretch: what an interrupted sitting loses at most.
const STRETCH: u64 = 50_000;
/// The first seed of the record: far from those that other runs begin with.
const FIRST: u64 = 1_000_000_000;
/// What the record is for (DESIGN section 10): schedules in all, and of each kind.
const BAR: (u64, u64) = (10_000_000, 100_000);
const HEAD: [&str; 6] = ["from", "to", "commit", "steps", "failed", "seconds"];

/// A stretch of seeds.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    from: u64,
    to: u64,
    commit: String,
    steps: u64,
    failed: u64,
    seconds: u64,
    /// Schedules by the place of their kind in [`kinds`].
    counts: Vec<u64>,
}

/// Every cell x store x mode there is.
fn kinds() -> Vec<(Cell, Flavour, Mode)> {
    let modes = |cell: Cell| Mode::ALL.into_iter().filter(move |mode| *mode != Mode::Lambda || !cell.has_children());
    let stores =
        |cell| Flavour::ALL.into_iter().flat_map(move |store| modes(cell).map(move |mode| (cell, store, mode)));
    Cell::ALL.into_iter().flat_map(stores).collect()
}

fn name((cell, store, mode): (Cell, Flavour, Mode)) -> String {
    format!("{cell:?}-{store:?}-{mode:?}").to_lowercase()
}

impl Line {
    fn of(report: &Report, from: u64, count: u64, commit: &str, took: Duration) -> Self {
        let counts = kinds().into_iter().map(|kind| report.of_kind(kind)).collect();
        let (failed, seconds) = (report.failed.len() as u64, took.as_secs());
        Self { from, to: from + count - 1, commit: commit.to_owned(), steps: report.steps, failed, seconds, counts }
    }

    fn write(&self) -> String {
        let numbers = [self.steps, self.failed, self.seconds];
        let numbers = numbers.iter().chain(&self.counts).map(u64::to_string).collect::<Vec<_>>();
        format!("{}\t{}\t{}\t{}", self.from, self.to, self.commit, numbers.join("\t"))
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split('\t');
        let number = |words: &mut std::str::Split<'_, char>| words.next()?.parse::<u64>().ok();
        let (from, to) = (number(&mut words)?, number(&mut words)?);
        let commit = words.next()?.to_owned();
        let (steps, failed, seconds) = (number(&mut words)?, number(&mut words)?, number(&mut words)?);
        let counts: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        (counts.len() == kinds().len()).then_some(Self { from, to, commit, steps, failed, seconds, counts })
    }

    fn schedules(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// True where the next stretch only makes this one longer.
    fn goes_on_with(&self, next: &Self) -> bool {
        self.to + 1 == next.from && self.commit == next.commit && self.failed == 0 && next.failed == 0
    }

    fn grow(&mut self, next: &Self) {
        self.to = next.to;
        self.steps += next.steps;
        self.seconds += next.seconds;
        self.counts.iter_mut().zip(&next.counts).for_each(|(sum, more)| *sum += more);
    }
}

fn read(path: &Path) -> Result<Vec<Line>, String> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| format!("{}: {error}", path.display()))?,
    };
    let line =
        |text: &str| Line::read(text).ok_or_else(|| format!("{}: not a line of the record: {text}", path.display()));
    text.lines().skip(1).map(line).collect()
}

fn write(path: &Path, lines: &[Line]) -> Result<(), String> {
    let mut text =
        HEAD.map(str::to_owned).into_iter().chain(kinds().into_iter().map(name)).collect::<Vec<_>>().join("\t");
    for line in lines {
        let _ = write!(text, "\n{}", line.write());
    }
    let beside = path.with_extension("tmp");
    let written = fs::write(&beside, text + "\n").and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs as many new seeds as asked for, and records them stretch by stretch.
pub(crate) fn record(command: &Command, record: &Record) -> ExitCode {
    match run(command, record) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            println!("{failed} failed");
            ExitCode::FAILURE
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command, record: &Record) -> Result<u64, String> {
    let path = Path::new(&record.path);
    let mut lines = read(path)?;
    let (began, mut done, mut failed) = (Instant::now(), 0, 0);
    while done < command.count {
        let from = lines.iter().map(|line| line.to + 1).max().unwrap_or(FIRST);
        let count = STRETCH.min(command.count - done);
        let at = Instant::now();
        let report = crate::stretch(&Command { count, from, ..command.clone() });
        crate::show_failed(&report);
        let line = Line::of(&report, from, count, &record.commit, at.elapsed());
        (done, failed) = (done + count, failed + line.failed);
        match lines.last_mut().filter(|last| last.goes_on_with(&line)) {
            Some(last) => last.grow(&line),
            None => lines.push(line),
        }
        write(path, &lines)?;
        let left = began.elapsed().as_secs() * (command.count - done) / done / 60;
        println!("{done:>10} of {} schedules, {failed} failed, {left} min left", command.count);
    }
    Ok(failed)
}

/// Adds the record up, beside what is asked of it.
pub(crate) fn summary(path: &str) -> ExitCode {
    match read(Path::new(path)) {
        Ok(lines) => {
            print!("{}", added_up(&lines));
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::from(2)
        }
    }
}

/// Stretches in which a schedule failed count for nothing.
fn added_up(lines: &[Line]) -> String {
    let (clean, failed): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| line.failed == 0);
    let sum = |of: fn(&Line) -> u64| clean.iter().map(|line| of(line)).sum::<u64>();
    let (all, steps, seconds) = (sum(Line::schedules), sum(|line| line.steps), sum(|line| line.seconds));
    let mut text = format!("{:28} {:>12} of {:>10}\n", "kind (cell-store-mode)", "schedules", BAR.1);
    let mut below = 0;
    for (at, kind) in kinds().into_iter().enumerate() {
        let count: u64 = clean.iter().filter_map(|line| line.counts.get(at)).sum();
        below += usize::from(count < BAR.1);
        let _ = writeln!(text, "{:28} {count:>12}{}", name(kind), if count < BAR.1 { "  below" } else { "" });
    }
    let _ = writeln!(text, "{:28} {all:>12} of {:>10}", "all", BAR.0);
    let _ =
        writeln!(text, "{steps} steps in {seconds} s; {below} kinds below; {} stretches with failures", failed.len());
    let mut commits: Vec<(&str, u64)> = Vec::new();
    for line in clean {
        match commits.iter_mut().find(|(commit, _)| *commit == line.commit) {
            Some((_, count)) => *count += line.schedules(),
            None => commits.push((&line.commit, line.schedules())),
        }
    }
    for (commit, count) in commits {
        let _ = writeln!(text, "  commit {commit:19} {count:>12}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: u64, failed: u64) -> Line {
        let counts = vec![2; kinds().len()];
        Line { from, to: from + 9, commit: "abc".into(), steps: 40, failed, seconds: 3, counts }
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_the_next_stretch_makes_it_longer() {
        let mut first = line(10, 0);
        assert_eq!(Line::read(&first.write()), Some(first.clone()));
        assert_eq!(Line::read("10\t19\tabc\t40\t0\t3\t2"), None, "kinds are missing");
        let next = line(20, 0);
        assert!(first.goes_on_with(&next) && !first.goes_on_with(&line(30, 0)) && !first.goes_on_with(&line(20, 1)));
        first.grow(&next);
        assert_eq!((first.to, first.steps, first.counts[0]), (29, 80, 4));
    }

    #[test]
    fn what_failed_counts_for_nothing() {
        let text = added_up(&[line(10, 0), line(20, 1)]);
        let all = kinds().len() * 2;
        assert!(text.contains(&format!("{all:>12} of")) && text.contains("1 stretches with failures"), "{text}");
    }
}
