import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import type { EvidenceRecord } from '../../api/messages/evidence.ts';
import { fold } from '../../core/rollout/evidence.ts';
import { judge } from '../../core/rollout/judge.ts';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import { type OutputOptions, withExamples, withOutput } from '../options.ts';
import { documentText, isDocument, parseDocument } from '../output/document.ts';
import { wrap } from '../output/width.ts';

export function replayVerb(host: Host): Command {
  const command = new Command('replay')
    .summary('judge exported evidence again, without a cluster')
    .description(
      'Reads the records of an evidence log (a JSON or YAML list, as they stand in the stream EVIDENCE) and says the verdict that ' +
        'they give at the time of the last one, with the digest to compare with status.evidence.',
    )
    .argument('<file>', 'file with the records');
  withOutput(command, ['table', 'json', 'yaml']);
  withExamples(command, {
    line: 'signalbox rollout replay evidence.json',
    says: 'the same verdict, on another machine',
  });
  return command.action((file: string, options: OutputOptions) => replay(host, file, options));
}

async function replay(host: Host, file: string, { output }: OutputOptions): Promise<void> {
  const records = await parseDocument(await readFile(file, 'utf8'), file);
  if (!Array.isArray(records)) {
    throw new VerbError('INVALID_INPUT', `${file}: found no list; allowed: a list of evidence records`);
  }
  const evidence = fold(records as readonly EvidenceRecord[]);
  const { verdict, cause, why, metrics, samples, evidence: log } = judge(evidence, evidence.lastAt);
  const value = { verdict, cause, why, samples, metrics, evidence: log };
  if (isDocument(output)) return host.screen.raw(await documentText(value, output));
  host.screen.print(wrap(`${verdict} (${cause}): ${why}`, host.screen.columns).join('\n'));
  host.screen.print(`Records: ${log.seq}, ${log.digest}.`);
}
