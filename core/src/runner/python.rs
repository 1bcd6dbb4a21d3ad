//! What runners of Python pipelines share: options as arguments, code in its forms, the child that runs it.

pub(in crate::runner) mod argv;
pub(in crate::runner) mod code;
pub(in crate::runner) mod outline;
