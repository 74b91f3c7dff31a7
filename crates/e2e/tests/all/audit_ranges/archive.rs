//! Old ranges leave the table, the chain goes on from where they ended, and their own can still be checked.

use super::{KEPT, account_service, archive, broken, listed, old_shop, refused, restart, two_are_archived, write};
use e2e::database::TestDatabase;
use e2e::environment::workspace;
use e2e::poll;
use sqlx::AssertSqlSafe;

/// Whether the chain of an archived range is whole, as the statement of docs/months.md says.
async fn archived_is_whole(database: &TestDatabase, range: &str) -> bool {
    let document = std::fs::read_to_string(workspace().join("docs/months.md")).unwrap();
    let mut statements = document.split("```sql\n").skip(1).filter_map(|rest| rest.split("```").next());
    let check = statements.find(|it| it.contains("is_whole")).unwrap().replace("audit_from_262144", range);
    sqlx::query_scalar(AssertSqlSafe(check)).fetch_one(database.pool()).await.unwrap()
}

/// Does what triggers refuse.
async fn by_hand(database: &TestDatabase, change: &str) {
    let mut by_hand = database.lock("SET LOCAL session_replication_role = replica").await;
    let done = sqlx::query(AssertSqlSafe(change)).execute(&mut *by_hand).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{change}");
    by_hand.commit().await.unwrap();
}

#[tokio::test]
async fn old_ranges_are_archived_and_the_chain_goes_on() {
    let mut shop = old_shop().await;
    restart(&mut shop).await;
    two_are_archived(&shop).await;
    assert_eq!(broken(&shop).await, [""; 0]);
    assert_eq!(listed(&shop).await, [7, 6, 5]);
    write(&shop.database, 1).await;
    assert_eq!(listed(&shop).await, [8, 7, 6, 5]);
    assert_eq!(broken(&shop).await, [""; 0]);

    for range in ["audit_before_months", "audit_from_3"] {
        assert!(archived_is_whole(&shop.database, range).await, "{range}");
    }
    // The last entry of a range is tied to the first of the next one, on both sides of the border.
    for (change, back) in [("action || 'x'", "left(action, -1)"), ("'x' || action", "substr(action, 2)")] {
        let set = |to: &str| format!("UPDATE accounts_archive.audit_from_3 SET action = {to} WHERE id = 4");
        by_hand(&shop.database, &set(change)).await;
        assert!(!archived_is_whole(&shop.database, "audit_from_3").await, "{change}");
        by_hand(&shop.database, &set(back)).await;
        assert!(archived_is_whole(&shop.database, "audit_from_3").await, "{back}");
    }
    let other = "UPDATE accounts.audit_ranges SET last_hash = sha256('x') WHERE partition = 'audit_before_months'";
    by_hand(&shop.database, other).await;
    for range in ["audit_before_months", "audit_from_3"] {
        assert!(!archived_is_whole(&shop.database, range).await, "{range}");
    }
    by_hand(&shop.database, "DELETE FROM accounts.audit WHERE id = 5").await;
    assert_eq!(broken(&shop).await[0], "audit-is-whole");
}

#[tokio::test]
async fn an_archived_range_can_be_taken_back() {
    let mut shop = old_shop().await;
    restart(&mut shop).await;
    two_are_archived(&shop).await;
    let service = account_service(&mut shop);
    service.set(KEPT.0, "0");
    restart(&mut shop).await;
    let older = refused(&shop.database, "SELECT accounts.take_back_audit('audit_before_months')").await;
    assert!(older.contains("is not the range of the audit that was archived last"), "{older}");
    // A release has come meanwhile.
    shop.database.execute("ALTER TABLE accounts.audit ADD COLUMN later TEXT NOT NULL DEFAULT 'x'").await;
    for range in ["audit_before_months", "audit_from_3"] {
        assert!(archived_is_whole(&shop.database, range).await, "{range}");
    }
    shop.database.texts("SELECT accounts.take_back_audit('audit_from_3')::text").await;
    assert_eq!(listed(&shop).await, [7, 6, 5, 4, 3]);
    write(&shop.database, 1).await;
    assert_eq!(broken(&shop).await, [""; 0]);
}

#[tokio::test]
async fn a_range_whose_last_entry_is_missing_is_not_archived() {
    let mut shop = old_shop().await;
    by_hand(&shop.database, "DELETE FROM accounts.audit WHERE id = 4").await;
    restart(&mut shop).await;
    let stays = ["a partition is not archived: this row of it is not done with", "of=\"audit\" row=\"4\""];
    let service = account_service(&mut shop);
    poll::eventually("the range to stay", async || poll::equal(service.log_lines(&stays), 1)).await;
    assert_eq!(archive(&shop.database).await, ["audit_before_months"]);
    assert_eq!(broken(&shop).await, ["audit-is-whole"]);
}

#[tokio::test]
async fn nothing_is_archived_while_the_audit_is_in_use_for_long() {
    let mut shop = old_shop().await;
    let reader = shop.database.lock("LOCK TABLE accounts.audit IN ACCESS SHARE MODE").await;
    restart(&mut shop).await;
    let gave_up = ["failed, will be tried again", "keep the ranges of the audit", "due to lock timeout"];
    let service = account_service(&mut shop);
    poll::eventually("the job to give up", async || poll::equal(service.log_lines(&gave_up), 1)).await;
    shop.register("ada@example.com").await;
    assert_eq!(archive(&shop.database).await, [""; 0]);
    reader.rollback().await.unwrap();
    restart(&mut shop).await;
    two_are_archived(&shop).await;
}

#[tokio::test]
async fn a_check_that_waits_for_the_archive_finds_nothing_broken() {
    let mut shop = old_shop().await;
    account_service(&mut shop).set(KEPT.0, "0");
    restart(&mut shop).await;
    let archiving = shop.database.lock("SELECT accounts.archive_audit('audit_before_months')").await;
    let archived = async {
        shop.database.somebody_waits().await;
        archiving.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(broken(&shop), archived).0, [""; 0]);
}
