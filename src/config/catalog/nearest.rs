//! The known name nearest to a misspelt one.

use super::{Property, all, converters, kafka};

/// The known key nearest to `key`, if any is near; `names` are what `<name>` may stand for.
pub fn nearest(key: &str, names: &[String]) -> Option<String> {
    let candidates = all().flat_map(|property| candidates(property, key, names));
    pick(key, candidates.filter(|candidate| candidate != key))
}

/// The nearest of some texts, if any is near enough to be a slip of the hand.
pub fn pick(text: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let most = slips(text);
    candidates
        .map(|candidate| (distance(text, &candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added, left out or exchanged with their neighbour.
pub fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let mut least = (last[j] + usize::from(l != r)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

/// How many slips leave a text recognisable.
fn slips(text: &str) -> usize {
    (text.chars().count() / 4).clamp(1, 4)
}

/// The keys a property can have that could be meant by `key`.
fn candidates(property: &Property, key: &str, names: &[String]) -> Vec<String> {
    if !property.is_pattern() {
        return vec![property.name.to_owned()];
    }
    if property.name == kafka::ANY_CLIENT {
        return Vec::new();
    }
    if property.name.starts_with('<') {
        return converters::PLACES.iter().map(|place| property.key(place)).collect();
    }
    if property.name.ends_with('>') {
        // The rest of such a pattern is free: only what stands before it can be misspelt.
        let prefix = &property.name[..property.name.find('<').unwrap_or_default()];
        let (parts, mut at) = (prefix.matches('.').count(), 0);
        for part in key.splitn(parts + 1, '.').take(parts) {
            at += part.len() + 1;
        }
        let Some((written, rest)) = key.split_at_checked(at) else { return Vec::new() };
        return match distance(written, prefix) <= slips(prefix) && !rest.is_empty() {
            true => vec![format!("{prefix}{rest}")],
            false => Vec::new(),
        };
    }
    names.iter().map(|name| property.key(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_counts_slips() {
        assert_eq!(distance("slot.name", "slot.name"), 0);
        assert_eq!(distance("slot.nmae", "slot.name"), 1);
        assert_eq!(distance("slot.nam", "slot.name"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_key_is_found_under_the_right_names() {
        let names = ["outbox".to_owned()];
        for (written, meant) in [
            ("slot.nmae", "slot.name"),
            ("transforms.outbox.route.by.feild", "transforms.outbox.route.by.field"),
            ("transforms.outbx.route.by.field", "transforms.outbox.route.by.field"),
            ("value.converter.schema.enable", "value.converter.schemas.enable"),
            ("producer.overide.acks", "producer.override.acks"),
            ("topic.creation.defualt.cleanup.policy", "topic.creation.default.cleanup.policy"),
            ("table.includelist", "table.include.list"),
        ] {
            assert_eq!(nearest(written, &names).as_deref(), Some(meant), "{written}");
        }
        assert_eq!(nearest("quite.something.else", &names), None);
    }
}
