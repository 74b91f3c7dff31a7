//! The project's own commands. What they run the services on is in the crate `testbed`.

mod bench;
mod cargo;
mod chaos;
pub mod cli;
mod deny;
mod deploy_check;
mod dev_servers;
mod down;
mod drill;
mod fuzz;
mod gateway;
mod generate;
mod ha;
mod install;
mod lock;
mod other_build;
mod parts;
mod payments;
mod people;
mod secrets;
mod services;
mod test;
mod up;
mod upgrade;
mod verify;
mod workspace;
