//! Makes the keys of testdata/keys. Run once; the keys are random, so running it again changes them:
//! `cargo run -p seaworthy-sign --example make_test_keys -- testdata/keys`.

use seaworthy_sign::{Algorithm, PrivateKey, Secret};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args().nth(1).ok_or("give the directory to write to")?);
    std::fs::create_dir_all(&dir)?;
    let keys =
        [("demo", Algorithm::EcdsaP256), ("other", Algorithm::EcdsaP256), ("ed25519", Algorithm::Ed25519)];
    for (name, algorithm) in keys {
        let key = PrivateKey::generate(algorithm)?;
        std::fs::write(dir.join(format!("{name}.key")), key.to_encrypted_pem(&Secret::from(""))?)?;
        std::fs::write(dir.join(format!("{name}.pub")), key.public_key().to_pem())?;
    }
    Ok(())
}
