//! Memory for large blocks, from which they leave by a socket without a copy.
//!
//! Blocks lie in slots of one memory file. Who reads them reads the file's mapping; the server room sends them from the file itself. A slot is given back to the kernel before it is used again, because what was sent from it may still be on its
//! way. Whether that holds on this machine is tried out at the start; where it does not, there is no arena, and blocks are heap memory.

mod classes;
mod slots;
mod trial;

use std::fs;
use std::io;

pub use classes::footprint;
pub use slots::{Arena, Filled, Slot};

impl Arena {
    /// An arena whose slots together may take `capacity` bytes, if this machine can have one that is safe to send from.
    ///
    /// # Errors
    /// What stands against it.
    pub fn start(capacity: u64) -> io::Result<Self> {
        // A missing file is a kernel without huge pages.
        if are_huge(&fs::read_to_string(HUGE_PAGES).unwrap_or_default()) {
            return Err(io::Error::other(format!(
                "{HUGE_PAGES} gives memory files huge pages, which are not freed in parts"
            )));
        }
        let arena = Self::map(capacity, true)?;
        trial::stalled_reader(&arena)?;
        Ok(arena)
    }
}

/// Whether files that nobody maps for writing get huge pages, by the word in brackets. One trial cannot find it out: they get them when
/// there happen to be some.
fn are_huge(setting: &str) -> bool {
    let chosen = setting.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(word, _)| word);
    chosen.is_some_and(|word| !["never", "deny", "advise"].contains(&word))
}

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_known_by_the_word_in_brackets() {
        for (setting, expected) in [
            ("always within_size advise [never] deny force\n", false),
            ("always within_size [advise] never deny force", false),
            ("always within_size advise never [deny] force", false),
            ("[always] within_size advise never deny force", true),
            ("always [within_size] advise never deny force", true),
            ("always within_size advise never deny [force]", true),
            ("a [word of another kernel] never", true),
            ("", false),
        ] {
            assert_eq!(are_huge(setting), expected, "{setting}");
        }
    }
}
