//! Having one browser trust an authority: the database of certificates that Chromium reads below its `HOME`.
//!
//! # How (Chromium 148, both builds, measured)
//!
//! On Linux Chromium adds to its own root store whatever the NSS database of its user trusts, `~/.pki/nssdb/cert9.db`; where that is
//! missing it makes and reads `$XDG_DATA_HOME/pki/nssdb`, which versions before 2024 do not know. Each session has a home of its own,
//! which no revision holds, so what is trusted there is trusted in that session alone. All other checks stay: a certificate for another
//! name is refused, and one that has expired is, unlike with `--ignore-certificate-errors-spki-list`.
//!
//! The database is SQLite's. One certificate is two rows, as `certutil -A -t C,,` writes them: itself, and what it is trusted for
//! (signing for servers). NSS finds the second by issuer and serial number and compares the SHA-1 hash, so that is needed; the MD5 hash
//! is not, nor are `key4.db` and the signatures in it, which Chromium makes itself.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use sha1::{Digest as _, Sha1};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::Authority;
use crate::error::{Error, Result};

/// Every attribute that NSS may ask for has a column, by its number in PKCS #11.
const TABLE: &str = "CREATE TABLE nssPublic (id PRIMARY KEY UNIQUE ON CONFLICT ABORT, a0, a1, a2, a3, a10, a11, a12, a80, a81, a82, a83, a84, a85, a86, a87, a88, a89, a8a, a8b, a90, a100, a101, a102, a103, a104, a105, a106, a107, a108, a109, a10a, a10b, a10c, a110, a111, a120, a121, a122, a123, a124, a125, a126, a127, a128, a129, a130, a131, a132, a133, a134, a160, a161, a162, a163, a164, a165, a166, a170, a180, a181, a200, a201, a202, a210, a300, a301, a302, a400, a401, a402, a403, a404, a405, a406, a480, a481, a482, a500, a501, a502, a503, a40000211, a40000212, a80000001, ace534351, ace534352, ace534353, ace534354, ace534355, ace534356, ace534357, ace534358, ace534364, ace534365, ace534366, ace534367, ace534368, ace534369, ace534373, ace534374, ace536351, ace536352, ace536353, ace536354, ace536355, ace536356, ace536357, ace536358, ace536359, ace53635a, ace53635b, ace53635c, ace53635d, ace53635e, ace53635f, ace536360, ace5363b4, ace5363b5, ad5a0db00)";

const TRUE: &[u8] = &[1];
const FALSE: &[u8] = &[0];
/// `CKO_CERTIFICATE`, and `CKC_X_509`.
const CERTIFICATE: &[u8] = &[0, 0, 0, 1];
const X_509: &[u8] = &[0, 0, 0, 0];
/// `CKO_NSS_TRUST`.
const TRUST: &[u8] = &[0xce, 0x53, 0x43, 0x53];
/// `CKT_NSS_TRUSTED_DELEGATOR`: what it signs is trusted.
const TRUSTED: &[u8] = &[0xce, 0x53, 0x43, 0x52];
/// `CKT_NSS_MUST_VERIFY_TRUST`: nothing is said.
const UNSAID: &[u8] = &[0xce, 0x53, 0x43, 0x53];
/// How NSS writes that there is nothing, for a label.
const NOTHING: &[u8] = &[0xa5, 0, 0x5a];

/// Has the browser that will live in this home, which is still ours, trust authorities.
pub async fn trust(home: &Path, authorities: &[Authority]) -> Result<()> {
    let dir = home.join(".pki/nssdb");
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.map_err(|error| Error::internal("The session's certificates could not be written.", error))?;
    let written = write(&dir.join("cert9.db"), authorities).await;
    written.map_err(|error| Error::internal("The session's certificates could not be written.", error))
}

async fn write(path: &Path, authorities: &[Authority]) -> sqlx::Result<()> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    // One file, whatever the server's own database is like.
    let mut connection = options.journal_mode(SqliteJournalMode::Delete).connect().await?;
    let mut tx = connection.begin().await?;
    sqlx::query(TABLE).execute(&mut *tx).await?;
    for (index, column) in [("issuer", "a81"), ("subject", "a101"), ("label", "a3"), ("ckaid", "a102")] {
        let made = format!("CREATE INDEX {index} ON nssPublic ({column})");
        sqlx::query(sqlx::AssertSqlSafe(made)).execute(&mut *tx).await?;
    }
    for (id, authority) in (1..).step_by(2).zip(authorities) {
        add(&mut tx, id, authority).await?;
    }
    tx.commit().await?;
    connection.close().await
}

async fn add(connection: &mut SqliteConnection, id: i64, authority: &Authority) -> sqlx::Result<()> {
    let Authority { der, issuer, subject, serial } = authority;
    let hash = Sha1::digest(der).to_vec();
    sqlx::query(
        "INSERT INTO nssPublic (id, a0, a1, a2, a3, a11, a80, a81, a82, a101, a102, a170)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id)
    .bind(CERTIFICATE)
    .bind(TRUE)
    .bind(FALSE)
    .bind(format!("roadstead {id}").into_bytes())
    .bind(der)
    .bind(X_509)
    .bind(issuer)
    .bind(serial)
    .bind(subject)
    .bind(&hash)
    .bind(TRUE)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO nssPublic (id, a0, a1, a2, a3, a81, a82, a170, ace536358, ace536359, ace53635a, ace53635b,
             ace536360, ace5363b4)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id + 1)
    .bind(TRUST)
    .bind(TRUE)
    .bind(FALSE)
    .bind(NOTHING)
    .bind(issuer)
    .bind(serial)
    .bind(TRUE)
    .bind(TRUSTED)
    .bind(UNSAID)
    .bind(UNSAID)
    .bind(UNSAID)
    .bind(FALSE)
    .bind(hash)
    .execute(connection)
    .await?;
    Ok(())
}
