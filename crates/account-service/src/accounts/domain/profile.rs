//! What people change of their own account.

use crate::passwords::{self, Password};
use crate::users::User;
use serde::Deserialize;
use service_kit::body::Body;
use service_kit::contact::{parse_name, parse_phone};
use service_kit::extract::present;
use service_kit::validation::FieldErrors;
use std::fmt;
use utoipa::ToSchema;

/// What of one's account is to change (JSON Merge Patch, RFC 7396): what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Ada King", "phone": "+44 20 7946 0000"}))]
pub struct PatchMe {
    /// The name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub name: Option<Option<String>>,
    /// Where to call; null removes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 32)]
    pub phone: Option<Option<String>>,
}

/// What is to change, checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProfileChange {
    name: Option<String>,
    phone: Option<Option<String>>,
}

impl PatchMe {
    /// Checks every field and names all that are at fault.
    pub fn parse(self) -> Result<ProfileChange, FieldErrors> {
        let mut errors = FieldErrors::default();
        let name = self.name.map(|name| parse_name(&mut errors, "name", name));
        let phone = self.phone.map(|phone| parse_phone(&mut errors, "phone", phone));
        errors.into_result(ProfileChange { name, phone })
    }
}

impl Body for PatchMe {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

impl ProfileChange {
    /// Name and telephone number after the change.
    pub fn of(self, before: &User) -> (Option<String>, Option<String>) {
        (self.name.or_else(|| before.name.clone()), self.phone.unwrap_or_else(|| before.phone.clone()))
    }
}

/// A new password, with the one until now. `Debug` does not show them.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangePassword {
    /// The password until now.
    #[schema(required, nullable = false, max_length = 1000, pattern = "", example = "plum-tractor-violin-9")]
    pub current_password: Option<String>,
    /// 15 to 128 characters of any kind that are not guessed easily.
    #[schema(
        required,
        nullable = false,
        min_length = 15,
        max_length = 128,
        pattern = "",
        example = "seven quiet green harbours"
    )]
    pub new_password: Option<String>,
}

impl fmt::Debug for ChangePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangePassword")
    }
}

impl ChangePassword {
    /// The password until now, and the new one.
    pub fn parse(self, shortest: u8) -> Result<(Password, Password), FieldErrors> {
        let mut errors = FieldErrors::default();
        let current = Password::required(&mut errors, "currentPassword", self.current_password);
        let new = passwords::parse(&mut errors, "newPassword", self.new_password.as_deref(), shortest);
        let (Some(current), Some(new)) = (current, new) else { return Err(errors) };
        errors.into_result((current, new))
    }
}

impl Body for ChangePassword {
    fn faults(&self) -> FieldErrors {
        self.clone().parse(0).err().unwrap_or_default()
    }
}
