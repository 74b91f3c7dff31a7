//! The migrations of a service one by one, for tests of what they do to rows that are there.

use sqlx::{AssertSqlSafe, PgConnection};
use std::ops::RangeInclusive;
use std::path::Path;

/// Runs those migrations of a service whose numbers are in a range.
pub async fn migrate(conn: &mut PgConnection, service: &str, numbers: RangeInclusive<u32>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(service);
    let files = std::fs::read_dir(folder).expect("the migrations").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    for file in files {
        let number = file.file_name().and_then(|name| name.to_str()?.get(..4)?.parse().ok());
        let number: u32 = number.expect("a number before the name");
        if numbers.contains(&number) {
            let sql = std::fs::read_to_string(&file).expect("a migration");
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await;
            done.unwrap_or_else(|error| panic!("{number}: {error}"));
        }
    }
}
