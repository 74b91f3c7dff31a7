//! People with an account: `shop.register("ada@example.com").await.accounts()`.

use crate::client::Client;
use crate::environment::{Environment, workspace};
use crate::samples::text;
use crate::shop::Shop;
use serde_json::json;
use std::process::Command;
use testbed::pairs::MASTER_KEY;

/// What everybody here has as their password.
pub const PASSWORD: &str = "plum-tractor-violin-9";

/// Somebody who is logged in. Their calls bring their token.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their account.
    pub id: String,
    /// Their access token.
    pub token: String,
    /// Gives the next one, once.
    pub refresh_token: String,
    accounts: Client,
}

impl Person {
    /// Somebody with these tokens.
    pub fn new(shop: &Shop, id: &str, token: &str, refresh_token: &str) -> Self {
        let accounts = shop.accounts().with_token(token);
        Self { id: id.to_owned(), token: token.to_owned(), refresh_token: refresh_token.to_owned(), accounts }
    }

    /// Calls account-service.
    pub fn accounts(&self) -> &Client {
        &self.accounts
    }

    /// Makes the calls of another client theirs.
    pub fn calls(&self, client: &Client) -> Client {
        client.with_token(&self.token)
    }
}

impl Shop {
    /// Makes an account and logs in. The shop must be one with accounts; all of its services take the token.
    pub async fn register(&self, email: &str) -> Person {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ada Lovelace"});
        let made = self.accounts().post("/api/auth/register", body).await.is(201).json();
        let token = text(&made["accessToken"]).to_owned();
        self.takes(&token).await;
        let (id, refresh_token) = (text(&made["user"]["id"]).to_owned(), text(&made["refreshToken"]).to_owned());
        Person { id, accounts: self.accounts().with_token(&token), token, refresh_token }
    }

    /// Runs a command of account-service's terminal on the shop's database; gives what it prints.
    pub fn terminal(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&Environment::get().account_service);
        command.args(arguments).current_dir(workspace());
        command.env("DATABASE_URL", self.database.url()).env(MASTER_KEY, format!("{}=", "A".repeat(43)));
        let output = command.output().expect("account-service to be run");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Makes the account of an administrator from the terminal and logs in.
    pub async fn administrator(&self, email: &str) -> Person {
        let printed = self.terminal(&["create-admin", "--email", email]);
        let code = printed.lines().map(str::trim).find(|line| line.len() == 9 && line.contains('-')).expect("a code");
        let body = json!({"email": email, "code": code, "password": PASSWORD});
        self.accounts().post("/api/auth/password/reset", body).await.is(204);
        let body = json!({"email": email, "password": PASSWORD});
        let tokens = self.accounts().post("/api/auth/login", body).await.is(200).json();
        let token = text(&tokens["accessToken"]);
        let me = self.accounts().with_token(token).get("/api/accounts/me").await.is(200).json();
        Person::new(self, text(&me["id"]), token, text(&tokens["refreshToken"]))
    }
}
