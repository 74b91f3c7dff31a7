//! The ledgers in a file: one line for each change, added in one write, so that a killed program has lost nothing it did.

use crate::keys::Key;
use crate::{StartError, State, razorpay, stripe};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Something as it is after a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    Intent(stripe::Intent),
    StripeRefund(stripe::Refund),
    Dispute(stripe::Dispute),
    Order(razorpay::Order),
    Payment(razorpay::Payment),
    RazorpayRefund(razorpay::Refund),
    Key(Key),
}

/// The file, open for what is to come.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    /// Reads what the file has into the state, and writes it anew with one line for each thing.
    pub(crate) fn open(path: &Path, state: &mut State) -> Result<Self, StartError> {
        let kept = match std::fs::read_to_string(path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        // A last line without its end was being written when the program died.
        let whole = kept.rfind('\n').map_or("", |end| &kept[..end]);
        for line in whole.lines() {
            serde_json::from_str::<Vec<Record>>(line)?.into_iter().for_each(|record| state.load(record));
        }
        let mut lines = Vec::new();
        for record in state.records() {
            lines.extend(line(&[record])?);
        }
        let new = path.with_extension("new");
        std::fs::write(&new, lines)?;
        std::fs::rename(&new, path)?;
        Ok(Self(File::options().append(true).open(path)?))
    }

    /// Adds changes that belong together.
    pub(crate) fn add(&mut self, records: &[Record]) -> std::io::Result<()> {
        self.0.write_all(&line(records)?)
    }
}

fn line(records: &[Record]) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(records)?;
    line.push(b'\n');
    Ok(line)
}
