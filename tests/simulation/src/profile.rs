//! What a seed makes of a schedule before it begins: where it runs, which faults are on and how strong (swarm).

use crate::{
    fault::{FAULTS, Fault},
    plant::Plant,
    random::Random,
};

/// Purpose of the draws of an outage.
const OUTAGE: u64 = 9;
/// Purpose of the draw of programs.
const PROGRAMS: u64 = 10;

/// How the engine is hosted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Native servers: flows with a durable intent are driven to their end, a reconciler ticks.
    Server,
    /// Lambda: nothing runs between invocations, a schedule ticks once a minute.
    Lambda,
    /// Servers of two versions over one store.
    Mixed,
}

/// Which store the world has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flavour {
    /// One writer, synced before it answers.
    Sqlite,
    /// Remote, throttled, ambiguous, with stale scans.
    Dynamo,
}

/// Which runner the jobs of a schedule go to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Flink, mostly submissions.
    R1,
    /// Flink, mostly savepoints, stops and drains.
    R2,
    /// Direct.
    R9,
    /// The simulator runner that honours our id.
    Chosen,
    /// The simulator runner with unique names.
    Named,
    /// The simulator runner that finds jobs by a marker.
    Marker,
    /// The simulator runner that cannot be asked for a job.
    None,
    /// A job service: Prism, or Beam's Python one.
    R4,
    /// Dataflow, by templates.
    R6,
    /// Spark standalone.
    R7,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Server, Self::Lambda, Self::Mixed];
}

impl Flavour {
    /// Every flavour.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Dynamo];
}

impl Cell {
    /// Every cell.
    pub const ALL: [Self; 10] = [
        Self::R1,
        Self::R2,
        Self::R9,
        Self::Chosen,
        Self::Named,
        Self::Marker,
        Self::None,
        Self::R4,
        Self::R6,
        Self::R7,
    ];

    /// Name of the target jobs are sent to.
    pub fn target(self) -> &'static str {
        match self {
            Self::R1 | Self::R2 => "flink",
            Self::R9 => "direct",
            Self::Chosen => "chosen",
            Self::Named => "named",
            Self::Marker => "marker",
            Self::None => "none",
            Self::R4 => "service",
            Self::R6 => "dataflow",
            Self::R7 => "spark",
        }
    }

    /// True where a second submission is the first (class A).
    pub fn deduplicates(self) -> bool {
        !matches!(self, Self::Marker | Self::None | Self::R4 | Self::R7)
    }

    /// True for the simulator runner, which sends nothing.
    pub fn is_simulated(self) -> bool {
        matches!(self, Self::Chosen | Self::Named | Self::Marker | Self::None)
    }

    /// True where programs run in children of the server.
    pub fn has_children(self) -> bool {
        matches!(self, Self::R4 | Self::R9)
    }

    /// True for a cluster that runs jars: a program becomes one.
    pub fn runs_jars(self) -> bool {
        matches!(self, Self::R1 | Self::R2 | Self::R7)
    }
}

/// What the command line fixes; the rest is drawn.
#[derive(Clone, Debug, Default)]
pub struct Fixed {
    /// Only this mode.
    pub mode: Option<Mode>,
    /// Only this store.
    pub flavour: Option<Flavour>,
    /// Only this runner.
    pub cell: Option<Cell>,
    /// There is an outage, or none.
    pub outage: Option<bool>,
    /// Faults that are off.
    pub without: Vec<Fault>,
    /// At most this many clients.
    pub clients: Option<usize>,
    /// At most this many actions of each client.
    pub actions: Option<usize>,
    /// At most this many processes.
    pub processes: Option<usize>,
    /// There is an operator, or none.
    pub operator: Option<bool>,
    /// A cluster is handed programs, or jars.
    pub programs: Option<bool>,
    /// A planted bug.
    pub plant: Option<Plant>,
}

/// One schedule's circumstances.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The seed.
    pub seed: u64,
    /// How the engine is hosted.
    pub mode: Mode,
    /// The store.
    pub flavour: Flavour,
    /// The runner.
    pub cell: Cell,
    /// Number of processes.
    pub processes: usize,
    /// Number of clients.
    pub clients: usize,
    /// Actions of each client.
    pub actions: usize,
    /// Somebody decides about jobs nobody can explain.
    pub operator: bool,
    /// A cluster is handed programs, whose pipelines are captured in children and put into jars.
    pub programs: bool,
    /// When faults stop, in milliseconds.
    pub quiet_at: u64,
    /// How long the runner cannot be reached, from a submission on whose answer is lost; 0 in most schedules.
    pub outage: u64,
    /// A planted bug.
    pub plant: Option<Plant>,
    chances: [u32; FAULTS],
}

