-- Whether the pieces of a reservation are counted in `products.reserved`: from holding to shipping or releasing. NULL: from
-- a build that did not count. What such a build had committed counts as shipped.
ALTER TABLE inventory.reservations ADD COLUMN reserved BOOLEAN;

-- Counts what a build before this one holds, releases, sells or holds anew while both run. It has locked the products by
-- then. This build writes `reserved` itself, so it never gets here.
CREATE FUNCTION inventory.count_reservation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign INTEGER := CASE WHEN TG_OP = 'UPDATE' AND NEW.reserved THEN -1 ELSE 1 END;
BEGIN
    UPDATE inventory.products p SET reserved = p.reserved + sign * i.quantity
    FROM inventory.reservation_items i WHERE i.reservation_id = NEW.id AND p.id = i.product_id;
    IF TG_OP = 'INSERT' THEN
        UPDATE inventory.reservations SET reserved = TRUE WHERE id = NEW.id;
        RETURN NULL;
    END IF;
    NEW.reserved := sign > 0;
    RETURN NEW;
END
$$;

CREATE TRIGGER reservations_count_new AFTER INSERT ON inventory.reservations FOR EACH ROW
    WHEN (NEW.reserved IS NULL AND NEW.status = 'HELD')
    EXECUTE FUNCTION inventory.count_reservation();
CREATE TRIGGER reservations_count BEFORE UPDATE ON inventory.reservations FOR EACH ROW
    WHEN ((NEW.reserved AND (NEW.status = 'RELEASED' OR NEW.direct))
          OR (OLD.status = 'RELEASED' AND NEW.status = 'HELD' AND NEW.reserved IS NOT TRUE))
    EXECUTE FUNCTION inventory.count_reservation();
