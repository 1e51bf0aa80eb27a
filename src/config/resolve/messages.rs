//! Logical decoding messages: the transform that makes events of the outbox of them, and their prefixes.

use super::names::Names;
use super::report::Report;
use super::router::{of_tombstones, pattern, require_pattern};
use super::values::View;
use crate::config::catalog::{connector, postgres, router as declared, walpost};
use crate::config::raw::Raw;
use crate::route::{MessageRule, Prefixes};

/// What becomes of messages, but for those whose prefix is not meant.
pub(super) enum Messages {
    /// They are events of the outbox.
    Rows(MessageRule),
    /// They are told as they are: the event router passes on what is no change of a row.
    Told(Prefixes),
}

/// What becomes of messages.
pub(super) fn messages(raw: &Raw, names: &Names, report: &mut Report) -> Messages {
    let plain = View::plain(raw);
    let lists = [&postgres::MESSAGE_PREFIX_INCLUDE_LIST, &postgres::MESSAGE_PREFIX_EXCLUDE_LIST];
    if let [Some(_), Some(entry)] = lists.map(|list| plain.entry(list)) {
        report.wrong(entry, format!("{} is there already", lists[0].name), "leave one of the two out");
    }
    let prefixes = Prefixes { include: plain.regexes(lists[0]), exclude: plain.regexes(lists[1]) };
    let Some(decoder) = names.decoder.as_ref().filter(|_| are_asked_for(raw, names, report)) else {
        return Messages::Told(prefixes);
    };
    let is_strict = plain.word(&walpost::COMPAT) == Some("strict");
    Messages::Rows(MessageRule {
        prefixes,
        keep_nulls: View::under(raw, decoder).flag(&declared::DECODER_NULLS),
        alone: is_strict || plain.word(&walpost::MESSAGES_WITHOUT_TRANSACTION) == Some("publish"),
    })
}

/// Whether both transforms are asked for a message, of which the topic is always the same.
fn are_asked_for(raw: &Raw, names: &Names, report: &mut Report) -> bool {
    let (Some(decoder), Some(router)) = (&names.decoder, &names.router) else { return false };
    let topic = format!("{}.message", View::plain(raw).text(&connector::TOPIC_PREFIX));
    if let Some(own) = names.decoder_predicate.as_ref().filter(|own| names.predicate.as_ref() != Some(own)) {
        require_pattern(raw, own, report);
    }
    let is_asked = |transform: &str, predicate: Option<&String>| {
        let Some(predicate) = predicate else { return true };
        let is_fulfilled = match pattern(raw, predicate) {
            Some(pattern) => pattern.is_match(&topic).unwrap_or(true),
            None if of_tombstones(raw, predicate).is_some() => false,
            // What is wrong with it is reported where it stands.
            None => return true,
        };
        is_fulfilled != View::under(raw, transform).flag(&declared::NEGATE)
    };
    let by_decoder = is_asked(decoder, names.decoder_predicate.as_ref());
    let by_router = is_asked(router, names.predicate.as_ref());
    let Some(entry) = View::under(raw, decoder).entry(&declared::TYPE) else { return false };
    if !by_decoder {
        report.ignored(entry, &format!("its predicate leaves messages alone, of which the topic is {topic}"));
    } else if !by_router {
        let what =
            format!("the event router's predicate leaves messages alone, of which the topic is {topic}");
        report.wrong(
            entry,
            what,
            format!("let the predicate be fulfilled by {topic}, or take this transform out"),
        );
    }
    by_decoder && by_router
}
