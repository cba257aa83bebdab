//! `keygen`, `import-key-pair`, `public-key`: key files that cosign reads too, and keys that a plugin makes.

use crate::args::{ImportKeyPair, KeyType, Keygen, Password, PublicKey};
use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use crate::keys;
use crate::printer::{Printer, plain};
use seaworthy_oci::OpenOptions;
use seaworthy_sign::kms::Plugin;
use seaworthy_sign::{Algorithm, KeyRef, PrivateKey, Secret};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    private_key: PathBuf,
    public_key: PathBuf,
    algorithm: String,
    fingerprint: String,
}

pub(crate) async fn generate(args: &Keygen, options: &OpenOptions, printer: &Printer) -> Outcome {
    if let Some(reference) = &args.kms {
        return generate_elsewhere(reference, args, options, printer).await;
    }
    let algorithm = match args.key_type {
        KeyType::P256 => Algorithm::EcdsaP256,
        KeyType::P384 => Algorithm::EcdsaP384,
        KeyType::P521 => Algorithm::EcdsaP521,
        KeyType::Rsa2048 => Algorithm::Rsa2048,
        KeyType::Rsa3072 => Algorithm::Rsa3072,
        KeyType::Rsa4096 => Algorithm::Rsa4096,
        KeyType::Ed25519 => Algorithm::Ed25519,
    };
    refuse_overwrite(&args.output_key_prefix, args.force)?;
    let password = new_password(&args.password)?;
    write(&PrivateKey::generate(algorithm)?, &password, &args.output_key_prefix, printer)
}

/// Has a plugin make a key, and writes its public half.
async fn generate_elsewhere(
    reference: &str,
    args: &Keygen,
    options: &OpenOptions,
    printer: &Printer,
) -> Outcome {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Made {
        key: String,
        public_key: PathBuf,
        algorithm: String,
        fingerprint: String,
    }
    let KeyRef::Plugin(reference) = KeyRef::of(Path::new(reference))? else {
        return Err(Failure::usage(format!("--kms {reference} names no plugin"))
            .hint("--kms NAME://RESOURCE has the program sigstore-kms-NAME make the key"));
    };
    keys::not_offline(&reference, options)?;
    let (_, path) = files(&args.output_key_prefix);
    refuse_existing(&path, args.force)?;
    let plugin = Plugin::find(reference)?;
    let algorithm = match &args.kms_algorithm {
        None => plugin.default_algorithm().await?,
        Some(wanted) => {
            let known = plugin.supported_algorithms().await?;
            if !known.contains(wanted) {
                let program = plugin.reference().program();
                return Err(Failure::usage(format!("{program} makes no keys of the algorithm '{wanted}'"))
                    .hint(format!("it makes {}", plain(&known.join(", ")))));
            }
            wanted.clone()
        }
    };
    let public = plugin.create_key(&algorithm).await?;
    context::write_file(&path, public.to_pem().as_bytes(), Access::Public)?;
    let document = Made {
        key: plugin.reference().to_string(),
        public_key: path,
        algorithm: public.algorithm().as_str().to_owned(),
        fingerprint: public.fingerprint(),
    };
    printer.result(&document, || {
        format!(
            "key          {}\npublic key   {}\nalgorithm    {}\nfingerprint  {}\n",
            plain(&document.key),
            document.public_key.display(),
            document.algorithm,
            document.fingerprint
        )
    });
    Ok(Exit::Yes)
}

pub(crate) fn import(args: &ImportKeyPair, printer: &Printer) -> Outcome {
    refuse_overwrite(&args.output_key_prefix, args.force)?;
    let key = keys::private_key(&args.key, &args.password)?;
    let password = new_password(&args.password)?;
    write(&key, &password, &args.output_key_prefix, printer)
}

pub(crate) async fn public(args: &PublicKey, options: &OpenOptions, printer: &Printer) -> Outcome {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Public {
        algorithm: String,
        fingerprint: String,
        pem: String,
    }
    let key = keys::signer(&args.key, &args.password, options).await?;
    let public = key.public_key();
    let document = Public {
        algorithm: public.algorithm().as_str().to_owned(),
        fingerprint: public.fingerprint(),
        pem: public.to_pem(),
    };
    printer.result(&document, || document.pem.clone());
    Ok(Exit::Yes)
}

fn files(prefix: &Path) -> (PathBuf, PathBuf) {
    let with = |extension: &str| {
        let mut name = prefix.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    (with(".key"), with(".pub"))
}

fn refuse_overwrite(prefix: &Path, force: bool) -> Outcome<()> {
    let (private, public) = files(prefix);
    refuse_existing(&private, force)?;
    refuse_existing(&public, force)
}

fn refuse_existing(path: &Path, force: bool) -> Outcome<()> {
    if !force && path.exists() {
        return Err(Failure::usage(format!("{} is there already", path.display()))
            .hint("choose another --output-key-prefix, or give --force to lose the old key"));
    }
    Ok(())
}

/// The password of a new key: given, or asked for twice, or empty where nobody can be asked and nothing is
/// set. Like cosign, an unset variable in a pipeline is not an error; the file says what protects it.
pub(super) fn new_password(args: &Password) -> Outcome<Secret> {
    if let Some(given) = context::given_password(args)? {
        return Ok(given);
    }
    let Some(first) = context::prompt("password for the new key (may be empty): ")? else {
        return Err(Failure::usage("no password for the new key").hint(
            "set SEAWORTHY_PASSWORD or COSIGN_PASSWORD (an empty value is legal), or give --password-file",
        ));
    };
    let second = context::prompt("once more: ")?;
    if second.is_none_or(|second| second.expose() != first.expose()) {
        return Err(Failure::usage("the two passwords differ"));
    }
    Ok(first)
}

fn write(key: &PrivateKey, password: &Secret, prefix: &Path, printer: &Printer) -> Outcome {
    let (private, public) = files(prefix);
    context::write_file(&private, key.to_encrypted_pem(password)?.as_bytes(), Access::Secret)?;
    context::write_file(&public, key.public_key().to_pem().as_bytes(), Access::Public)?;
    if password.expose().is_empty() {
        printer.warn(format!("{} has an empty password: whoever reads the file can sign", private.display()));
    }
    let document = Written {
        private_key: private,
        public_key: public,
        algorithm: key.algorithm().as_str().to_owned(),
        fingerprint: key.public_key().fingerprint(),
    };
    printer.result(&document, || {
        format!(
            "private key  {}\npublic key   {}\nalgorithm    {}\nfingerprint  {}\n",
            document.private_key.display(),
            document.public_key.display(),
            document.algorithm,
            document.fingerprint
        )
    });
    Ok(Exit::Yes)
}
