-- Among what does not fit: a customer's bank asks for the money of a payment back.

ALTER TABLE orders.payment_findings
    DROP CONSTRAINT payment_findings_kind,
    ADD CONSTRAINT payment_findings_kind CHECK (kind IN (
        'HERE_ONLY', 'THERE_ONLY', 'AMOUNT', 'STATUS', 'CAPTURED_WITHOUT_ORDER', 'DISPUTE'));
