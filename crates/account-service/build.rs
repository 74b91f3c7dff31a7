//! The migrations are built into the binary: a new one makes it be built anew.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/account-service");
}
