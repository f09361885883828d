//! Hallpass: a signed-URL asset gateway in front of private object storage, made for the media in WhatsApp templates.
//!
//! The rooms below stand in order: a room imports only rooms that are listed above it. `tests/it/architecture.rs` checks it.

pub mod value;

pub mod telemetry;

pub mod tls;

pub mod http;

pub mod media;

pub mod fetcher;

pub mod link;

pub mod presign;

pub mod arena;

pub mod server;

pub mod origin;

pub mod catalog;

pub mod cache;

pub mod mint;

pub mod publish;

pub mod audit;

pub mod config;

pub mod asset;

pub mod control;

pub mod ops;

pub mod edge;

pub mod doctor;

pub mod app;

pub mod cli;
