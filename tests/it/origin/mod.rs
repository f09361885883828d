//! The room `origin`: one contract over every store, and what each does when the world is hostile.

mod bucket;
mod clouds;
mod contract;
mod faults;
mod hostile_files;
mod resuming;
