//! Brings a file to the tables that this program knows: forward only, one transaction per file.
use crate::clock;
use crate::errors::store_error;
use baton_store::StoreError;
use rusqlite::{Connection, Result, TransactionBehavior, params};
use sha2::{Digest, Sha256};

pub(crate) struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

/// Every migration, in order. Never edited after release.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "0001_executions",
        sql: include_str!("../migrations/0001_executions.sql"),
    },
    Migration {
        number: 2,
        name: "0002_limits",
        sql: include_str!("../migrations/0002_limits.sql"),
    },
];

/// Applies what is missing and names it.
///
/// # Errors
/// [`StoreError::Corrupt`] when the file has had other migrations than this program knows;
/// [`StoreError::Unavailable`]. Migrations before the failing one stay applied.
pub(crate) fn run(
    connection: &mut Connection,
    migrations: &[Migration],
) -> Result<Vec<String>, StoreError> {
    let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let begin = begin.map_err(store_error)?;
    begin.execute_batch(include_str!("sql/migrations_table.sql")).map_err(store_error)?;
    begin.commit().map_err(store_error)?;
    let applied = known_ones(connection, migrations)?;
    let missing = &migrations[applied.len()..];
    missing.iter().try_for_each(|new| apply(connection, new)).map_err(store_error)?;
    Ok(missing.iter().map(|new| new.name.to_owned()).collect())
}

/// The number of the newest migration in the file; 0 without any.
///
/// # Errors
/// As [`run`]; nothing is changed.
pub(crate) fn check(connection: &Connection, migrations: &[Migration]) -> Result<i64, StoreError> {
    let applied = known_ones(connection, migrations)?;
    Ok(applied.last().map_or(0, |(number, ..)| *number))
}

/// The migrations that the file has had, all of which this program knows.
fn known_ones(
    connection: &Connection,
    migrations: &[Migration],
) -> Result<Vec<Applied>, StoreError> {
    let applied = applied(connection).map_err(store_error)?;
    if applied.len() > migrations.len() {
        let newest = &applied[applied.len() - 1].1;
        return Err(StoreError::Corrupt(format!("a newer version made migration {newest}")));
    }
    for (known, (number, name, checksum)) in migrations.iter().zip(&applied) {
        if (known.number, &checksum_of(known)[..]) != (*number, &checksum[..]) {
            return Err(StoreError::Corrupt(format!("migration {name} is not the one known")));
        }
    }
    Ok(applied)
}

/// Number, name and checksum.
type Applied = (i64, String, Vec<u8>);

fn applied(connection: &Connection) -> Result<Vec<Applied>> {
    let mut statement = connection.prepare(include_str!("sql/migrations_applied.sql"))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

fn apply(connection: &mut Connection, new: &Migration) -> Result<()> {
    let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    begin.execute_batch(new.sql)?;
    begin.execute(
        include_str!("sql/migrations_record.sql"),
        params![new.number, new.name, checksum_of(new), clock::now().millis()],
    )?;
    begin.commit()
}

fn checksum_of(migration: &Migration) -> Vec<u8> {
    Sha256::digest(migration.sql).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Migration = Migration { number: 1, name: "first", sql: "create table a (b int);" };
    const SECOND: Migration = Migration { number: 2, name: "second", sql: "drop table a;" };
    const EDITED: Migration =
        Migration { number: 1, name: "first", sql: "create table c (b int);" };
    const BROKEN: Migration =
        Migration { number: 2, name: "second", sql: "drop table a; drop table nobody;" };

    #[test]
    fn migrations_are_applied_once_and_in_order() {
        let mut file = Connection::open_in_memory().unwrap();
        assert_eq!(run(&mut file, &[FIRST]).unwrap(), ["first"]);
        assert_eq!(run(&mut file, &[FIRST, SECOND]).unwrap(), ["second"]);
        assert!(run(&mut file, &[FIRST, SECOND]).unwrap().is_empty());
    }

    #[test]
    fn edited_and_unknown_migrations_are_refused() {
        let mut file = Connection::open_in_memory().unwrap();
        run(&mut file, &[FIRST]).unwrap();
        assert!(matches!(run(&mut file, &[EDITED]), Err(StoreError::Corrupt(_))));
        assert!(matches!(run(&mut file, &[]), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn a_failing_migration_changes_nothing() {
        let mut file = Connection::open_in_memory().unwrap();
        assert!(run(&mut file, &[FIRST, BROKEN]).is_err());
        assert_eq!(run(&mut file, &[FIRST, SECOND]).unwrap(), ["second"]);
    }
}
