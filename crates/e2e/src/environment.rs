//! Where a test finds its servers, keeps its files, and where those of the checkout are.

use std::path::PathBuf;
pub use testbed::environment::Environment;

/// A folder for this test's logs and servers, named after the test.
pub fn folder_of_test(environment: &Environment) -> PathBuf {
    // libtest names the thread after the test; `::` parts a module from its test.
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("test").replace("::", ".");
    let folder = environment.run_dir.join("e2e").join(name);
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
    folder
}

/// The top folder of the checkout.
pub fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
