//! Rules of the layout (DESIGN section 3) that hold or fail here: what the core may depend on, which module may know
//! which, and which door has which verb.

mod arrows;
mod dependencies;
mod doors;
mod source;
