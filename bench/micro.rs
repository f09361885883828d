//! Micro benchmarks of the pure rooms.

fn main() {}
