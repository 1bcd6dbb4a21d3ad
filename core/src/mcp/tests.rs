mod exploration;
pub(super) mod fixture;
mod hiccup;
mod ladder;
mod results;
mod vectors;
