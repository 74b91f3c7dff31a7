-- A month that was archived before a column came can be taken back, and partitions take what later migrations add to their
-- tables: docs/months.md.
--
-- `schema_floor` stays: builds before this one call the same functions, and nothing is taken away but from the archive.

-- The columns of a table that are written, as a list; what is generated is none of them.
CREATE FUNCTION orders.written_columns(of REGCLASS) RETURNS TEXT LANGUAGE sql STABLE AS $$
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = of AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
$$;

-- Gives a table that was a partition of `parent` what that has got since: columns, checks, types, and NOT NULL. Its rows have the
-- defaults of new columns. A default of a column that is there may differ: who writes to `parent` uses those of that. Indexes are
-- made when it is attached. The same function is in the schemas of all services.
CREATE FUNCTION orders.bring_up_to_date(archived REGCLASS, parent REGCLASS) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    gone    TEXT;
    changes TEXT;
    numbers TEXT;
    said    TEXT;
BEGIN
    -- Nobody but a person can say whether that is still wanted.
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO gone FROM pg_attribute a
    WHERE attrelid = archived AND attnum > 0 AND NOT attisdropped AND NOT EXISTS (
        SELECT FROM pg_attribute p WHERE p.attrelid = parent AND p.attname = a.attname AND p.attnum > 0 AND NOT p.attisdropped);
    IF gone IS NOT NULL THEN
        RAISE EXCEPTION '% has columns that % no longer has: %', archived, parent, gone
            USING HINT = format('Keep elsewhere what is still wanted of them. Then ALTER TABLE %s DROP COLUMN each.', archived);
    END IF;

    -- First what `parent` has no more, or has otherwise. A bound of the partition of its own stays: it saves a look at the rows.
    SELECT string_agg(change, ', ') INTO changes FROM (
        SELECT format('DROP CONSTRAINT %I', c.conname) FROM pg_constraint c
        LEFT JOIN pg_constraint p ON p.conrelid = parent AND p.contype = 'c' AND p.conname = c.conname
        WHERE c.conrelid = archived AND c.contype = 'c' AND CASE
            WHEN p.oid IS NOT NULL THEN replace(pg_get_constraintdef(c.oid), ' NOT VALID', '')
                                     <> replace(pg_get_constraintdef(p.oid), ' NOT VALID', '')
            ELSE EXISTS (
                SELECT FROM pg_attribute a WHERE a.attrelid = archived AND a.attnum = ANY (c.conkey) AND a.attname NOT IN (
                    SELECT k.attname FROM pg_partitioned_table t JOIN pg_attribute k ON k.attrelid = t.partrelid
                    WHERE t.partrelid = parent AND k.attnum = ANY (t.partattrs::int2[]))) END
        UNION ALL
        SELECT CASE
            WHEN p.attgenerated = '' AND a.attgenerated <> '' THEN format('ALTER %I DROP EXPRESSION', a.attname)
            WHEN a.attgenerated <> '' AND pg_get_expr(pd.adbin, parent) <> pg_get_expr(ad.adbin, archived)
                THEN format('DROP COLUMN %I', a.attname)
            WHEN a.attnotnull AND NOT p.attnotnull THEN format('ALTER %I DROP NOT NULL', a.attname) END
        FROM pg_attribute a
        JOIN pg_attribute p ON p.attrelid = parent AND p.attname = a.attname AND NOT p.attisdropped
        LEFT JOIN pg_attrdef ad ON ad.adrelid = archived AND ad.adnum = a.attnum
        LEFT JOIN pg_attrdef pd ON pd.adrelid = parent AND pd.adnum = p.attnum
        WHERE a.attrelid = archived AND a.attnum > 0 AND NOT a.attisdropped) AS c (change);
    IF changes IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', archived, changes);
    END IF;

    -- Then what it lacks, in one statement: the rows are read or written once.
    WITH columns AS (
        SELECT p.attnum, p.attname AS name, p.attnotnull AS is_filled, p.attidentity, p.attgenerated, a.attnum IS NULL AS is_new,
               format_type(p.atttypid, p.atttypmod) || CASE WHEN p.attcollation <> t.typcollation
                   THEN format(' COLLATE %s', p.attcollation::regcollation) ELSE '' END AS type,
               (a.atttypid, a.atttypmod, a.attcollation) <> (p.atttypid, p.atttypmod, p.attcollation) AS is_other,
               CASE WHEN p.attidentity <> ''
                   THEN format('nextval(%L)', pg_get_serial_sequence(parent::text, p.attname))
                   ELSE pg_get_expr(d.adbin, parent) END AS value
        FROM pg_attribute p
        JOIN pg_type t ON t.oid = p.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = parent AND d.adnum = p.attnum
        LEFT JOIN pg_attribute a ON a.attrelid = archived AND a.attname = p.attname AND NOT a.attisdropped
        WHERE p.attrelid = parent AND p.attnum > 0 AND NOT p.attisdropped
    ), to_do (place, change) AS (
        SELECT attnum, format('ADD COLUMN %I %s', name, type) || CASE
                   WHEN attgenerated = 's' THEN format(' GENERATED ALWAYS AS (%s) STORED', value)
                   WHEN attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) VIRTUAL', value)
                   WHEN value IS NOT NULL THEN format(' DEFAULT %s', value) ELSE '' END
               || CASE WHEN is_filled THEN ' NOT NULL' ELSE '' END
        FROM columns WHERE is_new
        UNION ALL
        SELECT attnum, format('ALTER %I TYPE %s', name, type) FROM columns WHERE is_other
        UNION ALL
        SELECT attnum, format('ALTER %I SET NOT NULL', name) FROM columns WHERE is_filled AND NOT is_new
        UNION ALL
        SELECT 10000, CASE WHEN c.oid IS NULL THEN format('ADD CONSTRAINT %I %s', p.conname, pg_get_constraintdef(p.oid))
                           ELSE format('VALIDATE CONSTRAINT %I', p.conname) END
        FROM pg_constraint p
        LEFT JOIN pg_constraint c ON c.conrelid = archived AND c.contype = 'c' AND c.conname = p.conname
        WHERE p.conrelid = parent AND p.contype = 'c' AND (c.oid IS NULL OR p.convalidated AND NOT c.convalidated)
    )
    -- Who numbers the rows of new partitions numbers these, and is no default of theirs afterwards.
    SELECT (SELECT string_agg(change, ', ' ORDER BY place) FROM to_do),
           (SELECT string_agg(format('ALTER %I DROP DEFAULT', name), ', ') FROM columns WHERE is_new AND attidentity <> '')
    INTO changes, numbers;
    IF changes IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', archived, changes);
    END IF;
    IF numbers IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', archived, numbers);
    END IF;
