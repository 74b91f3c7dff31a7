//! The columns of a table, listed once for reading and once for writing, and bound by name: two texts cannot change places.

/// Declares a row as it is read: a struct that takes each column by the name of its field, and the list for `SELECT`.
///
/// The columns are named in the statement, never `*`: a newer build may add one while this build has prepared it.
#[macro_export]
macro_rules! read_columns {
    ($(#[$meta:meta])* $vis:vis struct $row:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(sqlx::FromRow)]
        $vis struct $row { $(pub $field: $type),+ }

        impl $row {
            /// The columns of the table that the statement calls `table`: `o.id, o.reference, …`.
            pub fn select(table: &str) -> String {
                [$(concat!(".", stringify!($field))),+].map(|column| format!("{table}{column}")).join(", ")
            }

            /// How many columns that are.
            #[allow(dead_code, reason = "not every row is read by place")]
            pub const COUNT: usize = [$(stringify!($field)),+].len();

            /// The row whose columns stand in `row` from place `first` on, in the order of [`Self::select`]. To look for each by
            /// its name takes several times as long.
            #[allow(dead_code, reason = "not every row is read by place")]
            pub fn read(row: &sqlx::postgres::PgRow, first: usize) -> Result<Self, sqlx::Error> {
                let mut places = first..;
                Ok(Self { $($field: $crate::columns::next(row, &mut places)?),+ })
            }
        }
    };
}

/// Declares a row as it is written, with PostgreSQL's type of each column: a struct, of which many are bound as one array
/// for each column.
#[macro_export]
macro_rules! written_columns {
    (
        $(#[$meta:meta])* $vis:vis struct $row:ident<$life:lifetime> {
            $($(#[$doc:meta])* $field:ident: $type:ty = $sql:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $row<$life> { $($(#[$doc])* pub $field: $type),+ }

        impl<$life> $row<$life> {
            /// How many parameters [`Self::bind`] binds.
            pub const COUNT: usize = [$($sql),+].len();

            /// The columns: `reference, customer_name, …`.
            pub fn columns() -> String {
                [$(stringify!($field)),+].join(", ")
            }

            /// Their parameters, for `unnest`: `$1::uuid[], $2::text[], …`, from parameter `first` on.
            pub fn arrays(first: usize) -> String {
                let types = [$($sql),+];
                let arrays: Vec<String> = types.iter().zip(first..).map(|(sql, n)| format!("${n}::{sql}[]")).collect();
                arrays.join(", ")
            }

            /// Binds the rows, one array for each column.
            pub fn bind<'q>(rows: &[Self], query: $crate::columns::Query<'q>) -> $crate::columns::Query<'q> {
                query$(.bind(rows.iter().map(|row| row.$field.clone()).collect::<Vec<_>>()))+
            }
        }
    };
}

/// A statement that parameters are bound to.
pub type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// The value at the next of the places.
pub fn next<'r, T>(row: &'r sqlx::postgres::PgRow, places: &mut std::ops::RangeFrom<usize>) -> Result<T, sqlx::Error>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::Row::try_get(row, places.next().unwrap_or(usize::MAX))
}
