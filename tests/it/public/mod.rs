//! The public listener from outside: a whole gateway, and bytes on the wire.

mod denials;
mod fetchers;
mod framing;
mod heads;
mod hosts;
mod methods;
mod origins;
mod parts;
mod rates;
mod revoking;
