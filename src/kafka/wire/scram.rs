//! SCRAM (RFC 5802, RFC 7677) from the client's side, with SHA-256 or SHA-512, as Kafka's brokers check it.
//!
//! Promised: a server that does not know the password is found out, and nothing here ever shows it. Not done: channel
//! binding, which Kafka does not have, and SASLprep, which its own client leaves out too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Fewer rounds are refused, as the standard asks.
const ROUNDS_LEAST: u32 = 4096;
/// More would keep a start waiting for longer than its patience.
const ROUNDS_MOST: u32 = 10_000_000;
/// What follows in the last message: no channel binding, base64 of `n,,`.
const NO_BINDING: &str = "c=biws";

/// The hash of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// A login under way.
pub(super) struct Scram {
    hash: Hash,
    password: String,
    nonce: String,
    first: String,
    /// What the server must prove at the end.
    expected: Vec<u8>,
}

impl Scram {
    /// With a nonce of its own.
    pub(super) fn new(hash: Hash, user: &str, password: &str) -> Result<Scram, String> {
        let mut random = [0; 24];
        ring::rand::SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| "the system has no random numbers".to_owned())?;
        Ok(Scram::with_nonce(hash, user, password, BASE64.encode(random)))
    }

    fn with_nonce(hash: Hash, user: &str, password: &str, nonce: String) -> Scram {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n={user},r={nonce}");
        Scram { hash, password: password.to_owned(), nonce, first, expected: Vec::new() }
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// The second, in answer to the server's first.
    pub(super) fn last(&mut self, challenge: &[u8]) -> Result<String, String> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| malformed())?;
        let field = |name: &str| field(challenge, name);
        let (nonce, salt) = (field("r=").ok_or_else(malformed)?, field("s=").ok_or_else(malformed)?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the broker's answer belongs to another login".to_owned());
        }
        let salt = BASE64.decode(salt).map_err(|_| malformed())?;
        let rounds: u32 = field("i=").and_then(|rounds| rounds.parse().ok()).ok_or_else(malformed)?;
        let rounds = NonZeroU32::new(rounds)
            .filter(|rounds| (ROUNDS_LEAST..=ROUNDS_MOST).contains(&rounds.get()))
            .ok_or_else(|| format!("the broker wants {rounds} rounds of hashing, which is not usable"))?;
        let salted = self.hash.salted(self.password.as_bytes(), &salt, rounds);
        let client_key = self.hash.sign(&salted, b"Client Key");
        let stored = self.hash.digest(&client_key);
        let proofless = format!("{NO_BINDING},r={nonce}");
        let signed = format!("{},{challenge},{proofless}", self.first);
        let signature = self.hash.sign(&stored, signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        self.expected = self.hash.sign(&self.hash.sign(&salted, b"Server Key"), signed.as_bytes());
        Ok(format!("{proofless},p={}", BASE64.encode(proof)))
    }

    /// Whether the server has proved that it knows the password.
    pub(super) fn check(&self, verdict: &[u8]) -> Result<(), String> {
        let verdict = std::str::from_utf8(verdict).map_err(|_| malformed())?;
        let proof = field(verdict, "v=").and_then(|proof| BASE64.decode(proof).ok()).ok_or_else(malformed)?;
        match !self.expected.is_empty() && proof == self.expected {
            true => Ok(()),
            false => Err("the broker does not know the password either".to_owned()),
        }
    }
}

impl Hash {
    fn salted(self, password: &[u8], salt: &[u8], rounds: NonZeroU32) -> Vec<u8> {
        let (algorithm, length) = match self {
            Hash::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, digest::SHA256_OUTPUT_LEN),
            Hash::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, digest::SHA512_OUTPUT_LEN),
        };
        let mut salted = vec![0; length];
        pbkdf2::derive(algorithm, rounds, salt, password, &mut salted);
        salted
    }

    fn sign(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref().to_vec()
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }
}

fn field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.split(',').find_map(|field| field.strip_prefix(name))
}

fn malformed() -> String {
    "the broker's answer is not SCRAM's".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3.
    fn example() -> Scram {
        Scram::with_nonce(Hash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO".to_owned())
    }

    const CHALLENGE: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_example_of_the_standard_comes_out() {
        let mut login = example();
        assert_eq!(login.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let last = login.last(CHALLENGE).expect("an answer");
        let proof = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert!(last.starts_with(NO_BINDING) && last.ends_with(proof), "{last}");
        assert_eq!(login.check(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert!(login.check(b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_err());
        assert!(login.check(b"e=invalid-proof").is_err());
    }

    #[test]
    fn a_server_that_cheats_gets_no_proof_and_no_word_of_the_password() {
        for challenge in [
            &b"r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"[..],
            b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096",
            b"",
            b"\xff",
        ] {
            let why = example().last(challenge).expect_err("a refusal");
            assert!(!why.contains("pencil"), "{why}");
        }
        assert!(example().check(b"v=").is_err(), "before anything was proved");
    }

    #[test]
    fn signs_in_a_name_are_written_so_that_they_are_none() {
        let login = Scram::with_nonce(Hash::Sha512, "a=b,c", "p", "n".to_owned());
        assert_eq!(login.first(), "n,,n=a=3Db=2Cc,r=n");
    }
}