impl Profile {
    /// The circumstances of a seed.
    pub fn draw(seed: u64, fixed: &Fixed) -> Self {
        let mut random = Random::new(seed, 1);
        let drawn = (*random.pick(&Cell::ALL), *random.pick(&Flavour::ALL), *random.pick(&Mode::ALL));
        let cell = fixed.cell.unwrap_or(drawn.0);
        let mode = fixed.mode.unwrap_or(drawn.2);
        // A Lambda function starts no processes.
        let mode = if cell.has_children() && mode == Mode::Lambda { Mode::Server } else { mode };
        let sizes = (random.between(1, 3), random.between(1, 3), random.between(2, 6), random.between(30, 120));
        let size =
            |drawn: u64, most: Option<usize>| (usize::try_from(drawn).unwrap_or(1)).min(most.unwrap_or(99)).max(1);
        let least = if mode == Mode::Mixed { 2 } else { 1 };
        let mut profile = Self {
            seed,
            mode,
            flavour: fixed.flavour.unwrap_or(drawn.1),
            cell,
            processes: size(sizes.0.max(least), fixed.processes),
            clients: size(sizes.1, fixed.clients),
            actions: size(sizes.2, fixed.actions),
            operator: fixed.operator.unwrap_or(Random::new(seed, 8).below(3) == 0),
            programs: draw_programs(seed, cell, mode, fixed.programs),
            quiet_at: sizes.3 * 1000,
            outage: draw_outage(seed, cell, fixed.outage),
            plant: fixed.plant,
            chances: [0; FAULTS],
        };
        profile.draw_faults(&mut random, fixed);
        profile
    }

    /// About one in three faults is on; one schedule in sixteen has none.
    fn draw_faults(&mut self, random: &mut Random, fixed: &Fixed) {
        let calm = random.below(16) == 0;
        for fault in Fault::ALL.iter().skip(1) {
            let on = random.below(3) == 0;
            let strength = u32::try_from(random.between(1, 8)).unwrap_or(1);
            if on && !calm && self.is_possible(*fault) && !fixed.without.contains(fault) {
                self.chances[*fault as usize] = strength * often(*fault);
            }
        }
    }

    fn is_possible(&self, fault: Fault) -> bool {
        match fault {
            Fault::PowerCut => self.mode != Mode::Lambda,
            Fault::DiskFull | Fault::DiskError => self.flavour == Flavour::Sqlite,
            Fault::Throttled | Fault::StaleIndex => self.flavour == Flavour::Dynamo,
            _ => true,
        }
    }

    /// Chances in ten thousand that a fault happens at an opportunity.
    pub fn chance(&self, fault: Fault) -> u32 {
        self.chances[fault as usize]
    }

    /// True where children build pipelines and run none.
    pub fn captures(&self) -> bool {
        self.cell == Cell::R4 || self.programs
    }

    /// True where this bug is planted.
    pub fn has(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// The faults that are on.
    pub fn faults(&self) -> Vec<Fault> {
        Fault::ALL.iter().copied().filter(|fault| self.chance(*fault) > 0).collect()
    }
}

/// One schedule in 200 of a cluster or service has an outage about as long as Flink remembers the job id of what has
/// ended, and walls' clocks that are set meanwhile. It is drawn by itself: all others are as they were.
fn draw_outage(seed: u64, cell: Cell, fixed: Option<bool>) -> u64 {
    let mut random = Random::new(seed, OUTAGE);
    let (minutes, rare) = (random.between(55, 75), random.below(200) == 0);
    let possible = !cell.is_simulated() && cell != Cell::R9;
    if possible && fixed.unwrap_or(rare) { minutes * 60_000 } else { 0 }
}

/// One schedule in four of a cluster is of programs. It is drawn by itself: all others are as they were.
fn draw_programs(seed: u64, cell: Cell, mode: Mode, fixed: Option<bool>) -> bool {
    let possible = cell.runs_jars() && mode != Mode::Lambda;
    possible && fixed.unwrap_or(Random::new(seed, PROGRAMS).below(4) == 0)
}

/// Chances in ten thousand at the least strength: faults of one message come often, those of a process seldom.
fn often(fault: Fault) -> u32 {
    match fault {
        Fault::None => 0,
        Fault::Crash | Fault::Freeze | Fault::ClockJump | Fault::DiskFull => 25,
        Fault::PowerCut | Fault::DiskError | Fault::Shutdown => 10,
        Fault::RunnerRestart => 80,
        Fault::Throttled | Fault::Ambiguous => 150,
        Fault::StaleIndex => 800,
        Fault::ClientGone | Fault::ShortDeadline => 400,
        _ => 200,
    }
}
