//! The MCP client of the core against scripted servers: each case is kept as a vector that Python and JavaScript replay.

mod authorization;
mod beam;
mod eras;
mod first_calls;
mod flows;
mod input;
mod news;
mod results;
mod script;
mod side_by_side;
mod streams;
mod tools;
mod under_way;
