//! Passwords: which are taken, and how they are hashed without taking the processors from everybody else.
//!
//! Others parse a password with `parse`, and hash and compare it with `Passwords`, the module's part of the state.

mod config;
mod domain;
mod hashing;
mod state;

pub use config::Config;
pub use domain::{Password, PersonalWords, parse};
pub use state::{Passwords, Unhashed};
