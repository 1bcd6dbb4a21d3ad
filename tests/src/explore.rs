//! Exploration of flows: every reply to every effect, in invented time.
//!
//! A flow cannot be copied, so a script of replies is replayed from the start. Behind the replies it was made for it
//! takes the ordinary ones, to its end or until nothing new has come for a while. Prefixes that lead to the same node are
//! explored once: the outstanding effect, the one behind it with its reply, how often in a row it had another reply than
//! the ordinary one, whether the flow was cancelled, how late it is, and what the world remembers. Scripts are run twice
//! (later ones one in eight) and must give the same transcript; [`Rule`] lists what else must hold.
//!
//! The distinct lines `effect --reply--> next effect` of all scripts are the flow's state graph ([`Graph`]), which is
//! kept beside the vectors and reviewed like code.

mod flow;
mod graph;
mod rule;
mod run;
mod world;

pub use flow::{Ending, Stepped, Turn, later, of};
pub use graph::Graph;
pub use rule::{Bounds, Rule, Violation};
pub use run::{CANCELLED, Run, Taken, WRONG_KIND};
pub use world::{World, label};

use std::collections::{BTreeSet, VecDeque};

use run::Node;
pub(crate) use run::pause;

/// A flow to explore, and the world it is explored in.
pub struct Subject {
    /// Name of its golden graph.
    pub name: &'static str,
    /// Makes the flow anew, with all it shares with others (an engine).
    pub start: Box<dyn Fn() -> Box<dyn Stepped>>,
    /// Makes the world anew.
    pub world: Box<dyn Fn() -> Box<dyn World>>,
    /// What it may take.
    pub bounds: Bounds,
    /// What holds for its scripts besides; tells what was seen instead.
    pub also: fn(&Run) -> Result<(), String>,
}

/// Nothing besides.
///
/// # Errors
/// None.
pub fn nothing_more(_: &Run) -> Result<(), String> {
    Ok(())
}

/// Most scripts of one flow.
pub const MOST_SCRIPTS: usize = 200_000;

/// Explores a flow until no script leads anywhere new.
///
/// # Errors
/// The first rule that a script broke, with the script.
pub fn explore(subject: &Subject) -> Result<Graph, Violation> {
    explore_within(subject, None)
}

/// The same of a flow whose graph is known.
///
/// # Errors
/// As [`explore`]; also the first line that is not among the known ones ([`Rule::OutsideItsGraph`]).
pub fn explore_within(subject: &Subject, known: Option<&BTreeSet<String>>) -> Result<Graph, Violation> {
    let mut graph = Graph::default();
    let mut seen: BTreeSet<Node> = BTreeSet::new();
    let mut waiting = VecDeque::from([Vec::new()]);
    while let Some(script) = waiting.pop_front() {
        let run = run::run(subject, &script, &seen, graph.scripts())?;
        rule::check(&run, subject)?;
        graph.add(&run);
        if let Some(line) = known.and_then(|known| graph.lines().difference(known).next()) {
            return Err(Violation::new(Rule::OutsideItsGraph, &run.taken, line.clone()));
        }
        if graph.scripts() > MOST_SCRIPTS {
            return Err(Violation::new(Rule::TooManyScripts, &run.taken, format!("{} nodes", seen.len())));
        }
        for depth in script.len()..run.taken.len() {
            if seen.insert(run.taken[depth].node.clone()) {
                waiting.extend(run.siblings(depth));
            }
        }
    }
    Ok(graph)
}
