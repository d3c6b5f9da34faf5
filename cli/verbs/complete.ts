import { Command } from 'commander';
import { candidateLines, type Candidate, complete, known, type Noun } from '../completion/candidates.ts';
import { openEngine } from '../engine/client.ts';
import type { Host } from '../host.ts';
import { type EscalationObject, stateOf } from '../kube/escalations.ts';
import { withSession } from '../kube/session.ts';
import type { EngineOptions } from '../options.ts';
import type { KubeObject, Resource } from '../../ports/kube.ts';
import { AGENT, BUNDLE_ROLLOUT, ESCALATION, ESCALATION_POLICY, NAMESPACE, WORKFLOW } from '../../ports/resources.ts';
import { standing } from '../output/run.ts';
import { oneLine } from '../output/style.ts';

/** A shell waits for this: later answers are worth nothing. */
const BOUND_MS = 1000;

/** Hidden: the completion scripts call it with the words typed so far. */
export function completeVerb(host: Host, program: () => Command): Command {
  return new Command('__complete')
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action((words: readonly string[]) => answer(host, program(), words));
}

async function answer(host: Host, program: Command, words: readonly string[]): Promise<void> {
  const typed = words.at(-1) ?? '';
  const completion = complete(program, words);
  if (completion.kind === 'Free') return;
  if (completion.kind === 'Known') {
    host.screen.raw(candidateLines(completion.candidates));
    return;
  }
  const names = await bounded(host, lookUp(host, completion.noun, optionsOf(words, host)));
  const found = known(names, typed);
  if (found.kind === 'Known') host.screen.raw(candidateLines(found.candidates));
}

/** Nothing rather than an error or a wait: completion must never get in the way. */
async function bounded(host: Host, look: Promise<readonly Candidate[]>): Promise<readonly Candidate[]> {
  const late = host.clock.sleep(BOUND_MS, host.interrupted).then(() => []);
  return Promise.race([look, late]).catch(() => []);
}

/** The connection that the words on the line name. */
function optionsOf(words: readonly string[], host: Host): EngineOptions {
  const valueAfter = (...flags: readonly string[]): string | undefined => {
    const at = words.findLastIndex((word) => flags.includes(word));
    return at < 0 ? undefined : words[at + 1];
  };
  const found = {
    namespace: valueAfter('-n', '--namespace'),
    kubeconfig: valueAfter('--kubeconfig'),
    context: valueAfter('--context'),
    name: valueAfter('--name'),
    token: valueAfter('--token'),
    server: valueAfter('--server') ?? host.environment['SIGNALBOX_SERVER'],
  };
  const given = Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && value !== ''));
  return { ...given, requestTimeout: BOUND_MS };
}

async function lookUp(host: Host, noun: Noun, options: EngineOptions): Promise<readonly Candidate[]> {
  switch (noun) {
    case 'workflow':
      return objects(host, options, WORKFLOW);
    case 'agent':
      return objects(host, options, AGENT);
    case 'rollout':
      return objects(host, options, BUNDLE_ROLLOUT);
    case 'namespace':
      return objects(host, options, NAMESPACE);
    case 'escalation':
      return escalations(host, options);
    case 'queue':
      return queues(host, options);
    case 'run':
      return runs(host, options);
    case 'pod':
      return pods(host, options);
    case 'schedule':
      return schedules(host, options);
    case 'letter':
      return letters(host, options);
  }
}

async function objects(host: Host, options: EngineOptions, resource: Resource): Promise<readonly Candidate[]> {
  return withSession(host, options, async ({ kube, namespace }) => {
    const { items } = await kube.list<KubeObject>(resource, resource.namespaced ? { namespace } : {});
    return items.map((item) => ({ text: item.metadata.name, says: resource.kind }));
  });
}

async function escalations(host: Host, options: EngineOptions): Promise<readonly Candidate[]> {
  return withSession(host, options, async ({ kube, namespace }) => {
    const { items } = await kube.list<EscalationObject>(ESCALATION, { namespace });
    return items
      .filter((item) => stateOf(item) === 'Open')
      .map((item) => ({ text: item.metadata.name, says: `${item.spec.queue}, ${item.spec.workflow}` }));
  });
}

async function queues(host: Host, options: EngineOptions): Promise<readonly Candidate[]> {
  return withSession(host, options, async ({ kube, namespace }) => {
    type Policy = KubeObject & { readonly spec: { readonly queues: readonly { readonly name: string }[] } };
    const { items } = await kube.list<Policy>(ESCALATION_POLICY, { namespace });
    const names = new Set(items.flatMap((item) => item.spec.queues.map((queue) => queue.name)));
    return [...names].map((text) => ({ text, says: 'queue' }));
  });
}

async function runs(host: Host, options: EngineOptions): Promise<readonly Candidate[]> {
  const engine = await openEngine(host, options);
  const items = await engine.list({ limit: 50 });
  return items.map((run) => ({ text: run.run, says: `${run.workflow}, ${standing(run)}` }));
}

async function schedules(host: Host, options: EngineOptions): Promise<readonly Candidate[]> {
  const engine = await openEngine(host, options);
  return (await engine.schedules()).map(({ name, workflow, cron }) => ({ text: name, says: `${workflow}, ${cron}` }));
}

async function letters(host: Host, options: EngineOptions): Promise<readonly Candidate[]> {
  const engine = await openEngine(host, options);
  const items = await engine.letters({ limit: 50 });
  return items.map(({ id, reason, origin }) => ({ text: id, says: oneLine(`${reason}, ${origin.name}`) }));
}

async function pods(host: Host, options: EngineOptions): Promise<readonly Candidate[]> {
  const plane = await host.local();
  const status = await plane.status(options.name === undefined ? {} : { name: options.name });
  const roles = ['operator', 'engine', 'gateway', 'worker'].map((text) => ({ text, says: 'all pods of this role' }));
  return [...roles, ...status.pods.map((pod) => ({ text: pod.name, says: `${pod.namespace}, ${pod.phase}` }))];
}
