//! The database file: its tables, its versions, and whether it is whole.

use std::fs;
use std::io;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{RegistryError, rows};
use crate::state;

/// Tells the file from other programs' databases: "tvpn".
const APPLICATION: i64 = 0x7476_706e;

/// The version of the tables that this program writes.
pub(crate) const VERSION: i64 = 1;

/// Tables without which nobody is let in.
const VITAL: [&str; 3] = ["identity", "invitation", "audit"];

const TABLES: &str = "
CREATE TABLE identity (
    public_key BLOB PRIMARY KEY CHECK (length(public_key) = 32),
    name TEXT NOT NULL,
    spare INTEGER NOT NULL CHECK (spare IN (0, 1)),
    addresses TEXT NOT NULL,        -- separated by blanks
    preshared_key BLOB CHECK (length(preshared_key) = 32),
    not_after INTEGER,              -- Unix seconds, as every time here
    serial INTEGER NOT NULL,
    added INTEGER NOT NULL,
    ended INTEGER NOT NULL CHECK (ended IN (0, 1)),  -- our clock once showed more than not_after
    seal BLOB NOT NULL CHECK (length(seal) = 16)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_name ON identity (name);
CREATE TABLE invitation (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    spare INTEGER NOT NULL CHECK (spare IN (0, 1)),
    replaces BLOB CHECK (length(replaces) = 32),
    addresses TEXT NOT NULL,
    preshared_key BLOB CHECK (length(preshared_key) = 32 OR ended IS NOT NULL),
    not_after INTEGER,
    valid_until INTEGER NOT NULL,
    ended TEXT CHECK (ended IN ('used', 'withdrawn')),
    seal BLOB NOT NULL CHECK (length(seal) = 16)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    name TEXT NOT NULL,
    public_key BLOB
) STRICT;
";

/// Tables that may be lost. They are made where they are missing and again where they
/// are damaged, so that they need no version.
const EXPENDABLE: [&str; 2] = ["last_seen", "seen_initiations"];

const LAST_SEEN: &str = "
CREATE TABLE IF NOT EXISTS last_seen (
    public_key BLOB PRIMARY KEY,
    endpoint TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen_initiations (
    public_key BLOB PRIMARY KEY,
    initiations BLOB NOT NULL
) STRICT;
";

/// Makes the file, for its owner only.
pub(super) fn create(path: &Path) -> Result<Connection, RegistryError> {
    state::write_new(path, 0o600, "").map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => RegistryError::Exists(path.to_owned()),
        _ => unusable(path, cause),
    })?;
    let created = connect(path).and_then(|connection| {
        connection.execute_batch(&format!(
            "BEGIN; {TABLES} {LAST_SEEN}
             PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
        Ok(connection)
    });
    if created.is_err() {
        let _ = fs::remove_file(path);
    }
    created
}

/// Opens the file and checks it.
pub(super) fn open(path: &Path) -> Result<Connection, RegistryError> {
    match path.metadata() {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(RegistryError::Missing(path.to_owned()));
        }
        Err(cause) => return Err(unusable(path, cause)),
    }
    let not_a_database = |error: RegistryError| match error {
        RegistryError::Sql(e) if e.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            RegistryError::Foreign(path.to_owned())
        }
        other => other,
    };
    let connection = connect(path).map_err(not_a_database)?;
    if pragma(&connection, "application_id").map_err(not_a_database)? != APPLICATION {
        return Err(RegistryError::Foreign(path.to_owned()));
    }
    let version = pragma(&connection, "user_version")?;
    if version > VERSION {
        return Err(RegistryError::TooNew {
            path: path.to_owned(),
            version,
        });
    }
    if columns(&connection)? != columns_as_they_should_be()? {
        return Err(RegistryError::OtherVersion(path.to_owned()));
    }
    for table in VITAL {
        if let Some(fault) = fault_in(&connection, table)? {
            return Err(RegistryError::Damaged(fault));
        }
    }
    mend_last_seen(&connection)?;
    Ok(connection)
}

/// The columns of the vital tables, as in `identity.name`.
fn columns(connection: &Connection) -> Result<Vec<String>, RegistryError> {
    let mut all = Vec::new();
    for table in VITAL {
        let sql = "SELECT ?1 || '.' || name FROM pragma_table_info(?1)";
        let mut columns = connection.prepare(sql)?;
        let columns = columns.query_map([table], |row| row.get(0))?;
        all.append(&mut columns.collect::<Result<_, _>>()?);
    }
    Ok(all)
}

fn columns_as_they_should_be() -> Result<Vec<String>, RegistryError> {
    let model = Connection::open_in_memory()?;
    model.execute_batch(TABLES)?;
    columns(&model)
}

fn unusable(path: &Path, cause: io::Error) -> RegistryError {
    RegistryError::Unusable {
        path: path.to_owned(),
        cause,
    }
}

fn connect(path: &Path) -> Result<Connection, RegistryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(
        // The lock says already that nobody else is here. Without the shared index that others
        // would need, a full disk cannot end the process that has it mapped.
        // What is answered is on the disk; what is deleted leaves no key behind. Up to
        // 256 KiB of pages stay in memory: after the start few are read again. What is sorted
        // stays there too, since no other file may be opened then.
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
         PRAGMA cache_size = -256; PRAGMA temp_store = MEMORY;",
    )?;
    Ok(connection)
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, RegistryError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

/// The first thing that is wrong with a table.
fn fault_in(connection: &Connection, table: &str) -> Result<Option<String>, RegistryError> {
    let mut check = connection.prepare(&format!("PRAGMA integrity_check('{table}')"))?;
    let found: String = check.query_row([], |row| row.get(0))?;
    if found == "ok" {
        return Ok(None);
    }
    let mut lines = found.lines().filter(|line| !line.starts_with("***"));
    Ok(Some(lines.next().unwrap_or(table).to_owned()))
}

/// Empties those of the expendable tables that cannot be read.
fn mend_last_seen(connection: &Connection) -> Result<(), RegistryError> {
    connection.execute_batch(LAST_SEEN)?;
    for table in EXPENDABLE {
        let read = match table {
            "last_seen" => rows::last_seen(connection).map(drop),
            _ => rows::seen_initiations(connection).map(drop),
        };
        if let (Ok(None), Ok(())) = (fault_in(connection, table), read) {
            continue;
        }
        tracing::warn!(
            table,
            "what was last seen is damaged in part and was dropped"
        );
        // Dropping walks the pages of the table, and may fail. Forgetting it does not; the pages
        // are lost. An index that says it belongs to another table would be left over either
        // way, and nothing could be opened any more.
        let _ = connection.execute_batch(&format!("DROP TABLE {table}"));
        connection.execute_batch(&format!(
            "PRAGMA writable_schema = ON;
             DELETE FROM sqlite_schema WHERE '{table}' IN (name, tbl_name)
                 OR name GLOB 'sqlite_autoindex_{table}_*';
             PRAGMA writable_schema = RESET;"
        ))?;
    }
    Ok(connection.execute_batch(LAST_SEEN)?)
}
