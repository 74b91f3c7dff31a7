//! Every end-to-end test, one module for each subject, in one binary so that it is linked once.

// Tests only: a test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod announcements;
mod async_crashes;
mod async_placing;
mod asyncapi;
mod batches;
mod browser;
mod crashes;
mod dead_letters;
mod dispatching;
mod failure_points;
mod flow;
mod guard;
mod idempotency;
mod invariants;
mod mails_in_order;
mod messages;
mod notification_log;
mod notifications;
mod openapi;
mod order_lists;
mod order_status;
mod outages;
mod placing;
mod plans;
mod postman;
mod product_lists;
mod product_reads;
mod products;
mod races;
mod reservation_batches;
mod reservations;
mod retries;
mod sending_mail;
mod sending_sms;
mod settling;
mod starting;
mod stock;
mod tidy;
mod transactions;
mod twice;
mod undeliverable;
mod verify;
mod web;
