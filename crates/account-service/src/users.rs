//! People: the table of accounts, for the modules that work on them.
//!
//! Whoever changes something of a person takes `lock` first. Functions that find people by their address are for
//! log-in and codes, which nobody with an account of their own asks for.

mod domain;
mod store;

pub use domain::{NewUser, Status, User, role_of};
pub use store::{
    Account, Filter, erase, find, find_by_email, insert, list, lock, lock_by_email, set_password, set_profile,
    set_registration, set_roles, set_status, set_verified,
};
