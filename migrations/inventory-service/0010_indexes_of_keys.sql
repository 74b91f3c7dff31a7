-- Built while no product has a key yet. No column here is changed when stock moves, so a hot row stays on its page.
CREATE UNIQUE INDEX products_sku_key_unique ON inventory.products (sku_key)
    WHERE deleted_at IS NULL AND NOT sku_twin AND sku_key IS NOT NULL;
CREATE INDEX products_by_sku_key ON inventory.products (sku_key) WHERE deleted_at IS NULL AND sku_key IS NOT NULL;
CREATE INDEX products_sku_twins ON inventory.products (id) WHERE sku_twin;
CREATE INDEX products_without_key ON inventory.products (id) WHERE sku_key IS NULL;
