//! The command line, and the list of seeds that failed once.

use std::str::FromStr;

use beam_mcp_simulation::{Cell, Fault, Fixed, Flavour, Mode, Plant};

const USAGE: &str = "simulate [--count N] [--from SEED] [--threads N] [--first] [--coverage]   many schedules
simulate --seed N [--trace]                                               one schedule
simulate --teeth [--count N]                                              each planted bug must be found
simulate --hashes N                                                       trace hashes of the seeds 1 to N
simulate --record FILE --commit NAME --count N                            new seeds, recorded stretch by stretch
simulate --summary FILE                                                   what was recorded, added up
both: [--cell R1|R2|R4|R6|R7|R9|chosen|named|marker|none] [--store sqlite|dynamo] [--mode server|lambda|mixed]
      [--outage yes|no] [--without F3,F9] [--clients N] [--actions N] [--processes N] [--operator yes|no]
      [--programs yes|no]
      [--plant NAME]";

/// Seeds that failed once; each run begins with them.
const KEPT: &str = include_str!("../seeds.txt");

/// Where new seeds are recorded, and as run by which commit.
#[derive(Clone, Default)]
pub(crate) struct Record {
    pub(crate) path: String,
    pub(crate) commit: String,
}

/// What is asked for.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[derive(Clone)]
pub(crate) struct Command {
    pub(crate) count: u64,
    pub(crate) from: u64,
    pub(crate) threads: usize,
    pub(crate) first: bool,
    pub(crate) coverage: bool,
    pub(crate) seed: Option<u64>,
    pub(crate) hashes: Option<u64>,
    pub(crate) trace: bool,
    pub(crate) teeth: bool,
    pub(crate) record: Option<Record>,
    pub(crate) summary: Option<String>,
    pub(crate) fixed: Fixed,
}

impl Command {
    pub(crate) fn read(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command = Self {
            count: 100_000,
            from: 1,
            threads: cores,
            first: false,
            coverage: false,
            seed: None,
            hashes: None,
            trace: false,
            teeth: false,
            record: None,
            summary: None,
            fixed: Fixed::default(),
        };
        let mut args = args;
        while let Some(name) = args.next() {
            match name.as_str() {
                "--first" => command.first = true,
                "--coverage" => command.coverage = true,
                "--teeth" => command.teeth = true,
                "--trace" => command.trace = true,
                name => {
                    let value = args.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
                    command.set(name, &value)?;
                }
            }
        }
        Ok(command)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--count" => self.count = number(name, value)?,
            "--from" => self.from = number(name, value)?,
            "--threads" => self.threads = number(name, value)?,
            "--hashes" => self.hashes = Some(number(name, value)?),
            "--seed" => self.seed = Some(number(name, value)?),
            "--summary" => self.summary = Some(value.to_owned()),
            "--record" => value.clone_into(&mut self.record.get_or_insert_default().path),
            "--commit" => value.clone_into(&mut self.record.get_or_insert_default().commit),
            _ => fix(&mut self.fixed, name, value)?,
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} takes a number, not `{value}`\n{USAGE}"))
}

fn fix(fixed: &mut Fixed, name: &str, value: &str) -> Result<(), String> {
    let unknown = || format!("{name} does not know `{value}`\n{USAGE}");
    match name {
        "--cell" => fixed.cell = Some(named(&Cell::ALL, value).ok_or_else(unknown)?),
        "--store" => fixed.flavour = Some(named(&Flavour::ALL, value).ok_or_else(unknown)?),
        "--mode" => fixed.mode = Some(named(&Mode::ALL, value).ok_or_else(unknown)?),
        "--outage" if matches!(value, "yes" | "no") => fixed.outage = Some(value == "yes"),
        "--plant" => fixed.plant = Some(Plant::parse(value).ok_or_else(unknown)?),
        "--clients" => fixed.clients = Some(number(name, value)?),
        "--actions" => fixed.actions = Some(number(name, value)?),
        "--processes" => fixed.processes = Some(number(name, value)?),
        "--operator" if matches!(value, "yes" | "no") => fixed.operator = Some(value == "yes"),
        "--programs" if matches!(value, "yes" | "no") => fixed.programs = Some(value == "yes"),
        "--operator" | "--outage" | "--programs" => return Err(unknown()),
        "--without" => {
            fixed.without = value.split(',').map(Fault::parse).collect::<Option<_>>().ok_or_else(unknown)?;
        }
        _ => return Err(format!("there is no option {name}\n{USAGE}")),
    }
    Ok(())
}

fn named<T: Copy + std::fmt::Debug>(all: &[T], name: &str) -> Option<T> {
    all.iter().copied().find(|one| format!("{one:?}").eq_ignore_ascii_case(name))
}

/// The options that fix the same.
pub(crate) fn options(fixed: &Fixed) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.extend([" --", name, " ", value.to_lowercase().as_str()]);
        }
    };
    add("cell", fixed.cell.map(|cell| format!("{cell:?}")));
    add("store", fixed.flavour.map(|flavour| format!("{flavour:?}")));
    add("mode", fixed.mode.map(|mode| format!("{mode:?}")));
    add("outage", fixed.outage.map(|there| if there { "yes" } else { "no" }.to_owned()));
    add("plant", fixed.plant.map(|plant| plant.name().to_owned()));
    add("clients", fixed.clients.map(|count| count.to_string()));
    add("actions", fixed.actions.map(|count| count.to_string()));
    add("processes", fixed.processes.map(|count| count.to_string()));
    add("operator", fixed.operator.map(|there| if there { "yes" } else { "no" }.to_owned()));
    add("programs", fixed.programs.map(|there| if there { "yes" } else { "no" }.to_owned()));
    let without: Vec<&str> = fixed.without.iter().map(|fault| fault.name()).collect();
    add("without", (!without.is_empty()).then(|| without.join(",")));
    text
}

/// The seeds of `seeds.txt` with what is fixed for each: `seed [options] # what it found`.
pub(crate) fn kept_seeds() -> Vec<(u64, Fixed)> {
    KEPT.lines().filter_map(kept_seed).collect()
}

fn kept_seed(line: &str) -> Option<(u64, Fixed)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let seed = words.next()?.parse().ok()?;
    let mut fixed = Fixed::default();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        fix(&mut fixed, name, value).ok()?;
    }
    Some((seed, fixed))
}
