//! Which word was meant by one that is not known: for faults that ask "did you mean".

/// The known word that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let far = |meant: &&str| distance(word, meant);
    let close = |meant: &&str| distance(word, meant) <= 1 + meant.len() / 4;
    if word.len() > LONGEST_WORD { None } else { known.iter().copied().filter(close).min_by_key(far) }
}

/// How many letters must be added, dropped or changed to turn `a` into `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, x) in a.bytes().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        let cells = row.iter_mut().skip(1).zip(b.bytes());
        let mut next = vec![left];
        for (above, y) in cells {
            left = (left + 1).min(*above + 1).min(diagonal + usize::from(x != y));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// No setting has a longer name; longer words are not compared.
const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_guessed_and_others_are_not() {
        let known = ["public", "control", "trusted_proxies"];
        assert_eq!(nearest("publik", &known), Some("public"));
        assert_eq!(nearest("trusted-proxy", &known), Some("trusted_proxies"));
        for far in ["", "x", "private_key", &"c".repeat(100_000)] {
            assert_eq!(nearest(far, &known), None);
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