EXCEPTION WHEN not_null_violation OR check_violation THEN
    GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
    RAISE EXCEPTION '%', said USING ERRCODE = SQLSTATE, HINT = format(
        'Rows of %s do not hold what those of %s have to. Add what is missing there, and set it right.', archived, parent);
END
$$;

-- Moves what has come to the partition beyond, from `first` on and before `next`. The parent is locked.
CREATE OR REPLACE FUNCTION orders.move_from_beyond(parent TEXT, cut_by TEXT, name TEXT, first TEXT, next TEXT) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- What may not be deleted may be moved.
    EXECUTE format('ALTER TABLE orders.%I DISABLE TRIGGER USER', parent || '_beyond');
    EXECUTE format('WITH moved AS (DELETE FROM orders.%1$I WHERE %2$I >= %3$L AND %2$I < %4$L RETURNING *)
                    INSERT INTO orders.%5$I (%6$s) SELECT %6$s FROM moved',
                   parent || '_beyond', cut_by, first, next, name, orders.written_columns(format('orders.%I', parent)::regclass));
    EXECUTE format('ALTER TABLE orders.%I ENABLE TRIGGER USER', parent || '_beyond');
END
$$;

-- Adds a partition from `first` on and before `next`, with what has come to the partition beyond meanwhile.
CREATE OR REPLACE FUNCTION orders.add_partition(parent TEXT, cut_by TEXT, name TEXT, first TEXT, next TEXT) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    -- Or else who has planned without the new partition would miss what is moved into it.
    EXECUTE format('LOCK TABLE ONLY orders.%I IN ACCESS EXCLUSIVE MODE', parent);
    EXECUTE format('CREATE TABLE orders.%I (LIKE orders.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)',
                   name, parent);
    PERFORM orders.move_from_beyond(parent, cut_by, name, first, next);
    EXECUTE format('ALTER TABLE orders.%I ATTACH PARTITION orders.%I FOR VALUES FROM (%L) TO (%L)', parent, name, first, next);
END
$$;

-- Takes a partition back into its table, and what has come of its time since. PostgreSQL reads all of it meanwhile.
CREATE OR REPLACE FUNCTION orders.take_back_partition(parent TEXT, cut_by TEXT, name TEXT, first TEXT, next TEXT) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('LOCK TABLE ONLY orders.%I IN ACCESS EXCLUSIVE MODE', parent);
    PERFORM orders.bring_up_to_date(format('orders_archive.%I', name)::regclass, format('orders.%I', parent)::regclass);
    EXECUTE format('ALTER TABLE orders_archive.%I SET SCHEMA orders', name);
    PERFORM orders.move_from_beyond(parent, cut_by, name, first, next);
    EXECUTE format('ALTER TABLE orders.%I ATTACH PARTITION orders.%I FOR VALUES FROM (%L) TO (%L)', parent, name, first, next);
END
$$;
