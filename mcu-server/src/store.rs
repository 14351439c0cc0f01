//! What must last: rooms, in SQLite. Used by the control thread only; no media ever waits for it.

use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a query may wait for another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// A room as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredRoom {
    /// Part of its links.
    pub alias: String,
    /// For people.
    pub name: String,
    /// Opens it as host.
    pub host_pin: String,
    /// Opens it as guest.
    pub guest_pin: String,
    /// How many may be in it.
    pub participants_max: usize,
    /// Unix seconds.
    pub created_at_s: i64,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The alias is in use.
    #[error("a room with this alias exists")]
    AliasTaken,
    /// There is no such room.
    #[error("no such room")]
    NoRoom,
    /// The file cannot be made, or made private.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error("{}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// Its tables cannot be brought up to date.
    #[error("bringing the tables up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Anything else the database says.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The rooms on disk.
#[derive(Clone)]
pub struct Store {
    pool: SqlitePool,
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl Store {
    /// Opens or makes `mcu.sqlite` in `data_dir`: it holds PINs, so it is its owner's alone. SQLite gives the files beside it
    /// the same mode.
    ///
    /// # Errors
    /// [`StoreError::File`], [`StoreError::Open`] or [`StoreError::Migrate`].
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join("mcu.sqlite");
        crate::private::make_file(&path).map_err(|source| StoreError::File { path: path.clone(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(BUSY_TIMEOUT);
        // One connection: SQLite has one writer anyway, and every use is a few rows.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(|source| StoreError::Open { path, source })?;
        MIGRATIONS.run(&pool).await?;
        Ok(Self { pool })
    }

    /// Every room, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn rooms(&self) -> Result<Vec<StoredRoom>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM rooms ORDER BY created_at_s, alias").fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Keeps a new room.
    ///
    /// # Errors
    /// [`StoreError::AliasTaken`], [`StoreError::Database`].
    pub async fn add(&self, room: &StoredRoom) -> Result<(), StoreError> {
        let insert = "INSERT INTO rooms (alias, name, host_pin, guest_pin, participants_max, created_at_s) \
                      VALUES (?, ?, ?, ?, ?, ?)";
        let done = sqlx::query(insert)
            .bind(&room.alias)
            .bind(&room.name)
            .bind(&room.host_pin)
            .bind(&room.guest_pin)
            .bind(i64::try_from(room.participants_max).unwrap_or(i64::MAX))
            .bind(room.created_at_s)
            .execute(&self.pool)
            .await;
        match done {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::AliasTaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces what is kept of the room with this alias.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Database`].
    pub async fn update(&self, room: &StoredRoom) -> Result<(), StoreError> {
        let update =
            "UPDATE rooms SET name = ?, host_pin = ?, guest_pin = ?, participants_max = ? WHERE alias = ?";
        let done = sqlx::query(update)
            .bind(&room.name)
            .bind(&room.host_pin)
            .bind(&room.guest_pin)
            .bind(i64::try_from(room.participants_max).unwrap_or(i64::MAX))
            .bind(&room.alias)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NoRoom) } else { Ok(()) }
    }

    /// Forgets a room.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`], [`StoreError::Database`].
    pub async fn remove(&self, alias: &str) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM rooms WHERE alias = ?").bind(alias).execute(&self.pool).await?;
        if done.rows_affected() == 0 { Err(StoreError::NoRoom) } else { Ok(()) }
    }
}

fn read(row: &SqliteRow) -> Result<StoredRoom, StoreError> {
    Ok(StoredRoom {
        alias: row.try_get("alias")?,
        name: row.try_get("name")?,
        host_pin: row.try_get("host_pin")?,
        guest_pin: row.try_get("guest_pin")?,
        participants_max: usize::try_from(row.try_get::<i64, _>("participants_max")?).unwrap_or(0),
        created_at_s: row.try_get("created_at_s")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn room(alias: &str) -> StoredRoom {
        StoredRoom {
            alias: alias.to_owned(),
            name: "Stand-up".to_owned(),
            host_pin: "111111".to_owned(),
            guest_pin: "222222".to_owned(),
            participants_max: 9,
            created_at_s: 1_700_000_000,
        }
    }

    #[tokio::test]
    async fn rooms_last_across_a_restart_and_aliases_are_unique() {
        let dir = std::env::temp_dir().join(format!("mcu-store-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        let store = Store::open(&dir).await.expect("opens");
        store.add(&room("daily")).await.expect("first");
        assert!(matches!(store.add(&room("daily")).await, Err(StoreError::AliasTaken)));
        for file in ["mcu.sqlite", "mcu.sqlite-wal"] {
            let mode = std::fs::metadata(dir.join(file)).expect(file).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        store.pool.close().await;

        let store = Store::open(&dir).await.expect("opens again");
        assert!(store.rooms().await.expect("rooms") == vec![room("daily")]);
        let renamed = StoredRoom { name: "Daily".to_owned(), ..room("daily") };
        store.update(&renamed).await.expect("update");
        assert!(store.rooms().await.expect("rooms") == vec![renamed]);
        store.remove("daily").await.expect("remove");
        assert!(matches!(store.remove("daily").await, Err(StoreError::NoRoom)));
        std::fs::remove_dir_all(&dir).expect("clean up");
    }
}
