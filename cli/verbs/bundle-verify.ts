import { Command } from 'commander';
import { checkSignature, signatureAnnotations } from '../../core/bundle/signature.ts';
import { resolve } from '../../core/bundle/resolve.ts';
import { readPublicKey, verifyEd25519 } from '../bundle/ed25519.ts';
import type { BundleManifest } from '../bundle/built.ts';
import type { Declared } from '../bundle/declared.ts';
import { digestOf, readManifests } from '../bundle/manifest.ts';
import { readSound } from '../bundle/report.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { type OutputOptions, withExamples, withOutput } from '../options.ts';
import { documentText, isDocument } from '../output/document.ts';
import { oneLine } from '../output/style.ts';
import { repeated } from './bundle-build.ts';

interface Options extends OutputOptions {
  readonly key: readonly string[];
  readonly with: readonly string[];
}

export function bundleVerifyVerb(host: Host): Command {
  const command = new Command('verify')
    .summary('check the signatures of built bundles')
    .description(
      'Checks that one of the keys has signed each Bundle as it stands there. With --with, also that the Tools and Models of ' +
        'those files make it the content that was signed. Ends with 4 if any of it is not so.',
    )
    .argument('<file>', 'signed manifest, or - for standard input')
    .requiredOption('--key <file>', 'public key in PEM; may be repeated: one of them must have signed', repeated, [])
    .option('--with <path>', 'file or folder with its Tools and Models; may be repeated', repeated, []);
  withOutput(command, ['table', 'json', 'yaml']);
  withExamples(
    command,
    { line: 'signalbox bundle verify bundle.yaml --key release.pub.pem', says: 'who signed it, and from where it is' },
    { line: 'signalbox bundle verify bundle.yaml --key release.pub.pem --with manifests', says: 'all of its content' },
  );
  return command.action(async (file: string, options: Options) => {
    const keys = await Promise.all(options.key.map(readPublicKey));
    const declared = options.with.length === 0 ? undefined : await readSound(host.screen, options.with);
    const verified = (await readManifests(host, file)).map((manifest) => verify(manifest, keys, declared));
    if (isDocument(options.output)) host.screen.raw(await documentText(verified, options.output));
    else {
      for (const { name, digest, key, source, commit } of verified) {
        const from = [source, commit].filter((one) => one !== undefined).join(' at ');
        host.screen.print(oneLine(`${name} ${digest} is signed by ${key}${from === '' ? '' : `, from ${from}`}`));
      }
    }
  });
}

interface Verified {
  readonly name: string;
  readonly digest: string;
  readonly key: string;
  readonly source?: string;
  readonly commit?: string;
}

function verify(manifest: BundleManifest, keys: readonly Uint8Array[], declared: Declared | undefined): Verified {
  const { name, annotations } = manifest.metadata;
  const refuse = (why: string): never => {
    throw new VerbError('DENIED', `Bundle "${name}" is not signed well enough: ${why}`);
  };
  const verdict = checkSignature(annotations[signatureAnnotations.signature], manifest.spec, keys, verifyEd25519);
  if (!verdict.ok) return refuse(verdict.why);
  const digest = digestOf(manifest);
  if (verdict.content !== digest) refuse(`what is signed is ${verdict.content}, and its annotation says ${digest}`);
  if (declared !== undefined) {
    const tools = Object.fromEntries(declared.Tool);
    const content = resolve(manifest, { tools, models: Object.fromEntries(declared.Model) })?.digest;
    if (content === undefined) refuse('the files of --with lack Tools or Models that it names');
    if (content !== digest)
      refuse(`what is signed is ${digest}, and the Tools and Models of --with make it ${content}`);
  }
  return { name, digest, key: verdict.key, ...verdict.provenance };
}
