//! The MCP client of the core against scripted servers: each case is kept as a vector that Python replays.

mod authorization;
mod beam;
mod eras;
mod input;
mod news;
mod script;
mod streams;
mod tools;
