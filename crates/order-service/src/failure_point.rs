//! Where a placement can be made to stand still, so that a test ends the process exactly there. Compiled only with the
//! feature `failure-points`; without it there is nothing here.

/// Stands still for good when the variable `FAILURE_POINT` names this point.
#[cfg(feature = "failure-points")]
pub async fn reached(point: &'static str) {
    if std::env::var("FAILURE_POINT").is_ok_and(|wanted| wanted == point) {
        tracing::warn!(point, "standing still at a failure point");
        std::future::pending::<()>().await;
    }
}

/// Goes on: this build has no failure points.
#[cfg(not(feature = "failure-points"))]
pub async fn reached(_point: &'static str) {}
