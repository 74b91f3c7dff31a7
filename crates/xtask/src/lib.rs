//! The project's own commands. What they run the services on is in the crate `testbed`.

mod bench;
mod cargo;
mod chaos;
pub mod cli;
mod dev_servers;
mod down;
mod fuzz;
mod generate;
mod install;
mod lock;
mod master_key;
mod parts;
mod services;
mod test;
mod up;
mod verify;
mod workspace;
