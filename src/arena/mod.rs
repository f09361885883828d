//! Memory for large blocks, from which they leave by a socket without a copy.
//!
//! Blocks lie in slots of one memory file. Who reads them, to verify or to encrypt them, reads the file's mapping; the server room sends them from
//! the file itself. A slot is given back to the kernel before it is used again, because what was sent from it may still be on its
//! way. Whether that holds on this machine is tried out at the start; where it does not, there is no arena, and blocks are heap memory.

mod classes;
mod slots;
mod trial;

use std::io;

pub use classes::{LEAST, footprint};
pub use slots::{Arena, Filled, Slot};

impl Arena {
    /// An arena whose slots together may take `capacity` bytes, if this machine can have one that is safe to send from.
    ///
    /// # Errors
    /// What stands against it.
    pub fn start(capacity: u64) -> io::Result<Self> {
        let arena = Self::map(capacity, true)?;
        trial::stalled_reader(&arena)?;
        Ok(arena)
    }
}
