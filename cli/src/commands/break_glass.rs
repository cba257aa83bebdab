//! `break-glass`: a token for an emergency.

use crate::cluster_args::BreakGlass;
use crate::context;
use crate::exit::{Exit, Failure, Outcome};
use crate::keys;
use crate::printer::Printer;
use seaworthy_oci::OpenOptions;
use seaworthy_sign::Payload;
use seaworthy_verifier::break_glass::{ANNOTATION, PAYLOAD_TYPE, Permit, REASON_CHARS};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    token: &'a str,
    annotation: &'static str,
    #[serde(flatten)]
    permit: &'a Permit,
}

pub(crate) async fn run(args: &BreakGlass, options: &OpenOptions, printer: &Printer) -> Outcome {
    let reason = args.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS {
        return Err(Failure::usage(format!("a reason has between 1 and {REASON_CHARS} characters"))
            .hint("say what happened and where it is written down: --reason 'signer down, ticket 7'"));
    }
    let reference = context::reference(&args.image)?;
    // A digest that is written needs nobody to be asked: that may be what the emergency is about.
    let digest = match reference.digest {
        Some(digest) => digest,
        None => context::open(&args.image, options).await?.pinned.digest().clone(),
    };
    let now = context::now();
    let permit = Permit {
        cluster: args.cluster.clone(),
        namespace: args.namespace.to_string(),
        digest: digest.to_string(),
        not_before: now,
        expires: now + args.expires,
        reason: reason.to_owned(),
    };
    permit.check_life().map_err(|why| {
        Failure::usage(format!("no webhook would take this token: {why}")).hint("give --expires 24h or less")
    })?;
    let signer = keys::signer(&args.key, &args.password, options).await?;
    let content = permit.payload();
    let signed =
        signer.sign_payload(&Payload::Dsse { payload_type: PAYLOAD_TYPE, payload: &content }).await?;
    let token = Permit::token(&content, &signed.signature);
    let document = Document { token: &token, annotation: ANNOTATION, permit: &permit };
    printer.result(&document, || format!("{token}\n"));
    Ok(Exit::Yes)
}
