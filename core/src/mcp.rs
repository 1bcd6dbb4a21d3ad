//! The Model Context Protocol, generic over a [`Surface`]; knows nothing of Beam.

mod surface;

pub use surface::{Annotations, Info, Surface, Tool, ToolFuture, ToolResult};
