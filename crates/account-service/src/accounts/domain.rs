//! What clients send about accounts.

mod bodies;
mod profile;
mod roles;

pub use bodies::{BadRegistration, Forgot, Register, Registered, Reset, Sent, Verify};
pub use profile::{ChangePassword, PatchMe, ProfileChange};
pub use roles::RolesBody;
