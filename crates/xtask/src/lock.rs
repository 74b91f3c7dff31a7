//! One command at a time may start and stop the parts of the development system.

use std::fs::{File, TryLockError};
use std::time::Duration;

use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::folders::make_folder;
use testbed::poll;
use testbed::step::Steps;

/// The right to start and stop parts, until it is dropped. The system takes it back when the program dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the right, waiting for another command that has it.
    pub fn take(workspace: &Workspace, steps: &Steps) -> Result<Self> {
        let folder = workspace.dev_folder().join("state");
        make_folder(&folder)?;
        let path = folder.join("lock");
        let file = File::create(&path).map_err(|cause| TestbedError::io("cannot open", &path, &cause))?;
        let mut waited = false;
        poll::until(Duration::from_secs(1800), "another cargo xtask to finish", || match file.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => {
                if !waited {
                    steps.say("another cargo xtask is starting or stopping things here; waiting for it");
                    waited = true;
                }
                Ok(None)
            }
            Err(TryLockError::Error(cause)) => Err(TestbedError::io("cannot lock", &path, &cause)),
        })?;
        Ok(Self { _file: file })
    }
}
