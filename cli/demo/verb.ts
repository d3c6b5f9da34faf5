// Owns: `signalbox demo`: brings up a plane of its own, applies the clinic, performs the scenes, judges and tears down.
import { Command, Option } from 'commander';
import { isSignalboxError } from '../../api/errors.ts';
import { Ended, exitCodes } from '../failure.ts';
import type { Host } from '../host.ts';
import { findAccess } from '../kube/session.ts';
import type { KillRole, UpAnswer } from '../local-plane.ts';
import { withExamples } from '../options.ts';
import { span } from '../output/quantity.ts';
import { openEngine } from '../engine/client.ts';
import { renderEntries } from '../trace/render.ts';
import { narrate } from '../trace/narrate.ts';
import { type Board, openBoard } from './board.ts';
import { clinicFolder } from './manifests.ts';
import { collect, judge, type Performance, follow, start, strike } from './perform.ts';
import { explainFailure, nextSteps, resultOf, runTable } from './report.ts';
import { type Scene, type Shown } from './scene.ts';
import { scenes } from './scenes.ts';
import { setUpClinic } from './setting.ts';
import { DemoFailure, namespace, type Stage, totalMs } from './stage.ts';

const killRoles = ['engine', 'operator', 'worker', 'gateway', 'nats-server', 'apiserver', 'etcd', 'kcm'] as const;

interface Options {
  readonly name: string;
  readonly kill?: readonly KillRole[];
  readonly json?: true;
  readonly stay?: boolean;
}

export function demoVerb(host: Host): Command {
  const command = new Command('demo')
    .summary('show everything at work in a small clinic')
    .description(
      'Starts a local control plane of its own, applies the clinic of examples/, and runs eight scenes: agents that hand ' +
        'on work, people who are asked, a verifier that says no, a backup route, a worker killed in mid-run. The models ' +
        'follow scripts, so no key is needed; everything else is real.',
    )
    .option('--name <instance>', 'name of the instance; what is left of an earlier one is removed', 'demo')
    .addOption(
      new Option('--kill <role...>', 'kill these processes too while runs are in flight').choices([...killRoles]),
    )
    .option('--json', 'the last line is the result as one JSON object')
    .option('--no-stay', 'end when everything was shown, also on a terminal');
  withExamples(
    command,
    { line: 'signalbox demo', says: 'about half a minute; on a terminal it stays up until Ctrl-C' },
    { line: 'signalbox demo --kill engine', says: 'the same, with the engine killed in the middle' },
  );
  return command.action((options: Options) => demo(host, options));
}

/** What is known so far; the report tells whatever there is. */
interface Progressed {
  agentsReady: number;
  shown: readonly Shown[];
  /** Fired when one scene has failed: the others need not go on. */
  readonly failed: AbortController;
  up?: UpAnswer;
  stage?: Stage;
}

async function demo(host: Host, options: Options): Promise<void> {
  const began = host.clock.now();
  const progressed: Progressed = { agentsReady: 0, shown: [], failed: new AbortController() };
  const failure = await perform(host, options, progressed);
  const ok = failure === undefined;
  const now = host.clock.now();
  const stays = ok && options.stay !== false && host.screen.terminal && process.stdin.isTTY;
  if (!host.interrupted.aborted) {
    if (progressed.shown.length > 0) host.screen.print(`\n${runTable(progressed.shown, host)}`);
    if (ok) tellNext(host, progressed.shown, { instance: options.name, stays, took: now - began });
    else await tellFailure(host, failure, progressed.stage, options.name);
    if (options.json === true) {
      host.screen.print(
        JSON.stringify(resultOf(progressed.shown, { agentsReady: progressed.agentsReady, ok, now, began })),
      );
    }
  }
  if (stays) await interruption(host.interrupted);
  await strikeSet(host, options, progressed, ok);
  if (!ok) throw new Ended(exitCodes.failed);
}

/** Everything up to the judgement: what does not hold, or nothing. */
async function perform(host: Host, options: Options, progressed: Progressed): Promise<DemoFailure | undefined> {
  const board = openBoard(host.screen);
  try {
    progressed.up = await raise(host, board, options.name);
    await play(host, board, options, progressed);
    return progressed.shown.map(judge).find((found) => found !== undefined);
  } catch (error) {
    progressed.failed.abort();
    return asFailure(error);
  }
}

/** Takes everything down. After a failure the files stay, so that logs can be read. */
async function strikeSet(host: Host, options: Options, { stage, up }: Progressed, ok: boolean): Promise<void> {
  await stage?.kube.close();
  await up?.stop?.();
  if (!ok && !host.interrupted.aborted) return;
  await (await host.local()).down({ name: options.name }, () => undefined);
}

