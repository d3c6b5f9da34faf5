// Owns: the clinic's files, and applying them in the order in which they need each other.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignalboxError } from '../../api/errors.ts';
import type { JsonObject } from '../../api/messages/history.ts';
import type { KubeObject, Resource } from '../../ports/kube.ts';
import * as resources from '../../ports/resources.ts';
import type { OpenKube } from '../host.ts';

const fieldManager = 'signalbox-demo';

/** Kinds in the order of applying: what others name comes first. */
const order: readonly Resource[] = [
  resources.NAMESPACE,
  resources.SERVICE_ACCOUNT,
  resources.ROLE,
  resources.ROLE_BINDING,
  resources.SERVICE,
  resources.DEPLOYMENT,
  resources.ESCALATION_POLICY,
  resources.TOOL,
  resources.MODEL,
  resources.BUNDLE,
  resources.AGENT,
  resources.WORKFLOW,
  resources.WORKFLOW_RUN,
];

/** The folder of the examples: beside the source, and beside the built file. */
export function clinicFolder(): string {
  for (const up of ['..', '../..']) {
    const folder = join(import.meta.dirname, up, 'examples', 'clinic');
    if (existsSync(join(folder, 'manifests'))) return folder;
  }
  throw new SignalboxError(
    'NOT_FOUND',
    `examples/clinic is not beside ${import.meta.dirname}: the demo runs from a checkout; clone the project and run make demo`,
  );
}

/** Every object of a file, or of the YAML files of a folder and its folders. */
export async function readManifests(path: string): Promise<readonly KubeObject[]> {
  const { parseAllDocuments } = await import('../output/yaml.ts');
  const files = path.endsWith('.yaml')
    ? [path]
    : (await readdir(path, { recursive: true }))
        .filter((name) => name.endsWith('.yaml'))
        .map((name) => join(path, name));
  const texts = await Promise.all(files.toSorted().map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as KubeObject));
}

export async function readInput(folder: string, name: string): Promise<JsonObject> {
  return JSON.parse(await readFile(join(folder, 'inputs', `${name}.json`), 'utf8')) as JsonObject;
}

/** Server-side apply of each object into the namespace, kind by kind. */
export async function applyAll(kube: OpenKube, namespace: string, objects: readonly KubeObject[]): Promise<void> {
  for (const resource of order) {
    const own = objects.filter((object) => object.kind === resource.kind);
    await Promise.all(own.map((object) => applyOne(kube, namespace, resource, object)));
  }
}

async function applyOne(kube: OpenKube, namespace: string, resource: Resource, object: KubeObject): Promise<void> {
  const placed = resource.namespaced ? { ...object, metadata: { ...object.metadata, namespace } } : object;
  await kube.apply(resource, placed, { fieldManager, force: true });
}
