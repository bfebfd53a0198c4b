//! The running kernel as the judge of the `netfilter` crate: development only.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the oracle is made of effects: it asks a kernel"
)]

mod aim;
mod answer;
mod backend;
mod bench;
mod error;
mod fixture;
mod frame;
pub mod generate;
mod lab;
mod minimise;
mod probe;
mod random;
mod record;
mod routes;
mod tap;
mod trial;

pub use answer::{Answer, Expectation, Fault, Kind};
pub use backend::{Backend, Form};
pub use bench::Bench;
pub use error::Error;
pub use fixture::Fixture;
pub use probe::Probe;
pub use random::Random;
pub use routes::{Path, Routes};
pub use trial::{Count, Trial, Verdict};
