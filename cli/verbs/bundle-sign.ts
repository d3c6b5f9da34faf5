import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { bytesToSign, envelopeOf, signatureAnnotations, statementOf } from '../../core/bundle/signature.ts';
import { base64 } from '../../core/canonical/base64.ts';
import { readSigningKey } from '../bundle/ed25519.ts';
import { digestOf, readManifests } from '../bundle/manifest.ts';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { manifestText } from '../output/document.ts';

interface Options {
  readonly key: string;
  readonly source?: string;
  readonly commit?: string;
  readonly out?: string;
  readonly output: 'yaml' | 'json';
}

export function bundleSignVerb(host: Host): Command {
  const command = new Command('sign')
    .summary('sign built bundles')
    .description(
      'Signs what signalbox bundle build has written, with Ed25519: the digest of the content, the spec, and where they come ' +
        'from. The signature is an annotation. A namespace that demands signatures takes only bundles signed by its keys.',
    )
    .argument('<file>', 'built manifest, or - for standard input')
    .requiredOption('--key <file>', 'private key in PEM, as openssl genpkey -algorithm ed25519 makes one')
    .option('--source <url>', 'where the files are; part of what is signed')
    .option('--commit <id>', 'which version of them; part of what is signed')
    .option('--out <file>', 'write to a file instead of standard output')
    .addOption(new Option('-o, --output <format>', 'output').choices(['yaml', 'json']).default('yaml'));
  withExamples(
    command,
    {
      line: 'signalbox bundle build manifests | signalbox bundle sign - --key release.pem --commit 3f9c2a1',
      says: 'build and sign',
    },
    { line: 'signalbox bundle sign bundle.yaml --key release.pem --out bundle.signed.yaml', says: 'from file to file' },
  );
  return command.action(async (file: string, { key: path, source, commit, out, output }: Options) => {
    const key = await readSigningKey(path);
    const provenance = { ...(source === undefined ? {} : { source }), ...(commit === undefined ? {} : { commit }) };
    const signed = (await readManifests(host, file)).map((manifest) => {
      const statement = statementOf(digestOf(manifest), manifest.spec, provenance);
      const envelope = envelopeOf(statement, key.sign(bytesToSign(statement)), key.publicKey);
      const annotations = { ...manifest.metadata.annotations, [signatureAnnotations.signature]: envelope };
      return { ...manifest, metadata: { ...manifest.metadata, annotations } };
    });
    const text = await manifestText(signed, output);
    if (out === undefined) host.screen.raw(text);
    else await writeFile(out, text);
    host.screen.note(
      `next: kubectl annotate namespace NAMESPACE ${signatureAnnotations.keys}=${base64(key.publicKey)}, once: then it takes only signed bundles`,
    );
  });
}
