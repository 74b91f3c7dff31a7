//! Every end-to-end test, one module for each subject, in one binary so that it is linked once.

// Tests only: a test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]
