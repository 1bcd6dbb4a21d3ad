mod exploration;
pub(super) mod fixture;
mod ladder;
mod results;
mod vectors;
