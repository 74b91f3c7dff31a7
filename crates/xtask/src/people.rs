//! The people of the sample data: a customer and an administrator, with passwords that are made on this machine.

use crate::dev_servers::Addresses;
use crate::secrets;
use crate::services::{self, ServicePorts};
use crate::workspace::{Profile, Workspace};
use testbed::error::{Result, TestbedError};
use testbed::http::{self, Answer};
use testbed::process::output_of;

/// Somebody who can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What they are to the shop.
    pub name: &'static str,
    pub password: String,
}

impl Person {
    fn of(workspace: &Workspace, name: &'static str) -> Result<Self> {
        Ok(Self { name, password: secrets::password_of(workspace, name)? })
    }

    /// Nobody reads what is sent there.
    pub fn email(&self) -> String {
        format!("{}@example.com", self.name)
    }

    fn logs_in(&self, port: u16) -> Result<bool> {
        let Self { password, .. } = self;
        let body = format!(r#"{{"email":"{}","password":"{password}"}}"#, self.email());
        Ok(post(port, "/api/auth/login", &body)?.status == 200)
    }
}

/// Makes those accounts that are not there; gives everybody who can log in.
pub fn make(
    workspace: &Workspace,
    profile: Profile,
    ports: ServicePorts,
    addresses: &Addresses,
) -> Result<Vec<Person>> {
    let customer = Person::of(workspace, "customer")?;
    if !customer.logs_in(ports.account)? {
        let (email, password) = (customer.email(), &customer.password);
        let body = format!(r#"{{"email":"{email}","password":"{password}","name":"Carla Customer"}}"#);
        post(ports.account, "/api/auth/register", &body)?;
    }
    let administrator = Person::of(workspace, "administrator")?;
    if !administrator.logs_in(ports.account)? {
        let (email, password) = (administrator.email(), &administrator.password);
        let mut command = services::account_command(workspace, profile, ports, addresses)?;
        let printed = output_of(command.args(["create-admin", "--email", &email]))?;
        let body = format!(r#"{{"email":"{email}","code":"{}","password":"{password}"}}"#, code_in(&printed)?);
        post(ports.account, "/api/auth/password/reset", &body)?;
    }
    // Whoever has chosen another password since knows it.
    let mut people = Vec::new();
    for person in [customer, administrator] {
        if person.logs_in(ports.account)? {
            people.push(person);
        }
    }
    Ok(people)
}

/// The code that the command prints among other words.
fn code_in(printed: &str) -> Result<&str> {
    let code = printed.split_once("\"code\": \"").and_then(|(_, rest)| rest.split_once('"'));
    code.map(|(code, _)| code).ok_or_else(|| TestbedError::new("account-service create-admin printed no code"))
}

fn post(port: u16, path: &str, body: &str) -> Result<Answer> {
    let answer = http::call(port, "POST", path, &["Content-Type: application/json"], body);
    answer.ok_or_else(|| TestbedError::new(format!("account-service does not answer POST {path}")))
}

#[cfg(test)]
mod tests {
    use super::code_in;

    #[test]
    fn the_code_is_found_among_what_is_printed() {
        let printed = "a is an administrator.\n\n  12 34\n\ncurl -d '{\"email\": \"a\", \"code\": \"1234\", \"password\": \"…\"}'";
        assert_eq!(code_in(printed).unwrap(), "1234");
        code_in("account-service: no database").unwrap_err();
    }
}
