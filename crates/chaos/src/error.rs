//! Why a run could not be carried out. What the run finds out about the services is no error but a finding.

/// The harness itself could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ChaosError {
    /// A private server or a service did not start or stop.
    #[error(transparent)]
    Server(#[from] testbed::TestbedError),
    /// A service that should be up was not there, or answered what is not in its contract.
    #[error(transparent)]
    Service(#[from] verify::VerifyError),
    /// The broker's management API failed while the broker was up.
    #[error("management API: {0}")]
    Management(reqwest::Error),
    /// The HTTP client cannot be made.
    #[error("HTTP client: {0}")]
    Client(reqwest::Error),
    /// The payment sandbox does not start.
    #[error("payment sandbox: {0}")]
    Sandbox(#[from] payment_sandbox::StartError),
    /// The listener's queue cannot be declared.
    #[error("listener: {0}")]
    Listener(#[from] lapin::Error),
    /// A part of the harness panicked.
    #[error("a task of the harness ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}
