//! Putting a generated file in its place, or saying that what is there differs from it.

use std::path::Path;

use crate::workspace::Workspace;
use testbed::error::{Result, TestbedError};
use testbed::folders::make_folder;
use testbed::step::Steps;

/// Whether generated files are written or only compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Write,
    /// Only say what differs.
    Check,
}

/// How what was there compares with what was generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is the same.
    UpToDate,
    /// It differed; in [`Mode::Write`] it no longer does.
    Changed,
}

impl Comparison {
    /// One outcome for several files.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::UpToDate { other } else { Self::Changed }
    }
}

/// Compares the generated content with the file at `path`, which is relative to the checkout. `None` means that there
/// should be no such file.
pub fn settle(
    workspace: &Workspace,
    path: &Path,
    generated: Option<&[u8]>,
    mode: Mode,
    steps: &Steps,
) -> Result<Comparison> {
    let file = workspace.root.join(path);
    let present = std::fs::read(&file).ok();
    if present.as_deref() == generated {
        return Ok(Comparison::UpToDate);
    }
    let difference = match (&present, generated) {
        (None, _) => "is missing",
        (Some(_), None) => "is no longer needed",
        (Some(_), Some(_)) => "differs",
    };
    if mode == Mode::Check {
        steps.say(&format!("{} {difference}", path.display()));
        return Ok(Comparison::Changed);
    }
    let done = match generated {
        Some(content) => {
            file.parent().map_or(Ok(()), make_folder)?;
            std::fs::write(&file, content)
        }
        None => std::fs::remove_file(&file),
    };
    done.map_err(|cause| TestbedError::io("cannot renew", &file, &cause))?;
    steps.say(&format!("{} {difference}: renewed", path.display()));
    Ok(Comparison::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_differs_and_only_then_says_changed() {
        let root = std::env::temp_dir().join(format!("xtask-compared-{}", std::process::id()));
        let workspace = Workspace { root: root.clone(), target: root.join("target") };
        let steps = Steps::begin("comparing");
        let path = Path::new("docs/file.json");
        let settle = |content, mode| settle(&workspace, path, content, mode, &steps).unwrap();
        assert_eq!(settle(Some(b"{}".as_slice()), Mode::Check), Comparison::Changed);
        assert_eq!(settle(Some(b"{}"), Mode::Write), Comparison::Changed);
        assert_eq!(settle(Some(b"{}"), Mode::Check), Comparison::UpToDate);
        assert_eq!(settle(None, Mode::Check), Comparison::Changed);
        assert_eq!(settle(None, Mode::Write), Comparison::Changed);
        assert_eq!(settle(None, Mode::Write), Comparison::UpToDate);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
