-- The oldest migration that a build must know to work on this schema. Builds that know it start also where newer migrations have
-- been applied. A migration that takes away what such builds use raises the floor: docs/upgrades.md.
CREATE TABLE inventory.schema_floor (
    only_one BOOLEAN PRIMARY KEY DEFAULT TRUE CONSTRAINT schema_floor_only_one CHECK (only_one),
    floor BIGINT NOT NULL
);
INSERT INTO inventory.schema_floor (floor) VALUES (18);
