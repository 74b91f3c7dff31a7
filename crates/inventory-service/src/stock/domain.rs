//! Pure decisions about stock: what moves it, how much of it there can be, and when it is low.

pub mod counting;
pub mod levels;
pub mod movements;
