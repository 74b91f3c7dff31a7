-- `stock_quantity` is what can still be promised: available. `reserved` is what lies on the shelf for orders that were not
-- shipped yet. Both together are on hand. `reserved` is moved with the statements that move `stock_quantity`, and by
-- shipping. The keys are folded by the service (service-kit/src/folding.rs): the same on every server, whatever its
-- locale. NULL means not folded yet. `sku_twin` marks a product whose key another one had before there were keys.
ALTER TABLE inventory.products
    ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN sku_key  TEXT,
    ADD COLUMN name_key TEXT,
    ADD COLUMN sku_twin BOOLEAN NOT NULL DEFAULT FALSE,
    -- Earlier rows have the default; validated by a later migration.
    ADD CONSTRAINT products_reserved_not_negative CHECK (reserved >= 0) NOT VALID;

-- A build before this one, or a person, gives a product another SKU or name and knows no keys: they are folded anew by the
-- job of `products`. Statements that name neither column do not get here.
CREATE FUNCTION inventory.forget_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sku_key := NULL;
    NEW.name_key := NULL;
    NEW.sku_twin := FALSE;
    RETURN NEW;
END
$$;

CREATE TRIGGER products_forget_keys BEFORE UPDATE OF sku, name ON inventory.products FOR EACH ROW
    WHEN ((lower(NEW.sku) <> lower(OLD.sku) AND NEW.sku_key IS NOT DISTINCT FROM OLD.sku_key)
          OR (lower(NEW.name) <> lower(OLD.name) AND NEW.name_key IS NOT DISTINCT FROM OLD.name_key))
    EXECUTE FUNCTION inventory.forget_keys();
