//! `simulate`: runs schedules by the hundred thousand, replays one, shrinks what fails.

mod command;
mod record;
mod report;

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use beam_mcp_simulation::{Coverage, Fixed, Plant, Violation, schedule, shrink};
use command::Command;
use report::Report;

/// A third of a schedule is rows made and dropped.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every this many schedules one is run twice: its trace must hash alike (I12).
const TWICE_EVERY: u64 = 64;
/// Schedules for a planted bug that another rule masks: enough to see that it still does, since nothing can be found.
const MASKED: u64 = 20_000;
/// Failing schedules that are shrunk and shown.
const SHOWN: usize = 10;

fn main() -> ExitCode {
    let command = match Command::read(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    if command.teeth {
        return teeth(&command);
    }
    if let Some(path) = &command.summary {
        return record::summary(path);
    }
    if let Some(record) = &command.record {
        return record::record(&command, record);
    }
    match (command.seed, command.hashes) {
        (Some(seed), _) => replay(seed, &command),
        (None, Some(count)) => hashes(count, &command),
        (None, None) => many(&command),
    }
}

/// One line a seed, to be compared with another build.
fn hashes(count: u64, command: &Command) -> ExitCode {
    for seed in 1..=count {
        let ended = schedule(seed, &command.fixed, false, &mut Coverage::default());
        println!("{seed} {:016x}", if ended.violation.is_some() { 0 } else { ended.hash });
    }
    ExitCode::SUCCESS
}

/// Every planted bug must be found within the schedules asked for, or say what masks it.
fn teeth(command: &Command) -> ExitCode {
    let mut survived = 0;
    let cell = command.fixed.cell;
    let plants: Vec<&Plant> = Plant::ALL.iter().filter(|plant| cell.is_none() || plant.cell() == cell).collect();
    for plant in &plants {
        let fixed = Fixed { plant: Some(**plant), cell: cell.or(plant.cell()), ..command.fixed.clone() };
        let count = if plant.masked().is_empty() { command.count } else { command.count.min(MASKED) };
        let command = Command { count, fixed, ..command.clone() };
        let found = first_failure(&command);
        let line = match (&found, plant.masked()) {
            (Some((number, violation)), _) => format!("found after {number:>6}  {violation}"),
            (None, "") => "SURVIVED".to_owned(),
            (None, masked) => format!("survived: {masked}"),
        };
        survived += u32::from(found.is_none() && plant.masked().is_empty());
        println!("{:22} {line}", plant.name());
    }
    println!("{} planted, {survived} survived without a reason", plants.len());
    if survived == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first schedule that fails, by its number.
fn first_failure(command: &Command) -> Option<(u64, Violation)> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None::<(u64, Violation)>));
    let best = || found.lock().map_or(None, |found| found.as_ref().map(|(number, _)| *number));
    thread::scope(|scope| {
        for _ in 0..command.threads {
            scope.spawn(|| {
                let mut coverage = Coverage::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= command.count || best().is_some_and(|best| best < number) {
                        return;
                    }
                    let ended = schedule(command.from.wrapping_add(number), &command.fixed, false, &mut coverage);
                    let Some(violation) = ended.violation else { continue };
                    if let Ok(mut found) = found.lock()
                        && found.as_ref().is_none_or(|(best, _)| number < *best)
                    {
                        *found = Some((number + 1, violation));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_default()
}

/// Runs one schedule and tells what happened.
fn replay(seed: u64, command: &Command) -> ExitCode {
    let ended = schedule(seed, &command.fixed, command.trace, &mut Coverage::default());
    print!("{}", ended.text);
    println!("seed {seed}: {} steps in {} s, trace hash {:016x}", ended.steps, ended.lasted / 1000, ended.hash);
    match ended.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("{violation}");
            show_shrunk(seed, &command.fixed, &violation);
            ExitCode::FAILURE
        }
    }
}

fn show_shrunk(seed: u64, fixed: &Fixed, violation: &Violation) {
    let smallest = shrink::shrink(seed, fixed, violation);
    println!("    simulate --seed {seed} --trace{}", command::options(&smallest));
}

/// The seeds that failed once, then as many new ones as asked for.
fn many(command: &Command) -> ExitCode {
    let began = Instant::now();
    let kept = command::kept_seeds();
    println!("{} kept seeds, then {} from {}", kept.len(), command.count, command.from);
    let report = Mutex::new(Report::default());
    for (seed, fixed) in &kept {
        one(*seed, fixed, &report, &mut Coverage::default());
    }
    let report = stretch_after(report, command);
    report.print(began.elapsed(), command);
    show_failed(&report);
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the seeds asked for.
pub(crate) fn stretch(command: &Command) -> Report {
    stretch_after(Mutex::default(), command)
}

fn stretch_after(report: Mutex<Report>, command: &Command) -> Report {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..command.threads {
            scope.spawn(|| work(command, &next, &stop, &report));
        }
    });
    report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The first failures, made as small as they get.
pub(crate) fn show_failed(report: &Report) {
    for (seed, fixed, violation) in report.failed.iter().take(SHOWN) {
        println!("seed {seed}: {violation}");
        show_shrunk(*seed, fixed, violation);
    }
}

fn work(command: &Command, next: &AtomicU64, stop: &AtomicBool, report: &Mutex<Report>) {
    let mut coverage = Coverage::default();
    while !stop.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= command.count {
            break;
        }
        let failed = one(command.from.wrapping_add(number), &command.fixed, report, &mut coverage);
        if failed && command.first {
            stop.store(true, Ordering::Relaxed);
        }
    }
    lock(report).coverage.add(&coverage);
}

/// Runs one schedule, some of them twice; true when it failed.
fn one(seed: u64, fixed: &Fixed, report: &Mutex<Report>, coverage: &mut Coverage) -> bool {
    let mut ended = schedule(seed, fixed, false, coverage);
    if seed.is_multiple_of(TWICE_EVERY) {
        let again = schedule(seed, fixed, false, &mut Coverage::default());
        if again.hash != ended.hash && ended.violation.is_none() {
            let text = format!("the second run of the seed went {:016x}, the first {:016x}", again.hash, ended.hash);
            ended.violation = Some(Violation { invariant: "I12", at: ended.lasted, text });
        }
    }
    lock(report).add(seed, fixed, ended)
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
