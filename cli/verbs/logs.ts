import { Command } from 'commander';
import { VerbError } from '../failure.ts';
import type { Host } from '../host.ts';
import type { LocalLogs, LocalPlane, LocalStatus, PodLine } from '../local-plane.ts';
import { countArgument, withExamples, withInstance } from '../options.ts';
import { logText } from '../output/log-line.ts';
import { printable } from '../output/style.ts';

interface Options {
  readonly name?: string;
  readonly stateDir?: string;
  readonly namespace?: string;
  readonly container?: string;
  readonly follow?: true;
  readonly tail?: number;
  readonly raw?: true;
}

const roles: readonly string[] = ['operator', 'engine', 'gateway', 'worker'];

export function logsVerb(host: Host): Command {
  const command = withInstance(
    new Command('logs')
      .summary('log lines of local pods')
      .description(
        'Prints what the pods of the local instance write: of one pod by name, of all workers of an agent, or of all ' +
          'pods of a role. With more than one pod each line starts with the name of its pod. Structured lines are shown for ' +
          'people; --raw shows them as they were written. In a cluster use kubectl logs.',
      )
      .argument('<target>', 'a pod, agent/NAME, operator, engine, gateway or worker')
      .option('-n, --namespace <namespace>', 'only pods of this namespace')
      .option('-c, --container <container>', 'container; default: the first one')
      .option('-f, --follow', 'go on until Ctrl-C')
      .option('--tail <lines>', 'only the last lines of each pod', countArgument)
      .option('--raw', 'lines as they were written (JSON)'),
  );
  withExamples(
    command,
    { line: 'signalbox logs engine --tail 20', says: 'the last lines of the engine' },
    { line: 'signalbox logs agent/billing -f', says: "follow an agent's workers" },
  );
  return command.action((target: string, options: Options) => logs(host, target, options));
}

async function logs(host: Host, target: string, options: Options): Promise<void> {
  const plane = await host.local();
  const status = await plane.status(options);
  if (!status.running) {
    throw new VerbError('NOT_FOUND', `instance ${status.instance} is not running, so there is nothing to read`, {
      attempt: `signalbox up, or ls ${status.stateDir}/logs`,
    });
  }
  const pods = podsOf(status, target, options.namespace);
  const named = pods.length > 1;
  await Promise.all(
    pods.map((pod) => copy(host, plane, request(host, pod, options), { named, raw: options.raw === true })),
  );
}

/** The pods that are meant; throws NOT_FOUND with the names there are. */
export function podsOf(status: LocalStatus, target: string, namespace: string | undefined): readonly PodLine[] {
  const here = status.pods.filter((pod) => namespace === undefined || pod.namespace === namespace);
  const agent = /^agents?\/(.+)$/.exec(target)?.[1];
  const found = here.filter((pod) => {
    if (agent !== undefined) return pod.role === 'worker' && pod.agent === agent;
    return roles.includes(target) ? pod.role === target : pod.name === target.replace(/^pods?\//, '');
  });
  if (found.length > 0) return found;
  const names = here.map((pod) => pod.name).slice(0, 20);
  throw new VerbError('NOT_FOUND', `no pod is meant by "${target}"${namespace ? ` in namespace ${namespace}` : ''}`, {
    attempt: names.length === 0 ? 'signalbox status: no pod runs yet' : `one of: ${names.join(', ')}`,
  });
}

function request(host: Host, pod: PodLine, options: Options): LocalLogs {
  const { namespace: _namespace, raw: _raw, ...rest } = options;
  return { ...rest, namespace: pod.namespace, pod: pod.name, signal: host.interrupted };
}

async function copy(
  host: Host,
  plane: LocalPlane,
  wanted: LocalLogs,
  look: { named: boolean; raw: boolean },
): Promise<void> {
  const { paint } = host.screen;
  const prefix = look.named ? `${paint('cyan', wanted.pod)} ` : '';
  try {
    for await (const line of plane.logs(wanted)) {
      host.screen.print(prefix + (look.raw ? printable(line) : logText(line, paint)));
    }
  } catch (error) {
    if (!host.interrupted.aborted) throw error;
  }
}
