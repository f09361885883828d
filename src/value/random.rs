//! Randomness for keys and nonces, from the operating system by way of aws-lc, and what keys look like that lack it.

/// The operating system gave no randomness. Nothing secret can be made until it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness; nothing was made, try again")]
pub struct NoRandomness;

/// `N` bytes that nobody can guess.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// Whether somebody typed these 32 bytes or copied them from a page: they repeat themselves every 8 bytes or less, count, or are text.
/// Random bytes are printable ASCII throughout with a chance of 10^-14, and the test vectors of RFC 8452 are mostly zeros.
pub fn is_weak(secret: &[u8; 32]) -> bool {
    let repeats = (1..=8).any(|period| secret.iter().zip(secret.iter().skip(period)).all(|(a, b)| a == b));
    let steps = |step: u8| secret.iter().zip(secret.iter().skip(1)).all(|(a, b)| a.wrapping_add(step) == *b);
    let zeros: u8 = secret.iter().map(|&byte| u8::from(byte == 0)).sum();
    let typed = secret.iter().all(|byte| (0x20..0x7f).contains(byte));
    repeats || steps(1) || steps(0xff) || zeros > 12 || typed
}
