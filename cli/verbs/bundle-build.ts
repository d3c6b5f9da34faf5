import { writeFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { contentOf } from '../../core/bundle/resolve.ts';
import { canonicalJson } from '../../core/canonical/canonical.ts';
import { build, type Built, chosen, manifestOf } from '../bundle/built.ts';
import { readSound, refuse } from '../bundle/report.ts';
import type { Mistake } from '../bundle/source.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { withExamples } from '../options.ts';
import { manifestText } from '../output/document.ts';

const formats = ['yaml', 'json', 'digest', 'content'] as const;

interface Options {
  readonly bundle: readonly string[];
  readonly byDigest?: true;
  readonly out?: string;
  readonly output: (typeof formats)[number];
}

export const repeated = (name: string, before: readonly string[]): readonly string[] => [...before, name];

export function bundleBuildVerb(host: Host): Command {
  const command = new Command('build')
    .summary('one immutable manifest of all that a bundle is made of')
    .description(
      'Reads manifests (folders with all below them), puts in what stands in other files or ConfigMaps, resolves Tools and ' +
        'Models, and writes each Bundle as one manifest with the digest that the operator will compute of the same content.',
    )
    .argument('<source...>', 'files and folders with manifests')
    .option('--bundle <name>', 'build only this one; may be repeated (default: all)', repeated, [])
    .option('--by-digest', 'end the name with eight digits of the digest: other content, other name')
    .option('--out <file>', 'write to a file instead of standard output')
    .addOption(
      new Option('-o, --output <format>', 'digest: name and digest; content: the JSON that the digest is of')
        .choices(formats)
        .default('yaml'),
    );
  withExamples(
    command,
    { line: 'signalbox bundle build agents/receptionist --by-digest | kubectl apply -f -', says: 'build and apply' },
    { line: 'signalbox bundle build manifests --bundle billing-v2 -o digest', says: 'what it will be called' },
  );
  return command.action(async (sources: readonly string[], options: Options) => {
    const declared = await readSound(host.screen, sources);
    const built = chosen(declared, options.bundle).map((one) => build(one, declared));
    const mistakes = built.filter((one): one is readonly Mistake[] => Array.isArray(one)).flat();
    if (mistakes.length > 0) refuse(host.screen, mistakes);
    const text = await textOf(built as readonly Built[], options);
    if (options.out === undefined) host.screen.raw(text);
    else await writeFile(options.out, text);
  });
}

async function textOf(built: readonly Built[], { output, byDigest }: Options): Promise<string> {
  if (output === 'digest') {
    return built.map((one) => `${manifestOf(one, byDigest === true).metadata.name} ${one.resolved.digest}\n`).join('');
  }
  if (output === 'content') {
    const [only, ...more] = built;
    if (only === undefined || more.length > 0) {
      throw new VerbError('CONFIG_INVALID', `-o content is one bundle's content, found ${built.length} bundles`, {
        attempt: '--bundle with one of their names',
      });
    }
    return canonicalJson(contentOf(only.resolved));
  }
  return manifestText(
    built.map((one) => manifestOf(one, byDigest === true)),
    output,
  );
}
