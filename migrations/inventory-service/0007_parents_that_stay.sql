-- A foreign key looks up and locks the parent of every row that comes in, one by one: a tenth of the processor time of an
-- order. Items are written by the statement that writes their reservation, items and movements while their product is
-- locked, so there is nothing to find out. What is left of the guard is that no product and no reservation goes away, and
-- that costs nothing where none does. The invariant `rows-have-their-parents` looks for what should not be there all the
-- same.

ALTER TABLE inventory.stock_movements DROP CONSTRAINT stock_movements_product_id_fkey;
ALTER TABLE inventory.reservation_items
    DROP CONSTRAINT reservation_items_product_id_fkey,
    DROP CONSTRAINT reservation_items_reservation_id_fkey;

CREATE FUNCTION inventory.refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what is in % stays there, other rows belong to it', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER products_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON inventory.products
    FOR EACH STATEMENT EXECUTE FUNCTION inventory.refuse_removal();
CREATE TRIGGER reservations_stay BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON inventory.reservations
    FOR EACH STATEMENT EXECUTE FUNCTION inventory.refuse_removal();

-- Events come roughly in the order of their ids, whoever consumes them: with the id first, the index grows at one end.
ALTER TABLE inventory.inbox DROP CONSTRAINT inbox_pkey, ADD PRIMARY KEY (event_id, consumer);
