-- The ages of backups and WAL as node_exporter reads them. For psql, as the user postgres: it asks pgbackrest, too.
\set info `pgbackrest --stanza=oms --output=json info`

WITH backups AS (
    SELECT backup->>'type' AS type, (backup->'timestamp'->>'stop')::bigint AS stop,
           (backup->'info'->'repository'->>'delta')::bigint AS bytes
    FROM jsonb_array_elements(:'info') AS stanza, jsonb_array_elements(stanza->'backup') AS backup
    -- One that is known to have bad pages is none to count on.
    WHERE NOT COALESCE((backup->>'error')::boolean, FALSE)
), waiting AS (
    SELECT min(modification) AS since FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'
), metrics (name, help, value) AS (
    SELECT 'pgbackrest_backup_last_full_timestamp_seconds', 'When the newest full backup ended',
           max(stop) FILTER (WHERE type = 'full') FROM backups
    UNION ALL
    SELECT 'pgbackrest_backup_last_timestamp_seconds', 'When the newest backup of any kind ended', max(stop) FROM backups
    UNION ALL
    SELECT 'pgbackrest_backup_bytes', 'What all backups take in the repository, without WAL', sum(bytes) FROM backups
    UNION ALL
    SELECT 'pgbackrest_wal_archived_timestamp_seconds', 'When the newest segment of WAL was archived',
           EXTRACT(EPOCH FROM last_archived_time) FROM pg_stat_archiver
    UNION ALL
    SELECT 'pgbackrest_wal_waiting_timestamp_seconds', 'Since when the oldest segment of WAL waits to be archived; now where none does',
           EXTRACT(EPOCH FROM COALESCE(since, clock_timestamp())) FROM waiting
)
-- What there is none of is left out.
SELECT format(E'# HELP %1$s %2$s\n# TYPE %1$s gauge\n%1$s %3$s', name, help, value) FROM metrics WHERE value IS NOT NULL;
