//! Randomness for keys and nonces, from the operating system by way of aws-lc.

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
