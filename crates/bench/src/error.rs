//! Why a benchmark could not be carried out. A wrong answer of a service is no error but part of the report.

use std::path::PathBuf;

/// The benchmark itself could not go on.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A private server or one of the programs of PostgreSQL failed.
    #[error(transparent)]
    Server(#[from] testbed::TestbedError),
    /// A service answered what is not in its contract, or nothing.
    #[error(transparent)]
    Service(#[from] verify::VerifyError),
    /// A call over HTTP that is no part of the load failed.
    #[error("HTTP: {0}")]
    Http(#[from] reqwest::Error),
    /// A program printed something else than expected.
    #[error("{program} printed what cannot be read: {printed}")]
    Unreadable { program: &'static str, printed: String },
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: std::io::Error },
    /// A part of the benchmark panicked.
    #[error("a task of the benchmark ended: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// The chart cannot be drawn.
    #[error("chart: {0}")]
    Chart(String),
    /// Something that was waited for did not come about.
    #[error("{0}")]
    GaveUp(String),
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, BenchError>;

impl BenchError {
    /// For `map_err` of what is done with the file at `path`.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { path, cause }
    }

    /// For what a program printed.
    pub fn unreadable(program: &'static str, printed: &str) -> Self {
        Self::Unreadable { program, printed: printed.chars().take(2000).collect() }
    }
}
