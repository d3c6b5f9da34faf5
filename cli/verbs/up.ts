import { Command } from 'commander';
import type { Host } from '../host.ts';
import { withExamples, withInstance } from '../options.ts';
import { span } from '../output/quantity.ts';

interface Options {
  readonly name?: string;
  readonly stateDir?: string;
  readonly foreground?: true;
}

export function upVerb(host: Host): Command {
  const command = withInstance(
    new Command('up')
      .summary('start the local control plane')
      .description(
        'Starts etcd, kube-apiserver, kube-controller-manager, nats-server, the local node and Signalbox itself on this ' +
          'machine, on free ports, without root or containers. Binaries that are missing are fetched or built once. ' +
          'Started again, it goes on from the state that is there.',
      )
      .option('--foreground', 'stay attached; Ctrl-C stops everything and keeps the state'),
  );
  withExamples(
    command,
    { line: 'signalbox up', says: 'start, and come back when everything is ready' },
    { line: 'signalbox up --name try --state-dir ./try', says: 'a second instance beside it' },
    { line: 'signalbox up --foreground', says: 'keep it in this terminal' },
  );
  return command.action((options: Options) => up(host, options));
}

async function up(host: Host, options: Options): Promise<void> {
  const { screen } = host;
  const began = host.clock.now();
  const plane = await host.local();
  const said = (line: string): void => screen.note(screen.paintError('dim', line));
  const answer = await plane.up(
    {
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.stateDir === undefined ? {} : { stateDir: options.stateDir }),
      foreground: options.foreground === true,
    },
    said,
  );
  const flag = options.name === undefined ? '' : ` --name ${options.name}`;
  const ready = `Signalbox ${answer.status.instance} is running`;
  screen.print(answer.started ? `${ready}, ${span(host.clock.now() - began)} after the start.` : `${ready} already.`);
  screen.note(`next: signalbox status${flag}`);
  screen.note(`      export KUBECONFIG=$(signalbox kubeconfig${flag} --write), then kubectl get agents -A`);
  if (answer.ended === undefined) return;
  await Promise.race([answer.ended, interruption(host.interrupted)]);
  await answer.stop?.();
  screen.note(`stopped; the state is kept: signalbox up${flag} goes on from it, signalbox down${flag} removes it`);
}

function interruption(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
