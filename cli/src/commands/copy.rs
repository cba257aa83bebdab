//! `copy`: an image and everything that is attached to it, from one place to another.

use crate::args::{Copy, WithEvidence};
use crate::context;
use crate::exit::{Exit, Outcome};
use crate::printer::{Printer, plain};
use crate::transfer::{self, Moved, Transfer};
use seaworthy_oci::closure::{self, Extent};
use seaworthy_oci::{Digest, OpenOptions};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    from: String,
    to: String,
    digest: Digest,
    #[serde(flatten)]
    moved: Moved,
}

pub(crate) async fn run(args: &Copy, options: &OpenOptions, printer: &Printer) -> Outcome {
    let destination = context::destination(&context::reference(&args.from)?, &args.to)?;
    context::must_be_writable(&destination.location)?;
    let from = context::open(&args.from, options).await?;
    let root = context::part(&from, args.platform.as_deref()).await?;
    let extent = match args.with_evidence {
        WithEvidence::All => Extent::WithEvidence,
        WithEvidence::None => Extent::ImageOnly,
    };
    let closure = closure::find(from.place.as_ref(), &root, extent).await?;
    let place = seaworthy_oci::open_sink(&destination.location, options).await?;
    let tag = destination.tag.as_deref();
    let moved = Transfer::new(printer).image(from.place.as_ref(), &closure, place.as_ref(), tag).await?;
    printer.say("reading everything back");
    let again = seaworthy_oci::open(&destination.location, options).await?;
    transfer::read_back(again.as_ref(), &closure, tag).await?;
    let digest = root.descriptor.digest;
    let document =
        Document { from: from.pinned.to_string(), to: format!("{destination}@{digest}"), digest, moved };
    printer.result(&document, || format!("copied {}\n  {}\n", plain(&document.to), document.moved.line()));
    Ok(Exit::Yes)
}
