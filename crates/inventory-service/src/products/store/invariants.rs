//! What must hold in the table of products at every moment.

use service_kit::invariants::Invariant;

/// Each with the query that finds where it does not.
pub const INVARIANTS: &[Invariant] = &[Invariant {
    name: "sku-is-unique",
    promise: "P8",
    query: "SELECT string_agg(id::text, ', ' ORDER BY id), string_agg(sku, ' and ' ORDER BY id)
                   || ' differ only in case, form or what cannot be seen'
            FROM inventory.products WHERE deleted_at IS NULL AND sku_key IS NOT NULL
            GROUP BY sku_key HAVING COUNT(*) > 1 ORDER BY MIN(id) LIMIT 100",
}];
