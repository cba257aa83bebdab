// One bundle, judged by @sigstore/verify:
//
//   node verify.mjs TRUSTED_ROOT BUNDLE IDENTITY ISSUER [FILE]
//
// FILE is what a message signature is about; an attestation is about what its statement says, and takes none. Exit 0
// and `verified`, or exit 1 and why not. One log entry is asked for: a timestamp beside it is checked where it is.
import { readFileSync } from 'node:fs';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';

const [trustedRoot, bundle, identity, issuer, file] = process.argv.slice(2);
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
try {
  const trust = toTrustMaterial(TrustedRoot.fromJSON(json(trustedRoot)));
  const verifier = new Verifier(trust, { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 });
  const entity = toSignedEntity(bundleFromJSON(json(bundle)), file && readFileSync(file));
  const signer = verifier.verify(entity, { subjectAlternativeName: identity, extensions: { issuer } });
  console.log(`verified: ${signer.identity.subjectAlternativeName}`);
} catch (error) {
  console.log(`not verified: ${error.code ?? error.name}: ${error.message}`);
  process.exitCode = 1;
}
