//! What changes accounts, and announces it.

mod administer;
mod announce;
mod own;
mod register;
mod reset;

pub use administer::{disable, enable, set_roles, start_reset};
pub use own::{change_password, change_profile, erase};
pub use register::{register_at_once, register_with_code, verify};
pub use reset::{request_reset, reset_password};
