// Owns: one scene from its start to its end, and the fault that strikes while scenes are on.
import { join } from 'node:path';
import type { RunSummary } from '../../api/messages/history.ts';
import type { KubeObject } from '../../ports/kube.ts';
import { WORKFLOW_RUN } from '../../ports/resources.ts';
import { systemNamespace } from '../engine/address.ts';
import { type EngineClient, openEngine } from '../engine/client.ts';
import type { KillRole } from '../local-plane.ts';
import { money } from '../output/quantity.ts';
import { standing } from '../output/run.ts';
import { readEffects } from './clinic.ts';
import { applyAll, readInput, readManifests } from './manifests.ts';
import type { Scene, Shown } from './scene.ts';
import { tokenOf } from './person.ts';
import { DemoFailure, eventually, namespace, type Stage } from './stage.ts';

const sceneMs = 180_000;

export interface Performance {
  readonly scene: Scene;
  readonly run: string;
}

/** Starts the run; a start that was not answered is repeated with the same key and is the same run. */
export async function start(stage: Stage, folder: string, scene: Scene): Promise<Performance> {
  const wait = { expected: `a run of ${scene.workflow} to start`, withinMs: 60_000 };
  if (scene.object !== undefined) return { scene, run: await startObject(stage, folder, scene.object) };
  const input = await readInput(folder, scene.input);
  const run = await eventually(stage, wait, async () => {
    const engine = await openIntake(stage);
    return (await engine.start(scene.workflow, input, { key: `demo-${scene.name}` })).run;
  });
  return { scene, run };
}

/** The engine as the clinic's own intake reaches it: over HTTP, with a token of its service account. */
async function openIntake(stage: Stage): Promise<EngineClient> {
  const { instance, plane, host } = stage;
  const server = await plane.serviceUrl({ name: instance, namespace: systemNamespace, service: 'signalbox-engine' });
  const environment = { ...host.environment, SIGNALBOX_TOKEN: await tokenOf(stage, 'intake') };
  return openEngine({ ...host, environment }, { ...stage.engine, server });
}

interface RunObject extends KubeObject {
  readonly status?: { readonly run?: string };
}

async function startObject(stage: Stage, folder: string, file: string): Promise<string> {
  const objects = await readManifests(join(folder, 'runs', `${file}.yaml`));
  const name = objects[0]?.metadata.name ?? file;
  const expected = `status.run of the WorkflowRun ${name}`;
  let applied = false;
  return eventually(stage, { expected, withinMs: 60_000 }, async () => {
    if (!applied) await applyAll(stage.kube, namespace, objects);
    applied = true;
    return (await stage.kube.get<RunObject>(WORKFLOW_RUN, { namespace, name }))?.status?.run;
  });
}

/** Follows the run until nothing more is to come, and does what the scene does to it. */
export async function follow(stage: Stage, { scene, run }: Performance): Promise<void> {
  const { board } = stage;
  let remark = '';
  const acting = scene.act?.(stage, run).then((said) => {
    remark = said;
    board.show(scene.name, said, 'yellow');
  });
  const following = eventually(stage, { expected: `${scene.name} to end`, withinMs: sceneMs, run }, async () => {
    const summary = await (await openEngine(stage.host, stage.engine)).show(run);
    if (remark === '') board.show(scene.name, `${summary.state || 'before the first state'}: ${summary.message}`);
    return scene.settled(summary) ? summary : undefined;
  });
  const [summary] = await Promise.all([following, acting ?? Promise.resolve()]);
  board.show(scene.name, `${standing(summary)}, ${money(summary.costMicros)}: ${remark || scene.says}`, 'green');
}

/** What the journal and the clinic say in the end. */
export async function collect(stage: Stage, { scene, run }: Performance): Promise<Shown> {
  return eventually(stage, { expected: `the history of ${scene.name}`, withinMs: 30_000, run }, async () => {
    const engine = await openEngine(stage.host, stage.engine);
    const [summary, history, effects] = await Promise.all([
      engine.show(run),
      engine.history(run),
      readEffects(stage, run),
    ]);
    return { scene, run: summary, history, effects: effects.rows, duplicates: effects.duplicates };
  });
}

/** The first fact of a scene that does not hold. */
export function judge(shown: Shown): DemoFailure | undefined {
  const broken = shown.scene.facts.find((fact) => !fact.holds(shown));
  if (broken === undefined) return undefined;
  return new DemoFailure(`${shown.scene.name}: ${broken.expected}`, broken.found(shown), shown.run.run);
}

/** Kills one process with SIGKILL while runs are in flight: as soon as one of them has begun to act. */
export async function strike(stage: Stage, role: KillRole, all: readonly Performance[]): Promise<void> {
  const withinMs = 60_000;
  await eventually(stage, { expected: 'a run in flight to be disturbed', withinMs }, async () => {
    const engine = await openEngine(stage.host, stage.engine);
    const runs: readonly RunSummary[] = await engine.list({ limit: 100 });
    const own = new Set(all.map(({ run }) => run));
    return runs.some((run) => own.has(run.run) && run.status === 'Running' && run.seq > 4) || undefined;
  });
  const killed = await stage.plane.killProcess({ name: stage.instance }, role);
  stage.board.show('KILL', `SIGKILL for the ${role} (pid ${killed.pid}) with runs in flight`, 'red');
}
