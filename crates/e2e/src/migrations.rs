//! The migrations of a service, run by file: a test stops between two of them and writes what a build of that time would.

use sqlx::{AssertSqlSafe, PgConnection};
use std::ops::RangeInclusive;
use std::path::Path;

/// Runs those migrations of a service whose numbers are in a range.
pub async fn migrate(conn: &mut PgConnection, service: &str, numbers: RangeInclusive<u32>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(service);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let number: u32 = file.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
        if numbers.contains(&number) {
            let sql = std::fs::read_to_string(&file).unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut *conn)
                .await
                .unwrap_or_else(|error| panic!("{number}: {error}"));
        }
    }
}
