//! The engine end to end: verbs, REST and MCP over scripted clusters, with invented time.

mod asking;
mod catalogue;
mod doors;
mod faults;
mod lengths;
mod lives;
mod races;
mod resolve;
mod shares;
mod submission;
mod surface;
mod tasks;
mod telling;
mod upkeep;
mod withheld;
mod world;
