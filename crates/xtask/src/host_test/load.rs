//! A client that places orders through the gateway, as a unit of the machine, while its services are killed and replaced.

use super::machine::Machine;
use testbed::error::{Result, TestbedError};
use testbed::step::Steps;

/// Each order is tried until it is answered with 201, with one key. What was answered is written down: the time, and the
/// order's number. It ends when the file `over` is there.
const SCRIPT: &str = r#"#!/bin/bash
# Places orders until the file `over` is there.
body='{"customerName":"Ada Lovelace","customerEmail":"ada@example.com","shippingAddress":"12 Saint James Square, London",'
body+='"items":[{"productId":1,"quantity":1}]}'
for ((order = 1; ; order++)); do
    until curl --fail --silent --max-time 10 "$SHOP/api/orders" -H "Authorization: Bearer $TOKEN" \
        -H 'Content-Type: application/json' -H "Idempotency-Key: load-$order" -d "$body" >answer; do
        sleep 0.05
    done
    echo "$(date +%s%3N) $(sed -E 's/^\{"id":([0-9]+).*/\1/' answer)" >>answered
    if [ -e over ]; then exit; fi
    sleep 0.1
done
"#;

/// The running client.
pub struct Load;

impl Load {
    /// Starts it, with the token of the document.
    pub fn begin(machine: &Machine) -> Result<Self> {
        machine.run(&format!(
            "mkdir -p /root/load; cat >/root/load/orders <<'END_OF_SCRIPT'\n{SCRIPT}\nEND_OF_SCRIPT\n
             curl --fail-with-body -sS $SHOP/api/inventory/products/1/add-stock -H \"Authorization: Bearer $TOKEN\" \\
                 -H 'Content-Type: application/json' -d '{{\"quantity\":100000}}'
             systemd-run --unit=load --working-directory=/root/load --setenv=SHOP=$SHOP --setenv=TOKEN=$TOKEN \\
                 bash orders 2>&1"
        ))?;
        Ok(Self)
    }

    /// Ends it, and sees that every answered order is there, once, and CONFIRMED. A fast machine is through with the restarts
    /// before there are twenty: then some come after them.
    pub fn end(self, machine: &Machine, steps: &Steps) -> Result<()> {
        let said = machine.run(
            r#"for try in {1..100}; do
                if [ "$(wc -l </root/load/answered)" -ge 20 ]; then break; fi
                sleep 0.1
            done
            touch /root/load/over
            while systemctl is-active --quiet load; do sleep 0.1; done
            lost=0 total=0
            while read -r _ id; do
                total=$((total + 1))
                for try in {1..100}; do
                    order=$(curl --fail --silent "$SHOP/api/orders/$id" -H "Authorization: Bearer $TOKEN" || true)
                    case $order in *'"status":"CONFIRMED"'*) break ;; esac
                    sleep 0.1
                done
                case $order in *'"status":"CONFIRMED"'*) ;; *) lost=$((lost + 1)) ;; esac
            done </root/load/answered
            awk -v total=$total -v lost=$lost 'NR > 1 && $1 - last > gap { gap = $1 - last } seen[$2]++ { twice++ } { last = $1 }
                END { print total, lost, twice + 0, gap }' /root/load/answered"#,
        )?;
        let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [total, 0, 0, gap] if total >= 20 => {
                steps.say(&format!(
                    "meanwhile {total} orders were answered: none is lost, none doubled, all are CONFIRMED; at most {gap} ms \
                     passed between two answers"
                ));
                Ok(())
            }
            _ => Err(TestbedError::new(format!("orders, lost, doubled, longest gap in ms: {said}"))),
        }
    }
}
