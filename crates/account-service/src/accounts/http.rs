//! EDGE: the calls about accounts.

mod admin;
mod me;
mod sign_up;

use super::state::Accounts;
use axum::extract::FromRef;
use service_kit::access::{Access, Guarded};
use service_kit::documented_problems;
use std::sync::Arc;
use utoipa_axum::routes;

/// The calls about accounts.
pub fn routes<S>() -> Guarded<S>
where
    Arc<Accounts>: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Guarded::new()
        .add(Access::PUBLIC, routes!(sign_up::register))
        .add(Access::PUBLIC, routes!(sign_up::verify))
        .add(Access::PUBLIC, routes!(sign_up::forgot_password))
        .add(Access::PUBLIC, routes!(sign_up::reset_password))
        .add(Access::SELF, routes!(me::get_me, me::patch_me, me::delete_me))
        .add(Access::SELF, routes!(me::change_password))
        .add(Access::OPERATORS, routes!(admin::list_accounts))
        .add(Access::OPERATORS, routes!(admin::get_account))
        .add(Access::OPERATORS, routes!(admin::set_roles))
        .add(Access::OPERATORS, routes!(admin::disable_account))
        .add(Access::OPERATORS, routes!(admin::enable_account))
        .add(Access::OPERATORS, routes!(admin::reset_account))
        .add(Access::OPERATORS, routes!(admin::list_audit))
}

documented_problems! {
    /// An address that has an account.
    Taken { "409": "the address has an account already; only where registration needs no code" }
    /// An account for which no password is set.
    NotResettable { "409": "the account is disabled or erased" }
    /// What cannot be done to an account.
    NotPossible { "409": "it is one's own account, or it is erased" }
}