/** What people call the servers; the controller manager comes with Kubernetes. */
const productNames: Readonly<Record<string, string>> = {
  'kube-apiserver': 'Kubernetes',
  etcd: 'etcd',
  'nats-server': 'NATS',
};

/** A fresh plane, attached to this process: it ends when the demo does, however that is. */
async function raise(host: Host, board: Board, instance: string): Promise<UpAnswer> {
  const { screen } = host;
  screen.print(screen.paint('bold', 'Signalbox demo: a small clinic and seven agents.'));
  screen.print('The models follow scripts, so no key is needed; everything else is real.');
  board.heading('1  A control plane on this machine', `signalbox up --name ${instance}`);
  const began = host.clock.now();
  const plane = await host.local();
  const say = (line: string): void => board.show('plane', line.replace(/: go build \S+/, ': building with Go'));
  await plane.down({ name: instance }, () => undefined);
  const up = await plane.up({ name: instance, foreground: true }, say);
  const versions = up.status.servers.flatMap(({ name, version }) =>
    productNames[name] === undefined ? [] : [`${productNames[name]} ${version}`],
  );
  board.show('plane', `ready in ${span(host.clock.now() - began)}: ${versions.join(', ')}`, 'green');
  return up;
}

async function play(host: Host, board: Board, options: Options, progressed: Progressed): Promise<void> {
  const engine = { name: options.name, namespace, requestTimeout: 10_000 };
  const access = await findAccess(host, engine);
  const stage: Stage = {
    host,
    plane: await host.local(),
    instance: options.name,
    engine,
    access,
    kube: await host.connect(access, 10_000),
    board,
    over: AbortSignal.any([host.interrupted, AbortSignal.timeout(totalMs), progressed.failed.signal]),
  };
  progressed.stage = stage;
  const folder = clinicFolder();
  progressed.agentsReady = await setUpClinic(stage, folder);
  board.heading('3  Runs', `signalbox run start WORKFLOW -n ${namespace} --input FILE`);
  for (const scene of scenes) board.show(scene.name, scene.says);
  const started: Performance[] = [];
  await Promise.all(
    scenes
      .map(async (scene: Scene) => {
        const performance = await start(stage, folder, scene);
        started.push(performance);
        await follow(stage, performance);
      })
      .concat((options.kill ?? []).filter((role) => role !== 'worker').map((role) => strike(stage, role, started))),
  );
  const inOrder = scenes.flatMap((scene) => started.filter((one) => one.scene === scene));
  progressed.shown = await Promise.all(inOrder.map((one) => collect(stage, one)));
}

function tellNext(
  host: Host,
  shown: readonly Shown[],
  given: { readonly instance: string; readonly stays: boolean; readonly took: number },
): void {
  const { screen } = host;
  screen.print(
    `\n${screen.paint('green', 'Everything held')} after ${span(given.took)}: every effect once, every question asked.`,
  );
  screen.print(`\n${given.stays ? 'In another terminal' : 'On a terminal the demo stays up; there, in another one'}:`);
  for (const line of nextSteps(shown, given.instance)) screen.print(`  ${line}`);
  if (given.stays) screen.print('\nCtrl-C ends the demo and removes it.');
}

async function tellFailure(
  host: Host,
  failure: DemoFailure,
  stage: Stage | undefined,
  instance: string,
): Promise<void> {
  const status = await (await host.local()).status({ name: instance }).catch(() => undefined);
  const logs =
    status === undefined ? 'the plane did not start' : `${status.stateDir}/logs and ${status.stateDir}/pod-logs`;
  explainFailure(host, failure, logs);
  if (failure.run === undefined || stage === undefined) return;
  const { run } = failure;
  try {
    const engine = await openEngine(host, stage.engine);
    const [summary, events] = await Promise.all([engine.show(run), engine.history(run)]);
    host.screen.print(`\nTrace of run ${run} (${summary.workflow}):`);
    const { columns, paint } = host.screen;
    host.screen.print(renderEntries(narrate(events), { columns, paint, startedAt: summary.startedAt }).join('\n'));
  } catch (error) {
    host.screen.print(
      `\nThe trace of run ${run} cannot be had: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function asFailure(error: unknown): DemoFailure {
  if (error instanceof DemoFailure) return error;
  if (isSignalboxError(error)) return new DemoFailure('the demo to go through', `${error.code}: ${error.message}`);
  return new DemoFailure(
    'the demo to go through',
    error instanceof Error ? (error.stack ?? error.message) : String(error),
  );
}

function interruption(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
