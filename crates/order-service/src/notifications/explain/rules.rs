//! The rules, one for each place where a message can stand still. The first that fits a message explains it.

use super::Facts;
use crate::explained::Reason;
use crate::notifications::domain::Status;
use crate::notifications::domain::log::NO_CODE;
use service_kit::health::Circuit;
use time::Duration;

type Rule = fn(&Facts) -> Option<Reason>;

/// From the ends of a message's life back to its beginning.
const RULES: [Rule; 12] = [
    erased,
    delivered,
    sent,
    failed,
    skipped,
    sent_by_nothing,
    behind_another,
    provider_left_alone,
    without_code,
    put_off,
    provider_away,
    due,
];

/// How long a message that follows another about its order waits for it to be written: it counts as due.
const A_MOMENT: Duration = Duration::seconds(1);

pub(super) fn first(facts: &Facts) -> Reason {
    RULES.iter().find_map(|rule| rule(facts)).unwrap_or_else(|| under_way(facts))
}

fn has(facts: &Facts, status: Status) -> Option<()> {
    (facts.notification.status == status).then_some(())
}

/// What is wrong, as far as it was written down.
fn reason(facts: &Facts) -> &str {
    let message = &facts.notification;
    message.reason.as_deref().or(message.last_error.as_deref()).unwrap_or("nothing is known")
}

/// The call, where it would not be refused.
fn resend(facts: &Facts) -> Option<String> {
    facts.can_resend.then(|| format!("POST /api/notifications/{}/resend", facts.notification.id))
}

fn erased(facts: &Facts) -> Option<Reason> {
    facts.notification.erased_at?;
    Some(Reason::new("Its recipient and its texts were erased."))
}

fn delivered(facts: &Facts) -> Option<Reason> {
    has(facts, Status::Delivered)?;
    Some(Reason::new("It was delivered.").can(resend(facts)))
}

fn sent(facts: &Facts) -> Option<Reason> {
    has(facts, Status::Sent)?;
    let because = format!("{} took it. It has not reported yet whether it was delivered.", facts.provider);
    let reason = Reason::new(because).waits_for("a report of the provider, if it sends any");
    Some(reason.next("the provider reports", None).can(resend(facts)))
}

fn failed(facts: &Facts) -> Option<Reason> {
    has(facts, Status::Failed)?;
    Some(Reason::new(format!("It failed: {}.", reason(facts))).can(resend(facts)))
}

fn skipped(facts: &Facts) -> Option<Reason> {
    has(facts, Status::Skipped)?;
    Some(Reason::new(format!("It was not to be sent: {}.", reason(facts))).can(resend(facts)))
}

// From here on it is queued.

fn sent_by_nothing(facts: &Facts) -> Option<Reason> {
    let missing = facts.missing?;
    let reason = Reason::new(format!("It waits, and nothing sends it: {missing}.")).waits_for("an operator");
    Some(reason.next("somebody sets this and starts order-service again", None))
}

fn behind_another(facts: &Facts) -> Option<Reason> {
    let before = facts.before.as_ref()?;
    let another = format!("notification {}", before.id);
    let reason = Reason::new(format!("It waits for {another}, which tells of something earlier in its order."));
    let reason = reason.waits_for(another.as_str()).can([format!("GET /api/notifications/{}/explain", before.id)]);
    Some(reason.next(format!("{another} is sent, or fails"), before.next_attempt_at).then("it is sent", None))
}

fn provider_left_alone(facts: &Facts) -> Option<Reason> {
    let (circuit, shut) = facts.circuit;
    (circuit != Circuit::Closed).then_some(())?;
    let because = format!("{} failed again and again, and is left alone for a while.", facts.provider);
    let reason = Reason::new(because).waits_for(facts.provider);
    Some(reason.next("one message is tried; if it goes, all others follow", Some(facts.now + shut)))
}

fn without_code(facts: &Facts) -> Option<Reason> {
    let error = facts.notification.last_error.as_deref().filter(|error| error.starts_with(NO_CODE))?;
    let reason = Reason::new(format!("It shows a code: {error}.")).waits_for("account-service");
    let reason = reason.next("order-service asks for the code again", facts.notification.next_attempt_at);
    Some(reason.then("it fails once its code has expired", None))
}

fn put_off(facts: &Facts) -> Option<Reason> {
    let (attempts, most) = (facts.notification.attempts, facts.most_attempts);
    (attempts > 0).then_some(())?;
    let because = format!(
        "{} put it off. Attempts in vain: {attempts} of {most}. The last error: {}.",
        facts.provider,
        reason(facts)
    );
    let reason = Reason::new(because).waits_for("the next attempt");
    let reason = reason.next("it is tried again", facts.notification.next_attempt_at);
    Some(reason.then(format!("it fails after attempt {most}"), None))
}

fn provider_away(facts: &Facts) -> Option<Reason> {
    let error = facts.notification.last_error.as_deref()?;
    let reason = Reason::new(format!("{} was not reached: {error}.", facts.provider)).waits_for(facts.provider);
    Some(reason.next("it is tried again, which counts as no attempt", facts.notification.next_attempt_at))
}

fn due(facts: &Facts) -> Option<Reason> {
    let at = facts.notification.next_attempt_at.filter(|at| *at <= facts.now + A_MOMENT)?;
    let reason = Reason::new("It is due, and no instance of order-service has taken it yet.");
    Some(reason.waits_for("a free connection").next("order-service takes it", Some(at)))
}

fn under_way(facts: &Facts) -> Reason {
    let reason = Reason::new("An instance of order-service has taken it to send it.").waits_for(facts.provider);
    let reason = reason.next("it is sent", None);
    reason.then("another instance takes it if that one has died", facts.notification.next_attempt_at)
}
