import { Command } from 'commander';
import type { Host } from '../host.ts';
import { type EscalationObject, inOrder, stateOf } from '../kube/escalations.ts';
import { withSession } from '../kube/session.ts';
import {
  again,
  type ClusterOptions,
  withCluster,
  withExamples,
  withOutput,
  withWatch,
  type WatchOptions,
} from '../options.ts';
import { escalationColumns } from '../output/escalation.ts';
import { printList } from '../output/listing.ts';
import { watchedRows } from '../output/watch.ts';
import { ESCALATION } from '../../ports/resources.ts';

interface Options extends ClusterOptions, WatchOptions {
  readonly queue?: string;
  readonly all?: true;
  readonly allNamespaces?: true;
}

export function escalationsVerb(host: Host): Command {
  const command = new Command('escalations')
    .summary('questions that wait for a person')
    .description('Lists open escalations, those that must be decided soonest first.')
    .option('--queue <queue>', 'only of this queue')
    .option('--all', 'also those that are decided, expired or closed')
    .option('-A, --all-namespaces', 'in every namespace');
  withCluster(withWatch(withOutput(command)));
  withExamples(
    command,
    { line: 'signalbox escalations -n clinic', says: 'what waits for an answer' },
    { line: 'signalbox escalations -A --queue emergency --watch', says: 'keep an eye on one queue' },
  );
  return command.action((options: Options) => escalations(host, options));
}

async function escalations(host: Host, options: Options): Promise<void> {
  await withSession(host, options, async ({ kube, namespace }) => {
    const everywhere = options.allNamespaces === true;
    const look = async (): Promise<readonly EscalationObject[]> => {
      const { items } = await kube.list<EscalationObject>(ESCALATION, everywhere ? {} : { namespace });
      return inOrder(items.filter((item) => wanted(item, options)));
    };
    const show = (rows: readonly EscalationObject[], below?: readonly EscalationObject[]): Promise<void> =>
      printList(host.screen, rows, listed(host, options, namespace), {
        format: options.output,
        ...(below === undefined ? {} : { below }),
      });
    const key = (item: EscalationObject): string => `${item.metadata.namespace}/${item.metadata.name}`;
    if (options.watch === true) return watchedRows(host, { look, show, key });
    const rows = await look();
    await show(rows);
    if (rows.length > 0 && ['table', 'wide'].includes(options.output)) {
      const at = again(options, rows[0]?.metadata.namespace ?? namespace);
      host.screen.note(`next: signalbox escalation show ${rows[0]?.metadata.name}${at}`);
    }
  });
}

const wanted = (item: EscalationObject, options: Options): boolean =>
  (options.all === true || stateOf(item) === 'Open') &&
  (options.queue === undefined || item.spec.queue === options.queue);

function listed(host: Host, options: Options, namespace: string) {
  const where = options.allNamespaces === true ? 'in any namespace' : `in namespace ${namespace}`;
  const which = options.queue === undefined ? '' : ` in queue ${options.queue}`;
  const columns = escalationColumns(host.clock.now());
  const place = { title: 'NAMESPACE', value: (item: EscalationObject) => item.metadata.namespace ?? '-' };
  return {
    columns: options.allNamespaces === true ? [place, ...columns] : columns,
    name: (item: EscalationObject) => item.metadata.name,
    empty:
      options.all === true
        ? `No escalations${which} ${where}.\nnext: signalbox runs`
        : `Nothing waits for a person${which} ${where}.\nnext: signalbox escalations --all${options.allNamespaces === true ? ' -A' : again(options, namespace)}, for those that are decided`,
  };
}
