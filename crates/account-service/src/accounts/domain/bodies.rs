//! What is sent by people who are not logged in. None of it shows in `Debug`.

use crate::passwords::{self, Password, PersonalWords};
use crate::sessions::Tokens;
use crate::users::{NewUser, User};
use serde::{Deserialize, Serialize};
use service_kit::access::Role;
use service_kit::body::Body;
use service_kit::contact::{EmailAddress, parse_email, parse_name, parse_phone};
use service_kit::validation::FieldErrors;
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! hidden {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )+};
}

hidden!(Register, Verify, Reset);

/// Somebody who wants an account.
#[derive(Clone, Default, Deserialize, ToSchema)]
pub struct Register {
    /// Where to write to.
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 254,
        format = "email",
        example = "ada@example.com"
    )]
    pub email: Option<String>,
    /// 15 to 128 characters of any kind that are not guessed easily.
    #[schema(
        required,
        nullable = false,
        min_length = 15,
        max_length = 128,
        pattern = "",
        example = "plum-tractor-violin-9"
    )]
    pub password: Option<String>,
    /// Their name.
    #[schema(required, nullable = false, max_length = 200, example = "Ada Lovelace")]
    pub name: Option<String>,
    /// Where to call.
    #[schema(max_length = 32, example = "+44 20 7946 0000")]
    pub phone: Option<String>,
}

/// A registration with fields at fault, and its password where that can still be judged, with what is known of the person.
#[derive(Debug)]
pub struct BadRegistration {
    pub errors: FieldErrors,
    pub to_judge: Option<(Password, PersonalWords)>,
}

impl Register {
    /// The account to make, and its password.
    pub fn parse(self, shortest: u8) -> Result<(NewUser, Password), BadRegistration> {
        let mut errors = FieldErrors::default();
        let email = parse_email(&mut errors, "email", self.email);
        let password = passwords::parse(&mut errors, "password", self.password.as_deref(), shortest);
        let name = Some(parse_name(&mut errors, "name", self.name));
        let phone = parse_phone(&mut errors, "phone", self.phone);
        match (email, password) {
            (Some(email), Some(password)) if errors.0.is_empty() => {
                let id = Uuid::now_v7();
                let new = NewUser { id, email, name, phone, roles: [Role::Customer].into(), verified_at: None };
                Ok((new, password))
            }
            (email, password) => {
                let words = PersonalWords::of(email.as_ref().map_or("", EmailAddress::as_str), name.as_deref());
                Err(BadRegistration { errors, to_judge: password.map(|password| (password, words)) })
            }
        }
    }
}

impl Body for Register {
    fn faults(&self) -> FieldErrors {
        self.clone().parse(0).err().map(|bad| bad.errors).unwrap_or_default()
    }
}

/// The code that came by e-mail.
#[derive(Clone, Default, Deserialize, ToSchema)]
pub struct Verify {
    /// The address that it came to.
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 254,
        format = "email",
        example = "ada@example.com"
    )]
    pub email: Option<String>,
    /// The code, in any case, with or without the hyphen.
    #[schema(required, nullable = false, max_length = 20, example = "7K2M-Q9XB")]
    pub code: Option<String>,
    /// The password that was registered with. A page that still has it sends it: where somebody else has registered the address
    /// meanwhile, the code of their mail is then refused.
    #[schema(nullable = false, max_length = 1000, pattern = "", example = "plum-tractor-violin-9")]
    pub password: Option<String>,
}

impl Verify {
    /// The address, the code, and the password where it was sent.
    pub fn parse(self) -> Result<(EmailAddress, String, Option<Password>), FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = parse_email(&mut errors, "email", self.email);
        let code = errors.required_text("code", self.code, 20);
        let password = Password::optional(&mut errors, "password", self.password);
        let Some(email) = email else { return Err(errors) };
        errors.into_result((email, code, password))
    }
}

impl Body for Verify {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// Somebody who forgot their password.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct Forgot {
    /// The address of the account.
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 254,
        format = "email",
        example = "ada@example.com"
    )]
    pub email: Option<String>,
}

impl Forgot {
    /// The address.
    pub fn parse(self) -> Result<EmailAddress, FieldErrors> {
        let mut errors = FieldErrors::default();
        parse_email(&mut errors, "email", self.email).ok_or(errors)
    }
}

impl Body for Forgot {
    fn faults(&self) -> FieldErrors {
        self.clone().parse().err().unwrap_or_default()
    }
}

/// A new password, with the code that allows it.
#[derive(Clone, Default, Deserialize, ToSchema)]
pub struct Reset {
    /// The address that the code came to.
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 254,
        format = "email",
        example = "ada@example.com"
    )]
    pub email: Option<String>,
    /// The code, in any case, with or without the hyphen.
    #[schema(required, nullable = false, max_length = 20, example = "7K2M-Q9XB")]
    pub code: Option<String>,
    /// 15 to 128 characters of any kind that are not guessed easily.
    #[schema(
        required,
        nullable = false,
        min_length = 15,
        max_length = 128,
        pattern = "",
        example = "plum-tractor-violin-9"
    )]
    pub password: Option<String>,
}

impl Reset {
    /// The address, the code and the password.
    pub fn parse(self, shortest: u8) -> Result<(EmailAddress, String, Password), FieldErrors> {
        let mut errors = FieldErrors::default();
        let email = parse_email(&mut errors, "email", self.email);
        let code = errors.required_text("code", self.code, 20);
        let password = passwords::parse(&mut errors, "password", self.password.as_deref(), shortest);
        let (Some(email), Some(password)) = (email, password) else { return Err(errors) };
        errors.into_result((email, code, password))
    }
}

impl Body for Reset {
    fn faults(&self) -> FieldErrors {
        self.clone().parse(0).err().unwrap_or_default()
    }
}

/// The answer where mail may be on its way.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Sent {
    /// The same whether the address has an account or not.
    #[schema(example = "If that is possible with this address, a code is on its way to it.")]
    pub message: &'static str,
}

impl Sent {
    /// The one answer.
    pub const ANSWER: Self = Self { message: "If that is possible with this address, a code is on its way to it." };
}

/// The answer to a registration that needs no code. It has no `Debug`, so that it gets into no log.
#[derive(Serialize, ToSchema)]
pub struct Registered {
    /// The tokens of the first session.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// The account.
    pub user: User,
}

#[cfg(test)]
mod tests {
    use super::{Register, Reset, Verify};
    use crate::accounts::domain::ChangePassword;

    #[test]
    fn every_field_at_fault_is_named_and_no_secret_is_shown() {
        let register = Register {
            email: Some("ada".to_owned()),
            password: Some("hush".to_owned()),
            name: None,
            phone: Some("x".to_owned()),
        };
        assert!(!format!("{register:?}").contains("hush"));
        let bad = register.parse(15).unwrap_err();
        assert!(bad.to_judge.is_none(), "it is too short");
        let errors = bad.errors;
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["email", "name", "password", "phone"]);
        assert!(!errors.to_string().contains("hush"));
        let reset = Reset { password: Some("hush".to_owned()), ..Reset::default() };
        let hush = || Some("hush".to_owned());
        let change = ChangePassword { current_password: hush(), new_password: hush() };
        let verify = Verify { email: hush(), code: hush(), password: hush() };
        assert!(!format!("{reset:?} {change:?} {verify:?}").contains("hush"));
        assert_eq!(reset.parse(15).unwrap_err().0.keys().collect::<Vec<_>>(), ["code", "email", "password"]);
    }
}
